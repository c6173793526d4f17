// Shared by the parts of the fuzzer: the model of each handle, and the statuses that a call may return.
#ifndef FUZZ_H
#define FUZZ_H

#include "fuzz_tools.h"

#include <v8.h>

#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

// Only in libraries that were built with the feature `test-panic`.
extern "C" sentry_profiler_status_t sentry_profiler_test_panic(sentry_profiler_t *profiler);

namespace fuzz {

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

constexpr uint32_t FORMATS = SENTRY_PROFILER_FORMAT_MARKDOWN + 1;

// Counts for the last line of the output.
extern std::atomic<uint64_t> chunks_seen, samples_seen, timeouts, terminations, lives, profiles_made;
extern std::atomic<bool> round_ends;

// When a callback began to block the encoder so long that waiting calls time out, and when the last such one returned.
extern std::atomic<int64_t> long_since_ms, long_until_ms;

// A string argument in a buffer of exactly its length.
struct Text {
    std::unique_ptr<char[]> bytes;
    const char *data = nullptr;
    size_t len = 0;
    Statuses wrong = NONE;

    std::string string() const { return data ? std::string(data, len) : std::string(); }
};

Text text_of(const std::string &string);
Text some_text(Random &random, bool may_be_empty);

// A handle output. It is NULL afterwards unless the call succeeded.
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

void free_buffer(sentry_profiler_buffer_t *buffer);
std::string_view view_of(const sentry_profiler_buffer_t *buffer);

struct Runner;

// The user data of callbacks, which knows which handles may still call them.
struct Ear {
    Runner &runner;
    uint64_t seed;
    // How many handles may call. A callback without any is a bug of the library.
    std::atomic<int> users{0};
    std::atomic<uint64_t> calls{0};

    Ear(Runner &runner, uint64_t seed) : runner(runner), seed(seed) {}
};

extern std::vector<std::unique_ptr<Ear>> ears;
Ear *new_ear(Runner &runner, Random &random);
// Adds or removes a handle that may call.
void listen(Ear *ear, int change);

// The chunks of a session, by its profiler id.
struct Chunks {
    std::mutex lock;
    int64_t duration_us = 0, last_end_us = 0;
    uint64_t count = 0, samples = 0;
    bool freed = false;
};

extern std::mutex facts_lock;
extern std::map<std::string, std::shared_ptr<Chunks>> chunks_by_id;
extern std::set<std::string> chunk_ids;
std::shared_ptr<Chunks> chunks_of(const std::string &profiler_id);

void on_log(sentry_profiler_log_level_t level, const char *message, size_t len, void *user_data);
void on_chunk(const sentry_profiler_chunk_t *chunk, void *user_data);
void on_wake(void *user_data);

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

// Shared by all threads and never changed.
extern Options *common_options;

Options *new_options(Random &random);
void free_options(Options *options);
// Sets an option to a valid or invalid value. Without a runner no callback may come.
void set_option(Options *options, Random &random, Runner *runner);

// A profile shared by all threads; the last user frees it.
struct Profile {
    sentry_profile_t *handle;
    uint64_t interval_us, max_samples;
    std::mutex lock;
    // Hashes of the first encoding in each format.
    std::array<uint64_t, FORMATS> hashes{};
    sentry_profile_info_t info{};

    Profile(sentry_profile_t *handle, const Settings &settings)
        : handle(handle), interval_us(settings.interval_us), max_samples(settings.max_samples) {}
    ~Profile() { PLAIN(sentry_profile_free, handle); }
};

extern std::mutex profiles_lock;
extern std::vector<std::shared_ptr<Profile>> profiles;
void keep_profile(Random &random, std::shared_ptr<Profile> profile);
void check_encoded(uint32_t format, std::string_view text);

// Makes a call that is allowed on any thread, also in a callback.
void harmless(Random &random, bool in_callback);

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

// An isolate, its thread, and what belongs to it.
struct Runner {
    // Protects the following fields. Other threads lock it to use them, callbacks try to. The runner locks it to
    // change them, and never while it calls the library.
    std::recursive_mutex lock;
    v8::Isolate *isolate = nullptr;
    std::vector<Profiler *> profilers;
    std::vector<Session *> sessions;

    // The wake callback asked for a call of poll.
    std::atomic<bool> wanted{false};
    // A loop that only a termination ends.
    std::atomic<bool> endless{false};

    // Used only on the runner's own thread.
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

constexpr size_t RUNNERS = 3;
extern std::array<Runner, RUNNERS> runners;

// Makes a call that must be refused here with `reason`. The runner's lock is held.
void refused(Runner &runner, Random &random, Statuses reason);

}  // namespace fuzz

#endif
