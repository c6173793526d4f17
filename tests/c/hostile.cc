// Hosts that misbehave, or live in difficult conditions. Usage: hostile CASE

#include "sentry_profiler.h"

#include <libplatform/libplatform.h>
#include <v8.h>

#include <algorithm>
#include <alloca.h>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

// One case is built with more than fits on the stack of V8's sampling thread.
#ifndef TLS_KB
#define TLS_KB 1
#endif
__thread volatile char large[TLS_KB * 1024];

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

int failures = 0;

void Check(bool right, const char *what, int line) {
    if (right) return;
    failures++;
    std::fprintf(stderr, "hostile.cc:%d: %s\n", line, what);
}

#define CHECK(condition) Check((condition), #condition, __LINE__)
#define IS(status, call) Is((call), SENTRY_PROFILER_##status, #call, __LINE__)

void Is(sentry_profiler_status_t status, sentry_profiler_status_t wanted, const char *what, int line) {
    if (status == wanted) return;
    failures++;
    std::fprintf(stderr, "hostile.cc:%d: %s returned %d, %s, not %d\n", line, what, status,
                 sentry_profiler_status_message(status), wanted);
}

double Seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

std::atomic<int> chunks{0}, samples{0};
std::string said;
std::mutex saying;

void Count(const sentry_profiler_chunk_t *chunk, void *) {
    chunks++;
    samples += static_cast<int>(chunk->sample_count);
}

void Log(sentry_profiler_log_level_t, const char *message, size_t len, void *) {
    std::lock_guard<std::mutex> guard(saying);
    said.append(message, len).append("\n");
}

bool Said(const char *text) {
    std::lock_guard<std::mutex> guard(saying);
    return said.find(text) != std::string::npos;
}

// An isolate with a profiler and a session that samples every millisecond.
struct Host {
    std::unique_ptr<v8::ArrayBuffer::Allocator> allocator{v8::ArrayBuffer::Allocator::NewDefaultAllocator()};
    v8::Isolate *isolate = nullptr;
    v8::Global<v8::Context> context;
    sentry_profiler_options_t *options = nullptr;
    sentry_profiler_t *profiler = nullptr;
    sentry_profiler_session_t *session = nullptr;

    explicit Host(sentry_profiler_chunk_callback_t on_chunk = Count,
                  sentry_profiler_lifecycle_t lifecycle = SENTRY_PROFILER_LIFECYCLE_MANUAL,
                  sentry_profiler_wake_callback_t on_wake = nullptr) {
        v8::Isolate::CreateParams params;
        params.array_buffer_allocator = allocator.get();
        isolate = v8::Isolate::New(params);
        IS(OK, sentry_profiler_options_new(&options));
        IS(OK, sentry_profiler_options_set_sampling_interval_us(options, 1000));
        IS(OK, sentry_profiler_options_set_session_sample_rate(options, 1));
        IS(OK, sentry_profiler_options_set_chunk_duration_ms(options, 100));
        IS(OK, sentry_profiler_options_set_lifecycle(options, lifecycle));
        IS(OK, sentry_profiler_options_set_chunk_callback(options, on_chunk, nullptr));
        IS(OK, sentry_profiler_options_set_wake_callback(options, on_wake, nullptr));
        IS(OK, sentry_profiler_options_set_log_callback(options, Log, nullptr));
        Entered([&] {
            context.Reset(isolate, v8::Context::New(isolate));
            IS(OK, sentry_profiler_new(isolate, options, &profiler));
            IS(OK, sentry_profiler_session_new(profiler, options, &session));
        });
    }

    template <typename F>
    void Entered(F run) {
        v8::Isolate::Scope entered(isolate);
        v8::HandleScope scope(isolate);
        run();
    }

    void Run(int ms) {
        auto local = context.Get(isolate);
        v8::Context::Scope running(local);
        std::string text = "(function hot() { const end = Date.now() + " + std::to_string(ms) +
                           "; let x = 0; while (Date.now() < end) for (let i = 0; i < 1e4; i++) x += i % 7; })()";
        auto source = v8::String::NewFromUtf8(isolate, text.c_str()).ToLocalChecked();
        CHECK(!v8::Script::Compile(local, source).ToLocalChecked()->Run(local).IsEmpty());
    }

    void Free() {
        IS(OK, sentry_profiler_session_free(session));
        IS(OK, sentry_profiler_free(profiler));
        Dispose();
    }

    void Dispose() {
        sentry_profiler_options_free(options);
        context.Reset();
        isolate->Dispose();
    }
};

// A host's object whose destructor frees the profiler and session.
struct Holder {
    std::unique_ptr<Host> host;

    void Begin() {
        host = std::make_unique<Host>();
        host->Entered([&] {
            IS(OK, sentry_profiler_session_start(host->session));
            for (int at = 0; at < 100 && samples < 50; at++) host->Run(100);
        });
    }

    ~Holder() {
        if (!host) return;
        host->Free();
        CHECK(samples >= 50);
        // A sampler that is left running would use the disposed isolate.
        std::this_thread::sleep_for(100ms);
        host.reset();
        if (failures) _exit(1);
    }
};

Holder at_exit;
thread_local Holder at_thread_end;

void ThreadLocal() {
    std::thread([] { at_thread_end.Begin(); }).join();
    CHECK(samples >= 50);
}

void MainThreadLocal() { at_thread_end.Begin(); }

void Static() { at_exit.Begin(); }

// Some formats need much of the encoder thread's stack.
sentry_profile_t *profile = nullptr;

void EncodeInCallback(const sentry_profiler_chunk_t *, void *) {
    chunks++;
    for (uint32_t format = SENTRY_PROFILER_FORMAT_SAMPLE_V2; format <= SENTRY_PROFILER_FORMAT_MARKDOWN; format++) {
        sentry_profiler_buffer_t *buffer = nullptr;
        IS(OK, sentry_profile_encode(profile, format, nullptr, &buffer));
        sentry_profiler_buffer_free(buffer);
    }
}

void OnlyUseStack(const sentry_profiler_chunk_t *, void *) {
    chunks++;
    const size_t size = SENTRY_PROFILER_CALLBACK_STACK_BYTES / 2;
    volatile char *stack = static_cast<volatile char *>(alloca(size));
    for (size_t at = 0; at < size; at += 512) stack[size - 1 - at] = 1;
}

void Stack() {
    for (auto callback : {EncodeInCallback, OnlyUseStack}) {
        Host host(callback);
        host.Entered([&] {
            IS(OK, sentry_profiler_start_profiling(host.profiler, "profile", 7));
            host.Run(200);
            IS(OK, sentry_profiler_stop_profiling(host.profiler, "profile", 7, &profile));
            IS(OK, sentry_profiler_session_start(host.session));
            host.Run(300);
        });
        host.Free();
        sentry_profile_free(profile);
    }
    CHECK(chunks >= 2);
}

void Sleep(const sentry_profiler_chunk_t *, void *) {
    chunks++;
    std::this_thread::sleep_for(1s);
}

// Up to sixteen chunks wait, and each takes the callback a second.
void BlockedFree() {
    Host host(Sleep);
    host.Entered([&] {
        IS(OK, sentry_profiler_session_start(host.session));
        host.Run(2500);
        auto begin = Clock::now();
        IS(TIMEOUT, sentry_profiler_free(host.profiler));
        const double limit = SENTRY_PROFILER_FREE_TIMEOUT_MS / 1e3 + 1;
        // Twice the limit for a busy machine. All chunks would take 16 s.
        CHECK(Seconds(begin) < limit * 2);
        const int delivered = chunks;
        sentry_profiler_session_stats_t stats = {sizeof stats, 0, 0, 0, 0, 0};
        IS(OK, sentry_profiler_session_stats(host.session, &stats));
        CHECK(stats.delivered_chunk_count == static_cast<uint64_t>(delivered));
        CHECK(stats.dropped_overflow_count > 5);
        begin = Clock::now();
        IS(OK, sentry_profiler_session_free(host.session));
        CHECK(Seconds(begin) < 1);
        std::this_thread::sleep_for(100ms);
        CHECK(chunks == delivered);
    });
    host.Dispose();
}

std::atomic<bool> blocked{true};

void Block(const sentry_profiler_chunk_t *, void *) {
    chunks++;
    while (blocked) std::this_thread::sleep_for(10ms);
}

long ResidentMB() {
    long size = 0, resident = 0;
    std::FILE *file = std::fopen("/proc/self/statm", "r");
    CHECK(file && std::fscanf(file, "%ld %ld", &size, &resident) == 2);
    std::fclose(file);
    return resident * sysconf(_SC_PAGESIZE) >> 20;
}

void BlockedSpans() {
    Host host(Block, SENTRY_PROFILER_LIFECYCLE_TRACE);
    host.Entered([&] {
        IS(OK, sentry_profiler_session_span_started(host.session));
        host.Run(300);
        IS(OK, sentry_profiler_session_span_ended(host.session));
        IS(TIMEOUT, sentry_profiler_session_flush(host.session, 300));
        const long before = ResidentMB();
        const int spans = 3000000;
        for (int span = 0; span < spans; span++) {
            sentry_profiler_session_span_started(host.session);
            sentry_profiler_session_span_ended(host.session);
        }
        // A span queues two marks, 48 bytes.
        const long grown = ResidentMB() - before;
        if (grown > 40) std::fprintf(stderr, "%d spans took %ld MB\n", spans, grown);
        CHECK(grown <= 40);
        blocked = false;
        IS(OK, sentry_profiler_session_flush(host.session, 20000));
    });
    host.Free();
}

std::mutex waking;
std::condition_variable woken;
std::vector<Clock::time_point> wakes;

void Wake(void *) {
    std::lock_guard<std::mutex> guard(waking);
    wakes.push_back(Clock::now());
    woken.notify_one();
}

// An idle isolate whose host polls as soon as it is asked.
void WakeRate() {
    Host host(Count, SENTRY_PROFILER_LIFECYCLE_MANUAL, Wake);
    host.Entered([&] {
        IS(OK, sentry_profiler_session_start(host.session));
        host.Run(50);
        const auto begin = Clock::now();
        for (size_t polled = 0; Seconds(begin) < 4;) {
            {
                std::unique_lock<std::mutex> lock(waking);
                woken.wait_for(lock, 50ms, [&] { return wakes.size() > polled; });
                if (wakes.size() == polled) continue;
                polled = wakes.size();
            }
            IS(OK, sentry_profiler_poll(host.profiler));
        }
    });
    host.Free();
    CHECK(wakes.size() >= 5);
    for (size_t at = 1; at < wakes.size(); at++) {
        const double gap = std::chrono::duration<double, std::milli>(wakes[at] - wakes[at - 1]).count();
        if (gap < 100) std::fprintf(stderr, "%.2f ms between two wake-ups\n", gap);
        CHECK(gap >= 100);
    }
    CHECK(chunks >= 5);
}

// Runs a function in a forked child, which must exit with status 0.
template <typename F>
void InChild(F run) {
    const pid_t child = fork();
    if (child == 0) {
        alarm(20);
        failures = 0;
        run();
        _exit(failures ? 1 : 0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    if (status != 0) std::fprintf(stderr, "the child ended with status 0x%x\n", status);
    CHECK(status == 0);
}

void FreeInChild(Host &host) {
    IS(OK, sentry_profiler_session_free(host.session));
    IS(OK, sentry_profiler_free(host.profiler));
}

void RefusedInChild(Host &host) {
    const auto begin = Clock::now();
    sentry_profile_t *none = nullptr;
    sentry_profiler_session_t *session = nullptr;
    sentry_profiler_buffer_t *id = nullptr;
    sentry_profiler_session_stats_t stats = {sizeof stats, 0, 0, 0, 0, 0};
    bool answer;
    IS(FORKED, sentry_profiler_start_profiling(host.profiler, "child", 5));
    IS(FORKED, sentry_profiler_stop_profiling(host.profiler, "parent", 6, &none));
    IS(FORKED, sentry_profiler_poll(host.profiler));
    IS(FORKED, sentry_profiler_session_new(host.profiler, nullptr, &session));
    IS(FORKED, sentry_profiler_session_start(host.session));
    IS(FORKED, sentry_profiler_session_stop(host.session));
    IS(FORKED, sentry_profiler_session_span_started(host.session));
    IS(FORKED, sentry_profiler_session_span_ended(host.session));
    IS(FORKED, sentry_profiler_session_flush(host.session, 10000));
    IS(FORKED, sentry_profiler_session_stats(host.session, &stats));
    IS(FORKED, sentry_profiler_session_is_recording(host.session, &answer));
    IS(FORKED, sentry_profiler_session_is_sampled(host.session, &answer));
    IS(FORKED, sentry_profiler_session_profiler_id(host.session, &id));
    IS(FORKED, sentry_profiler_session_add_debug_id(host.session, "file", 4, "id", 2));
    CHECK(Seconds(begin) < 5);
}

// V8's heap is not copied into a child, so nothing of V8 can be used there.
void Fork() {
    Host host;
    host.Entered([&] {
        for (bool recording : {true, false}) {
            if (recording) {
                IS(OK, sentry_profiler_session_start(host.session));
                IS(OK, sentry_profiler_start_profiling(host.profiler, "parent", 6));
                host.Run(300);
            } else {
                IS(OK, sentry_profiler_session_stop(host.session));
                sentry_profiler_stop_profiling(host.profiler, "parent", 6, &profile);
                IS(OK, sentry_profiler_session_flush(host.session, 10000));
            }
            InChild([&] {
                RefusedInChild(host);
                // A finished profile can be used in a child.
                sentry_profiler_buffer_t *buffer = nullptr;
                if (!recording) IS(OK, sentry_profile_encode(profile, 0, nullptr, &buffer));
                FreeInChild(host);
            });
            InChild([&] { FreeInChild(host); });
            // From another thread, while the profiler's thread may be in the middle of anything.
            std::thread([&] { InChild([&] { FreeInChild(host); }); }).join();
        }
        // The parent still records.
        const int before = chunks;
        IS(OK, sentry_profiler_session_start(host.session));
        host.Run(300);
        IS(OK, sentry_profiler_session_flush(host.session, 10000));
        CHECK(chunks > before);
    });
    sentry_profile_free(profile);
    host.Free();
}

void Initialize() {
    // Never destroyed, because static objects that need it are destroyed later.
    static v8::Platform *platform = v8::platform::NewDefaultPlatform().release();
    v8::V8::InitializeICU();
    v8::V8::InitializePlatform(platform);
    v8::V8::Initialize();
}

// A server that forks workers before it uses V8; each has a V8 of its own.
void ForkEarly() {
    sentry_profiler_buffer_t *version = nullptr, *missing = nullptr;
    IS(OK, sentry_profiler_support(nullptr, &version, &missing));
    CHECK(sentry_profiler_buffer_len(missing) == 0);
    for (int child = 0; child < 2; child++) {
        InChild([] {
            Initialize();
            Host host;
            host.Entered([&] {
                IS(OK, sentry_profiler_session_start(host.session));
                host.Run(400);
                IS(OK, sentry_profiler_session_flush(host.session, 10000));
            });
            CHECK(chunks > 0 && samples > 20);
            host.Free();
        });
    }
    sentry_profiler_buffer_free(version);
    sentry_profiler_buffer_free(missing);
}

// V8's sampling thread cannot start: every call returns OK, nothing is sampled, and the log says so.
void LargeThreadLocal() {
    large[0] = 1;
    Host host;
    host.Entered([&] {
        IS(OK, sentry_profiler_session_start(host.session));
        for (int at = 0; at < 50 && !Said("thread-local"); at++) host.Run(100);
        IS(OK, sentry_profiler_session_stop(host.session));
    });
    CHECK(samples == 0);
    CHECK(Said("thread-local"));
    host.Free();
}

const struct {
    const char *name;
    void (*run)();
} cases[] = {
    {"thread-local", ThreadLocal}, {"main-thread-local", MainThreadLocal},   {"static", Static}, {"stack", Stack},
    {"blocked-free", BlockedFree}, {"blocked-spans", BlockedSpans},          {"wake", WakeRate}, {"fork", Fork},
    {"fork-early", ForkEarly},     {"large-thread-local", LargeThreadLocal},
};

}  // namespace

int main(int argc, char **argv) {
    // End the program if it hangs.
    alarm(180);
    std::signal(SIGPROF, SIG_IGN);
    for (const auto &one : cases) {
        if (argc != 2 || std::strcmp(argv[1], one.name) != 0) continue;
        if (one.run != ForkEarly) Initialize();
        one.run();
        return failures ? 1 : 0;
    }
    std::fprintf(stderr, "unknown case\n");
    return 2;
}
