/* Sessions: when they record, what they deliver, how they end. */
#include "support.h"

#include <string.h>

void manual_session(const body_host_t *host) {
    seen_t seen;
    begin(host, &seen);
    sentry_profiler_t *profiler = profiler_for(&seen);
    bool answer = false;
    IS(OK, sentry_profiler_session_new(profiler, NULL, &seen.session));
    IS(OK, sentry_profiler_session_add_debug_id(seen.session, TEXT("body.js"), TEXT("some-id")));
    IS(OK, sentry_profiler_session_is_sampled(seen.session, &answer));
    CHECK(answer);
    IS(NOT_RECORDING, sentry_profiler_session_stop(seen.session));
    IS(OK, sentry_profiler_session_start(seen.session));
    IS(ALREADY_RECORDING, sentry_profiler_session_start(seen.session));
    IS(OK, sentry_profiler_session_span_started(seen.session));
    IS(OK, sentry_profiler_session_span_ended(seen.session));
    IS(OK, sentry_profiler_session_is_recording(seen.session, &answer));
    CHECK(answer);
    hot(host, 200);
    IS(OK, sentry_profiler_session_flush(seen.session, 10000));
    SAMPLED(atomic_load(&seen.chunks) == 1 && atomic_load(&seen.samples) >= 2);
    hot(host, 200);
    IS(OK, sentry_profiler_session_stop(seen.session));
    IS(OK, sentry_profiler_session_is_recording(seen.session, &answer));
    CHECK(!answer);
    /* A chunk with fewer than two samples is dropped and counted, so every chunk is accounted for. */
    IS(OK, sentry_profiler_session_start(seen.session));
    IS(OK, sentry_profiler_session_stop(seen.session));
    IS(OK, sentry_profiler_session_flush(seen.session, 10000));
    int chunks = atomic_load(&seen.chunks);
    SAMPLED(chunks == 2 || chunks == 3);
    sentry_profiler_session_stats_t stats = {sizeof stats, 0, 0, 0, 0, 0};
    IS(OK, sentry_profiler_session_stats(seen.session, &stats));
    CHECK(stats.delivered_chunk_count == (uint64_t)chunks);
    CHECK(stats.delivered_chunk_count + stats.dropped_too_short_count == 3);
    CHECK(stats.delivered_sample_count == (uint64_t)atomic_load(&seen.samples));
    CHECK(stats.dropped_overflow_count == 0 && stats.dropped_slice_count == 0);
    sentry_profiler_buffer_t *id = NULL;
    IS(OK, sentry_profiler_session_profiler_id(seen.session, &id));
    CHECK(chunks == 0 || strcmp(sentry_profiler_buffer_data(id), seen.profiler_id) == 0);
    sentry_profiler_buffer_free(id);
    free_session(&seen);
    IS(OK, sentry_profiler_free(profiler));
    CHECK(atomic_load(&seen.chunks) == chunks);
}

void trace_session(const body_host_t *host) {
    seen_t seen;
    begin(host, &seen);
    sentry_profiler_t *profiler = profiler_for(&seen);
    sentry_profiler_options_t *options = options_for(&seen);
    bool answer = true;
    IS(OK, sentry_profiler_options_set_lifecycle(options, SENTRY_PROFILER_LIFECYCLE_TRACE));
    IS(OK, sentry_profiler_options_set_quiet_ms(options, 5000));
    IS(OK, sentry_profiler_session_new(profiler, options, &seen.session));
    IS(TRACE_LIFECYCLE, sentry_profiler_session_start(seen.session));
    IS(TRACE_LIFECYCLE, sentry_profiler_session_stop(seen.session));
    IS(OK, sentry_profiler_session_span_ended(seen.session));
    for (int at = 0; at < 10; at++) {
        IS(OK, sentry_profiler_session_span_started(seen.session));
        hot(host, 15);
        IS(OK, sentry_profiler_session_span_ended(seen.session));
        sleep_ms(5);
    }
    IS(OK, sentry_profiler_session_span_ended(seen.session));
    IS(OK, sentry_profiler_session_is_recording(seen.session, &answer));
    CHECK(!answer);
    IS(OK, sentry_profiler_session_flush(seen.session, 10000));
    /* Short spans share one chunk, and their samples are kept. */
    SAMPLED(atomic_load(&seen.chunks) == 1 && atomic_load(&seen.samples) >= 2);
    free_session(&seen);

    IS(OK, sentry_profiler_options_set_session_sample_rate(options, 0));
    IS(OK, sentry_profiler_session_new(profiler, options, &seen.session));
    IS(OK, sentry_profiler_session_is_sampled(seen.session, &answer));
    CHECK(!answer);
    IS(NOT_SAMPLED, sentry_profiler_session_start(seen.session));
    IS(NOT_SAMPLED, sentry_profiler_session_stop(seen.session));
    IS(OK, sentry_profiler_session_span_started(seen.session));
    hot(host, 20);
    IS(OK, sentry_profiler_session_span_ended(seen.session));
    IS(OK, sentry_profiler_session_flush(seen.session, 10000));
    CHECK(atomic_load(&seen.chunks) <= 1);
    free_session(&seen);
    IS(OK, sentry_profiler_free(profiler));
    sentry_profiler_options_free(options);
}

void profiler_first(const body_host_t *host) {
    seen_t seen;
    begin(host, &seen);
    sentry_profiler_t *profiler = profiler_for(&seen);
    sentry_profiler_session_t *idle = NULL;
    IS(OK, sentry_profiler_session_new(profiler, NULL, &idle));
    IS(OK, sentry_profiler_session_new(profiler, NULL, &seen.session));
    IS(OK, sentry_profiler_session_start(seen.session));
    IS(OK, sentry_profiler_start_profiling(profiler, TEXT("one")));
    IS(OK, sentry_profiler_start_profiling(profiler, TEXT("two")));
    hot(host, 200);
    hide_profiler(&seen);
    IS(OK, sentry_profiler_free(profiler));
    /* The open session delivers its samples on the encoder thread. */
    for (int at = 0; at < 1000 && atomic_load(&seen.chunks) == 0; at++) sleep_ms(10);
    SAMPLED(atomic_load(&seen.chunks) == 1);
    bool answer;
    sentry_profiler_session_stats_t stats = {sizeof stats, 0, 0, 0, 0, 0};
    IS(CLOSED, sentry_profiler_session_start(seen.session));
    IS(CLOSED, sentry_profiler_session_stop(seen.session));
    IS(CLOSED, sentry_profiler_session_span_started(seen.session));
    IS(CLOSED, sentry_profiler_session_span_ended(seen.session));
    IS(CLOSED, sentry_profiler_session_flush(seen.session, 1000));
    IS(OK, sentry_profiler_session_is_recording(seen.session, &answer));
    CHECK(!answer);
    IS(OK, sentry_profiler_session_is_sampled(seen.session, &answer));
    IS(OK, sentry_profiler_session_add_debug_id(seen.session, TEXT("file"), TEXT("id")));
    IS(OK, sentry_profiler_session_stats(seen.session, &stats));
    CHECK(stats.delivered_chunk_count + stats.dropped_too_short_count == 1);
    free_session(&seen);
    IS(OK, sentry_profiler_session_free(idle));
    CHECK(stats.delivered_chunk_count == (uint64_t)atomic_load(&seen.chunks));
}

void idle_isolate_is_woken(const body_host_t *host) {
    seen_t seen;
    begin(host, &seen);
    sentry_profiler_t *profiler = profiler_for(&seen);
    sentry_profiler_options_t *options = options_for(&seen);
    IS(OK, sentry_profiler_options_set_chunk_duration_ms(options, 500));
    IS(OK, sentry_profiler_session_new(profiler, options, &seen.session));
    IS(OK, sentry_profiler_session_start(seen.session));
    hot(host, 50);
    /* As an event loop does. */
    for (int at = 0; at < 1000 && atomic_load(&seen.chunks) == 0; at++) {
        int wakes = atomic_load(&seen.wakes);
        sleep_ms(10);
        if (atomic_load(&seen.wakes) > wakes) IS(OK, sentry_profiler_poll(profiler));
    }
    CHECK(atomic_load(&seen.wakes) > 0);
    SAMPLED(atomic_load(&seen.chunks) > 0);
    free_session(&seen);
    IS(OK, sentry_profiler_free(profiler));
    int wakes = atomic_load(&seen.wakes);
    sleep_ms(250);
    CHECK(atomic_load(&seen.wakes) == wakes);
    sentry_profiler_options_free(options);
}
