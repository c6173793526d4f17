/* Every format, whole and piece by piece, also from several threads at once. */
#include "support.h"

#include <pthread.h>
#include <string.h>

void formats(const body_host_t *host) {
    seen_t seen;
    begin(host, &seen);
    sentry_profiler_t *profiler = profiler_for(&seen);
    sentry_profile_t *profile = profile_for(host, profiler);
    const char *expected[] = {"\"function\":\"hot\"",
                              "\"elapsed_since_start_ns\":",
                              "{\"type\":\"profile_chunk\"",
                              "\"functionName\":\"hot\"",
                              "\x1f\x8b",
                              "hot",
                              "<svg",
                              "<!doctype html>",
                              "# Profile\n"};
    sentry_profiler_buffer_t *buffer = NULL;
    for (uint32_t format = 0; format < 9; format++) {
        IS(OK, sentry_profile_encode(profile, format, NULL, &buffer));
        SAMPLED(has(buffer, expected[format]));
        CHECK(sentry_profiler_buffer_data(buffer)[sentry_profiler_buffer_len(buffer)] == 0);
        /* Piece by piece gives the same bytes, except for an envelope, which has a time stamp. */
        seen.profile = profile;
        seen.written = 0;
        atomic_store(&seen.pieces, 0);
        IS(OK, sentry_profile_write(profile, format, NULL, on_write, &seen));
        CHECK(seen.written == sentry_profiler_buffer_len(buffer));
        sentry_profiler_buffer_free(buffer);
    }
    seen.stop_after = 1;
    atomic_store(&seen.pieces, 0);
    IS(WRITE_FAILED, sentry_profile_write(profile, SENTRY_PROFILER_FORMAT_FLAMEGRAPH, NULL, on_write, &seen));
    CHECK(atomic_load(&seen.pieces) == 1);

    /* The metadata comes from the profiler, or from the options if given. */
    IS(OK, sentry_profile_encode(profile, SENTRY_PROFILER_FORMAT_SAMPLE_V2, NULL, &buffer));
    CHECK(has(buffer, "\"release\":\"body@1.0\"") && has(buffer, "\"environment\":\"test\""));
    CHECK(has(buffer, "\"platform\":\"node\"") && has(buffer, "\"name\":\"main\"") && !has(buffer, "debug_meta"));
    /* Sentry rejects chunks without samples. */
    if (!unsampled)
        save(host, "profile.json", sentry_profiler_buffer_data(buffer), sentry_profiler_buffer_len(buffer));
    sentry_profiler_buffer_free(buffer);
    sentry_profiler_options_t *options = options_for(&seen);
    IS(OK, sentry_profiler_options_set_thread(options, TEXT("7"), TEXT("painter")));
    IS(OK, sentry_profiler_options_set_sdk(options, TEXT("my.sdk"), TEXT("9.9")));
    IS(OK, sentry_profiler_options_set_platform(options, TEXT("javascript")));
    IS(OK, sentry_profiler_options_set_release(options, "", 0));
    IS(OK,
       sentry_profiler_options_add_debug_id(options, TEXT("body.js"), TEXT("0f8fad5b-d9cb-469f-a165-70867728950e")));
    IS(OK, sentry_profile_encode(profile, SENTRY_PROFILER_FORMAT_ENVELOPE, options, &buffer));
    SAMPLED(has(buffer, "\"thread_id\":\"7\""));
    CHECK(has(buffer, "\"painter\"") && has(buffer, "\"my.sdk\""));
    CHECK(has(buffer, "\"version\":\"9.9\"") && has(buffer, "\"platform\":\"javascript\"") && !has(buffer, "release"));
    SAMPLED(has(buffer, "\"code_file\":\"body.js\",\"debug_id\":\"0f8fad5b-d9cb-469f-a165-70867728950e\""));
    sentry_profiler_buffer_free(buffer);
    IS(OK, sentry_profile_encode(profile, SENTRY_PROFILER_FORMAT_ENVELOPE, NULL, &buffer));
    if (!unsampled) {
        save(host, "profile.envelope", sentry_profiler_buffer_data(buffer), sentry_profiler_buffer_len(buffer));
    }
    sentry_profiler_buffer_free(buffer);
    sentry_profiler_options_free(options);
    sentry_profile_free(profile);
    IS(OK, sentry_profiler_free(profiler));
}

static void *encode_all(void *argument) {
    const sentry_profile_t *profile = argument;
    static const uint32_t formats[] = {SENTRY_PROFILER_FORMAT_SAMPLE_V2, SENTRY_PROFILER_FORMAT_SAMPLE_V1,
                                       SENTRY_PROFILER_FORMAT_CPUPROFILE, SENTRY_PROFILER_FORMAT_FOLDED};
    for (int round = 0; round < 20; round++) {
        for (size_t at = 0; at < 4; at++) {
            sentry_profiler_buffer_t *first = NULL, *second = NULL;
            IS(OK, sentry_profile_encode(profile, formats[at], NULL, &first));
            IS(OK, sentry_profile_encode(profile, formats[at], NULL, &second));
            CHECK(sentry_profiler_buffer_len(first) == sentry_profiler_buffer_len(second));
            CHECK(strcmp(sentry_profiler_buffer_data(first), sentry_profiler_buffer_data(second)) == 0);
            sentry_profiler_buffer_free(first);
            sentry_profiler_buffer_free(second);
        }
    }
    return NULL;
}

void four_threads_encode_at_once(const body_host_t *host) {
    seen_t seen;
    begin(host, &seen);
    sentry_profiler_t *profiler = profiler_for(&seen);
    sentry_profile_t *profile = profile_for(host, profiler);
    pthread_t threads[4];
    for (int at = 0; at < 4; at++) CHECK(pthread_create(&threads[at], NULL, encode_all, profile) == 0);
    /* Meanwhile the profiler records, and is freed. */
    IS(OK, sentry_profiler_start_profiling(profiler, TEXT("meanwhile")));
    hot(host, 50);
    IS(OK, sentry_profiler_free(profiler));
    for (int at = 0; at < 4; at++) CHECK(pthread_join(threads[at], NULL) == 0);
    sentry_profile_free(profile);
}
