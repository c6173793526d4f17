/* A complete example in C: profiles `work` in an isolate and writes a file for Chrome DevTools and VS Code. */
#include <sentry_profiler.h>
#include <stdio.h>
#include <string.h>

static int to_file(const char *data, size_t len, void *file) { return fwrite(data, 1, len, file) == len ? 0 : 1; }

/* Call it on the isolate's thread, with the isolate entered. */
sentry_profiler_status_t profile_to_file(sentry_profiler_isolate_t *isolate, void (*work)(void *), void *data,
                                         const char *path) {
    const char *title = "minimal";
    sentry_profiler_t *profiler = NULL;
    sentry_profile_t *profile = NULL;

    sentry_profiler_status_t status = sentry_profiler_new(isolate, NULL, &profiler);
    if (status == SENTRY_PROFILER_OK) {
        status = sentry_profiler_start_profiling(profiler, title, strlen(title));
    }
    if (status == SENTRY_PROFILER_OK) {
        work(data);
        status = sentry_profiler_stop_profiling(profiler, title, strlen(title), &profile);
    }
    /* The profile outlives its profiler, which must be freed before the isolate. */
    sentry_profiler_free(profiler);

    if (status == SENTRY_PROFILER_OK) {
        FILE *file = fopen(path, "wb");
        status = SENTRY_PROFILER_WRITE_FAILED;
        if (file) {
            status = sentry_profile_write(profile, SENTRY_PROFILER_FORMAT_CPUPROFILE, NULL, to_file, file);
            if (fclose(file) != 0) status = SENTRY_PROFILER_WRITE_FAILED;
        }
    }
    if (status != SENTRY_PROFILER_OK) {
        fprintf(stderr, "no profile: %s\n", sentry_profiler_status_message((uint32_t)status));
    }
    sentry_profile_free(profile);
    return status;
}
