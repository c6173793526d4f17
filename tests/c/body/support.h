/* Shared by the tests: checks, callbacks that check their arguments, and handles that call them. */
#ifndef SUPPORT_H
#define SUPPORT_H

/* Must come before the first system header. */
#define _POSIX_C_SOURCE 200809L

#include "../body.h"
#include "tests.h"

#include <pthread.h>
#include <stdatomic.h>

/* Only in libraries that were built with the feature `test-panic`. */
sentry_profiler_status_t sentry_profiler_test_panic(sentry_profiler_t *profiler);
/* nothread.c */
void refuse_threads(int refuse);

/* A string as a pointer and a length. */
#define TEXT(text) (text), strlen(text)

/* Counts the checks of all threads. */
extern atomic_int checks;
extern atomic_int failures;

/* The checks return whether the condition holds. */
#define CHECK(condition) check_that((condition) != 0, #condition, __FILE__, __LINE__)
#define IS(wanted, call) check_status((call), SENTRY_PROFILER_##wanted, #call, __FILE__, __LINE__)
int check_that(int right, const char *what, const char *file, int line);
int check_status(sentry_profiler_status_t status, sentry_profiler_status_t wanted, const char *what, const char *file,
                 int line);

/* Checks what needs samples. V8 may take none on a busy machine, or while its processing thread spins. */
#define SAMPLED(condition) check_sampled((condition) != 0, #condition, __FILE__, __LINE__)
int check_sampled(int right, const char *what, const char *file, int line);
/* How many of these failed in this try of the test. */
extern _Thread_local int unsampled;

/* Sleeps for the whole time, although V8's sampling signals interrupt it. */
void sleep_ms(long ms);
int has(const sentry_profiler_buffer_t *buffer, const char *text);
/* Leaves a file for the validator. */
void save(const body_host_t *host, const char *name, const char *data, size_t len);

/* What the callbacks received. */
typedef struct {
    const body_host_t *host;
    /* Held while a callback uses the two handles, because another thread may free them. */
    pthread_mutex_t handles;
    sentry_profiler_t *profiler;
    sentry_profiler_session_t *session;
    sentry_profile_t *profile;
    pthread_t isolate_thread;
    atomic_int chunks, samples, logs, warnings, wakes, resolved, pieces;
    char profiler_id[33];
    char last_log[512];
    atomic_int anew; /* messages that V8's thread is started anew */
    size_t written;
    int stop_after;
} seen_t;

/* Every test begins with this. */
void begin(const body_host_t *host, seen_t *seen);
/* Burns CPU in a JavaScript function of this name. */
void hot(const body_host_t *host, int ms);

/* Callbacks, whose `user_data` is a `seen_t`. */
void on_chunk(const sentry_profiler_chunk_t *chunk, void *user_data);
void on_log(sentry_profiler_log_level_t level, const char *message, size_t len, void *user_data);
void on_wake(void *user_data);
void *on_symbol(const char *mangled_name, void *user_data);
int on_write(const char *data, size_t len, void *user_data);

/* Options that sample every millisecond and report to `seen`. */
sentry_profiler_options_t *options_for(seen_t *seen);
sentry_profiler_t *profiler_for(seen_t *seen);
/* After this no callback uses the profiler. */
void hide_profiler(seen_t *seen);
/* Frees the session; no callback uses it after this. */
void free_session(seen_t *seen);
/* Returns a profile of 200 ms of `hot`. */
sentry_profile_t *profile_for(const body_host_t *host, sentry_profiler_t *profiler);
uint64_t samples_in(const sentry_profile_t *profile);

#endif
