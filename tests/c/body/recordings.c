/* Named recordings. */
#include "support.h"

#include <stdio.h>
#include <string.h>

void recordings(const body_host_t *host) {
    seen_t seen;
    begin(host, &seen);
    sentry_profiler_t *profiler = profiler_for(&seen);
    sentry_profile_t *outer = NULL, *inner = NULL, *none = (sentry_profile_t *)&seen;

    IS(NOT_RECORDING, sentry_profiler_stop_profiling(profiler, TEXT("nothing"), &none));
    CHECK(none == NULL);
    /* Titles without a terminating NUL, with a NUL in the middle, and not in ASCII. */
    IS(OK, sentry_profiler_start_profiling(profiler, "outer, cut here", 5));
    hot(host, 300);
    IS(OK, sentry_profiler_start_profiling(profiler, "\xc3\xbc\0ber", 6));
    hot(host, 300);
    IS(OK, sentry_profiler_stop_profiling(profiler, "\xc3\xbc\0ber", 6, &inner));
    IS(OK, sentry_profiler_stop_profiling(profiler, TEXT("outer"), &outer));
    IS(NOT_RECORDING, sentry_profiler_stop_profiling(profiler, TEXT("outer"), &none));

    sentry_profile_info_t whole, part;
    whole.struct_size = part.struct_size = sizeof whole;
    IS(OK, sentry_profile_info(outer, &whole));
    IS(OK, sentry_profile_info(inner, &part));
    /* The last tick lasts one interval, which may end after the stop. */
    CHECK(whole.start_us < part.start_us && part.end_us <= whole.end_us + (int64_t)whole.sampling_interval_us);
    CHECK(whole.end_us - whole.start_us >= 550000 && whole.end_us - whole.start_us < 60000000);
    SAMPLED(part.sample_count >= 2 && whole.sample_count > part.sample_count);
    SAMPLED(whole.frame_count > 1 && whole.stack_count >= whole.frame_count - 1);
    CHECK(whole.dropped_sample_count == 0);
    CHECK(strlen(whole.chunk_id) == 32 && strcmp(whole.chunk_id, part.chunk_id) != 0);
    CHECK(strlen(whole.profiler_id) == 32 && strcmp(whole.profiler_id, part.profiler_id) == 0);
    sentry_profile_free(inner);

    /* Starting a title again drops what it recorded. */
    IS(OK, sentry_profiler_start_profiling(profiler, TEXT("again")));
    hot(host, 300);
    IS(OK, sentry_profiler_start_profiling(profiler, TEXT("again")));
    hot(host, 200);
    IS(OK, sentry_profiler_stop_profiling(profiler, TEXT("again"), &inner));
    IS(OK, sentry_profile_info(inner, &part));
    SAMPLED(part.sample_count >= 2);
    CHECK(part.end_us - part.start_us >= 150000);
    CHECK(part.start_us > whole.end_us + 250000);
    sentry_profile_free(inner);

    /* V8 itself allows only a hundred recordings at a time. */
    char title[32];
    for (int at = 0; at < 120; at++) {
        snprintf(title, sizeof title, "title %d", at);
        IS(OK, sentry_profiler_start_profiling(profiler, TEXT(title)));
    }
    hot(host, 200);
    for (int at = 0; at < 120; at++) {
        snprintf(title, sizeof title, "title %d", at);
        if (IS(OK, sentry_profiler_stop_profiling(profiler, TEXT(title), &inner))) SAMPLED(samples_in(inner) >= 2);
        sentry_profile_free(inner);
    }
    IS(OK, sentry_profiler_poll(profiler));
    IS(OK, sentry_profiler_free(profiler));
    /* A profile outlives its profiler. */
    CHECK(samples_in(outer) == whole.sample_count);
    sentry_profile_free(outer);
    CHECK(atomic_load(&seen.warnings) == 0);
}

void maximum_of_samples(const body_host_t *host) {
    seen_t seen;
    begin(host, &seen);
    sentry_profiler_options_t *options = options_for(&seen);
    sentry_profiler_t *profiler = NULL;
    IS(OK, sentry_profiler_options_set_max_sample_count(options, 3));
    IS(OK, sentry_profiler_options_set_logging(options, SENTRY_PROFILER_LOGGING_LAZY));
    IS(OK, sentry_profiler_new(host->isolate, options, &profiler));
    sentry_profile_t *profile = profile_for(host, profiler);
    sentry_profile_info_t info;
    info.struct_size = sizeof info;
    IS(OK, sentry_profile_info(profile, &info));
    SAMPLED(info.sample_count == 3 && info.dropped_sample_count > 0);
    CHECK(info.sample_count <= 3);
    sentry_profiler_buffer_t *buffer = NULL;
    IS(OK, sentry_profile_encode(profile, SENTRY_PROFILER_FORMAT_SAMPLE_V1, NULL, &buffer));
    CHECK(has(buffer, "\"profiler_logging_mode\":\"lazy\""));
    sentry_profiler_buffer_free(buffer);
    sentry_profile_free(profile);
    IS(OK, sentry_profiler_free(profiler));
    sentry_profiler_options_free(options);
}
