// The C++ header: ownership, and objects after a move.

#include "body.h"

#include "sentry_profiler.hpp"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace sp = sentry_profiler;
using namespace std::chrono_literals;

namespace {

template <typename T>
constexpr bool move_only = !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T> &&
                           std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T>;
static_assert(move_only<sp::Options> && move_only<sp::Profiler> && move_only<sp::Session>);
static_assert(move_only<sp::Profile> && move_only<sp::Buffer>);

int checks = 0, failures = 0;

bool check(bool right, const char *what, int line) {
    checks++;
    if (!right) {
        failures++;
        std::fprintf(stderr, "raii.cc:%d: %s\n", line, what);
    }
    return right;
}

#define CHECK(condition) check((condition), #condition, __LINE__)
#define OK(call) CHECK((call) == SENTRY_PROFILER_OK)

void run(const body_host_t *host) {
    auto options = sp::Options::create();
    if (!CHECK(bool(options))) return;
    std::atomic<int> first{0}, second{0};
    std::vector<std::string> log;
    OK(options->set_sampling_interval(1ms));
    OK(options->set_session_sample_rate(1));
    OK(options->on_log([&](sp::LogLevel, std::string_view text) { log.emplace_back(text); }));
    OK(options->on_chunk([&](const sp::Chunk &chunk) { first += chunk.sample_count > 0; }));
    CHECK(options->set_sampling_interval(-1us) == SENTRY_PROFILER_INVALID_ARGUMENT);
    CHECK(options->set_chunk_duration(1h) == SENTRY_PROFILER_INVALID_ARGUMENT);
    OK(options->set_release({}));

    const auto support = sp::Support::check();
    CHECK(support && support->supported() && !support->version.view().empty());
    CHECK(sp::Profiler::create(nullptr).status() == SENTRY_PROFILER_NULL_ARGUMENT);

    auto profiler = sp::Profiler::create(host->isolate, &*options);
    if (!CHECK(bool(profiler))) return;
    auto session = profiler->session();
    // Objects made with options keep the callbacks that the options had then.
    OK(options->on_chunk([&](const sp::Chunk &) { second++; }));
    CHECK(session && *session->is_sampled() && session->profiler_id()->view().size() == 32);
    OK(session->start());
    CHECK(session->start() == SENTRY_PROFILER_ALREADY_RECORDING);
    CHECK(profiler->start_profiling({}) == SENTRY_PROFILER_INVALID_ARGUMENT);
    OK(profiler->start_profiling("title"));
    host->run("for (const end = Date.now() + 300; Date.now() < end;);", host->context);
    auto profile = profiler->stop_profiling("title");
    CHECK(profile && profile->info()->sample_count >= 2);
    CHECK(profiler->stop_profiling("title").status() == SENTRY_PROFILER_NOT_RECORDING);
    OK(session->flush(10s));
    CHECK(first == 1 && second == 0 && session->stats()->delivered_chunk_count == 1);

    std::string written;
    OK(profile->write(SENTRY_PROFILER_FORMAT_CPUPROFILE, [&](std::string_view bytes) {
        written += bytes;
        return true;
    }));
    CHECK(written == profile->encode(SENTRY_PROFILER_FORMAT_CPUPROFILE)->view());
    CHECK(profile->write(SENTRY_PROFILER_FORMAT_FOLDED, [](std::string_view) { return false; }) ==
          SENTRY_PROFILER_WRITE_FAILED);
    CHECK(profile->write(SENTRY_PROFILER_FORMAT_FOLDED, nullptr) == SENTRY_PROFILER_NULL_ARGUMENT);

    // On another thread nothing is freed; it can still be freed on the right one.
    std::thread([&] {
        CHECK(sp::Profiler::create(host->isolate, &*options).status() == SENTRY_PROFILER_WRONG_THREAD);
        CHECK(log.size() == 1 && log[0].find("thread") != std::string::npos);
        CHECK(profiler->poll() == SENTRY_PROFILER_WRONG_THREAD);
        CHECK(session->close() == SENTRY_PROFILER_WRONG_THREAD && session->get() != nullptr);
        CHECK(profiler->close() == SENTRY_PROFILER_WRONG_THREAD && profiler->get() != nullptr);
    }).join();

    // A move leaves an empty object, whose methods return statuses. The overwritten object is freed.
    auto other = sp::Profiler::create(host->isolate);
    sp::Profiler moved = *std::move(profiler);
    CHECK(profiler->get() == nullptr && profiler->poll() == SENTRY_PROFILER_NULL_ARGUMENT);
    OK(profiler->close());
    *other = std::move(moved);
    OK(other->poll());
    sp::Session last = *std::move(session);
    OK(other->close());
    CHECK(last.stop() == SENTRY_PROFILER_CLOSED);
    OK(last.close());
    OK(last.close());
    CHECK(log.size() == 1);
}

}  // namespace

extern "C" int body(const body_host_t *host) {
    run(host);
    std::printf("%d checks, %d failed\n", checks, failures);
    return failures;
}
