// Random calls of every function of the C library, on isolates that come and go. Usage: fuzz SEED SECONDS
//
// Some threads have an isolate each, with profilers, sessions and recordings, and run JavaScript that computes,
// throws, recurses, allocates, loops until it is terminated and calls the library. Other threads, and callbacks, make
// calls that are allowed on any thread, and some that are not. A model gives the statuses that each call may return.
// Calls with undefined behaviour are not made: freed handles, lengths beyond the bytes, two calls on the same options.
//
// A seed repeats the choices of each thread, but not how the threads interleave.

#include "fuzz.h"

#include <libplatform/libplatform.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <dirent.h>
#include <malloc.h>
#include <thread>

namespace fuzz {

std::atomic<bool> round_ends{false};

namespace {

constexpr size_t STRANGERS = 2;
constexpr int64_t ROUND_MS = 4000;
// By how much the memory that V8 and the allocator keep varies from round to round.
constexpr int64_t BREATH_BYTES = 6 << 20;

void be_runner(Runner &runner, uint64_t seed) {
    Random random(seed);
    while (!round_ends) {
        uint64_t life = random.next();
        bool by_thread = random.one_in(4);
        std::thread([&] { runner.live(life, by_thread); }).join();
    }
}

// Makes calls that are allowed on any thread, and calls that are not.
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

// The bytes allocated now. Unknown under the sanitizers, which find leaks themselves.
int64_t allocated() {
#ifdef __SANITIZE_ADDRESS__
    return 0;
#else
    auto info = mallinfo2();
    return static_cast<int64_t>(info.uordblks + info.hblkhd);
#endif
}

// Runs all threads, and checks that nothing is left of them afterwards.
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
    // Both of the library's threads end with the last profiler, but the kernel may list them for a moment longer.
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

}  // namespace fuzz

using namespace fuzz;

int main(int argc, char **argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: fuzz SEED SECONDS\n");
        return 2;
    }
    uint64_t seed = std::strtoull(argv[1], nullptr, 10);
    int64_t end = now_ms() + 1000 * std::strtoll(argv[2], nullptr, 10);
    // V8 restores this handler when it stops sampling. A late signal would end the process with the default one.
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
    // The first round also allocates what is allocated once.
    int64_t growth = bytes.size() > 2 ? bytes.back() - bytes[1] : 0;
    if (growth > BREATH_BYTES)
        fail("%lld bytes more are allocated than after the second round", static_cast<long long>(growth));

    v8::V8::Dispose();
    v8::V8::DisposePlatform();
    uint64_t calls = 0, least = UINT64_MAX;
    for (auto *count : Count::all()) {
        calls += count->calls;
        least = std::min<uint64_t>(least, count->calls);
    }
    if (least == 0) fail("a function was never called");
    auto number = [](const std::atomic<uint64_t> &count) { return static_cast<unsigned long long>(count); };
    std::printf(
        "%llu calls of %zu functions, each at least %llu times; %llu isolates, %llu profiles, %llu chunks with %llu "
        "samples, "
        "%llu terminations, %llu timeouts, %lld KB of growth\n",
        static_cast<unsigned long long>(calls), Count::all().size(), static_cast<unsigned long long>(least),
        number(lives), number(profiles_made), number(chunks_seen), number(samples_seen), number(terminations),
        number(timeouts), static_cast<long long>(growth / 1024));
    return 0;
}
