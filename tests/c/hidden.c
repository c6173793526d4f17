/* V8's functions are hidden in the executable. The shared library cannot find them, reports it, and gets them from a
 * resolver. */
#include "body.h"

#include <stdio.h>
#include <string.h>

/* From the archive that hides them. */
void *hidden_v8_symbol(const char *mangled_name);

static int resolved;

static void *resolve(const char *mangled_name, void *user_data) {
    (void)user_data;
    resolved++;
    return hidden_v8_symbol(mangled_name);
}

static int fail(const char *what) {
    fprintf(stderr, "hidden.c: %s\n", what);
    return 1;
}

int body(const body_host_t *host) {
    sentry_profiler_buffer_t *version = NULL, *missing = NULL;
    sentry_profiler_options_t *options = NULL;
    sentry_profiler_t *profiler = NULL;
    sentry_profile_t *profile = NULL;
    sentry_profile_info_t info;
    info.struct_size = sizeof info;

    if (sentry_profiler_support(NULL, &version, &missing) != SENTRY_PROFILER_OK) return fail("no report");
    if (sentry_profiler_buffer_len(version) != 0) return fail("V8 is not hidden");
    if (!strstr(sentry_profiler_buffer_data(missing), "_ZN2v811CpuProfiler4StopEj")) return fail("nothing is missing");
    sentry_profiler_buffer_free(version);
    sentry_profiler_buffer_free(missing);
    if (sentry_profiler_new(host->isolate, NULL, &profiler) != SENTRY_PROFILER_UNSUPPORTED_V8)
        return fail("supported");

    if (sentry_profiler_options_new(&options) != SENTRY_PROFILER_OK) return fail("no options");
    sentry_profiler_options_set_symbol_resolver(options, resolve, NULL);
    sentry_profiler_options_set_sampling_interval_us(options, 1000);
    if (sentry_profiler_new(host->isolate, options, &profiler) != SENTRY_PROFILER_OK) return fail("not resolved");
    if (resolved < 20) return fail("the resolver was not called for every symbol");
    sentry_profiler_start_profiling(profiler, "title", 5);
    host->run("for (const end = Date.now() + 300; Date.now() < end;);", host->context);
    if (sentry_profiler_stop_profiling(profiler, "title", 5, &profile) != SENTRY_PROFILER_OK)
        return fail("no profile");
    if (sentry_profile_info(profile, &info) != SENTRY_PROFILER_OK || info.sample_count < 2) return fail("no samples");
    sentry_profile_free(profile);
    sentry_profiler_options_free(options);
    return sentry_profiler_free(profiler) == SENTRY_PROFILER_OK ? 0 : fail("not freed");
}
