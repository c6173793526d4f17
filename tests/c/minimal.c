/* Runs examples/minimal.c in the embedder of the tests. */
#include "body.h"

#include <stdio.h>
#include <string.h>

sentry_profiler_status_t profile_to_file(sentry_profiler_isolate_t *isolate, void (*work)(void *), void *data,
                                         const char *path);

static void work(void *data) {
    const body_host_t *host = data;
    host->run("function hot() { const end = Date.now() + 500; let x = 0; while (Date.now() < end) x++; } hot()",
              host->context);
}

int body(const body_host_t *host) {
    char path[4096];
    snprintf(path, sizeof path, "%s/minimal.cpuprofile", host->output);
    sentry_profiler_status_t status = profile_to_file(host->isolate, work, (void *)(uintptr_t)host, path);
    /* A folder that is not there. */
    snprintf(path, sizeof path, "%s/nowhere/minimal.cpuprofile", host->output);
    sentry_profiler_status_t failed = profile_to_file(host->isolate, work, (void *)(uintptr_t)host, path);
    return !(status == SENTRY_PROFILER_OK && failed == SENTRY_PROFILER_WRITE_FAILED);
}
