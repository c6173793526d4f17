#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

atomic_int checks;
atomic_int failures;
_Thread_local int unsampled;

int check_that(int right, const char *what, const char *file, int line) {
    atomic_fetch_add(&checks, 1);
    if (!right) {
        atomic_fetch_add(&failures, 1);
        fprintf(stderr, "%s:%d: %s\n", file, line, what);
    }
    return right;
}

int check_sampled(int right, const char *what, const char *file, int line) {
    atomic_fetch_add(&checks, 1);
    if (!right) {
        unsampled++;
        fprintf(stderr, "%s:%d: not sampled: %s\n", file, line, what);
    }
    return right;
}

int check_status(sentry_profiler_status_t status, sentry_profiler_status_t wanted, const char *what, const char *file,
                 int line) {
    atomic_fetch_add(&checks, 1);
    if (status != wanted) {
        atomic_fetch_add(&failures, 1);
        fprintf(stderr, "%s:%d: %s\n  returns %d, %s; not %d, %s\n", file, line, what, status,
                sentry_profiler_status_message((uint32_t)status), wanted,
                sentry_profiler_status_message((uint32_t)wanted));
    }
    return status == wanted;
}

void sleep_ms(long ms) {
    struct timespec left = {ms / 1000, ms % 1000 * 1000000L};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

int has(const sentry_profiler_buffer_t *buffer, const char *text) {
    const char *data = sentry_profiler_buffer_data(buffer);
    return data && strstr(data, text) != NULL;
}

void save(const body_host_t *host, const char *name, const char *data, size_t len) {
    static atomic_int count;
    char path[4096];
    if (!host->output) return;
    snprintf(path, sizeof path, "%s/%03d-%s", host->output, atomic_fetch_add(&count, 1), name);
    FILE *file = fopen(path, "wb");
    if (!CHECK(file != NULL)) return;
    CHECK(fwrite(data, 1, len, file) == len);
    CHECK(fclose(file) == 0);
}

/* Calls on profilers and sessions from a callback are refused and do no harm. */
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

void on_chunk(const sentry_profiler_chunk_t *chunk, void *user_data) {
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

void on_log(sentry_profiler_log_level_t level, const char *message, size_t len, void *user_data) {
    seen_t *seen = user_data;
    CHECK(strlen(message) == len);
    atomic_fetch_add(&seen->logs, 1);
    if (level == SENTRY_PROFILER_LOG_WARNING) atomic_fetch_add(&seen->warnings, 1);
    if (strstr(message, "started anew")) atomic_fetch_add(&seen->anew, 1);
    snprintf(seen->last_log, sizeof seen->last_log, "%s", message);
    call_back_in(seen);
}

void on_wake(void *user_data) {
    seen_t *seen = user_data;
    CHECK(!pthread_equal(pthread_self(), seen->isolate_thread));
    if (atomic_fetch_add(&seen->wakes, 1) == 0) call_back_in(seen);
}

void *on_symbol(const char *mangled_name, void *user_data) {
    seen_t *seen = user_data;
    CHECK(strncmp(mangled_name, "_ZN", 3) == 0);
    atomic_fetch_add(&seen->resolved, 1);
    call_back_in(seen);
    return NULL;
}

int on_write(const char *data, size_t len, void *user_data) {
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

/* `hot` burns CPU for the given milliseconds. Every test defines it anew, because a profiler may not know code that V8
 * optimized before the profiler was made. */
static void define_hot(const body_host_t *host) {
    static atomic_int count;
    char script[512];
    snprintf(script, sizeof script,
             "/* %d */ function hot(ms) { const end = Date.now() + ms; let x = 0;"
             " while (Date.now() < end) { for (let i = 0; i < 1e4; i++) x += i %% 7; } return x; }",
             atomic_fetch_add(&count, 1));
    host->run(script, host->context);
}

void begin(const body_host_t *host, seen_t *seen) {
    memset(seen, 0, sizeof *seen);
    pthread_mutex_init(&seen->handles, NULL);
    seen->host = host;
    seen->isolate_thread = pthread_self();
    define_hot(host);
}

void hot(const body_host_t *host, int ms) {
    char script[64];
    snprintf(script, sizeof script, "hot(%d)", ms);
    host->run(script, host->context);
}

sentry_profiler_options_t *options_for(seen_t *seen) {
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

sentry_profiler_t *profiler_for(seen_t *seen) {
    sentry_profiler_options_t *options = options_for(seen);
    sentry_profiler_t *profiler = NULL;
    IS(OK, sentry_profiler_new(seen->host->isolate, options, &profiler));
    /* Objects made with the options do not need them any more. */
    sentry_profiler_options_free(options);
    seen->profiler = profiler;
    return profiler;
}

void hide_profiler(seen_t *seen) {
    pthread_mutex_lock(&seen->handles);
    seen->profiler = NULL;
    pthread_mutex_unlock(&seen->handles);
}

void free_session(seen_t *seen) {
    sentry_profiler_session_t *session = seen->session;
    pthread_mutex_lock(&seen->handles);
    seen->session = NULL;
    pthread_mutex_unlock(&seen->handles);
    IS(OK, sentry_profiler_session_free(session));
}

sentry_profile_t *profile_for(const body_host_t *host, sentry_profiler_t *profiler) {
    sentry_profile_t *profile = NULL;
    IS(OK, sentry_profiler_start_profiling(profiler, TEXT("profile")));
    hot(host, 200);
    IS(OK, sentry_profiler_stop_profiling(profiler, TEXT("profile"), &profile));
    return profile;
}

uint64_t samples_in(const sentry_profile_t *profile) {
    sentry_profile_info_t info;
    info.struct_size = sizeof info;
    return IS(OK, sentry_profile_info(profile, &info)) ? info.sample_count : 0;
}
