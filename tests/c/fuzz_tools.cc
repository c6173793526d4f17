#include "fuzz_tools.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <unistd.h>

namespace {

// No call takes this long, even on a busy machine.
constexpr int64_t HANG_MS = 30000;
constexpr size_t KEPT = 256, SHOWN = 80;

struct Entry {
    uint64_t number;
    const char *what;
    int status;
};

constexpr int BEGUN = -2;

// The last calls of one thread. It outlives the thread and is then reused for another.
struct Track {
    int name = 0;
    bool taken = false;
    std::array<Entry, KEPT> entries{};
    std::atomic<size_t> count{0};
    std::atomic<int> depth{0};
    std::atomic<int64_t> last_ms{0};
    std::atomic<const char *> what{nullptr};

    size_t put(const char *text, int status);
};

uint64_t seed = 0;
std::atomic<uint64_t> entries{0};
std::atomic<bool> failed{false};

std::mutex &tracks_lock() {
    static auto *lock = new std::mutex;
    return *lock;
}

std::deque<Track> &tracks() {
    static auto *tracks = new std::deque<Track>;
    return *tracks;
}

size_t Track::put(const char *text, int status) {
    size_t at = count++;
    entries[at % KEPT] = {::entries++, text, status};
    last_ms = now_ms();
    what = text;
    return at;
}

struct Lease {
    Track *track;

    Lease() {
        std::lock_guard<std::mutex> lock(tracks_lock());
        auto &all = tracks();
        auto free = std::find_if(all.begin(), all.end(), [](const Track &track) { return !track.taken; });
        if (free == all.end()) {
            all.emplace_back();
            free = all.end() - 1;
            free->name = static_cast<int>(all.size());
        }
        free->taken = true;
        track = &*free;
    }

    ~Lease() {
        std::lock_guard<std::mutex> lock(tracks_lock());
        track->taken = false;
    }
};

Track &mine() {
    static thread_local Lease lease;
    return *lease.track;
}

// Without locks, because the holder of one may be what hangs.
void show_record() {
    struct Line : Entry {
        int thread;
    };
    std::vector<Line> lines;
    for (auto &track : tracks()) {
        size_t count = track.count;
        for (size_t at = count < KEPT ? 0 : count - KEPT; at < count; at++) {
            lines.push_back({track.entries[at % KEPT], track.name});
        }
    }
    std::sort(lines.begin(), lines.end(), [](const Line &a, const Line &b) { return a.number < b.number; });
    std::fprintf(stderr, "the last calls:\n");
    for (size_t at = lines.size() < SHOWN ? 0 : lines.size() - SHOWN; at < lines.size(); at++) {
        const auto &line = lines[at];
        std::fprintf(stderr, "%8llu thread %d: %s", static_cast<unsigned long long>(line.number), line.thread,
                     line.what);
        if (line.status == BEGUN) {
            std::fprintf(stderr, " begins\n");
        } else if (line.status < 0) {
            std::fprintf(stderr, " ends\n");
        } else {
            auto status = static_cast<uint32_t>(line.status);
            std::fprintf(stderr, " = %u, %s\n", status, sentry_profiler_status_message(status));
        }
    }
    std::fprintf(stderr, "seed %llu\n", static_cast<unsigned long long>(seed));
    std::fflush(stderr);
}

void watch() {
    for (;;) {
        sleep_ms(500);
        std::unique_lock<std::mutex> lock(tracks_lock());
        for (auto &track : tracks()) {
            if (track.depth > 0 && now_ms() - track.last_ms > HANG_MS) {
                const char *what = track.what;
                lock.unlock();
                fail("thread %d hangs: %s", track.name, what ? what : "?");
            }
        }
    }
}

#ifdef __SANITIZE_ADDRESS__
extern "C" void __asan_on_error() { show_record(); }
#else
void on_signal(int signal) {
    std::signal(signal, SIG_DFL);
    if (!failed.exchange(true)) {
        std::fprintf(stderr, "signal %d\n", signal);
        show_record();
    }
    std::raise(signal);
}
#endif

std::mutex counts_lock;

std::deque<Count> &counts() {
    static std::deque<Count> counts;
    return counts;
}

}  // namespace

Count &Count::of(const char *function) {
    std::lock_guard<std::mutex> lock(counts_lock);
    auto &all = counts();
    auto found = std::find_if(all.begin(), all.end(), [&](const Count &count) { return count.function == function; });
    if (found != all.end()) return *found;
    all.emplace_back();
    all.back().function = function;
    return all.back();
}

std::vector<Count *> Count::all() {
    std::lock_guard<std::mutex> lock(counts_lock);
    std::vector<Count *> all;
    for (auto &count : counts()) all.push_back(&count);
    return all;
}

Operation::Operation(const char *what, Count *count) : what_(what) {
    if (count) count->calls++;
    auto &track = mine();
    at_ = track.put(what, BEGUN);
    track.depth++;
}

Operation::~Operation() {
    auto &track = mine();
    // An operation without calls inside takes one line only.
    if (track.count == at_ + 1) track.count--;
    track.put(what_, status_);
    track.depth--;
}

sentry_profiler_status_t Operation::ended(sentry_profiler_status_t status, Statuses reasons, Statuses normal) {
    status_ = status;
    Statuses allowed = reasons ? reasons : normal;
    if (!(only(status) & allowed)) {
        std::string names;
        for (uint32_t other = 0; other < 110; other++) {
            if ((other < 16 || other >= 100) && (only(static_cast<int>(other)) & allowed)) {
                names += names.empty() ? "" : ", or ";
                names += sentry_profiler_status_message(other);
            }
        }
        fail("%s\n  returned %d, %s; not %s", what_, status, sentry_profiler_status_message(status), names.c_str());
    }
    return status;
}

void begin_run(uint64_t with_seed) {
    seed = with_seed;
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    std::fflush(stdout);
#ifndef __SANITIZE_ADDRESS__
    for (int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP}) std::signal(signal, on_signal);
#endif
    std::thread(watch).detach();
}

void fail(const char *format, ...) {
    if (failed.exchange(true)) {
        for (;;) sleep_ms(1000);
    }
    std::va_list arguments;
    va_start(arguments, format);
    std::fprintf(stderr, "FAILED: ");
    std::vfprintf(stderr, format, arguments);
    std::fprintf(stderr, "\n");
    va_end(arguments);
    show_record();
    // Wait for a debugger, to see where the threads are.
    if (std::getenv("FUZZ_WAIT")) {
        for (;;) sleep_ms(1000);
    }
    _exit(1);
}

int64_t now_ms() {
    using namespace std::chrono;
    return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

void sleep_ms(uint64_t ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

uint64_t hash(std::string_view bytes) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3u;
    return hash;
}

bool is_utf8(std::string_view text) {
    for (size_t at = 0; at < text.size();) {
        auto byte = [&](size_t offset) {
            return at + offset < text.size() ? static_cast<unsigned char>(text[at + offset]) : 0u;
        };
        auto follows = [&](size_t offset) { return (byte(offset) & 0xc0) == 0x80; };
        unsigned first = byte(0);
        if (first < 0x80) {
            at += 1;
        } else if (first >= 0xc2 && first < 0xe0 && follows(1)) {
            at += 2;
        } else if (first >= 0xe0 && first < 0xf0 && follows(1) && follows(2)) {
            unsigned second = byte(1);
            if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0)) return false;
            at += 3;
        } else if (first >= 0xf0 && first < 0xf5 && follows(1) && follows(2) && follows(3)) {
            unsigned second = byte(1);
            if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second >= 0x90)) return false;
            at += 4;
        } else {
            return false;
        }
    }
    return true;
}

namespace {

class Json {
public:
    explicit Json(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

    bool is_object() {
        bool object = at_ != end_ && *at_ == '{';
        return object && value(0) && at_ == end_;
    }

private:
    bool take(char wanted) {
        if (at_ == end_ || *at_ != wanted) return false;
        at_++;
        return true;
    }

    bool word(std::string_view wanted) {
        if (static_cast<size_t>(end_ - at_) < wanted.size() || std::string_view(at_, wanted.size()) != wanted)
            return false;
        at_ += wanted.size();
        return true;
    }

    bool digits() {
        const char *begin = at_;
        while (at_ != end_ && *at_ >= '0' && *at_ <= '9') at_++;
        return at_ != begin;
    }

    bool number() {
        take('-');
        if (!digits()) return false;
        if (take('.') && !digits()) return false;
        if (take('e') || take('E')) {
            if (!take('+')) take('-');
            return digits();
        }
        return true;
    }

    bool string() {
        if (!take('"')) return false;
        while (at_ != end_ && *at_ != '"') {
            if (static_cast<unsigned char>(*at_) < 0x20) return false;
            if (*at_++ != '\\') continue;
            if (take('u')) {
                for (int digit = 0; digit < 4; digit++) {
                    if (at_ == end_ || !std::isxdigit(static_cast<unsigned char>(*at_++))) return false;
                }
            } else if (at_ == end_ || !std::strchr("\"\\/bfnrt", *at_++)) {
                return false;
            }
        }
        return take('"');
    }

    // Our JSON is never pretty-printed, so there is no white space to skip.
    bool value(int depth) {
        if (depth > 16 || at_ == end_) return false;
        switch (*at_) {
        case '{':
            at_++;
            if (take('}')) return true;
            do {
                if (!string() || !take(':') || !value(depth + 1)) return false;
            } while (take(','));
            return take('}');
        case '[':
            at_++;
            if (take(']')) return true;
            do {
                if (!value(depth + 1)) return false;
            } while (take(','));
            return take(']');
        case '"': return string();
        case 't': return word("true");
        case 'f': return word("false");
        case 'n': return word("null");
        default: return number();
        }
    }

    const char *at_;
    const char *end_;
};

}  // namespace

bool is_json_object(std::string_view text) { return is_utf8(text) && Json(text).is_object(); }
