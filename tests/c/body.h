/* The interface between hosts, which provide an isolate, and the tests: body/, hidden.c and raii.cc. */
#ifndef BODY_H
#define BODY_H

#include "sentry_profiler.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    /* Is entered on the calling thread. */
    sentry_profiler_isolate_t *isolate;
    /* Runs JavaScript in the isolate. */
    void (*run)(const char *javascript, void *context);
    void *context;
    /* The folder in which to leave chunks for the validator, or NULL. */
    const char *output;
    /* Run only the tests whose names contain this; NULL for all. hidden.c and raii.cc are one test each. */
    const char *only;
} body_host_t;

/* Runs the tests. Prints each failed check and returns how many there were. */
int body(const body_host_t *host);

/* Like `body`, for tests that only one thread of a process can run at a time. Optional. */
int body_alone(const body_host_t *host) __attribute__((weak));

#ifdef __cplusplus
}
#endif

#endif
