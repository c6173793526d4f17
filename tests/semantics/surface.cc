// The scenarios through the C library, by way of its C++ header.

#include "surface.h"

#include <sentry_profiler.hpp>

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <thread>

using namespace std::chrono_literals;
namespace sp = sentry_profiler;

namespace {

std::optional<sp::Profiler> profiler;
std::optional<sp::Session> session;
std::atomic<int> chunks;

std::string outcome(sp::Status status, const char *done) {
    switch (status) {
    case SENTRY_PROFILER_OK: return done;
    case SENTRY_PROFILER_INVALID_ARGUMENT: return "invalid";
    case SENTRY_PROFILER_ALREADY_RECORDING: return "already-running";
    case SENTRY_PROFILER_NOT_RECORDING: return "not-running";
    case SENTRY_PROFILER_NOT_SAMPLED: return "not-sampled";
    case SENTRY_PROFILER_TRACE_LIFECYCLE: return "trace-lifecycle";
    default: return "error: " + std::string(sp::message(status));
    }
}

std::string stop(const std::string &title) {
    auto profile = profiler->stop_profiling(title);
    if (profile.status() == SENTRY_PROFILER_NOT_RECORDING) return "none";
    if (!profile) return outcome(profile.status(), "");
    auto bytes = profile->encode(SENTRY_PROFILER_FORMAT_SAMPLE_V2);
    return bytes ? std::string(bytes->view()) : outcome(bytes.status(), "");
}

std::string new_session(const std::string &lifecycle, double rate, double chunk_ms, double quiet_ms) {
    auto options = sp::Options::create();
    if (!options) return outcome(options.status(), "");
    const sp::Status statuses[] = {
        options->set_lifecycle(lifecycle == "trace" ? SENTRY_PROFILER_LIFECYCLE_TRACE
                                                    : SENTRY_PROFILER_LIFECYCLE_MANUAL),
        options->set_session_sample_rate(rate),
        options->set_chunk_duration(std::chrono::milliseconds(static_cast<long>(chunk_ms))),
        options->set_quiet(std::chrono::milliseconds(static_cast<long>(quiet_ms))),
        options->on_chunk([](const sp::Chunk &) { chunks++; }),
    };
    for (const sp::Status status : statuses) {
        if (status != SENTRY_PROFILER_OK) return outcome(status, "");
    }
    chunks = 0;
    session.reset();
    auto made = profiler->session(&*options);
    if (!made) return outcome(made.status(), "");
    session.emplace(*std::move(made));
    const auto sampled = session->is_sampled();
    return sampled && *sampled ? "sampled" : "not-sampled";
}

std::string delivered(sp::Status status) {
    return status == SENTRY_PROFILER_OK ? std::to_string(chunks.exchange(0)) : outcome(status, "");
}

std::string call(const std::string &operation, const std::string &text, double a, double b, double c) {
    if (operation == "start") return outcome(profiler->start_profiling(text), "ok");
    if (operation == "stop") return stop(text);
    if (operation == "session") return new_session(text, a, b, c);
    if (operation == "session start") return outcome(session->start(), "started");
    if (operation == "session stop") return outcome(session->stop(), "stopped");
    if (operation == "span started") return outcome(session->span_started(), "ok");
    if (operation == "span ended") return outcome(session->span_ended(), "ok");
    if (operation == "flush") return delivered(session->flush(10s));
    if (operation == "close") return delivered(session->close());
    if (operation == "sleep") {
        std::this_thread::sleep_for(std::chrono::milliseconds(static_cast<long>(a)));
        return "ok";
    }
    return "unknown operation";
}

}  // namespace

extern "C" int surface_open(void *isolate) {
    auto made = sp::Profiler::create(static_cast<v8::Isolate *>(isolate));
    if (made) profiler.emplace(*std::move(made));
    return profiler.has_value();
}

extern "C" const char *surface_call(const char *operation, const char *text, double a, double b, double c) {
    static std::string answer;
    answer = call(operation, text, a, b, c);
    return answer.c_str();
}

extern "C" void surface_close(void) {
    session.reset();
    profiler.reset();
}
