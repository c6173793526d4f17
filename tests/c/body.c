#define _POSIX_C_SOURCE 200809L
#include "body.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Only in libraries that were built with the feature `test-panic`. */
sentry_profiler_status_t sentry_profiler_test_panic(sentry_profiler_t *profiler);
/* nothread.c */
void refuse_threads(int refuse);

#define TEXT(text) (text), strlen(text)

static atomic_int checks;
static atomic_int failures;

static int check(int right, const char *what, const char *file, int line) {
    atomic_fetch_add(&checks, 1);
    if (!right) {
        atomic_fetch_add(&failures, 1);
        fprintf(stderr, "%s:%d: %s\n", file, line, what);
    }
    return right;
}

#define CHECK(condition) check((condition) != 0, #condition, __FILE__, __LINE__)

/* What hangs on V8 having sampled: on a busy machine, or when V8's processing thread spins, it does not always. */
static _Thread_local int unsampled;

static int check_sampled(int right, const char *what, int line) {
    atomic_fetch_add(&checks, 1);
    if (!right) {
        unsampled++;
        fprintf(stderr, "line %d: not sampled: %s\n", line, what);
    }
    return right;
}

#define SAMPLED(condition) check_sampled((condition) != 0, #condition, __LINE__)

static int is(sentry_profiler_status_t status, sentry_profiler_status_t wanted, const char *what, const char *file,
              int line) {
    atomic_fetch_add(&checks, 1);
    if (status != wanted) {
        atomic_fetch_add(&failures, 1);
        fprintf(stderr, "%s:%d: %s\n  answers %d, %s; not %d, %s\n", file, line, what, status,
                sentry_profiler_status_message((uint32_t)status), wanted,
                sentry_profiler_status_message((uint32_t)wanted));
    }
    return status == wanted;
}

#define IS(wanted, call) is((call), SENTRY_PROFILER_##wanted, #call, __FILE__, __LINE__)

/* V8's samples are signals, which interrupt a sleep. */
static void sleep_ms(long ms) {
    struct timespec left = {ms / 1000, ms % 1000 * 1000000L};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

static int has(const sentry_profiler_buffer_t *buffer, const char *text) {
    const char *data = sentry_profiler_buffer_data(buffer);
    return data && strstr(data, text) != NULL;
}

static void save(const body_host_t *host, const char *name, const char *data, size_t len) {
    static atomic_int count;
    char path[4096];
    if (!host->output) return;
    snprintf(path, sizeof path, "%s/%03d-%s", host->output, atomic_fetch_add(&count, 1), name);
    FILE *file = fopen(path, "wb");
    if (!CHECK(file != NULL)) return;
    CHECK(fwrite(data, 1, len, file) == len);
    CHECK(fclose(file) == 0);
}

/* What the callbacks saw. */
typedef struct {
    const body_host_t *host;
    /* Held by whoever uses the two handles in a callback: other threads do, while this one frees them. */
    pthread_mutex_t handles;
    sentry_profiler_t *profiler;
    sentry_profiler_session_t *session;
    sentry_profile_t *profile;
    pthread_t isolate_thread;
    atomic_int chunks, samples, logs, warnings, wakes, resolved, pieces;
    char profiler_id[33];
    char last_log[512];
    size_t written;
    int stop_after;
} seen_t;

/* Whatever a callback calls on profilers and sessions is refused, and does no harm. */
static void call_back_in(seen_t *seen) {
    sentry_profiler_session_stats_t stats = {sizeof stats, 0, 0, 0, 0, 0};
    sentry_profile_t *profile = (sentry_profile_t *)seen;
    sentry_profiler_session_t *session = NULL;
    sentry_profiler_t *other = NULL;
    pthread_mutex_lock(&seen->handles);
    if (seen->profiler) {
        IS(IN_CALLBACK, sentry_profiler_poll(seen->profiler));
        IS(IN_CALLBACK, sentry_profiler_start_profiling(seen->profiler, TEXT("inside")));
        IS(IN_CALLBACK, sentry_profiler_stop_profiling(seen->profiler, TEXT("inside"), &profile));
        CHECK(profile == NULL);
        IS(IN_CALLBACK, sentry_profiler_session_new(seen->profiler, NULL, &session));
        IS(IN_CALLBACK, sentry_profiler_free(seen->profiler));
    }
    if (seen->session) {
        IS(IN_CALLBACK, sentry_profiler_session_start(seen->session));
        IS(IN_CALLBACK, sentry_profiler_session_stop(seen->session));
        IS(IN_CALLBACK, sentry_profiler_session_span_started(seen->session));
        IS(IN_CALLBACK, sentry_profiler_session_span_ended(seen->session));
        IS(IN_CALLBACK, sentry_profiler_session_flush(seen->session, 10000));
        IS(IN_CALLBACK, sentry_profiler_session_stats(seen->session, &stats));
        IS(IN_CALLBACK, sentry_profiler_session_free(seen->session));
    }
    pthread_mutex_unlock(&seen->handles);
    IS(IN_CALLBACK, sentry_profiler_new(seen->host->isolate, NULL, &other));
    CHECK(other == NULL && session == NULL);
}

static void on_chunk(const sentry_profiler_chunk_t *chunk, void *user_data) {
    seen_t *seen = user_data;
    atomic_fetch_add(&seen->chunks, 1);
    atomic_fetch_add(&seen->samples, (int)chunk->sample_count);
    CHECK(chunk->struct_size == sizeof *chunk);
    CHECK(!pthread_equal(pthread_self(), seen->isolate_thread));
    CHECK(strlen(chunk->chunk_id) == 32 && strlen(chunk->profiler_id) == 32);
    memcpy(seen->profiler_id, chunk->profiler_id, 33);
    CHECK(chunk->start_us > 1000000000000000 && chunk->end_us >= chunk->start_us);
    CHECK(chunk->payload_len > 0 && chunk->payload[0] == '{' && chunk->payload[chunk->payload_len - 1] == '}');
    CHECK(chunk->item + chunk->item_len == chunk->envelope + chunk->envelope_len);
    CHECK(chunk->payload + chunk->payload_len + 1 == chunk->item + chunk->item_len);
    CHECK(strncmp(chunk->item, "{\"type\":\"profile_chunk\"", 23) == 0);
    CHECK(strncmp(chunk->envelope, "{\"event_id\":", 12) == 0);
    save(seen->host, "chunk.envelope", chunk->envelope, chunk->envelope_len);
    save(seen->host, "chunk.json", chunk->payload, chunk->payload_len);
    call_back_in(seen);
}

static void on_log(sentry_profiler_log_level_t level, const char *message, size_t len, void *user_data) {
    seen_t *seen = user_data;
    CHECK(strlen(message) == len);
    atomic_fetch_add(&seen->logs, 1);
    if (level == SENTRY_PROFILER_LOG_WARNING) atomic_fetch_add(&seen->warnings, 1);
    snprintf(seen->last_log, sizeof seen->last_log, "%s", message);
    call_back_in(seen);
}

static void on_wake(void *user_data) {
    seen_t *seen = user_data;
    CHECK(!pthread_equal(pthread_self(), seen->isolate_thread));
    if (atomic_fetch_add(&seen->wakes, 1) == 0) call_back_in(seen);
}

static void *on_symbol(const char *mangled_name, void *user_data) {
    seen_t *seen = user_data;
    CHECK(strncmp(mangled_name, "_ZN", 3) == 0);
    atomic_fetch_add(&seen->resolved, 1);
    call_back_in(seen);
    return NULL;
}

static int on_write(const char *data, size_t len, void *user_data) {
    seen_t *seen = user_data;
    CHECK(data != NULL && len > 0);
    seen->written += len;
    if (atomic_fetch_add(&seen->pieces, 1) == 0) {
        call_back_in(seen);
        /* A profile belongs to no thread: it may be used here. */
        sentry_profiler_buffer_t *buffer = NULL;
        IS(OK, sentry_profile_encode(seen->profile, SENTRY_PROFILER_FORMAT_FOLDED, NULL, &buffer));
        sentry_profiler_buffer_free(buffer);
    }
    return seen->stop_after && atomic_load(&seen->pieces) >= seen->stop_after;
}

/* `hot` burns CPU for so many milliseconds. A new one for each test: code that V8 optimized before a profiler was made may be
 * unknown to it. */
static void define_hot(const body_host_t *host) {
    static atomic_int count;
    char script[512];
    snprintf(script, sizeof script,
             "/* %d */ function hot(ms) { const end = Date.now() + ms; let x = 0;"
             " while (Date.now() < end) { for (let i = 0; i < 1e4; i++) x += i %% 7; } return x; }",
             atomic_fetch_add(&count, 1));
    host->run(script, host->context);
}

static void begin(const body_host_t *host, seen_t *seen) {
    memset(seen, 0, sizeof *seen);
    pthread_mutex_init(&seen->handles, NULL);
    seen->host = host;
    seen->isolate_thread = pthread_self();
    define_hot(host);
}

static void hot(const body_host_t *host, int ms) {
    char script[64];
    snprintf(script, sizeof script, "hot(%d)", ms);
    host->run(script, host->context);
}

/* Options that sample every millisecond and report to `seen`. */
static sentry_profiler_options_t *options_for(seen_t *seen) {
    sentry_profiler_options_t *options = NULL;
    if (!IS(OK, sentry_profiler_options_new(&options))) return NULL;
    IS(OK, sentry_profiler_options_set_sampling_interval_us(options, 1000));
    IS(OK, sentry_profiler_options_set_session_sample_rate(options, 1));
    IS(OK, sentry_profiler_options_set_chunk_callback(options, on_chunk, seen));
    IS(OK, sentry_profiler_options_set_log_callback(options, on_log, seen));
    IS(OK, sentry_profiler_options_set_wake_callback(options, on_wake, seen));
    IS(OK, sentry_profiler_options_set_release(options, TEXT("body@1.0")));
    IS(OK, sentry_profiler_options_set_environment(options, TEXT("test")));
    return options;
}

static sentry_profiler_t *profiler_for(seen_t *seen) {
    sentry_profiler_options_t *options = options_for(seen);
    sentry_profiler_t *profiler = NULL;
    IS(OK, sentry_profiler_new(seen->host->isolate, options, &profiler));
    /* What was made with them goes on without them. */
    sentry_profiler_options_free(options);
    seen->profiler = profiler;
    return profiler;
}

/* No callback uses the profiler from here on. */
static void hide_profiler(seen_t *seen) {
    pthread_mutex_lock(&seen->handles);
    seen->profiler = NULL;
    pthread_mutex_unlock(&seen->handles);
}

/* Frees the session, which no callback uses any more. */
static void free_session(seen_t *seen) {
    sentry_profiler_session_t *session = seen->session;
    pthread_mutex_lock(&seen->handles);
    seen->session = NULL;
    pthread_mutex_unlock(&seen->handles);
    IS(OK, sentry_profiler_session_free(session));
}

static sentry_profile_t *profile_for(const body_host_t *host, sentry_profiler_t *profiler) {
    sentry_profile_t *profile = NULL;
    IS(OK, sentry_profiler_start_profiling(profiler, TEXT("profile")));
    hot(host, 200);
    IS(OK, sentry_profiler_stop_profiling(profiler, TEXT("profile"), &profile));
    return profile;
}

static uint64_t samples_in(const sentry_profile_t *profile) {
    sentry_profile_info_t info;
    info.struct_size = sizeof info;
    return IS(OK, sentry_profile_info(profile, &info)) ? info.sample_count : 0;
}

static void versions(void) {
    CHECK(sentry_profiler_abi_version() == SENTRY_PROFILER_ABI_VERSION);
    CHECK(strchr(sentry_profiler_version(), '.') != NULL);
    CHECK(strcmp(sentry_profiler_status_message(SENTRY_PROFILER_OK), "success") == 0);
    CHECK(strstr(sentry_profiler_status_message(4000000000u), "unknown") != NULL);
}

static void null_is_a_status(const body_host_t *host) {
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

    /* Freed, and once more through the NULLed handle. */
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

static void bad_values_are_a_status(const body_host_t *host) {
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
    /* A caller of the future, who knows more fields, keeps what this library does not know. */
    longer.known.struct_size = sizeof longer;
    IS(OK, sentry_profile_info(profile, &longer.known));
    CHECK(longer.known.struct_size == sizeof longer && longer.known.sampling_interval_us == 1000);
    CHECK(longer.later[0] == 0x55 && longer.later[63] == 0x55);
    sentry_profiler_buffer_t *buffer = NULL;
    IS(INVALID_ARGUMENT, sentry_profile_encode(profile, 7, NULL, &buffer));
    IS(INVALID_ARGUMENT, sentry_profile_encode(profile, UINT32_MAX, NULL, &buffer));
    IS(INVALID_ARGUMENT, sentry_profile_write(profile, 7, NULL, on_write, &seen));
    CHECK(buffer == NULL && atomic_load(&seen.pieces) == 0);

    sentry_profile_free(profile);
    IS(OK, sentry_profiler_session_free(session));
    IS(OK, sentry_profiler_free(profiler));
    sentry_profiler_options_free(options);
}

static void v8_is_supported(const body_host_t *host) {
    seen_t seen;
    begin(host, &seen);
    sentry_profiler_buffer_t *version = NULL, *missing = NULL;
    IS(OK, sentry_profiler_support(NULL, &version, &missing));
    CHECK(sentry_profiler_buffer_len(missing) == 0);
    CHECK(has(version, "."));
    printf("V8 %s\n", sentry_profiler_buffer_data(version));
    sentry_profiler_buffer_free(version);
    sentry_profiler_buffer_free(missing);

    /* Everything is found without it, so nobody asks the resolver. */
    sentry_profiler_options_t *options = options_for(&seen);
    IS(OK, sentry_profiler_options_set_symbol_resolver(options, on_symbol, &seen));
    IS(OK, sentry_profiler_support(options, &version, &missing));
    CHECK(sentry_profiler_buffer_len(missing) == 0 && atomic_load(&seen.resolved) == 0);
    sentry_profiler_buffer_free(version);
    sentry_profiler_buffer_free(missing);
    sentry_profiler_options_free(options);
}

static void recordings(const body_host_t *host) {
    seen_t seen;
    begin(host, &seen);
    sentry_profiler_t *profiler = profiler_for(&seen);
    sentry_profile_t *outer = NULL, *inner = NULL, *none = (sentry_profile_t *)&seen;

    IS(NOT_RECORDING, sentry_profiler_stop_profiling(profiler, TEXT("nothing"), &none));
    CHECK(none == NULL);
    /* Not ended by a NUL, with one in the middle, and not ASCII. */
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
    CHECK(whole.start_us < part.start_us && part.end_us <= whole.end_us);
    CHECK(whole.end_us - whole.start_us >= 550000 && whole.end_us - whole.start_us < 60000000);
    SAMPLED(part.sample_count >= 2 && whole.sample_count > part.sample_count);
    SAMPLED(whole.frame_count > 1 && whole.stack_count >= whole.frame_count - 1);
    CHECK(whole.dropped_sample_count == 0);
    CHECK(strlen(whole.chunk_id) == 32 && strcmp(whole.chunk_id, part.chunk_id) != 0);
    CHECK(strlen(whole.profiler_id) == 32 && strcmp(whole.profiler_id, part.profiler_id) == 0);
    sentry_profile_free(inner);

    /* A title that records already begins anew. */
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

    /* V8 itself records a hundred at once. */
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

static void maximum_of_samples(const body_host_t *host) {
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

static void formats(const body_host_t *host) {
    seen_t seen;
    begin(host, &seen);
    sentry_profiler_t *profiler = profiler_for(&seen);
    sentry_profile_t *profile = profile_for(host, profiler);
    const char *expected[] = {"\"function\":\"hot\"", "\"elapsed_since_start_ns\":", "{\"type\":\"profile_chunk\"",
                              "\"functionName\":\"hot\"", "\x1f\x8b", "hot", "<svg"};
    sentry_profiler_buffer_t *buffer = NULL;
    for (uint32_t format = 0; format < 7; format++) {
        IS(OK, sentry_profile_encode(profile, format, NULL, &buffer));
        SAMPLED(has(buffer, expected[format]));
        CHECK(sentry_profiler_buffer_data(buffer)[sentry_profiler_buffer_len(buffer)] == 0);
        /* The same, piece by piece; only an envelope says when it was made. */
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

    /* The metadata is the profiler's, or that of the options given. */
    IS(OK, sentry_profile_encode(profile, SENTRY_PROFILER_FORMAT_SAMPLE_V2, NULL, &buffer));
    CHECK(has(buffer, "\"release\":\"body@1.0\"") && has(buffer, "\"environment\":\"test\""));
    CHECK(has(buffer, "\"platform\":\"node\"") && has(buffer, "\"name\":\"main\"") && !has(buffer, "debug_meta"));
    /* Sentry takes no chunk without samples. */
    if (!unsampled) save(host, "profile.json", sentry_profiler_buffer_data(buffer), sentry_profiler_buffer_len(buffer));
    sentry_profiler_buffer_free(buffer);
    sentry_profiler_options_t *options = options_for(&seen);
    IS(OK, sentry_profiler_options_set_thread(options, TEXT("7"), TEXT("painter")));
    IS(OK, sentry_profiler_options_set_sdk(options, TEXT("my.sdk"), TEXT("9.9")));
    IS(OK, sentry_profiler_options_set_platform(options, TEXT("javascript")));
    IS(OK, sentry_profiler_options_set_release(options, "", 0));
    IS(OK, sentry_profiler_options_add_debug_id(options, TEXT("body.js"), TEXT("0f8fad5b-d9cb-469f-a165-70867728950e")));
    IS(OK, sentry_profile_encode(profile, SENTRY_PROFILER_FORMAT_ENVELOPE, options, &buffer));
    SAMPLED(has(buffer, "\"thread_id\":\"7\""));
    CHECK(has(buffer, "\"painter\"") && has(buffer, "\"my.sdk\""));
    CHECK(has(buffer, "\"version\":\"9.9\"") && has(buffer, "\"platform\":\"javascript\"") && !has(buffer, "release"));
    SAMPLED(has(buffer, "\"code_file\":\"body.js\",\"debug_id\":\"0f8fad5b-d9cb-469f-a165-70867728950e\""));
    sentry_profiler_buffer_free(buffer);
    IS(OK, sentry_profile_encode(profile, SENTRY_PROFILER_FORMAT_ENVELOPE, NULL, &buffer));
    if (!unsampled) save(host, "profile.envelope", sentry_profiler_buffer_data(buffer), sentry_profiler_buffer_len(buffer));
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

static void four_threads_encode_at_once(const body_host_t *host) {
    seen_t seen;
    begin(host, &seen);
    sentry_profiler_t *profiler = profiler_for(&seen);
    sentry_profile_t *profile = profile_for(host, profiler);
    pthread_t threads[4];
    for (int at = 0; at < 4; at++) CHECK(pthread_create(&threads[at], NULL, encode_all, profile) == 0);
    /* Meanwhile the profiler goes on, and goes. */
    IS(OK, sentry_profiler_start_profiling(profiler, TEXT("meanwhile")));
    hot(host, 50);
    IS(OK, sentry_profiler_free(profiler));
    for (int at = 0; at < 4; at++) CHECK(pthread_join(threads[at], NULL) == 0);
    sentry_profile_free(profile);
}

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
    /* The log says what a status cannot. */
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

static void another_thread_is_refused(const body_host_t *host) {
    seen_t seen;
    begin(host, &seen);
    sentry_profiler_t *profiler = profiler_for(&seen);
    sentry_profile_t *profile = NULL;
    IS(OK, sentry_profiler_session_new(profiler, NULL, &seen.session));
    IS(OK, sentry_profiler_session_start(seen.session));
    IS(OK, sentry_profiler_start_profiling(profiler, TEXT("here")));
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, call_from_elsewhere, &seen) == 0);
    /* At the same time as calls where they belong. */
    for (int at = 0; at < 50; at++) IS(OK, sentry_profiler_poll(profiler));
    CHECK(pthread_join(thread, NULL) == 0);
    hot(host, 200);
    /* Nothing was harmed, nor freed. */
    IS(OK, sentry_profiler_stop_profiling(profiler, TEXT("here"), &profile));
    SAMPLED(samples_in(profile) >= 2);
    sentry_profile_free(profile);
    IS(OK, sentry_profiler_session_stop(seen.session));
    IS(OK, sentry_profiler_session_flush(seen.session, 10000));
    SAMPLED(atomic_load(&seen.chunks) == 1);
    free_session(&seen);
    IS(OK, sentry_profiler_free(profiler));
}

static void manual_session(const body_host_t *host) {
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
    /* A chunk with fewer than two samples is dropped, and counted: all are accounted for. */
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

static void trace_session(const body_host_t *host) {
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

static void profiler_first(const body_host_t *host) {
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
    /* The open session delivers what it had, on the encoder thread. */
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

static void idle_isolate_is_woken(const body_host_t *host) {
    seen_t seen;
    begin(host, &seen);
    sentry_profiler_t *profiler = profiler_for(&seen);
    sentry_profiler_options_t *options = options_for(&seen);
    IS(OK, sentry_profiler_options_set_chunk_duration_ms(options, 500));
    IS(OK, sentry_profiler_session_new(profiler, options, &seen.session));
    IS(OK, sentry_profiler_session_start(seen.session));
    hot(host, 50);
    /* What an event loop does. */
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

/* V8's sampling thread asks this one by a signal. Blocked, nothing is sampled, as when V8's own threads have lost their way. */
static void a_recording_without_samples_is_started_anew(const body_host_t *host) {
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
    for (int at = 0; at < 30 && !strstr(seen.last_log, "started anew"); at++) hot(host, 100);
    CHECK(pthread_sigmask(SIG_UNBLOCK, &sampling, NULL) == 0);
    SAMPLED(strstr(seen.last_log, "started anew") != NULL);
    /* What it does once it is cured. */
    hot(host, 200);
    IS(OK, sentry_profiler_stop_profiling(profiler, TEXT("blocked"), &profile));
    SAMPLED(samples_in(profile) >= 10);
    sentry_profile_free(profile);
    IS(OK, sentry_profiler_free(profiler));
}

static void a_panic_poisons_the_handle(const body_host_t *host) {
    seen_t seen;
    begin(host, &seen);
    sentry_profiler_t *profiler = profiler_for(&seen), *other = NULL;
    sentry_profiler_session_t *session = NULL, *none = NULL;
    sentry_profile_t *profile = (sentry_profile_t *)&seen;
    IS(OK, sentry_profiler_session_new(profiler, NULL, &session));
    IS(OK, sentry_profiler_session_start(session));
    IS(OK, sentry_profiler_start_profiling(profiler, TEXT("running")));
    hot(host, 50);
    /* Its text goes to the log, and nothing to the host's standard error. */
    FILE *capture = tmpfile();
    int standard_error = dup(STDERR_FILENO);
    if (!CHECK(capture && dup2(fileno(capture), STDERR_FILENO) >= 0)) return;
    sentry_profiler_status_t status = sentry_profiler_test_panic(profiler);
    CHECK(dup2(standard_error, STDERR_FILENO) >= 0 && close(standard_error) == 0);
    IS(PANIC, status);
    CHECK(fseek(capture, 0, SEEK_END) == 0 && ftell(capture) == 0 && fclose(capture) == 0);
    CHECK(strstr(seen.last_log, "as the test wishes") != NULL && strstr(seen.last_log, "profiler.rs") != NULL);
    IS(PANIC, sentry_profiler_start_profiling(profiler, TEXT("title")));
    IS(PANIC, sentry_profiler_stop_profiling(profiler, TEXT("running"), &profile));
    CHECK(profile == NULL);
    IS(PANIC, sentry_profiler_poll(profiler));
    IS(PANIC, sentry_profiler_session_new(profiler, NULL, &none));
    /* Other handles go on, and the poisoned one can be freed. */
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

/* From V8 13.6 on the process ends where V8 gets no thread. */
static void a_system_without_threads(const body_host_t *host) {
    seen_t seen;
    begin(host, &seen);
    sentry_profiler_t *profiler = profiler_for(&seen);
    sentry_profiler_options_t *options = options_for(&seen);
    sentry_profiler_session_t *session = NULL;
    sentry_profile_t *profile = NULL;
    bool recording = true;
    IS(OK, sentry_profiler_options_set_chunk_duration_ms(options, 100));
    IS(OK, sentry_profiler_session_new(profiler, options, &seen.session));

    /* None at all. */
    refuse_threads(1);
    IS(NO_THREAD, sentry_profiler_start_profiling(profiler, TEXT("refused")));
    IS(NOT_RECORDING, sentry_profiler_stop_profiling(profiler, TEXT("refused"), &profile));
    IS(NO_THREAD, sentry_profiler_session_start(seen.session));
    IS(OK, sentry_profiler_session_is_recording(seen.session, &recording));
    CHECK(!recording);
    refuse_threads(0);
    IS(OK, sentry_profiler_session_start(seen.session));

    /* None for the encoder: who waits is told, and nobody else delivers. The proof of a thread for the first tick is stale by then. */
    sleep_ms(30);
    refuse_threads(1);
    hot(host, 700);
    IS(TIMEOUT, sentry_profiler_session_flush(seen.session, 150));
    CHECK(atomic_load(&seen.chunks) == 0);
    refuse_threads(0);
    IS(OK, sentry_profiler_session_flush(seen.session, 20000));
    SAMPLED(atomic_load(&seen.chunks) >= 2 && atomic_load(&seen.samples) >= 10);
    IS(OK, sentry_profiler_session_stop(seen.session));

    /* None for V8, after its last one is long gone. */
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
    /* It is tried again, by itself. */
    for (recording = false; !recording;) {
        hot(host, 100);
        if (!IS(OK, sentry_profiler_session_is_recording(session, &recording))) break;
    }
    IS(OK, sentry_profiler_session_free(session));
    free_session(&seen);
    IS(OK, sentry_profiler_free(profiler));
    sentry_profiler_options_free(options);
}

/* Statuses must be right at once; samples may take another try. */
static void run(void (*test)(const body_host_t *), const body_host_t *host) {
    for (int tries = 1; tries <= 3; tries++) {
        unsampled = 0;
        test(host);
        if (!unsampled) return;
    }
    atomic_fetch_add(&failures, unsampled);
}

static int count(void) {
    printf("%d checks, %d failed\n", atomic_load(&checks), atomic_load(&failures));
    fflush(stdout);
    return atomic_load(&failures);
}

int body(const body_host_t *host) {
    versions();
    run(v8_is_supported, host);
    run(null_is_a_status, host);
    run(bad_values_are_a_status, host);
    run(recordings, host);
    run(maximum_of_samples, host);
    run(formats, host);
    run(four_threads_encode_at_once, host);
    run(another_thread_is_refused, host);
    run(manual_session, host);
    run(trace_session, host);
    run(profiler_first, host);
    run(idle_isolate_is_woken, host);
    run(a_recording_without_samples_is_started_anew, host);
    run(a_panic_poisons_the_handle, host);
    return count();
}

int body_alone(const body_host_t *host) {
    run(a_system_without_threads, host);
    return count();
}
