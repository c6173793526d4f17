/* One body of tests, in C, for every host that has an isolate. */
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
} body_host_t;

/* Runs everything; answers how many checks failed, each of which was printed. */
int body(const body_host_t *host);

/* As `body`, what only one thread of a process can run at a time. Not every body has it. */
int body_alone(const body_host_t *host) __attribute__((weak));

#ifdef __cplusplus
}
#endif

#endif
