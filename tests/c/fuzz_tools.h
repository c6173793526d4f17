// The parts of the fuzzer that do not depend on profilers: random choices, the record of calls, the watchdog, and
// checks of text.
#ifndef FUZZ_TOOLS_H
#define FUZZ_TOOLS_H

#include "sentry_profiler.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// Makes the same choices for the same seed on every machine.
class Random {
public:
    explicit Random(uint64_t seed) : state_(seed) {}

    uint64_t next() {
        state_ += 0x9e3779b97f4a7c15u;
        uint64_t mixed = state_;
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
        return mixed ^ (mixed >> 31);
    }

    uint64_t below(uint64_t bound) { return next() % bound; }
    uint64_t between(uint64_t from, uint64_t to) { return from + below(to - from + 1); }
    bool one_in(uint64_t count) { return below(count) == 0; }

    template <typename T, size_t N>
    const T &of(const T (&all)[N]) {
        return all[below(N)];
    }

    // One of them, or NULL when there is none.
    template <typename T>
    T *of(const std::vector<T *> &all) {
        return all.empty() ? nullptr : all[below(all.size())];
    }

private:
    uint64_t state_;
};

// A set of statuses.
using Statuses = uint32_t;

constexpr Statuses only(int status) { return 1u << (status < 100 ? status : status - 100 + 16); }

// How often a function was called.
struct Count {
    std::string function;
    std::atomic<uint64_t> calls{0};

    static Count &of(const char *function);
    static std::vector<Count *> all();
};

// An operation of this thread. It is in the record, and if it hangs, the watchdog ends the program.
class Operation {
public:
    explicit Operation(const char *what, Count *count = nullptr);
    ~Operation();
    Operation(const Operation &) = delete;
    Operation &operator=(const Operation &) = delete;

    // Fails unless the call may return this status: one of the `reasons` to refuse it if there are any, else a
    // `normal` one.
    sentry_profiler_status_t ended(sentry_profiler_status_t status, Statuses reasons, Statuses normal);

private:
    const char *what_;
    int status_ = -1;
    size_t at_;
};

// Calls a function that returns a status and checks it.
#define CALL(reasons, normal, function, ...)                                 \
    [&] {                                                                    \
        static Count &calls_ = Count::of(#function);                         \
        Operation operation_(#function "(" #__VA_ARGS__ ")", &calls_);       \
        return operation_.ended(function(__VA_ARGS__), (reasons), (normal)); \
    }()

// Calls a function that returns something else.
#define PLAIN(function, ...)                                           \
    [&] {                                                              \
        static Count &calls_ = Count::of(#function);                   \
        Operation operation_(#function "(" #__VA_ARGS__ ")", &calls_); \
        return function(__VA_ARGS__);                                  \
    }()

// Begins the run: prints the seed and starts the watchdog.
void begin_run(uint64_t seed);

// Prints the failure and the last calls, and ends the program.
[[noreturn]] void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define CHECK(condition)                                                                   \
    do {                                                                                   \
        if (!(condition)) fail("%s:%d: check failed: %s", __FILE__, __LINE__, #condition); \
    } while (false)

int64_t now_ms();
void sleep_ms(uint64_t ms);

bool is_utf8(std::string_view text);
bool is_json_object(std::string_view text);
uint64_t hash(std::string_view bytes);

#endif
