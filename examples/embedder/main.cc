// A program that embeds V8, profiles a JavaScript file, and sends the profile to Sentry.
//
//   embedder app.js [--out FOLDER] [--dsn DSN]
//
// The file defines `handle()`, which is run twice, each time as a span. FOLDER gets profile.cpuprofile (the named
// recording) and chunk.json (the session's chunk). With a DSN the chunk's envelope is posted there.

#include <libplatform/libplatform.h>
#include <v8.h>

#include <sentry_profiler.hpp>

#include <curl/curl.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace std::chrono_literals;

[[noreturn]] void fail(const std::string &message) {
    std::fprintf(stderr, "embedder: %s\n", message.c_str());
    std::exit(1);
}

void check(sentry_profiler::Status status, const char *what) {
    if (status != SENTRY_PROFILER_OK) fail(std::string(what) + ": " + std::string(sentry_profiler::message(status)));
}

template <typename T>
T need(sentry_profiler::Result<T> result, const char *what) {
    check(result.status(), what);
    return *std::move(result);
}

std::string read(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) fail("cannot read " + path);
    return {std::istreambuf_iterator<char>(file), {}};
}

void write(const std::string &path, std::string_view bytes) {
    std::ofstream file(path, std::ios::binary);
    if (!file.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush()) fail("cannot write " + path);
    std::printf("wrote %s\n", path.c_str());
}

// Chunks come on the library's encoder thread and are copied, to be sent from the main thread.
struct Outbox {
    struct Item {
        std::string payload, envelope;
    };
    std::mutex mutex;
    std::vector<Item> items;

    void put(const sentry_profiler::Chunk &chunk) {
        std::lock_guard<std::mutex> lock(mutex);
        items.push_back({{chunk.payload, chunk.payload_len}, {chunk.envelope, chunk.envelope_len}});
    }
    std::vector<Item> take() {
        std::lock_guard<std::mutex> lock(mutex);
        return std::exchange(items, {});
    }
};

// https://KEY@HOST/PROJECT
struct Dsn {
    std::string url, key;

    static std::optional<Dsn> parse(const std::string &text) {
        const auto scheme = text.find("://"), at = text.find('@'), slash = text.rfind('/');
        if (scheme == std::string::npos || at == std::string::npos || slash == std::string::npos || slash < at)
            return {};
        const auto begin = scheme + 3;
        const std::string key = text.substr(begin, at - begin), host = text.substr(at + 1, slash - at - 1);
        return Dsn{text.substr(0, begin) + host + "/api/" + text.substr(slash + 1) + "/envelope/", key};
    }
};

void post(const Dsn &dsn, const std::string &envelope) {
    CURL *curl = curl_easy_init();
    if (!curl) fail("libcurl cannot be used");
    const std::string auth =
        "X-Sentry-Auth: Sentry sentry_version=7, sentry_client=embedder/1.0, sentry_key=" + dsn.key;
    curl_slist *headers = curl_slist_append(nullptr, auth.c_str());
    headers = curl_slist_append(headers, "Content-Type: application/x-sentry-envelope");
    curl_easy_setopt(curl, CURLOPT_URL, dsn.url.c_str());
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(envelope.size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, envelope.data());
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 10L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, +[](char *, size_t, size_t len, void *) { return len; });
    const CURLcode code = curl_easy_perform(curl);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (code != CURLE_OK) fail("posting to " + dsn.url + ": " + curl_easy_strerror(code));
    std::printf("posted %zu bytes to %s\n", envelope.size(), dsn.url.c_str());
}

// Self time by function, from folded stacks: `outer;inner 1234`, microseconds.
void print_hottest(std::string_view folded) {
    std::map<std::string, long> self_us;
    std::istringstream lines{std::string(folded)};
    for (std::string line; std::getline(lines, line);) {
        const auto space = line.rfind(' '), frame = line.rfind(';', space);
        const auto begin = frame == std::string::npos ? 0 : frame + 1;
        self_us[line.substr(begin, space - begin)] += std::atol(line.c_str() + space);
    }
    std::vector<std::pair<long, std::string>> hottest;
    for (const auto &[function, us] : self_us) hottest.emplace_back(us, function);
    std::sort(hottest.rbegin(), hottest.rend());
    if (hottest.size() > 10) hottest.resize(10);
    std::printf("self time\n");
    for (const auto &[us, function] : hottest) std::printf("%6ld ms  %s\n", us / 1000, function.c_str());
}

void run(v8::Isolate *isolate, v8::Local<v8::Context> context, const std::string &source, const std::string &name) {
    v8::HandleScope handles(isolate);
    const auto text = [&](const std::string &from) {
        return v8::String::NewFromUtf8(isolate, from.data(), v8::NewStringType::kNormal, static_cast<int>(from.size()))
            .ToLocalChecked();
    };
    v8::TryCatch caught(isolate);
    v8::ScriptOrigin origin(isolate, text(name));
    v8::Local<v8::Script> script;
    if (!v8::Script::Compile(context, text(source), &origin).ToLocal(&script) || script->Run(context).IsEmpty()) {
        fail(name + ": " + *v8::String::Utf8Value(isolate, caught.Exception()));
    }
}

void profile(v8::Isolate *isolate, const std::string &file, const std::string &out, const std::optional<Dsn> &dsn) {
    sentry_profiler::IsolateScope scope(isolate);
    const auto context = v8::Context::New(isolate);
    v8::Context::Scope running(context);

    Outbox outbox;
    auto options = need(sentry_profiler::Options::create(), "options");
    check(options.set_sampling_interval(1ms), "sampling interval");
    check(options.set_lifecycle(SENTRY_PROFILER_LIFECYCLE_TRACE), "lifecycle");
    check(options.set_session_sample_rate(1.0), "sample rate");
    check(options.set_release("embedder@1.0"), "release");
    check(options.on_chunk([&](const sentry_profiler::Chunk &chunk) { outbox.put(chunk); }), "chunk callback");
    check(options.on_log([](sentry_profiler::LogLevel, std::string_view text) {
        std::fprintf(stderr, "profiler: %.*s\n", static_cast<int>(text.size()), text.data());
    }),
          "log callback");

    // Both end with this block, before the isolate does.
    auto profiler = need(sentry_profiler::Profiler::create(isolate, &options), "profiler");
    auto session = need(profiler.session(), "session");

    run(isolate, context, read(file), file);
    check(profiler.start_profiling("whole"), "start");
    for (int span = 0; span < 2; span++) {
        check(session.span_started(), "span");
        run(isolate, context, "handle()", "embedder");
        check(session.span_ended(), "span");
    }
    auto whole = need(profiler.stop_profiling("whole"), "stop");
    check(session.flush(5s), "flush");

    const auto info = need(whole.info(), "info");
    std::printf("%llu samples in %lld ms\n", static_cast<unsigned long long>(info.sample_count),
                static_cast<long long>(info.end_us - info.start_us) / 1000);
    print_hottest(need(whole.encode(SENTRY_PROFILER_FORMAT_FOLDED), "folded stacks").view());
    write(out + "/profile.cpuprofile", need(whole.encode(SENTRY_PROFILER_FORMAT_CPUPROFILE), "cpuprofile").view());

    const auto chunks = outbox.take();
    if (chunks.empty()) fail("the session delivered no chunk");
    write(out + "/chunk.json", chunks.back().payload);
    if (dsn) {
        for (const auto &chunk : chunks) post(*dsn, chunk.envelope);
    }
}

}  // namespace

int main(int argc, char **argv) {
    std::string file, out = ".";
    std::optional<Dsn> dsn;
    for (int at = 1; at < argc; at++) {
        const std::string_view argument = argv[at];
        if (argument == "--out" && at + 1 < argc) {
            out = argv[++at];
        } else if (argument == "--dsn" && at + 1 < argc) {
            dsn = Dsn::parse(argv[++at]);
            if (!dsn) fail("not a DSN: " + std::string(argv[at]));
        } else {
            file = argument;
        }
    }
    if (file.empty()) fail("usage: embedder app.js [--out FOLDER] [--dsn DSN]");

    const auto platform = v8::platform::NewDefaultPlatform();
    v8::V8::InitializePlatform(platform.get());
    v8::V8::Initialize();
    v8::Isolate::CreateParams params;
    const std::unique_ptr<v8::ArrayBuffer::Allocator> allocator(v8::ArrayBuffer::Allocator::NewDefaultAllocator());
    params.array_buffer_allocator = allocator.get();
    v8::Isolate *isolate = v8::Isolate::New(params);

    profile(isolate, file, out, dsn);

    isolate->Dispose();
    v8::V8::Dispose();
    v8::V8::DisposePlatform();
}
