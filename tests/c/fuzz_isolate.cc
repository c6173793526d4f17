// The calls of an isolate's thread on the isolate and its profilers and sessions.

#include "fuzz.h"

#include <algorithm>
#include <cstring>

namespace fuzz {

std::atomic<uint64_t> timeouts{0}, terminations{0}, lives{0};
std::array<Runner, RUNNERS> runners;

namespace {

// How often the encoder may be slow without a slow callback, because the machine stalled.
constexpr uint64_t MAX_UNEXPLAINED = 5;

// A call that waits for chunks, and may time out while a callback blocks the encoder.
class Waiting {
public:
    void ended(sentry_profiler_status_t status, bool explained) {
        static std::atomic<uint64_t> unexplained{0};
        if (status != SENTRY_PROFILER_TIMEOUT) return;
        timeouts++;
        if (explained || long_until_ms >= since_ms_ || long_since_ms < INT64_MAX) return;
        if (++unexplained > MAX_UNEXPLAINED) fail("the encoder is slow or hangs, and no callback is slow");
    }

private:
    int64_t since_ms_ = now_ms();
};

const char *const FUNCTIONS[] = {
    "plain",       "with space", "quote\\\"",         "back\\\\slash", "line\\nbreak",
    "semi;colon",  "# hash",     "gr\\u00f6\\u00dfe", "\\ud800",       "\\u{1f980}",
    "<tag> & ]]>", "__proto__",  "constructor",       "\\u0000",       "\\ufffe",
};
const char *const SCRIPTS[] = {
    "fuzz.js",
    "",
    "node:fs",
    "file:///srv/a%20b.mjs",
    "/srv/node_modules/a/index.js",
    "C:\\srv\\app.js",
    "größe.js",
    "a\nb.js",
    "webpack://x/./y.js?z",
    "<anonymous>",
    "x",
};

}  // namespace

void native(const v8::FunctionCallbackInfo<v8::Value> &call) {
    auto *runner = static_cast<Runner *>(call.Data().As<v8::External>()->Value());
    if (runner->depth < 2) runner->operation();
}

void Runner::javascript() {
    auto ms = std::to_string(random.below(25));
    std::string name = random.of(FUNCTIONS);
    switch (random.below(14)) {
    case 0: run("throw new Error('on purpose')"); break;
    case 1: run("(function deeper() { return 1 + deeper(); })()"); break;
    case 2: run("let all = []; for (let i = 0; i < 3e4; i++) all.push({ i, text: 'x' + i }); all.length"); break;
    case 3: run("({ [\"" + name + "\"]() { burn(" + ms + "); } })[\"" + name + "\"]()"); break;
    case 4: run("eval('burn(" + ms + ")'); new Function('burn(" + ms + ")')()"); break;
    case 5: run("for (let i = 0; i < 200; i++) new Function('return function f" + ms + "_' + i + '() {}')()()"); break;
    case 6:
        run("/(a+)+b/.test('a'.repeat(18)); JSON.parse(JSON.stringify(Array.from({ length: 1e4 }, (_, i) => [i])))");
        break;
    case 7: run("native(); burn(" + ms + "); native()"); break;
    case 8:
        run("[3, 1, 2].sort(() => native()); JSON.stringify({ toJSON: native }); new Proxy({}, { get: native }).x");
        break;
    case 9: run("Promise.resolve().then(native).then(() => burn(" + ms + "))"); break;
    case 10:
        run("(function down(left) { return left > 0 ? 1 + down(left - 1) : (burn(" + ms + "), native(), 1); })(300)");
        break;
    case 11:
        endless = true;
        run("for (;;) { burn(1); try { native(); } catch {} }");
        break;
    case 12:
        if (random.one_in(4)) isolate->LowMemoryNotification();
        break;
    default: run("burn(" + ms + ")");
    }
}

void Runner::run(const std::string &source) {
    Operation operation("JavaScript");
    v8::HandleScope scope(isolate);
    v8::TryCatch caught(isolate);
    std::string file = random.one_in(30) ? std::string(3000, 'f') : random.of(SCRIPTS);
    v8::Local<v8::String> text, name;
    v8::Local<v8::Script> script;
    depth++;
    if (v8::String::NewFromUtf8(isolate, source.c_str()).ToLocal(&text) &&
        v8::String::NewFromUtf8(isolate, file.c_str()).ToLocal(&name)) {
        v8::ScriptOrigin origin(isolate, name);
        if (v8::Script::Compile(context, text, &origin).ToLocal(&script) && script->Run(context).IsEmpty())
            caught.Reset();
    }
    depth--;
    endless = false;
    // A late termination ends the next script, and the scripts around this one end with it.
    if (caught.HasTerminated() && depth == 0) {
        terminations++;
        isolate->CancelTerminateExecution();
    }
}

void Runner::new_profiler() {
    if (profilers.size() >= 3) return;
    auto *with = some_options();
    Settings settings = with ? with->settings : Settings();
    auto *given = random.one_in(20) ? nullptr : isolate;
    Out<sentry_profiler_t> out(random);
    // Callbacks may come before the call returns the handle, so expect them from now on.
    listen(settings.log, 1);
    listen(settings.wake, 1);
    auto status = CALL(out.wrong() | outside() | (given ? NONE : NULL_ARGUMENT), OK, sentry_profiler_new, given,
                       with ? with->handle : nullptr, out.at);
    if (auto *handle = out.given(status)) {
        std::lock_guard<std::recursive_mutex> guard(lock);
        profilers.push_back(new Profiler{handle, settings, {}});
    } else {
        listen(settings.log, -1);
        listen(settings.wake, -1);
    }
}

void Runner::free_profiler(Profiler *profiler) {
    if (!profiler) {
        CALL(NONE, OK, sentry_profiler_free, nullptr);
        return;
    }
    {
        std::lock_guard<std::recursive_mutex> guard(lock);
        profilers.erase(std::find(profilers.begin(), profilers.end(), profiler));
    }
    Waiting waiting;
    waiting.ended(CALL(NONE, OK | TIMEOUT, sentry_profiler_free, profiler->handle), false);
    listen(profiler->settings.log, -1);
    listen(profiler->settings.wake, -1);
    for (auto *session : sessions) {
        if (session->profiler != profiler) continue;
        session->profiler = nullptr;
        session->closed = true;
        std::lock_guard<std::mutex> guard(session->chunks->lock);
        session->chunks->freed = true;
    }
    delete profiler;
}

void Runner::recordings() {
    auto *profiler = some_profiler();
    auto *handle = profiler ? profiler->handle : nullptr;
    auto title = some_text(random, false);
    bool known = profiler && !profiler->titles.empty() && !random.one_in(5);
    Statuses wrong = outside() | (handle ? NONE : NULL_ARGUMENT) | (profiler && profiler->poisoned ? PANIC : NONE);
    if (random.one_in(2)) {
        if (profiler && profiler->titles.size() > 150) return;
        if (random.one_in(2)) title = text_of("recording " + std::to_string(random.below(100)));
        auto status = CALL(wrong | title.wrong, OK, sentry_profiler_start_profiling, handle, title.data, title.len);
        if (status == SENTRY_PROFILER_OK) profiler->titles.insert(title.string());
        return;
    }
    if (known) {
        auto at = profiler->titles.begin();
        std::advance(at, random.below(profiler->titles.size()));
        title = text_of(*at);
    }
    Out<sentry_profile_t> out(random);
    bool recording = profiler && !title.wrong && profiler->titles.count(title.string());
    auto status = CALL(wrong | title.wrong | out.wrong(), recording ? OK : NOT_RECORDING,
                       sentry_profiler_stop_profiling, handle, title.data, title.len, out.at);
    if (auto *profile = out.given(status)) {
        profiler->titles.erase(title.string());
        keep_profile(random, std::make_shared<Profile>(profile, profiler->settings));
    }
}

void Runner::new_session() {
    if (sessions.size() >= 6) return;
    auto *profiler = some_profiler();
    auto *with = some_options();
    Settings settings = with ? with->settings : profiler ? profiler->settings : Settings();
    Out<sentry_profiler_session_t> out(random);
    Statuses wrong = outside() | out.wrong() | (profiler ? NONE : NULL_ARGUMENT) |
                     (profiler && profiler->poisoned ? PANIC : NONE) | (settings.chunk ? NONE : INVALID_ARGUMENT);
    listen(settings.chunk, 1);
    auto *handle = out.given(CALL(wrong, OK, sentry_profiler_session_new, profiler ? profiler->handle : nullptr,
                                  with ? with->handle : nullptr, out.at));
    if (!handle) {
        listen(settings.chunk, -1);
        return;
    }
    auto *session = new Session{handle, profiler, settings, {}, {}};
    sentry_profiler_buffer_t *id = nullptr;
    CALL(NONE, OK, sentry_profiler_session_profiler_id, handle, &id);
    session->id = view_of(id);
    free_buffer(id);
    CHECK(session->id.size() == 32);
    session->chunks = chunks_of(session->id);
    {
        std::lock_guard<std::mutex> guard(session->chunks->lock);
        session->chunks->duration_us = int64_t{1000} * settings.chunk_ms;
    }
    CALL(NONE, OK, sentry_profiler_session_is_sampled, handle, &session->sampled);
    CHECK(settings.rate > 0 || !session->sampled);
    CHECK(settings.rate < 1 || session->sampled);
    std::lock_guard<std::recursive_mutex> guard(lock);
    sessions.push_back(session);
}

void Runner::free_session(Session *session) {
    if (!session) {
        CALL(NONE, OK, sentry_profiler_session_free, nullptr);
        return;
    }
    {
        std::lock_guard<std::recursive_mutex> guard(lock);
        sessions.erase(std::find(sessions.begin(), sessions.end(), session));
    }
    Waiting waiting;
    auto status = CALL(NONE, OK | TIMEOUT, sentry_profiler_session_free, session->handle);
    // Without the isolate entered, a recording that others still need cannot be cut.
    waiting.ended(status, !entered);
    {
        std::lock_guard<std::mutex> guard(session->chunks->lock);
        session->chunks->freed = true;
    }
    listen(session->settings.chunk, -1);
    delete session;
}

void Runner::ask_stats(Session *session) {
    struct {
        sentry_profiler_session_stats_t known;
        char later[64];
    } stats;
    static const size_t SIZES[] = {0, 7, 8, sizeof stats.known - 1, sizeof stats.known, sizeof stats, SIZE_MAX};
    std::memset(&stats, 0x55, sizeof stats);
    size_t size = random.one_in(3) ? random.of(SIZES) : sizeof stats.known;
    stats.known.struct_size = size;
    bool given = !random.one_in(20);
    Statuses wrong = (session ? NONE : NULL_ARGUMENT) | (given ? NONE : NULL_ARGUMENT) |
                     (size < sizeof(size_t) || size > sizeof stats ? INVALID_ARGUMENT : NONE);
    Statuses normal = size < sizeof stats.known ? OK | INVALID_ARGUMENT : OK;
    uint64_t before = 0, after = 0, samples = 0;
    if (session) {
        std::lock_guard<std::mutex> guard(session->chunks->lock);
        before = session->chunks->count;
        samples = session->chunks->samples;
    }
    auto status = CALL(wrong, normal, sentry_profiler_session_stats, session ? session->handle : nullptr,
                       given ? &stats.known : nullptr);
    const char *bytes = reinterpret_cast<const char *>(&stats);
    size_t written = status == SENTRY_PROFILER_OK ? std::min(size, sizeof stats.known) : sizeof(size_t);
    for (size_t at = written; at < sizeof stats; at++) CHECK(bytes[at] == 0x55);
    if (status != SENTRY_PROFILER_OK || size < sizeof stats.known) return;
    {
        std::lock_guard<std::mutex> guard(session->chunks->lock);
        after = session->chunks->count;
    }
    const auto &now = stats.known, &last = session->last;
    CHECK(now.delivered_chunk_count >= last.delivered_chunk_count &&
          now.delivered_sample_count >= last.delivered_sample_count);
    CHECK(now.dropped_too_short_count >= last.dropped_too_short_count);
    CHECK(now.dropped_overflow_count >= last.dropped_overflow_count &&
          now.dropped_slice_count >= last.dropped_slice_count);
    // One chunk may be on its way to the callback.
    CHECK(now.delivered_chunk_count >= before && now.delivered_chunk_count <= after + 1);
    CHECK(now.delivered_sample_count >= samples && now.delivered_sample_count >= 2 * now.delivered_chunk_count);
    session->last = now;
}

void Runner::sessions_calls() {
    auto *session = some_session();
    auto *handle = session ? session->handle : nullptr;
    Statuses none = handle ? NONE : NULL_ARGUMENT;
    Statuses wrong = none | outside() | (session && session->closed ? CLOSED : NONE);
    bool trace = session && session->settings.lifecycle == SENTRY_PROFILER_LIFECYCLE_TRACE;
    Statuses refusal = !session ? NONE : !session->sampled ? NOT_SAMPLED : trace ? TRACE_LIFECYCLE : NONE;
    bool follows = session && session->sampled && trace;
    bool answer = true;
    bool *out = random.one_in(20) ? nullptr : &answer;
    switch (random.below(14)) {
    case 0:
    case 1: {
        Statuses normal = refusal ? refusal : session && session->recording ? ALREADY_RECORDING : OK;
        if (CALL(wrong, normal, sentry_profiler_session_start, handle) == SENTRY_PROFILER_OK)
            session->recording = true;
        break;
    }
    case 2: {
        Statuses normal = refusal ? refusal : session && !session->recording ? NOT_RECORDING : OK;
        if (CALL(wrong, normal, sentry_profiler_session_stop, handle) == SENTRY_PROFILER_OK)
            session->recording = false;
        break;
    }
    case 3:
    case 4:
        if (CALL(wrong, OK, sentry_profiler_session_span_started, handle) == SENTRY_PROFILER_OK && follows) {
            session->spans++;
            session->recording = true;
        }
        break;
    case 5:
    case 6:
        if (CALL(wrong, OK, sentry_profiler_session_span_ended, handle) == SENTRY_PROFILER_OK && follows) {
            session->spans -= session->spans > 0;
            session->recording = session->spans > 0;
        }
        break;
    case 7: {
        static const uint64_t TIMES[] = {0, 1, 50, 5000, UINT64_MAX};
        uint64_t timeout_ms = random.of(TIMES);
        Waiting waiting;
        auto status = CALL(wrong, timeout_ms < UINT64_MAX ? OK | TIMEOUT : OK, sentry_profiler_session_flush, handle,
                           timeout_ms);
        waiting.ended(status, timeout_ms < SENTRY_PROFILER_FREE_TIMEOUT_MS);
        break;
    }
    case 8: {
        auto file = some_text(random, false), id = some_text(random, false);
        CALL(none | file.wrong | id.wrong, OK, sentry_profiler_session_add_debug_id, handle, file.data, file.len,
             id.data, id.len);
        break;
    }
    case 9: {
        Out<sentry_profiler_buffer_t> id(random);
        auto *buffer = id.given(CALL(none | id.wrong(), OK, sentry_profiler_session_profiler_id, handle, id.at));
        CHECK(!buffer || view_of(buffer) == session->id);
        free_buffer(buffer);
        break;
    }
    case 10: {
        Statuses no_out = none | (out ? NONE : NULL_ARGUMENT);
        auto status = CALL(no_out, OK, sentry_profiler_session_is_sampled, handle, out);
        CHECK(status == SENTRY_PROFILER_OK ? answer == session->sampled : answer);
        break;
    }
    case 11: {
        Statuses no_out = none | (out ? NONE : NULL_ARGUMENT);
        auto status = CALL(no_out, OK, sentry_profiler_session_is_recording, handle, out);
        CHECK(status == SENTRY_PROFILER_OK ? answer == (session->recording && !session->closed) : answer);
        break;
    }
    default: ask_stats(session);
    }
}

// Another isolate is entered in between, or none.
void Runner::outside_of_the_isolate() {
    if (depth > 0 || !entered) return;
    isolate->Exit();
    entered = false;
    for (uint64_t times = random.between(1, 5); times > 0; times--) {
        switch (random.below(6)) {
        case 0: new_profiler(); break;
        case 1: new_session(); break;
        case 2: recordings(); break;
        case 3: {
            auto *profiler = some_profiler();
            Statuses wrong =
                WRONG_THREAD | (profiler ? NONE : NULL_ARGUMENT) | (profiler && profiler->poisoned ? PANIC : NONE);
            CALL(wrong, NONE, sentry_profiler_poll, profiler ? profiler->handle : nullptr);
            break;
        }
        case 4:
            if (random.one_in(4)) free_profiler(some_profiler());
            break;
        default: sessions_calls();
        }
    }
    isolate->Enter();
    entered = true;
}

void Runner::idle() {
    for (uint64_t left = random.below(15); left > 0; left--) {
        sleep_ms(random.below(10));
        if (!wanted.exchange(false) || random.one_in(10)) continue;
        for (auto *profiler : profilers) {
            CALL(profiler->poisoned ? PANIC : NONE, OK, sentry_profiler_poll, profiler->handle);
        }
    }
}

void Runner::operation() {
    if (!entered) return;
    switch (random.below(40)) {
    case 0:
    case 1:
    case 2:
        if (options.size() < 6) {
            make_options();
        } else if (random.one_in(4)) {
            std::swap(options[random.below(options.size())], options.back());
            free_options(options.back());
            options.pop_back();
        }
        break;
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
    case 8: set_option(random.one_in(40) ? nullptr : some_options(), random, this); break;
    case 9: new_profiler(); break;
    case 10:
        if (random.one_in(3)) free_profiler(some_profiler());
        break;
    case 11:
    case 12:
    case 13:
    case 14:
    case 15:
    case 16: recordings(); break;
    case 17:
    case 18: {
        auto *profiler = some_profiler();
        Statuses wrong = (profiler ? NONE : NULL_ARGUMENT) | (profiler && profiler->poisoned ? PANIC : NONE);
        CALL(wrong, OK, sentry_profiler_poll, profiler ? profiler->handle : nullptr);
        break;
    }
    case 19:
    case 20:
    case 21: new_session(); break;
    case 22:
        if (random.one_in(2)) free_session(some_session());
        break;
    case 23:
    case 24:
    case 25:
    case 26:
    case 27:
    case 28:
    case 29: sessions_calls(); break;
    case 30:
        if (random.one_in(4)) outside_of_the_isolate();
        break;
    case 31: idle(); break;
    case 32:
    case 33: harmless(random, false); break;
    case 34:
        if (auto *profiler = random.one_in(15) ? random.of(profilers) : nullptr) {
            CALL(PANIC, NONE, sentry_profiler_test_panic, profiler->handle);
            profiler->poisoned = true;
        }
        break;
    default: javascript();
    }
}

// Most of these options record something.
void Runner::make_options() {
    auto *made = new_options(random);
    if (!made) return;
    options.push_back(made);
    if (random.one_in(5)) return;
    auto &settings = made->settings;
    auto *handle = made->handle;
    settings.rate = 1;
    CALL(NONE, OK, sentry_profiler_options_set_session_sample_rate, handle, settings.rate);
    settings.chunk = new_ear(*this, random);
    CALL(NONE, OK, sentry_profiler_options_set_chunk_callback, handle, on_chunk, settings.chunk);
    settings.wake = new_ear(*this, random);
    CALL(NONE, OK, sentry_profiler_options_set_wake_callback, handle, on_wake, settings.wake);
    settings.log = new_ear(*this, random);
    CALL(NONE, OK, sentry_profiler_options_set_log_callback, handle, on_log, settings.log);
    settings.chunk_ms = static_cast<uint32_t>(random.between(100, 400));
    CALL(NONE, OK, sentry_profiler_options_set_chunk_duration_ms, handle, settings.chunk_ms);
    settings.interval_us = static_cast<uint32_t>(random.between(1, 3) * 1000);
    CALL(NONE, OK, sentry_profiler_options_set_sampling_interval_us, handle, settings.interval_us);
    settings.lifecycle = static_cast<uint32_t>(random.below(2));
    CALL(NONE, OK, sentry_profiler_options_set_lifecycle, handle, settings.lifecycle);
}

// Frees in random order; without `all`, only some.
void Runner::free_all(bool all) {
    while (!profilers.empty() || !sessions.empty()) {
        if (!all && random.one_in(6)) return;
        if (random.one_in(2) && !profilers.empty()) {
            free_profiler(random.of(profilers));
        } else if (!sessions.empty()) {
            free_session(random.of(sessions));
        }
    }
}

// Frees everything when its thread ends, after most thread_local objects.
struct AtThreadExit {
    Runner *runner = nullptr;
    v8::ArrayBuffer::Allocator *allocator = nullptr;

    void end();
    ~AtThreadExit() {
        if (runner) end();
    }
};

void AtThreadExit::end() {
    auto &random = runner->random;
    // Profilers must be freed before their isolate, sessions may be freed after it.
    while (!runner->profilers.empty()) {
        if (random.one_in(2) && !runner->sessions.empty()) {
            runner->free_all(false);
            continue;
        }
        runner->free_all(random.one_in(2));
    }
    v8::Isolate *isolate = runner->isolate;
    {
        std::lock_guard<std::recursive_mutex> guard(runner->lock);
        runner->isolate = nullptr;
    }
    {
        Operation operation("Isolate::Dispose");
        isolate->Dispose();
    }
    runner->free_all(true);
    for (auto *options : runner->options) free_options(options);
    runner->options.clear();
    delete allocator;
    runner = nullptr;
}

// The life of one isolate, on a thread of its own.
void Runner::live(uint64_t seed, bool freed_by_thread) {
    static thread_local AtThreadExit at_thread_exit;
    lives++;
    random = Random(seed);
    v8::Isolate::CreateParams params;
    params.array_buffer_allocator = v8::ArrayBuffer::Allocator::NewDefaultAllocator();
    {
        auto *made = v8::Isolate::New(params);
        std::lock_guard<std::recursive_mutex> guard(lock);
        isolate = made;
    }
    {
        v8::Isolate::Scope scope(isolate);
        v8::HandleScope handles(isolate);
        entered = true;
        auto self = v8::External::New(isolate, this);
        auto global = v8::ObjectTemplate::New(isolate);
        global->Set(isolate, "native", v8::FunctionTemplate::New(isolate, native, self));
        context = v8::Context::New(isolate, nullptr, global);
        {
            v8::Context::Scope running(context);
            run("function burn(ms) { const end = Date.now() + ms; let x = 0;"
                " do { for (let i = 0; i < 1000; i++) x += i % 7; } while (Date.now() < end); return x; }");
            uint64_t operations = random.between(20, 600);
            for (; operations > 0 && !round_ends; operations--) {
                v8::HandleScope inner(isolate);
                operation();
            }
            if (random.one_in(2)) free_all(false);
        }
        context = {};
    }
    entered = false;
    at_thread_exit.runner = this;
    at_thread_exit.allocator = params.array_buffer_allocator;
    if (!freed_by_thread) at_thread_exit.end();
}

}  // namespace fuzz
