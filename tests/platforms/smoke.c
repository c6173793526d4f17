/* A program without a V8 that links the library: what needs no V8 works, and the rest says what is missing.
 * Usage: smoke VERSION */
#include <sentry_profiler.h>
#include <stdio.h>
#include <string.h>

static char logged[4096];

static void on_log(sentry_profiler_log_level_t level, const char *message, size_t len, void *user_data) {
    (void)level, (void)user_data;
    snprintf(logged, sizeof logged, "%.*s", (int)len, message);
}

static int failed;

static void check(int right, const char *what) {
    printf("%s - %s\n", right ? "ok" : "not ok", what);
    failed |= !right;
}

int main(int argc, char **argv) {
    char no_isolate[64] = {0};
    sentry_profiler_buffer_t *version = NULL, *missing = NULL;
    sentry_profiler_options_t *options = NULL;
    sentry_profiler_t *profiler = NULL;
    sentry_profiler_status_t status;

    check(argc == 2 && strcmp(sentry_profiler_version(), argv[1]) == 0, "the version");
    check(sentry_profiler_abi_version() == SENTRY_PROFILER_ABI_VERSION, "the version of the interface");

    check(sentry_profiler_new(NULL, NULL, &profiler) == SENTRY_PROFILER_NULL_ARGUMENT, "NULL is an error");
    check(sentry_profiler_options_new(&options) == SENTRY_PROFILER_OK, "options");
    check(sentry_profiler_options_set_sampling_interval_us(options, 1) == SENTRY_PROFILER_INVALID_ARGUMENT,
          "an option out of range is an error");
    const char *unsupported = sentry_profiler_status_message(SENTRY_PROFILER_UNSUPPORTED_V8);
    check(strstr(unsupported, "V8") && strcmp(unsupported, sentry_profiler_status_message(0)) != 0,
          "a status has a message");

    check(sentry_profiler_support(NULL, &version, &missing) == SENTRY_PROFILER_OK, "support can be asked");
    check(sentry_profiler_buffer_len(version) == 0, "there is no V8");
    check(missing && strstr(sentry_profiler_buffer_data(missing), "CpuProfiler"), "what is missing is listed");
    sentry_profiler_buffer_free(version);
    sentry_profiler_buffer_free(missing);

    sentry_profiler_options_set_log_callback(options, on_log, NULL);
    status = sentry_profiler_new((sentry_profiler_isolate_t *)(void *)no_isolate, options, &profiler);
    check(status == SENTRY_PROFILER_UNSUPPORTED_V8 && !profiler, "without V8 there is no profiler");
    check(strstr(logged, "no V8 in reach") != NULL, logged);
    sentry_profiler_options_free(options);
    printf("end\n");
    return failed ? 1 : 7;
}
