/* What the library reports about itself and V8, and which arguments and values it refuses. */
#include "support.h"

#include <stdio.h>
#include <string.h>

void versions(const body_host_t *host) {
    (void)host;
    CHECK(sentry_profiler_abi_version() == SENTRY_PROFILER_ABI_VERSION);
    CHECK(strchr(sentry_profiler_version(), '.') != NULL);
    CHECK(strcmp(sentry_profiler_status_message(SENTRY_PROFILER_OK), "success") == 0);
    CHECK(strstr(sentry_profiler_status_message(4000000000u), "unknown") != NULL);
}

void v8_is_supported(const body_host_t *host) {
    seen_t seen;
    begin(host, &seen);
    sentry_profiler_buffer_t *version = NULL, *missing = NULL;
    IS(OK, sentry_profiler_support(NULL, &version, &missing));
    CHECK(sentry_profiler_buffer_len(missing) == 0);
    CHECK(has(version, "."));
    printf("V8 %s\n", sentry_profiler_buffer_data(version));
    sentry_profiler_buffer_free(version);
    sentry_profiler_buffer_free(missing);

    /* All symbols are found without the resolver, so it is not called. */
    sentry_profiler_options_t *options = options_for(&seen);
    IS(OK, sentry_profiler_options_set_symbol_resolver(options, on_symbol, &seen));
    IS(OK, sentry_profiler_support(options, &version, &missing));
    CHECK(sentry_profiler_buffer_len(missing) == 0 && atomic_load(&seen.resolved) == 0);
    sentry_profiler_buffer_free(version);
    sentry_profiler_buffer_free(missing);
    sentry_profiler_options_free(options);
}

void null_is_a_status(const body_host_t *host) {
    seen_t seen;
    begin(host, &seen);
    char text[] = "text";
    sentry_profiler_options_t *options = options_for(&seen);
    sentry_profiler_buffer_t *buffer = (sentry_profiler_buffer_t *)&seen, *other = buffer;
    bool answer = true;

    IS(NULL_ARGUMENT, sentry_profiler_options_new(NULL));
    IS(NULL_ARGUMENT, sentry_profiler_options_set_logging(NULL, 0));
    IS(NULL_ARGUMENT, sentry_profiler_options_set_sampling_interval_us(NULL, 1000));
    IS(NULL_ARGUMENT, sentry_profiler_options_set_max_sample_count(NULL, 1000));
    IS(NULL_ARGUMENT, sentry_profiler_options_set_thread(NULL, text, 4, text, 4));
    IS(NULL_ARGUMENT, sentry_profiler_options_set_thread(options, NULL, 4, text, 4));
    IS(NULL_ARGUMENT, sentry_profiler_options_set_thread(options, text, 4, NULL, 4));
    IS(NULL_ARGUMENT, sentry_profiler_options_set_lifecycle(NULL, 0));
    IS(NULL_ARGUMENT, sentry_profiler_options_set_session_sample_rate(NULL, 1));
    IS(NULL_ARGUMENT, sentry_profiler_options_set_chunk_duration_ms(NULL, 1000));
    IS(NULL_ARGUMENT, sentry_profiler_options_set_quiet_ms(NULL, 1000));
    IS(NULL_ARGUMENT, sentry_profiler_options_set_release(NULL, text, 4));
    IS(NULL_ARGUMENT, sentry_profiler_options_set_release(options, NULL, 0));
    IS(NULL_ARGUMENT, sentry_profiler_options_set_environment(NULL, text, 4));
    IS(NULL_ARGUMENT, sentry_profiler_options_set_environment(options, NULL, 4));
    IS(NULL_ARGUMENT, sentry_profiler_options_set_sdk(NULL, text, 4, text, 4));
    IS(NULL_ARGUMENT, sentry_profiler_options_set_sdk(options, NULL, 4, text, 4));
    IS(NULL_ARGUMENT, sentry_profiler_options_set_sdk(options, text, 4, NULL, 4));
    IS(NULL_ARGUMENT, sentry_profiler_options_set_platform(NULL, text, 4));
    IS(NULL_ARGUMENT, sentry_profiler_options_set_platform(options, NULL, 4));
    IS(NULL_ARGUMENT, sentry_profiler_options_add_debug_id(NULL, text, 4, text, 4));
    IS(NULL_ARGUMENT, sentry_profiler_options_add_debug_id(options, NULL, 4, text, 4));
    IS(NULL_ARGUMENT, sentry_profiler_options_add_debug_id(options, text, 4, NULL, 4));
    IS(NULL_ARGUMENT, sentry_profiler_options_set_log_callback(NULL, on_log, NULL));
    IS(NULL_ARGUMENT, sentry_profiler_options_set_chunk_callback(NULL, on_chunk, NULL));
    IS(NULL_ARGUMENT, sentry_profiler_options_set_wake_callback(NULL, on_wake, NULL));
    IS(NULL_ARGUMENT, sentry_profiler_options_set_symbol_resolver(NULL, on_symbol, NULL));
    IS(OK, sentry_profiler_options_set_log_callback(options, NULL, NULL));

    IS(NULL_ARGUMENT, sentry_profiler_support(NULL, NULL, &buffer));
    CHECK(buffer == NULL);
    IS(NULL_ARGUMENT, sentry_profiler_support(NULL, &other, NULL));
    CHECK(other == NULL);

    sentry_profiler_t *profiler = (sentry_profiler_t *)&seen;
    IS(NULL_ARGUMENT, sentry_profiler_new(NULL, NULL, &profiler));
    CHECK(profiler == NULL);
    IS(NULL_ARGUMENT, sentry_profiler_new(host->isolate, NULL, NULL));
    IS(OK, sentry_profiler_new(host->isolate, options, &profiler));

    sentry_profile_t *profile = (sentry_profile_t *)&seen;
    IS(NULL_ARGUMENT, sentry_profiler_start_profiling(NULL, text, 4));
    IS(NULL_ARGUMENT, sentry_profiler_start_profiling(profiler, NULL, 4));
    IS(NULL_ARGUMENT, sentry_profiler_stop_profiling(NULL, text, 4, &profile));
    CHECK(profile == NULL);
    IS(NULL_ARGUMENT, sentry_profiler_stop_profiling(profiler, NULL, 4, &profile));
    IS(NULL_ARGUMENT, sentry_profiler_stop_profiling(profiler, text, 4, NULL));
    IS(NULL_ARGUMENT, sentry_profiler_poll(NULL));

    sentry_profiler_session_t *session = (sentry_profiler_session_t *)&seen;
    IS(NULL_ARGUMENT, sentry_profiler_session_new(NULL, NULL, &session));
    CHECK(session == NULL);
    IS(NULL_ARGUMENT, sentry_profiler_session_new(profiler, NULL, NULL));
    IS(OK, sentry_profiler_session_new(profiler, NULL, &session));
    sentry_profiler_session_stats_t stats = {sizeof stats, 0, 0, 0, 0, 0};
    buffer = (sentry_profiler_buffer_t *)&seen;
    IS(NULL_ARGUMENT, sentry_profiler_session_start(NULL));
    IS(NULL_ARGUMENT, sentry_profiler_session_stop(NULL));
    IS(NULL_ARGUMENT, sentry_profiler_session_span_started(NULL));
    IS(NULL_ARGUMENT, sentry_profiler_session_span_ended(NULL));
    IS(NULL_ARGUMENT, sentry_profiler_session_flush(NULL, 0));
    IS(NULL_ARGUMENT, sentry_profiler_session_add_debug_id(NULL, text, 4, text, 4));
    IS(NULL_ARGUMENT, sentry_profiler_session_add_debug_id(session, NULL, 4, text, 4));
    IS(NULL_ARGUMENT, sentry_profiler_session_add_debug_id(session, text, 4, NULL, 4));
    IS(NULL_ARGUMENT, sentry_profiler_session_profiler_id(NULL, &buffer));
    CHECK(buffer == NULL);
    IS(NULL_ARGUMENT, sentry_profiler_session_profiler_id(session, NULL));
    IS(NULL_ARGUMENT, sentry_profiler_session_is_sampled(NULL, &answer));
    IS(NULL_ARGUMENT, sentry_profiler_session_is_sampled(session, NULL));
    IS(NULL_ARGUMENT, sentry_profiler_session_is_recording(NULL, &answer));
    IS(NULL_ARGUMENT, sentry_profiler_session_is_recording(session, NULL));
    IS(NULL_ARGUMENT, sentry_profiler_session_stats(NULL, &stats));
    IS(NULL_ARGUMENT, sentry_profiler_session_stats(session, NULL));
    CHECK(answer);

    sentry_profile_info_t info;
    info.struct_size = sizeof info;
    profile = profile_for(host, profiler);
    buffer = (sentry_profiler_buffer_t *)&seen;
    IS(NULL_ARGUMENT, sentry_profile_info(NULL, &info));
    IS(NULL_ARGUMENT, sentry_profile_info(profile, NULL));
    IS(NULL_ARGUMENT, sentry_profile_encode(NULL, 0, NULL, &buffer));
    CHECK(buffer == NULL);
    IS(NULL_ARGUMENT, sentry_profile_encode(profile, 0, NULL, NULL));
    IS(NULL_ARGUMENT, sentry_profile_write(NULL, 0, NULL, on_write, &seen));
    IS(NULL_ARGUMENT, sentry_profile_write(profile, 0, NULL, NULL, &seen));
    CHECK(sentry_profiler_buffer_data(NULL) == NULL && sentry_profiler_buffer_len(NULL) == 0);

    /* Free it, then free NULL. */
    sentry_profile_free(profile);
    IS(OK, sentry_profiler_session_free(session));
    IS(OK, sentry_profiler_free(profiler));
    sentry_profiler_options_free(options);
    sentry_profiler_options_free(NULL);
    sentry_profiler_buffer_free(NULL);
    sentry_profile_free(NULL);
    IS(OK, sentry_profiler_session_free(NULL));
    IS(OK, sentry_profiler_free(NULL));
}

void bad_values_are_a_status(const body_host_t *host) {
    seen_t seen;
    begin(host, &seen);
    sentry_profiler_options_t *options = options_for(&seen);
    volatile double nothing = 0;

    IS(INVALID_ARGUMENT, sentry_profiler_options_set_logging(options, 2));
    IS(INVALID_ARGUMENT, sentry_profiler_options_set_logging(options, UINT32_MAX));
    IS(INVALID_ARGUMENT, sentry_profiler_options_set_lifecycle(options, 2));
    IS(INVALID_ARGUMENT, sentry_profiler_options_set_sampling_interval_us(options, 99));
    IS(INVALID_ARGUMENT, sentry_profiler_options_set_sampling_interval_us(options, 1000001));
    IS(INVALID_ARGUMENT, sentry_profiler_options_set_max_sample_count(options, 1));
    IS(INVALID_ARGUMENT, sentry_profiler_options_set_session_sample_rate(options, -0.1));
    IS(INVALID_ARGUMENT, sentry_profiler_options_set_session_sample_rate(options, 1.1));
    IS(INVALID_ARGUMENT, sentry_profiler_options_set_session_sample_rate(options, nothing / nothing));
    IS(INVALID_ARGUMENT, sentry_profiler_options_set_chunk_duration_ms(options, 99));
    IS(INVALID_ARGUMENT, sentry_profiler_options_set_chunk_duration_ms(options, 60001));
    IS(INVALID_ARGUMENT, sentry_profiler_options_set_thread(options, "", 0, TEXT("name")));
    IS(INVALID_ARGUMENT, sentry_profiler_options_set_sdk(options, "", 0, TEXT("1.0")));
    IS(INVALID_ARGUMENT, sentry_profiler_options_set_sdk(options, TEXT("sdk"), "", 0));
    IS(INVALID_ARGUMENT, sentry_profiler_options_set_platform(options, "", 0));
    IS(INVALID_ARGUMENT, sentry_profiler_options_add_debug_id(options, "", 0, TEXT("id")));
    IS(INVALID_ARGUMENT, sentry_profiler_options_add_debug_id(options, TEXT("file"), "", 0));
    IS(INVALID_ARGUMENT, sentry_profiler_options_set_release(options, TEXT("\xff\xfe")));
    IS(INVALID_ARGUMENT, sentry_profiler_options_set_release(options, "text", SIZE_MAX));
    IS(INVALID_ARGUMENT, sentry_profiler_options_set_environment(options, "text", (size_t)PTRDIFF_MAX + 1));

    sentry_profiler_t *profiler = profiler_for(&seen);
    sentry_profile_t *profile = NULL;
    IS(INVALID_ARGUMENT, sentry_profiler_start_profiling(profiler, "", 0));
    IS(INVALID_ARGUMENT, sentry_profiler_start_profiling(profiler, TEXT("\xc3")));
    IS(INVALID_ARGUMENT, sentry_profiler_start_profiling(profiler, "title", SIZE_MAX));
    IS(INVALID_ARGUMENT, sentry_profiler_stop_profiling(profiler, "", 0, &profile));
    IS(INVALID_ARGUMENT, sentry_profiler_stop_profiling(profiler, "title", SIZE_MAX, &profile));

    sentry_profiler_session_t *session = NULL;
    IS(OK, sentry_profiler_options_set_chunk_callback(options, NULL, NULL));
    IS(INVALID_ARGUMENT, sentry_profiler_session_new(profiler, options, &session));
    CHECK(session == NULL);
    IS(OK, sentry_profiler_session_new(profiler, NULL, &session));
    sentry_profiler_session_stats_t stats = {0, 7, 7, 7, 7, 7};
    IS(INVALID_ARGUMENT, sentry_profiler_session_stats(session, &stats));
    CHECK(stats.delivered_chunk_count == 7);
    IS(INVALID_ARGUMENT, sentry_profiler_session_add_debug_id(session, "", 0, TEXT("id")));

    profile = profile_for(host, profiler);
    struct {
        sentry_profile_info_t known;
        char later[64];
    } longer;
    memset(&longer, 0x55, sizeof longer);
    longer.known.struct_size = 8;
    IS(INVALID_ARGUMENT, sentry_profile_info(profile, &longer.known));
    longer.known.struct_size = SIZE_MAX;
    IS(INVALID_ARGUMENT, sentry_profile_info(profile, &longer.known));
    CHECK(longer.known.sampling_interval_us == 0x5555555555555555);
    /* A newer caller's struct has more fields; those that this library does not know stay unchanged. */
    longer.known.struct_size = sizeof longer;
    IS(OK, sentry_profile_info(profile, &longer.known));
    CHECK(longer.known.struct_size == sizeof longer && longer.known.sampling_interval_us == 1000);
    CHECK(longer.later[0] == 0x55 && longer.later[63] == 0x55);
    sentry_profiler_buffer_t *buffer = NULL;
    IS(INVALID_ARGUMENT, sentry_profile_encode(profile, 1000, NULL, &buffer));
    IS(INVALID_ARGUMENT, sentry_profile_encode(profile, UINT32_MAX, NULL, &buffer));
    IS(INVALID_ARGUMENT, sentry_profile_write(profile, 1000, NULL, on_write, &seen));
    CHECK(buffer == NULL && atomic_load(&seen.pieces) == 0);

    sentry_profile_free(profile);
    IS(OK, sentry_profiler_session_free(session));
    IS(OK, sentry_profiler_free(profiler));
    sentry_profiler_options_free(options);
}
