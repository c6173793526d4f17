/* Faults inside the library: a V8 that takes no samples, and a panic. */
#include "support.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* V8 samples this thread by a signal. While the signal is blocked there are no samples, as when V8's threads hang. */
void a_recording_without_samples_is_started_anew(const body_host_t *host) {
    seen_t seen;
    begin(host, &seen);
    sentry_profiler_t *profiler = profiler_for(&seen);
    sentry_profile_t *profile = NULL;
    sigset_t sampling;
    sigemptyset(&sampling);
    sigaddset(&sampling, SIGPROF);
    hot(host, 50);
    IS(OK, sentry_profiler_start_profiling(profiler, TEXT("blocked")));
    CHECK(pthread_sigmask(SIG_BLOCK, &sampling, NULL) == 0);
    for (int at = 0; at < 30 && atomic_load(&seen.anew) == 0; at++) hot(host, 100);
    CHECK(pthread_sigmask(SIG_UNBLOCK, &sampling, NULL) == 0);
    SAMPLED(atomic_load(&seen.anew) > 0);
    /* Samples come again once the signal is unblocked. */
    hot(host, 200);
    IS(OK, sentry_profiler_stop_profiling(profiler, TEXT("blocked"), &profile));
    SAMPLED(samples_in(profile) >= 10);
    sentry_profile_free(profile);
    IS(OK, sentry_profiler_free(profiler));
}

void a_panic_poisons_the_handle(const body_host_t *host) {
    seen_t seen;
    begin(host, &seen);
    sentry_profiler_t *profiler = profiler_for(&seen), *other = NULL;
    sentry_profiler_session_t *session = NULL, *none = NULL;
    sentry_profile_t *profile = (sentry_profile_t *)&seen;
    IS(OK, sentry_profiler_session_new(profiler, NULL, &session));
    IS(OK, sentry_profiler_session_start(session));
    IS(OK, sentry_profiler_start_profiling(profiler, TEXT("running")));
    hot(host, 50);
    /* The panic's message goes to the log only, not to standard error. */
    FILE *capture = tmpfile();
    int standard_error = dup(STDERR_FILENO);
    if (!CHECK(capture && dup2(fileno(capture), STDERR_FILENO) >= 0)) return;
    sentry_profiler_status_t status = sentry_profiler_test_panic(profiler);
    CHECK(dup2(standard_error, STDERR_FILENO) >= 0 && close(standard_error) == 0);
    IS(PANIC, status);
    CHECK(fseek(capture, 0, SEEK_END) == 0 && ftell(capture) == 0 && fclose(capture) == 0);
    CHECK(strstr(seen.last_log, "requested by the test") != NULL && strstr(seen.last_log, "profiler.rs") != NULL);
    IS(PANIC, sentry_profiler_start_profiling(profiler, TEXT("title")));
    IS(PANIC, sentry_profiler_stop_profiling(profiler, TEXT("running"), &profile));
    CHECK(profile == NULL);
    IS(PANIC, sentry_profiler_poll(profiler));
    IS(PANIC, sentry_profiler_session_new(profiler, NULL, &none));
    /* Other handles still work, and the poisoned one can be freed. */
    hide_profiler(&seen);
    IS(OK, sentry_profiler_session_stop(session));
    IS(OK, sentry_profiler_session_free(session));
    IS(OK, sentry_profiler_new(host->isolate, NULL, &other));
    IS(OK, sentry_profiler_free(profiler));
    profile = profile_for(host, other);
    SAMPLED(samples_in(profile) >= 2);
    sentry_profile_free(profile);
    IS(OK, sentry_profiler_free(other));
}
