/* Between the hosts, which have an isolate, and the bodies, which have tests: body/, hidden.c and raii.cc. */
#ifndef BODY_H
#define BODY_H

#include "sentry_profiler.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    /* Entered on the calling thread. */
    sentry_profiler_isolate_t *isolate;
    /* Runs JavaScript in the isolate. */
    void (*run)(const char *javascript, void *context);
    void *context;
    /* Where chunks are left for the validator, or NULL. */
    const char *output;
    /* Part of the names of the tests that run, or NULL for all. Not every body has several. */
    const char *only;
} body_host_t;

/* Runs the tests; returns how many checks failed, each of which was printed. */
int body(const body_host_t *host);

/* As `body`, what only one thread of a process can run at a time. Not every body has it. */
int body_alone(const body_host_t *host) __attribute__((weak));

#ifdef __cplusplus
}
#endif

#endif
