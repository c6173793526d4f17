// Random calls of every function of the C library, on isolates that come and go. Usage: fuzz SEED SECONDS
//
// Some threads have an isolate each, with profilers, sessions and recordings on it, and run JavaScript that computes, throws,
// recurses, allocates, loops until it is terminated and calls back in. Others use what any thread may use, and call what they
// must not. Callbacks do so too. A model says which statuses each call may have. The header says what is undefined: handles
// that were freed, lengths beyond the bytes, two calls on the same options. That is never done.
//
// A seed gives the same choices on each thread; what runs at the same time is up to the machine.

#include "fuzz_tools.h"

#include <libplatform/libplatform.h>
#include <v8.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <limits>
#include <malloc.h>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

// Only in libraries that were built with the feature `test-panic`.
extern "C" sentry_profiler_status_t sentry_profiler_test_panic(sentry_profiler_t *profiler);

namespace {

// Faults that are known: what would run into them is left out. A fault that is mended loses its line.
namespace known {
// Encoding pprof in debug builds takes more than the 256 KiB of the stack that callbacks run on.
constexpr bool callbacks_have_small_stacks = true;
// A profiler that a thread_local object frees when its thread ends answers PANIC.
constexpr bool freeing_at_thread_exit_panics = true;
}  // namespace known

constexpr Statuses NONE = 0;
constexpr Statuses OK = only(SENTRY_PROFILER_OK);
constexpr Statuses NULL_ARGUMENT = only(SENTRY_PROFILER_NULL_ARGUMENT);
constexpr Statuses INVALID_ARGUMENT = only(SENTRY_PROFILER_INVALID_ARGUMENT);
constexpr Statuses WRONG_THREAD = only(SENTRY_PROFILER_WRONG_THREAD);
constexpr Statuses IN_CALLBACK = only(SENTRY_PROFILER_IN_CALLBACK);
constexpr Statuses CLOSED = only(SENTRY_PROFILER_CLOSED);
constexpr Statuses TIMEOUT = only(SENTRY_PROFILER_TIMEOUT);
constexpr Statuses WRITE_FAILED = only(SENTRY_PROFILER_WRITE_FAILED);
constexpr Statuses PANIC = only(SENTRY_PROFILER_PANIC);
constexpr Statuses ALREADY_RECORDING = only(SENTRY_PROFILER_ALREADY_RECORDING);
constexpr Statuses NOT_RECORDING = only(SENTRY_PROFILER_NOT_RECORDING);
constexpr Statuses NOT_SAMPLED = only(SENTRY_PROFILER_NOT_SAMPLED);
constexpr Statuses TRACE_LIFECYCLE = only(SENTRY_PROFILER_TRACE_LIFECYCLE);

constexpr size_t RUNNERS = 3, STRANGERS = 2;
constexpr int64_t ROUND_MS = 4000;
// Clocks of the wall may be set while a chunk is open.
constexpr int64_t CLOCK_US = 1000000;
// What V8 and the allocator keep more of after one round than after another.
constexpr int64_t BREATH_BYTES = 16 << 20;
constexpr uint32_t FORMATS = 7;

std::atomic<bool> round_ends{false};
std::atomic<uint64_t> chunks_seen{0}, samples_seen{0}, timeouts{0}, terminations{0}, lives{0}, profiles_made{0};

// --- Arguments ------------------------------------------------------------------------------------------------------------

// A string argument in exactly as many bytes as said.
struct Text {
    std::unique_ptr<char[]> bytes;
    const char *data = nullptr;
    size_t len = 0;
    Statuses wrong = NONE;

    std::string string() const { return data ? std::string(data, len) : std::string(); }
};

Text text_of(const std::string &string) {
    Text text;
    text.bytes.reset(new char[string.size() ? string.size() : 1]);
    std::memcpy(text.bytes.get(), string.data(), string.size());
    text.data = text.bytes.get();
    text.len = string.size();
    return text;
}

const char *const GOOD[] = {
    "a", "release@1.0.0", "\"quoted\" \\ and {braces}", "two\nlines", "tab\tand \x01 control", "größe → 🦀", "\xef\xbf\xbe",
    "file:///srv/app.js", "0", "-1", "node", "; # :",
};
const char *const NOT_UTF8[] = {"\xff", "\xc3", "a\xc0\x80", "\xed\xa0\x80", "\xf8\x88\x80\x80\x80", "\xf4\x90\x80\x80"};

Text some_text(Random &random, bool may_be_empty) {
    switch (random.below(24)) {
    case 0: {
        Text text;
        text.len = random.one_in(2) ? 0 : random.next();
        text.wrong = NULL_ARGUMENT;
        return text;
    }
    case 1: {
        Text text = text_of("text");
        text.len = random.one_in(2) ? SIZE_MAX : static_cast<size_t>(PTRDIFF_MAX) + random.between(1, 9);
        text.wrong = INVALID_ARGUMENT;
        return text;
    }
    case 2: {
        Text text = text_of(random.of(NOT_UTF8));
        text.wrong = INVALID_ARGUMENT;
        return text;
    }
    case 3: {
        Text text = text_of("");
        text.wrong = may_be_empty ? NONE : INVALID_ARGUMENT;
        return text;
    }
    case 4: return text_of(std::string(random.below(20000) + 1, 'x'));
    case 5: return text_of(std::string("a\0b", 3));
    default: return text_of(random.of(GOOD));
    }
}

// Where a handle goes. It is NULL afterwards unless the call went well.
template <typename T>
struct Out {
    T *handle;
    T **at;

    explicit Out(Random &random) : handle(reinterpret_cast<T *>(&handle)), at(random.one_in(25) ? nullptr : &handle) {}

    Statuses wrong() const { return at ? NONE : NULL_ARGUMENT; }

    // The handle if there is one.
    T *given(sentry_profiler_status_t status) {
        if (!at) return nullptr;
        if ((status == SENTRY_PROFILER_OK) != (handle != nullptr)) {
            fail("status %d with the handle %p", status, static_cast<void *>(handle));
        }
        return handle;
    }
};

void free_buffer(sentry_profiler_buffer_t *buffer) { PLAIN(sentry_profiler_buffer_free, buffer); }

std::string_view view_of(const sentry_profiler_buffer_t *buffer) {
    const char *data = PLAIN(sentry_profiler_buffer_data, buffer);
    size_t len = PLAIN(sentry_profiler_buffer_len, buffer);
    if (!buffer) {
        CHECK(data == nullptr && len == 0);
        return {};
    }
    CHECK(data != nullptr && data[len] == 0);
    return {data, len};
}

// --- What callbacks hear --------------------------------------------------------------------------------------------------

struct Runner;

// The user data of callbacks: who may still be heard.
struct Ear {
    Runner &runner;
    uint64_t seed;
    // Handles that may call; without one, a call is a fault of the library's.
    std::atomic<int> users{0};
    std::atomic<uint64_t> calls{0};

    Ear(Runner &runner, uint64_t seed) : runner(runner), seed(seed) {}
};

// What is known of a session's chunks, by its profiler id.
struct Chunks {
    std::mutex lock;
    int64_t duration_us = 0, last_end_us = 0;
    uint64_t count = 0, samples = 0;
    bool freed = false;
};

std::mutex facts_lock;
std::map<std::string, std::shared_ptr<Chunks>> chunks_by_id;
std::set<std::string> chunk_ids;

std::shared_ptr<Chunks> chunks_of(const std::string &profiler_id) {
    std::lock_guard<std::mutex> lock(facts_lock);
    auto &chunks = chunks_by_id[profiler_id];
    if (!chunks) chunks = std::make_shared<Chunks>();
    return chunks;
}

// --- Options --------------------------------------------------------------------------------------------------------------

struct Settings {
    uint32_t interval_us = SENTRY_PROFILER_DEFAULT_SAMPLING_INTERVAL_US;
    uint32_t max_samples = SENTRY_PROFILER_DEFAULT_MAX_SAMPLE_COUNT;
    uint32_t lifecycle = SENTRY_PROFILER_LIFECYCLE_MANUAL;
    uint32_t chunk_ms = SENTRY_PROFILER_MAX_CHUNK_DURATION_MS;
    double rate = 0;
    Ear *log = nullptr, *chunk = nullptr, *wake = nullptr;
};

struct Options {
    sentry_profiler_options_t *handle;
    Settings settings;
};

void on_log(sentry_profiler_log_level_t level, const char *message, size_t len, void *user_data);
void on_chunk(const sentry_profiler_chunk_t *chunk, void *user_data);
void on_wake(void *user_data);

void *never_asked(const char *name, void *) { fail("the resolver is asked for %s, which the linker has found", name); }

Ear *new_ear(Runner &runner, Random &random);

// Sets something, right or wrong. Without a runner nobody is to be called.
void set_option(Options *options, Random &random, Runner *runner) {
    auto *handle = options ? options->handle : nullptr;
    Settings ignored, &settings = options ? options->settings : ignored;
    Statuses none = handle ? NONE : NULL_ARGUMENT;
    auto text = some_text(random, true), other = some_text(random, true);
    auto number = [&](std::initializer_list<uint32_t> some) { return *(some.begin() + random.below(some.size())); };
    auto not_empty = [](const Text &text) { return text.wrong | (text.data && !text.len ? INVALID_ARGUMENT : NONE); };
    switch (random.below(17)) {
    case 0: {
        uint32_t logging = number({0, 0, 0, 1, 2, UINT32_MAX});
        CALL(none | (logging > 1 ? INVALID_ARGUMENT : NONE), OK, sentry_profiler_options_set_logging, handle, logging);
        break;
    }
    case 1: {
        uint32_t us = number({0, 99, 100, 500, 1000, 1000, 5000, 10101, 1000000, 1000001, UINT32_MAX});
        bool wrong = us < SENTRY_PROFILER_MIN_SAMPLING_INTERVAL_US || us > SENTRY_PROFILER_MAX_SAMPLING_INTERVAL_US;
        auto status = CALL(none | (wrong ? INVALID_ARGUMENT : NONE), OK, sentry_profiler_options_set_sampling_interval_us,
                           handle, us);
        if (status == SENTRY_PROFILER_OK) settings.interval_us = us;
        break;
    }
    case 2: {
        uint32_t count = number({0, 1, 2, 3, 100, 500000, UINT32_MAX});
        auto status = CALL(none | (count < 2 ? INVALID_ARGUMENT : NONE), OK, sentry_profiler_options_set_max_sample_count,
                           handle, count);
        if (status == SENTRY_PROFILER_OK) settings.max_samples = count;
        break;
    }
    case 3:
        CALL(none | not_empty(text) | other.wrong, OK, sentry_profiler_options_set_thread, handle, text.data, text.len,
             other.data, other.len);
        break;
    case 4: {
        uint32_t lifecycle = number({0, 1, 1, 2, UINT32_MAX});
        auto status =
            CALL(none | (lifecycle > 1 ? INVALID_ARGUMENT : NONE), OK, sentry_profiler_options_set_lifecycle, handle, lifecycle);
        if (status == SENTRY_PROFILER_OK) settings.lifecycle = lifecycle;
        break;
    }
    case 5: {
        static const double RATES[] = {0,    -0.0, 0.5,      1,         1, 1, std::numeric_limits<double>::denorm_min(), -0.1,
                                       1.01, NAN,  INFINITY, -INFINITY};
        double rate = random.of(RATES);
        auto status = CALL(none | (rate >= 0 && rate <= 1 ? NONE : INVALID_ARGUMENT), OK,
                           sentry_profiler_options_set_session_sample_rate, handle, rate);
        if (status == SENTRY_PROFILER_OK) settings.rate = rate;
        break;
    }
    case 6: {
        uint32_t ms = number({0, 99, 100, 100, 150, 500, 2000, 60000, 60001, UINT32_MAX});
        bool wrong = ms < SENTRY_PROFILER_MIN_CHUNK_DURATION_MS || ms > SENTRY_PROFILER_MAX_CHUNK_DURATION_MS;
        auto status =
            CALL(none | (wrong ? INVALID_ARGUMENT : NONE), OK, sentry_profiler_options_set_chunk_duration_ms, handle, ms);
        if (status == SENTRY_PROFILER_OK) settings.chunk_ms = ms;
        break;
    }
    case 7: CALL(none, OK, sentry_profiler_options_set_quiet_ms, handle, number({0, 1, 50, 1000, UINT32_MAX})); break;
    case 8: CALL(none | text.wrong, OK, sentry_profiler_options_set_release, handle, text.data, text.len); break;
    case 9: CALL(none | text.wrong, OK, sentry_profiler_options_set_environment, handle, text.data, text.len); break;
    case 10:
        CALL(none | not_empty(text) | not_empty(other), OK, sentry_profiler_options_set_sdk, handle, text.data, text.len,
             other.data, other.len);
        break;
    case 11: CALL(none | not_empty(text), OK, sentry_profiler_options_set_platform, handle, text.data, text.len); break;
    case 12:
        CALL(none | not_empty(text) | not_empty(other), OK, sentry_profiler_options_add_debug_id, handle, text.data, text.len,
             other.data, other.len);
        break;
    case 13: {
        Ear *ear = runner && !random.one_in(4) ? new_ear(*runner, random) : nullptr;
        auto status = CALL(none, OK, sentry_profiler_options_set_log_callback, handle, ear ? on_log : nullptr, ear);
        if (status == SENTRY_PROFILER_OK) settings.log = ear;
        break;
    }
    case 14: {
        Ear *ear = runner && !random.one_in(8) ? new_ear(*runner, random) : nullptr;
        auto status = CALL(none, OK, sentry_profiler_options_set_chunk_callback, handle, ear ? on_chunk : nullptr, ear);
        if (status == SENTRY_PROFILER_OK) settings.chunk = ear;
        break;
    }
    case 15: {
        Ear *ear = runner && !random.one_in(4) ? new_ear(*runner, random) : nullptr;
        auto status = CALL(none, OK, sentry_profiler_options_set_wake_callback, handle, ear ? on_wake : nullptr, ear);
        if (status == SENTRY_PROFILER_OK) settings.wake = ear;
        break;
    }
    default:
        CALL(none, OK, sentry_profiler_options_set_symbol_resolver, handle, random.one_in(2) ? never_asked : nullptr, nullptr);
    }
}

Options *new_options(Random &random) {
    Out<sentry_profiler_options_t> out(random);
    auto *handle = out.given(CALL(out.wrong(), OK, sentry_profiler_options_new, out.at));
    return handle ? new Options{handle, {}} : nullptr;
}

void free_options(Options *options) {
    PLAIN(sentry_profiler_options_free, options->handle);
    delete options;
}

// --- Profiles -------------------------------------------------------------------------------------------------------------

// A profile that all threads use; the last one frees it.
struct Profile {
    sentry_profile_t *handle;
    uint64_t interval_us, max_samples;
    std::mutex lock;
    // What the first one saw.
    std::array<uint64_t, FORMATS> hashes{};
    sentry_profile_info_t info{};

    Profile(sentry_profile_t *handle, const Settings &settings)
        : handle(handle), interval_us(settings.interval_us), max_samples(settings.max_samples) {}
    ~Profile() { PLAIN(sentry_profile_free, handle); }
};

std::mutex profiles_lock;
std::vector<std::shared_ptr<Profile>> profiles;

void keep_profile(Random &random, std::shared_ptr<Profile> profile) {
    std::lock_guard<std::mutex> lock(profiles_lock);
    profiles_made++;
    if (profiles.size() < 16) {
        profiles.push_back(profile);
    } else {
        // The former one is freed where this ends.
        std::swap(profiles[random.below(profiles.size())], profile);
    }
}

std::shared_ptr<Profile> some_profile(Random &random) {
    std::lock_guard<std::mutex> lock(profiles_lock);
    return profiles.empty() ? nullptr : profiles[random.below(profiles.size())];
}

void check_encoded(uint32_t format, std::string_view text) {
    switch (format) {
    case SENTRY_PROFILER_FORMAT_SAMPLE_V2:
    case SENTRY_PROFILER_FORMAT_SAMPLE_V1:
    case SENTRY_PROFILER_FORMAT_CPUPROFILE: CHECK(is_json_object(text)); break;
    case SENTRY_PROFILER_FORMAT_ENVELOPE: {
        // The header, the item's header, the item.
        for (int line = 0; line < 3; line++) {
            size_t end = text.find('\n');
            CHECK(end != text.npos && is_json_object(text.substr(0, end)));
            text.remove_prefix(end + 1);
        }
        CHECK(text.empty());
        break;
    }
    case SENTRY_PROFILER_FORMAT_PPROF: CHECK(text.size() > 18 && text.substr(0, 2) == "\x1f\x8b"); break;
    case SENTRY_PROFILER_FORMAT_FOLDED:
        CHECK(is_utf8(text));
        while (!text.empty()) {
            size_t end = text.find('\n'), space = text.substr(0, end).rfind(' ');
            CHECK(end != text.npos && space != text.npos && space > 0 && space + 1 < end);
            CHECK(text.substr(space + 1, end - space - 1).find_first_not_of("0123456789") == text.npos);
            text.remove_prefix(end + 1);
        }
        break;
    default: {
        size_t end = text.rfind("</svg>");
        CHECK(is_utf8(text) && text.substr(0, 5) == "<?xml" && end != text.npos && end + 8 > text.size());
    }
    }
}

struct Written {
    std::string bytes;
    uint64_t stop_after;
    bool stopped = false;
};

int on_write(const char *data, size_t len, void *user_data) {
    Operation operation("write callback");
    auto &written = *static_cast<Written *>(user_data);
    CHECK(!written.stopped && data != nullptr && len > 0);
    written.bytes.append(data, len);
    sentry_profiler_buffer_t *buffers[2];
    if (len % 8 == 0) CALL(IN_CALLBACK, OK, sentry_profiler_support, nullptr, &buffers[0], &buffers[1]);
    written.stopped = written.stop_after-- == 0;
    return written.stopped ? (len % 2 ? 1 : -1) : 0;
}

void ask_info(Profile *profile, Random &random) {
    struct {
        sentry_profile_info_t known;
        char later[64];
    } info;
    static const size_t SIZES[] = {0, 1, 7, 8, 9, sizeof info.known - 1, sizeof info.known, sizeof info, SIZE_MAX};
    std::memset(&info, 0x55, sizeof info);
    size_t size = random.one_in(3) ? random.of(SIZES) : sizeof info.known;
    info.known.struct_size = size;
    bool given = !random.one_in(20);
    Statuses wrong = (profile ? NONE : NULL_ARGUMENT) | (given ? NONE : NULL_ARGUMENT) |
                     (size < sizeof(size_t) || size > sizeof info ? INVALID_ARGUMENT : NONE);
    // What a shorter structure gets is decided by the version that it was part of.
    Statuses normal = size < sizeof info.known ? OK | INVALID_ARGUMENT : OK;
    auto status = CALL(wrong, normal, sentry_profile_info, profile ? profile->handle : nullptr, given ? &info.known : nullptr);
    const char *bytes = reinterpret_cast<const char *>(&info);
    size_t written = status == SENTRY_PROFILER_OK ? std::min(size, sizeof info.known) : sizeof(size_t);
    CHECK(info.known.struct_size == size);
    for (size_t at = written; at < sizeof info; at++) CHECK(bytes[at] == 0x55);
    if (status != SENTRY_PROFILER_OK || size < sizeof info.known) return;

    const auto &known = info.known;
    CHECK(known.start_us > 1000000000000000 && known.start_us <= known.end_us);
    CHECK(known.sampling_interval_us == profile->interval_us && known.sample_count <= profile->max_samples);
    CHECK(std::strlen(known.chunk_id) == 32 && std::strlen(known.profiler_id) == 32);
    std::lock_guard<std::mutex> lock(profile->lock);
    // It never changes, whoever is gone. Behind the last field there is padding.
    constexpr size_t FROM = sizeof(size_t), TO = offsetof(sentry_profile_info_t, profiler_id) + sizeof known.profiler_id;
    const char *former = reinterpret_cast<const char *>(&profile->info);
    CHECK(!profile->info.struct_size || std::memcmp(former + FROM, bytes + FROM, TO - FROM) == 0);
    profile->info = known;
}

void encode(Profile *profile, const Options *options, Random &random, bool in_callback) {
    uint32_t format = random.one_in(20) ? FORMATS + static_cast<uint32_t>(random.next() % 1000) : random.below(FORMATS);
    if (format == SENTRY_PROFILER_FORMAT_PPROF && in_callback && known::callbacks_have_small_stacks) return;
    auto *handle = profile ? profile->handle : nullptr;
    auto *with = options ? options->handle : nullptr;
    Statuses wrong = (handle ? NONE : NULL_ARGUMENT) | (format < FORMATS ? NONE : INVALID_ARGUMENT);
    if (random.one_in(2)) {
        Out<sentry_profiler_buffer_t> out(random);
        auto *buffer = out.given(CALL(wrong | out.wrong(), OK, sentry_profile_encode, handle, format, with, out.at));
        if (!buffer) return;
        auto text = view_of(buffer);
        check_encoded(format, text);
        // Envelopes have ids of their own, and the time.
        if (!with && format != SENTRY_PROFILER_FORMAT_ENVELOPE) {
            std::lock_guard<std::mutex> lock(profile->lock);
            auto &first = profile->hashes[format];
            CHECK(first == 0 || first == hash(text));
            first = hash(text);
        }
        free_buffer(buffer);
    } else {
        Written written{{}, random.one_in(3) ? random.below(3) : UINT64_MAX};
        bool given = !random.one_in(20);
        auto status = CALL(wrong | (given ? NONE : NULL_ARGUMENT), OK | WRITE_FAILED, sentry_profile_write, handle, format, with,
                           given ? on_write : nullptr, &written);
        CHECK((status == SENTRY_PROFILER_WRITE_FAILED) == written.stopped);
        if (status == SENTRY_PROFILER_OK) check_encoded(format, written.bytes);
    }
}

// --- What any thread may do -----------------------------------------------------------------------------------------------

// Read by all, changed by none.
Options *common_options;

void harmless(Random &random, bool in_callback) {
    auto profile = some_profile(random);
    auto *used = random.one_in(30) ? nullptr : profile.get();
    switch (random.below(8)) {
    case 0:
    case 1: ask_info(used, random); break;
    case 2:
    case 3:
    case 4: encode(used, random.one_in(3) ? common_options : nullptr, random, in_callback); break;
    case 5: {
        auto status = random.one_in(2) ? static_cast<uint32_t>(random.below(120)) : static_cast<uint32_t>(random.next());
        CHECK(std::strlen(PLAIN(sentry_profiler_status_message, status)) > 0);
        CHECK(std::strchr(PLAIN(sentry_profiler_version), '.') != nullptr);
        CHECK(PLAIN(sentry_profiler_abi_version) == SENTRY_PROFILER_ABI_VERSION);
        break;
    }
    case 6: {
        Out<sentry_profiler_buffer_t> version(random), missing(random);
        Statuses wrong = version.wrong() | missing.wrong() | (in_callback ? IN_CALLBACK : NONE);
        auto *options = random.one_in(2) ? common_options->handle : nullptr;
        auto status = CALL(wrong, OK, sentry_profiler_support, options, version.at, missing.at);
        auto *first = version.given(status), *second = missing.given(status);
        CHECK(status != SENTRY_PROFILER_OK || (!view_of(first).empty() && view_of(second).empty()));
        free_buffer(first);
        free_buffer(second);
        break;
    }
    default: {
        PLAIN(sentry_profiler_options_free, nullptr);
        PLAIN(sentry_profile_free, nullptr);
        if (Options *options = new_options(random)) {
            for (uint64_t times = random.below(6); times > 0; times--) set_option(options, random, nullptr);
            free_options(options);
        }
    }
    }
}

// --- Isolates, and what belongs to their threads --------------------------------------------------------------------------

struct Profiler {
    sentry_profiler_t *handle;
    Settings settings;
    std::set<std::string> titles;
    bool poisoned = false;
};

struct Session {
    sentry_profiler_session_t *handle;
    Profiler *profiler;
    Settings settings;
    std::string id;
    std::shared_ptr<Chunks> chunks;
    bool sampled = false, recording = false;
    uint64_t spans = 0;
    // The profiler was freed.
    bool closed = false;
    sentry_profiler_session_stats_t last{};
};

struct Runner {
    // Held by other threads, and tried by callbacks, while they use what follows. The runner itself holds it to change that, and
    // never when it calls the library.
    std::recursive_mutex lock;
    v8::Isolate *isolate = nullptr;
    std::vector<Profiler *> profilers;
    std::vector<Session *> sessions;

    // The wake callback asked for a call of poll.
    std::atomic<bool> wanted{false};
    // A loop that only a termination ends.
    std::atomic<bool> endless{false};

    // For the runner's own thread.
    Random random{0};
    v8::Local<v8::Context> context;
    std::vector<Options *> options;
    int depth = 0;
    bool entered = true;

    void live(uint64_t seed, bool freed_by_thread);
    void operation();

private:
    friend void native(const v8::FunctionCallbackInfo<v8::Value> &);

    Profiler *some_profiler() { return random.one_in(40) ? nullptr : random.of(profilers); }
    Session *some_session() { return random.one_in(40) ? nullptr : random.of(sessions); }
    Options *some_options() { return random.of(options); }
    Statuses outside() const { return entered ? NONE : WRONG_THREAD; }

    void make_options();
    void javascript();
    void run(const std::string &source);
    void new_profiler();
    void free_profiler(Profiler *profiler);
    void recordings();
    void new_session();
    void free_session(Session *session);
    void sessions_calls();
    void ask_stats(Session *session);
    void outside_of_the_isolate();
    void idle();

public:
    void free_all(bool all);
};

std::array<Runner, RUNNERS> runners;

std::mutex ears_lock;
std::vector<std::unique_ptr<Ear>> ears;

Ear *new_ear(Runner &runner, Random &random) {
    std::lock_guard<std::mutex> lock(ears_lock);
    ears.push_back(std::make_unique<Ear>(runner, random.next()));
    return ears.back().get();
}

void listen(Ear *ear, int change) {
    if (ear) ear->users += change;
}

// Calls what may not be called here, for the `reason` given. The runner's lock is held.
void refused(Runner &runner, Random &random, Statuses reason) {
    bool none = random.one_in(20);
    auto *profiler = none ? nullptr : random.of(runner.profilers);
    auto *session = none ? nullptr : random.of(runner.sessions);
    auto *p = profiler ? profiler->handle : nullptr;
    auto *s = session ? session->handle : nullptr;
    Statuses no_profiler = reason | (p ? NONE : NULL_ARGUMENT) | (profiler && profiler->poisoned ? PANIC : NONE);
    Statuses no_session = reason | (s ? NONE : NULL_ARGUMENT);
    auto text = some_text(random, false), other = some_text(random, false);
    bool answer = true;
    switch (random.below(18)) {
    case 0: {
        Out<sentry_profiler_t> out(random);
        auto *isolate = random.one_in(10) ? nullptr : runner.isolate;
        out.given(CALL(reason | out.wrong() | (isolate ? NONE : NULL_ARGUMENT), NONE, sentry_profiler_new, isolate,
                       random.one_in(2) ? common_options->handle : nullptr, out.at));
        break;
    }
    case 1: CALL(no_profiler | text.wrong, NONE, sentry_profiler_start_profiling, p, text.data, text.len); break;
    case 2: {
        Out<sentry_profile_t> out(random);
        out.given(CALL(no_profiler | text.wrong | out.wrong(), NONE, sentry_profiler_stop_profiling, p, text.data, text.len, out.at));
        break;
    }
    case 3: CALL(no_profiler, NONE, sentry_profiler_poll, p); break;
    case 4: {
        Out<sentry_profiler_session_t> out(random);
        out.given(CALL(no_profiler | out.wrong(), NONE, sentry_profiler_session_new, p, nullptr, out.at));
        break;
    }
    // Poisoned or not, it is not freed here, and NULL may be freed anywhere.
    case 5: CALL(p ? reason : OK, NONE, sentry_profiler_free, p); break;
    case 6: CALL(no_session, NONE, sentry_profiler_session_start, s); break;
    case 7: CALL(no_session, NONE, sentry_profiler_session_stop, s); break;
    case 8: CALL(no_session, NONE, sentry_profiler_session_span_started, s); break;
    case 9: CALL(no_session, NONE, sentry_profiler_session_span_ended, s); break;
    case 10: CALL(no_session, NONE, sentry_profiler_session_flush, s, random.next()); break;
    case 11:
        CALL(no_session | text.wrong | other.wrong, NONE, sentry_profiler_session_add_debug_id, s, text.data, text.len, other.data,
             other.len);
        break;
    case 12: {
        Out<sentry_profiler_buffer_t> out(random);
        out.given(CALL(no_session | out.wrong(), NONE, sentry_profiler_session_profiler_id, s, out.at));
        break;
    }
    case 13: CALL(no_session, NONE, sentry_profiler_session_is_sampled, s, &answer); break;
    case 14: CALL(no_session, NONE, sentry_profiler_session_is_recording, s, &answer); break;
    case 15: {
        sentry_profiler_session_stats_t stats{};
        stats.struct_size = sizeof stats;
        CALL(no_session, NONE, sentry_profiler_session_stats, s, &stats);
        CHECK(stats.delivered_chunk_count == 0 && stats.dropped_slice_count == 0);
        break;
    }
    case 16: CALL(s ? reason : OK, NONE, sentry_profiler_session_free, s); break;
    default: CALL(no_profiler, NONE, sentry_profiler_test_panic, p);
    }
    CHECK(answer);
}

// What is the same in all callbacks.
class Hearing {
public:
    Hearing(void *user_data, const char *what) : ear(*static_cast<Ear *>(user_data)), operation_(what), random(ear.seed) {
        CHECK(ear.users > 0);
        random = Random(ear.seed + ear.calls++);
    }

    ~Hearing() {
        CHECK(ear.users > 0);
    }

    void act() {
        for (uint64_t times = random.below(3); times > 0; times--) {
            if (random.one_in(2)) {
                harmless(random, true);
                continue;
            }
            std::unique_lock<std::recursive_mutex> lock(ear.runner.lock, std::try_to_lock);
            if (lock) refused(ear.runner, random, IN_CALLBACK);
        }
    }

    Ear &ear;

private:
    Operation operation_;

public:
    Random random;
};

void on_log(sentry_profiler_log_level_t level, const char *message, size_t len, void *user_data) {
    Hearing hearing(user_data, "log callback");
    CHECK(level == SENTRY_PROFILER_LOG_DEBUG || level == SENTRY_PROFILER_LOG_WARNING);
    CHECK(std::strlen(message) == len && is_utf8({message, len}));
    if (hearing.random.one_in(4)) hearing.act();
}

void on_wake(void *user_data) {
    Hearing hearing(user_data, "wake callback");
    hearing.ear.runner.wanted = true;
    if (hearing.random.one_in(4)) hearing.act();
}

void on_chunk(const sentry_profiler_chunk_t *chunk, void *user_data) {
    Hearing hearing(user_data, "chunk callback");
    CHECK(chunk->struct_size == sizeof *chunk);
    CHECK(std::strlen(chunk->chunk_id) == 32 && std::strlen(chunk->profiler_id) == 32);
    CHECK(chunk->item + chunk->item_len == chunk->envelope + chunk->envelope_len);
    CHECK(chunk->payload + chunk->payload_len + 1 == chunk->item + chunk->item_len);
    check_encoded(SENTRY_PROFILER_FORMAT_ENVELOPE, {chunk->envelope, chunk->envelope_len});
    CHECK(std::string_view(chunk->item, 23) == "{\"type\":\"profile_chunk\"");
    CHECK(is_json_object({chunk->payload, chunk->payload_len}));
    CHECK(chunk->sample_count >= SENTRY_PROFILER_MIN_CHUNK_SAMPLE_COUNT && chunk->start_us <= chunk->end_us);
    {
        std::lock_guard<std::mutex> lock(facts_lock);
        CHECK(chunk_ids.insert(chunk->chunk_id).second);
    }
    {
        auto chunks = chunks_of(chunk->profiler_id);
        std::lock_guard<std::mutex> lock(chunks->lock);
        CHECK(!chunks->freed && chunks->duration_us > 0);
        CHECK(chunk->end_us - chunk->start_us <= chunks->duration_us + CLOCK_US);
        CHECK(chunk->start_us >= chunks->last_end_us - CLOCK_US);
        chunks->last_end_us = chunk->end_us;
        chunks->count++;
        chunks->samples += chunk->sample_count;
    }
    chunks_seen++;
    samples_seen += chunk->sample_count;
    hearing.act();
    if (hearing.random.one_in(6)) sleep_ms(hearing.random.below(60));
}

const char *const FUNCTIONS[] = {
    "plain", "with space", "quote\\\"", "back\\\\slash", "line\\nbreak", "semi;colon", "# hash", "gr\\u00f6\\u00dfe", "\\ud800",
    "\\u{1f980}", "<tag> & ]]>", "__proto__", "constructor", "\\u0000", "\\ufffe",
};
const char *const SCRIPTS[] = {
    "fuzz.js", "", "node:fs", "file:///srv/a%20b.mjs", "/srv/node_modules/a/index.js", "C:\\srv\\app.js", "größe.js", "a\nb.js",
    "webpack://x/./y.js?z", "<anonymous>", "x",
};

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
    case 6: run("/(a+)+b/.test('a'.repeat(18)); JSON.parse(JSON.stringify(Array.from({ length: 1e4 }, (_, i) => [i])))"); break;
    case 7: run("native(); burn(" + ms + "); native()"); break;
    case 8: run("[3, 1, 2].sort(() => native()); JSON.stringify({ toJSON: native }); new Proxy({}, { get: native }).x"); break;
    case 9: run("Promise.resolve().then(native).then(() => burn(" + ms + "))"); break;
    case 10: run("(function down(left) { return left > 0 ? 1 + down(left - 1) : (burn(" + ms + "), native(), 1); })(300)"); break;
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
        if (v8::Script::Compile(context, text, &origin).ToLocal(&script) && script->Run(context).IsEmpty()) caught.Reset();
    }
    depth--;
    endless = false;
    // One that came late ends the next script; those around this one end with it.
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
    // The handle may be used before the call returns: the callbacks that it needs can be heard.
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
    CALL(NONE, OK, sentry_profiler_free, profiler->handle);
    listen(profiler->settings.log, -1);
    listen(profiler->settings.wake, -1);
    for (auto *session : sessions) {
        if (session->profiler != profiler) continue;
        session->profiler = nullptr;
        session->closed = true;
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
    auto status = CALL(wrong | title.wrong | out.wrong(), recording ? OK : NOT_RECORDING, sentry_profiler_stop_profiling, handle,
                       title.data, title.len, out.at);
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
    auto status = CALL(NONE, OK | TIMEOUT, sentry_profiler_session_free, session->handle);
    if (status == SENTRY_PROFILER_TIMEOUT) timeouts++;
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
    CHECK(now.delivered_chunk_count >= last.delivered_chunk_count && now.delivered_sample_count >= last.delivered_sample_count);
    CHECK(now.dropped_too_short_count >= last.dropped_too_short_count);
    CHECK(now.dropped_overflow_count >= last.dropped_overflow_count && now.dropped_slice_count >= last.dropped_slice_count);
    // One may be on its way to the callback.
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
        if (CALL(wrong, normal, sentry_profiler_session_start, handle) == SENTRY_PROFILER_OK) session->recording = true;
        break;
    }
    case 2: {
        Statuses normal = refusal ? refusal : session && !session->recording ? NOT_RECORDING : OK;
        if (CALL(wrong, normal, sentry_profiler_session_stop, handle) == SENTRY_PROFILER_OK) session->recording = false;
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
        auto status = CALL(wrong, timeout_ms < UINT64_MAX ? OK | TIMEOUT : OK, sentry_profiler_session_flush, handle, timeout_ms);
        if (status == SENTRY_PROFILER_TIMEOUT && timeout_ms >= 5000) timeouts++;
        break;
    }
    case 8: {
        auto file = some_text(random, false), id = some_text(random, false);
        CALL(none | file.wrong | id.wrong, OK, sentry_profiler_session_add_debug_id, handle, file.data, file.len, id.data, id.len);
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

// Other embedders run between two of ours, or nothing does.
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
            Statuses wrong = WRONG_THREAD | (profiler ? NONE : NULL_ARGUMENT) | (profiler && profiler->poisoned ? PANIC : NONE);
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

// Most options are such that something is recorded.
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

// In any order; without `all` some are left.
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

// Frees all when its thread ends, later than most thread_local objects.
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
    // Profilers go before their isolate; sessions may go after it.
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

// One isolate's life, on a thread of its own.
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
    at_thread_exit.runner = this;
    at_thread_exit.allocator = params.array_buffer_allocator;
    if (!freed_by_thread) at_thread_exit.end();
}

// --- The other threads, and rounds ----------------------------------------------------------------------------------------

void be_runner(Runner &runner, uint64_t seed) {
    Random random(seed);
    while (!round_ends) {
        uint64_t life = random.next();
        bool by_thread = random.one_in(4) && !known::freeing_at_thread_exit_panics;
        std::thread([&] { runner.live(life, by_thread); }).join();
    }
}

// Uses what any thread may use, and calls what it must not.
void be_stranger(uint64_t seed) {
    Random random(seed);
    while (!round_ends) {
        if (random.one_in(3)) {
            auto &runner = runners[random.below(RUNNERS)];
            std::lock_guard<std::recursive_mutex> guard(runner.lock);
            if (runner.isolate) refused(runner, random, WRONG_THREAD);
        } else {
            harmless(random, false);
        }
        sleep_ms(random.below(4));
    }
}

void be_terminator(uint64_t seed, const std::atomic<bool> &ends) {
    Random random(seed);
    while (!ends) {
        sleep_ms(random.between(1, 20));
        auto &runner = runners[random.below(RUNNERS)];
        std::lock_guard<std::recursive_mutex> guard(runner.lock);
        if (runner.isolate && (runner.endless || random.one_in(30))) runner.isolate->TerminateExecution();
    }
}

// Threads of the library, by their names.
int library_threads() {
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks) return 0;
    while (auto *task = readdir(tasks)) {
        char path[300], name[32] = "";
        std::snprintf(path, sizeof path, "/proc/self/task/%s/comm", task->d_name);
        if (FILE *file = std::fopen(path, "r")) {
            if (!std::fgets(name, sizeof name, file)) name[0] = 0;
            std::fclose(file);
        }
        count += std::strncmp(name, "sentry-", 7) == 0;
    }
    closedir(tasks);
    return count;
}

// Bytes that are allocated now. The sanitizers' allocator does not say; they find leaks themselves.
int64_t allocated() {
#ifdef __SANITIZE_ADDRESS__
    return 0;
#else
    auto info = mallinfo2();
    return static_cast<int64_t>(info.uordblks + info.hblkhd);
#endif
}

// All threads at work, and afterwards nothing that is left of them.
void run_round(Random &random, int64_t ms) {
    round_ends = false;
    std::atomic<bool> no_more_loops{false};
    std::vector<std::thread> threads;
    for (auto &runner : runners) threads.emplace_back(be_runner, std::ref(runner), random.next());
    for (size_t at = 0; at < STRANGERS; at++) threads.emplace_back(be_stranger, random.next());
    std::thread terminator(be_terminator, random.next(), std::cref(no_more_loops));
    sleep_ms(static_cast<uint64_t>(ms));
    round_ends = true;
    for (auto &thread : threads) thread.join();
    no_more_loops = true;
    terminator.join();

    {
        std::lock_guard<std::mutex> lock(profiles_lock);
        profiles.clear();
    }
    // Both of the library's threads end with the last profiler; the kernel may take a moment to clear up.
    for (int tries = 0; library_threads() > 0; tries++) {
        if (tries == 100) fail("%d threads of the library are left without a profiler", library_threads());
        sleep_ms(10);
    }
    for (auto &ear : ears) CHECK(ear->users == 0);
    ears.clear();
    chunks_by_id.clear();
    chunk_ids.clear();
}

}  // namespace

int main(int argc, char **argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: fuzz SEED SECONDS\n");
        return 2;
    }
    uint64_t seed = std::strtoull(argv[1], nullptr, 10);
    int64_t end = now_ms() + 1000 * std::strtoll(argv[2], nullptr, 10);
    // V8 puts this back when it samples no more; the default ends the process if a signal comes late.
    std::signal(SIGPROF, SIG_IGN);
    begin_run(seed);
    Random random(seed);
    v8::V8::InitializeICU();
    auto platform = v8::platform::NewDefaultPlatform();
    v8::V8::InitializePlatform(platform.get());
    v8::V8::Initialize();

    while (!common_options) common_options = new_options(random);
    for (int times = 0; times < 30; times++) set_option(common_options, random, nullptr);
    std::vector<int64_t> bytes;
    do {
        run_round(random, std::clamp<int64_t>(end - now_ms(), 500, ROUND_MS));
        bytes.push_back(allocated());
        malloc_trim(0);
    } while (now_ms() < end);
    free_options(common_options);
    // The first round makes what is made once.
    int64_t growth = bytes.size() > 2 ? bytes.back() - bytes[1] : 0;
    if (growth > BREATH_BYTES) fail("%lld bytes more are allocated than after the second round", static_cast<long long>(growth));

    v8::V8::Dispose();
    v8::V8::DisposePlatform();
    uint64_t calls = 0, least = UINT64_MAX;
    for (auto *count : Count::all()) {
        calls += count->calls;
        least = std::min<uint64_t>(least, count->calls);
    }
    if (least == 0) fail("a function was never called");
    auto number = [](const std::atomic<uint64_t> &count) { return static_cast<unsigned long long>(count); };
    std::printf("%llu calls of %zu functions, each at least %llu times; %llu isolates, %llu profiles, %llu chunks with %llu samples, "
                "%llu terminations, %llu timeouts, %lld KB of growth\n",
                static_cast<unsigned long long>(calls), Count::all().size(), static_cast<unsigned long long>(least), number(lives),
                number(profiles_made), number(chunks_seen), number(samples_seen), number(terminations), number(timeouts),
                static_cast<long long>(growth / 1024));
    return 0;
}
