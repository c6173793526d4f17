/* The C library in a host with a V8: a Node add-on in C that profiles a function of JavaScript.
 * Exports profile(function), which returns the profile as the text of a .cpuprofile. */
#ifndef _WIN32
#define _GNU_SOURCE
#include <dlfcn.h>
#endif
#include <node_api.h>
#include <sentry_profiler.h>
#include <string.h>
#ifdef _WIN32
#include <windows.h>
#endif

/* v8::Isolate::GetCurrent, by its mangled name: C has no other. */
static sentry_profiler_isolate_t *current_isolate(void) {
    typedef sentry_profiler_isolate_t *get_current_t(void);
#ifdef _WIN32
    get_current_t *get_current =
        (get_current_t *)(void *)GetProcAddress(GetModuleHandleA(NULL), "?GetCurrent@Isolate@v8@@SAPEAV12@XZ");
#else
    get_current_t *get_current = (get_current_t *)dlsym(RTLD_DEFAULT, "_ZN2v87Isolate10GetCurrentEv");
#endif
    return get_current ? get_current() : NULL;
}

static napi_value failure(napi_env env, const char *what, sentry_profiler_status_t status) {
    napi_throw_error(env, what, sentry_profiler_status_message(status));
    return NULL;
}

static napi_value profile(napi_env env, napi_callback_info info) {
    static const char title[] = "title";
    size_t count = 1;
    napi_value work, receiver, text = NULL;
    sentry_profiler_t *profiler = NULL;
    sentry_profile_t *recorded = NULL;
    sentry_profiler_buffer_t *bytes = NULL;
    sentry_profiler_status_t status;

    if (napi_get_cb_info(env, info, &count, &work, NULL, NULL) != napi_ok ||
        napi_get_undefined(env, &receiver) != napi_ok) {
        return NULL;
    }
    status = sentry_profiler_new(current_isolate(), NULL, &profiler);
    if (status != SENTRY_PROFILER_OK) return failure(env, "new", status);
    status = sentry_profiler_start_profiling(profiler, title, strlen(title));
    if (status == SENTRY_PROFILER_OK) {
        napi_call_function(env, receiver, work, 0, NULL, NULL);
        status = sentry_profiler_stop_profiling(profiler, title, strlen(title), &recorded);
    }
    sentry_profiler_free(profiler);
    if (status != SENTRY_PROFILER_OK) return failure(env, "record", status);

    status = sentry_profile_encode(recorded, SENTRY_PROFILER_FORMAT_CPUPROFILE, NULL, &bytes);
    sentry_profile_free(recorded);
    if (status != SENTRY_PROFILER_OK) return failure(env, "encode", status);
    napi_create_string_utf8(env, sentry_profiler_buffer_data(bytes), sentry_profiler_buffer_len(bytes), &text);
    sentry_profiler_buffer_free(bytes);
    return text;
}

NAPI_MODULE_INIT() {
    napi_value function;
    if (napi_create_function(env, "profile", NAPI_AUTO_LENGTH, profile, NULL, &function) == napi_ok) {
        napi_set_named_property(env, exports, "profile", function);
    }
    return exports;
}
