/* Calls from the wrong thread, and a system that cannot create threads. */
#include "support.h"

#include <pthread.h>
#include <string.h>

static void *call_from_elsewhere(void *argument) {
    seen_t *seen = argument;
    sentry_profiler_t *profiler = (sentry_profiler_t *)seen;
    sentry_profile_t *profile = (sentry_profile_t *)seen;
    sentry_profiler_session_t *session = (sentry_profiler_session_t *)seen;
    sentry_profiler_session_stats_t stats = {sizeof stats, 0, 0, 0, 0, 0};
    sentry_profiler_buffer_t *id = (sentry_profiler_buffer_t *)seen;
    sentry_profiler_options_t *options = options_for(seen);
    bool answer;
    IS(WRONG_THREAD, sentry_profiler_new(seen->host->isolate, options, &profiler));
    CHECK(profiler == NULL);
    /* The log has the details. */
    CHECK(atomic_load(&seen->warnings) == 1 && strstr(seen->last_log, "thread") != NULL);
    sentry_profiler_options_free(options);
    IS(WRONG_THREAD, sentry_profiler_start_profiling(seen->profiler, TEXT("elsewhere")));
    IS(WRONG_THREAD, sentry_profiler_stop_profiling(seen->profiler, TEXT("here"), &profile));
    CHECK(profile == NULL);
    IS(WRONG_THREAD, sentry_profiler_poll(seen->profiler));
    IS(WRONG_THREAD, sentry_profiler_session_new(seen->profiler, NULL, &session));
    CHECK(session == NULL);
    IS(WRONG_THREAD, sentry_profiler_session_start(seen->session));
    IS(WRONG_THREAD, sentry_profiler_session_stop(seen->session));
    IS(WRONG_THREAD, sentry_profiler_session_span_started(seen->session));
    IS(WRONG_THREAD, sentry_profiler_session_span_ended(seen->session));
    IS(WRONG_THREAD, sentry_profiler_session_flush(seen->session, 1000));
    IS(WRONG_THREAD, sentry_profiler_session_add_debug_id(seen->session, TEXT("file"), TEXT("id")));
    IS(WRONG_THREAD, sentry_profiler_session_profiler_id(seen->session, &id));
    CHECK(id == NULL);
    IS(WRONG_THREAD, sentry_profiler_session_is_sampled(seen->session, &answer));
    IS(WRONG_THREAD, sentry_profiler_session_is_recording(seen->session, &answer));
    IS(WRONG_THREAD, sentry_profiler_session_stats(seen->session, &stats));
    IS(WRONG_THREAD, sentry_profiler_session_free(seen->session));
    IS(WRONG_THREAD, sentry_profiler_free(seen->profiler));
    return NULL;
}

void another_thread_is_refused(const body_host_t *host) {
    seen_t seen;
    begin(host, &seen);
    sentry_profiler_t *profiler = profiler_for(&seen);
    sentry_profile_t *profile = NULL;
    IS(OK, sentry_profiler_session_new(profiler, NULL, &seen.session));
    IS(OK, sentry_profiler_session_start(seen.session));
    IS(OK, sentry_profiler_start_profiling(profiler, TEXT("here")));
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, call_from_elsewhere, &seen) == 0);
    /* At the same time, calls on the right thread succeed. */
    for (int at = 0; at < 50; at++) IS(OK, sentry_profiler_poll(profiler));
    CHECK(pthread_join(thread, NULL) == 0);
    hot(host, 200);
    /* The refused calls did no harm and freed nothing. */
    IS(OK, sentry_profiler_stop_profiling(profiler, TEXT("here"), &profile));
    SAMPLED(samples_in(profile) >= 2);
    sentry_profile_free(profile);
    IS(OK, sentry_profiler_session_stop(seen.session));
    IS(OK, sentry_profiler_session_flush(seen.session, 10000));
    SAMPLED(atomic_load(&seen.chunks) == 1);
    free_session(&seen);
    IS(OK, sentry_profiler_free(profiler));
}

/* From V8 13.6 on, V8 ends the process if it cannot create a thread. */
void a_system_without_threads(const body_host_t *host) {
    seen_t seen;
    begin(host, &seen);
    sentry_profiler_t *profiler = profiler_for(&seen);
    sentry_profiler_options_t *options = options_for(&seen);
    sentry_profiler_session_t *session = NULL;
    sentry_profile_t *profile = NULL;
    bool recording = true;
    IS(OK, sentry_profiler_options_set_chunk_duration_ms(options, 100));
    IS(OK, sentry_profiler_session_new(profiler, options, &seen.session));

    /* No thread at all. */
    refuse_threads(1);
    IS(NO_THREAD, sentry_profiler_start_profiling(profiler, TEXT("refused")));
    IS(NOT_RECORDING, sentry_profiler_stop_profiling(profiler, TEXT("refused"), &profile));
    IS(NO_THREAD, sentry_profiler_session_start(seen.session));
    IS(OK, sentry_profiler_session_is_recording(seen.session, &recording));
    CHECK(!recording);
    refuse_threads(0);
    IS(OK, sentry_profiler_session_start(seen.session));

    /* No thread for the encoder: calls that wait return a status, and nothing is delivered. The proof that a thread
     * can be had, made for the first tick, has expired by then. */
    sleep_ms(30);
    refuse_threads(1);
    hot(host, 700);
    IS(TIMEOUT, sentry_profiler_session_flush(seen.session, 150));
    CHECK(atomic_load(&seen.chunks) == 0);
    refuse_threads(0);
    IS(OK, sentry_profiler_session_flush(seen.session, 20000));
    SAMPLED(atomic_load(&seen.chunks) >= 2 && atomic_load(&seen.samples) >= 10);
    IS(OK, sentry_profiler_session_stop(seen.session));

    /* No thread for V8, long after its last one ended. */
    refuse_threads(1);
    sleep_ms(400);
    IS(NO_THREAD, sentry_profiler_start_profiling(profiler, TEXT("refused")));
    IS(OK, sentry_profiler_options_set_lifecycle(options, SENTRY_PROFILER_LIFECYCLE_TRACE));
    IS(OK, sentry_profiler_session_new(profiler, options, &session));
    int warnings = atomic_load(&seen.warnings);
    for (int at = 0; at < 3; at++) {
        IS(OK, sentry_profiler_session_span_started(session));
        IS(OK, sentry_profiler_session_span_ended(session));
    }
    CHECK(atomic_load(&seen.warnings) == warnings + 1);
    IS(OK, sentry_profiler_session_span_started(session));
    refuse_threads(0);
    /* The profiler tries again by itself. */
    for (recording = false; !recording;) {
        hot(host, 100);
        if (!IS(OK, sentry_profiler_session_is_recording(session, &recording))) break;
    }
    IS(OK, sentry_profiler_session_free(session));
    free_session(&seen);
    IS(OK, sentry_profiler_free(profiler));
    sentry_profiler_options_free(options);
}
