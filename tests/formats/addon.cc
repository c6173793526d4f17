// A Node add-on that links libsentry_profiler. Exports start(title), and stop(title), which returns the profile in
// every format.

#include <sentry_profiler.hpp>

#include <node_api.h>
#include <v8.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

namespace {

using Profiler = sentry_profiler::Profiler;

constexpr std::pair<const char *, sentry_profiler::Format> kFormats[] = {
    {"sampleV2", SENTRY_PROFILER_FORMAT_SAMPLE_V2},
    {"sampleV1", SENTRY_PROFILER_FORMAT_SAMPLE_V1},
    {"cpuprofile", SENTRY_PROFILER_FORMAT_CPUPROFILE},
    {"pprof", SENTRY_PROFILER_FORMAT_PPROF},
    {"folded", SENTRY_PROFILER_FORMAT_FOLDED},
    {"flamegraph", SENTRY_PROFILER_FORMAT_FLAMEGRAPH},
    {"html", SENTRY_PROFILER_FORMAT_HTML},
    {"markdown", SENTRY_PROFILER_FORMAT_MARKDOWN},
};

void Need(bool right, const char *what) {
    if (right) return;
    std::fprintf(stderr, "%s failed\n", what);
    std::abort();
}

#define NEED(call) Need((call) == napi_ok, #call)

Profiler &TheProfiler(napi_env env) {
    void *profiler = nullptr;
    NEED(napi_get_instance_data(env, &profiler));
    return *static_cast<Profiler *>(profiler);
}

std::string Title(napi_env env, napi_callback_info info) {
    size_t count = 1, length = 0;
    napi_value argument;
    char title[64];
    NEED(napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr));
    NEED(napi_get_value_string_utf8(env, argument, title, sizeof title, &length));
    return {title, length};
}

napi_value Start(napi_env env, napi_callback_info info) {
    Need(TheProfiler(env).start_profiling(Title(env, info)) == SENTRY_PROFILER_OK, "start_profiling");
    return nullptr;
}

napi_value Stop(napi_env env, napi_callback_info info) {
    const auto profile = TheProfiler(env).stop_profiling(Title(env, info));
    Need(static_cast<bool>(profile), "stop_profiling");
    napi_value formats;
    NEED(napi_create_object(env, &formats));
    for (const auto &[name, format] : kFormats) {
        const auto bytes = profile->encode(format);
        Need(static_cast<bool>(bytes), name);
        napi_value buffer;
        NEED(napi_create_buffer_copy(env, bytes->view().size(), bytes->view().data(), nullptr, &buffer));
        NEED(napi_set_named_property(env, formats, name, buffer));
    }
    return formats;
}

}  // namespace

NAPI_MODULE_INIT() {
    auto profiler = Profiler::create(v8::Isolate::GetCurrent());
    Need(static_cast<bool>(profiler), "create");
    auto *kept = new Profiler(*std::move(profiler));
    NEED(napi_set_instance_data(env, kept, nullptr, nullptr));
    // Must be freed before the isolate ends.
    NEED(napi_add_env_cleanup_hook(env, [](void *kept) { delete static_cast<Profiler *>(kept); }, kept));
    constexpr std::pair<const char *, napi_callback> kFunctions[] = {{"start", Start}, {"stop", Stop}};
    for (const auto &[name, function] : kFunctions) {
        napi_value value;
        NEED(napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value));
        NEED(napi_set_named_property(env, exports, name, value));
    }
    return exports;
}
