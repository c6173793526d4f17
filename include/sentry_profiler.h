/*
 * libsentry_profiler: samples the JavaScript that a V8 isolate runs, and hands out profiles for Sentry, Chrome DevTools, pprof
 * and flame graphs. Any V8 since 10.2, shared or linked statically; no V8 headers are needed.
 *
 * Generated from bindings-c by cbindgen; do not edit.
 *
 * Handles are opaque. `_new` gives one to the caller, and `_free` takes it back; NULL is never undefined behaviour. Outputs
 * come last and are written only on success, handles among them being NULL otherwise, so that freeing them is always right.
 * Strings come in as pointer and length in bytes, UTF-8, not necessarily ended by a NUL.
 *
 * A profiler and its sessions belong to the one thread that runs the isolate ("isolate thread"): calls elsewhere answer
 * SENTRY_PROFILER_WRONG_THREAD. "Any thread" calls on the same handle may run at once only if the handle is `const`.
 */

#ifndef SENTRY_PROFILER_H
#define SENTRY_PROFILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
namespace v8 {
class Isolate;
}
/** `v8::Isolate`: that very type in C++, an opaque one in C. */
typedef v8::Isolate sentry_profiler_isolate_t;
#else
/** `v8::Isolate`: that very type in C++, an opaque one in C. */
typedef struct sentry_profiler_isolate_t sentry_profiler_isolate_t;
#endif

/**
 * The version of the binary interface, which is the number in the shared library's name. It changes only when a program that
 * was linked against an older library could break.
 */
#define SENTRY_PROFILER_ABI_VERSION 1

/**
 * Between two samples unless set otherwise: 99 Hz, not in lockstep with what runs a hundred times a second.
 */
#define SENTRY_PROFILER_DEFAULT_SAMPLING_INTERVAL_US 10101

/**
 * The shortest sampling interval.
 */
#define SENTRY_PROFILER_MIN_SAMPLING_INTERVAL_US 100

/**
 * The longest sampling interval.
 */
#define SENTRY_PROFILER_MAX_SAMPLING_INTERVAL_US 1000000

/**
 * Samples that a named recording keeps unless set otherwise.
 */
#define SENTRY_PROFILER_DEFAULT_MAX_SAMPLE_COUNT 500000

/**
 * How long a session's chunk is unless set otherwise, and at most.
 */
#define SENTRY_PROFILER_MAX_CHUNK_DURATION_MS 60000

/**
 * How long a session's chunk is at least.
 */
#define SENTRY_PROFILER_MIN_CHUNK_DURATION_MS 100

/**
 * How long a chunk stays open for the next span unless set otherwise.
 */
#define SENTRY_PROFILER_DEFAULT_QUIET_MS 1000

/**
 * A chunk with fewer samples is dropped.
 */
#define SENTRY_PROFILER_MIN_CHUNK_SAMPLE_COUNT 2

/**
 * How long freeing a session or a profiler waits for the last chunks to be delivered.
 */
#define SENTRY_PROFILER_FREE_TIMEOUT_MS 5000

/**
 * The stack of the threads on which log, wake and chunk callbacks are called, unless that is a thread of the host's.
 */
#define SENTRY_PROFILER_CALLBACK_STACK_BYTES 2097152

/**
 * What became of a call. The numbers are permanent; later versions add new ones.
 *
 * 0 is success. 1 to 99 are failures: nothing was changed by the call, unless its comment says otherwise. From 100 on there
 * was nothing to do, which is no failure.
 */
typedef enum {
    /**
     * The call did what it should.
     */
    SENTRY_PROFILER_OK = 0,
    /**
     * A pointer that must not be NULL is NULL.
     */
    SENTRY_PROFILER_NULL_ARGUMENT = 1,
    /**
     * An argument is out of its range, too long, empty where it must not be, not UTF-8, or an unknown enumerator.
     */
    SENTRY_PROFILER_INVALID_ARGUMENT = 2,
    /**
     * The V8 in this process cannot be profiled; `sentry_profiler_support` says why.
     */
    SENTRY_PROFILER_UNSUPPORTED_V8 = 3,
    /**
     * The call must be made on the thread of the isolate, with the isolate entered.
     */
    SENTRY_PROFILER_WRONG_THREAD = 4,
    /**
     * The call was made from inside a callback of this library; make it after the callback has returned.
     */
    SENTRY_PROFILER_IN_CALLBACK = 5,
    /**
     * The profiler that the session belongs to was freed.
     */
    SENTRY_PROFILER_CLOSED = 6,
    /**
     * V8 refused to start a recording.
     */
    SENTRY_PROFILER_START_REFUSED = 7,
    /**
     * The operating system gave no thread.
     */
    SENTRY_PROFILER_NO_THREAD = 8,
    /**
     * Not everything was delivered in time.
     */
    SENTRY_PROFILER_TIMEOUT = 9,
    /**
     * A write callback asked to stop.
     */
    SENTRY_PROFILER_WRITE_FAILED = 10,
    /**
     * A bug in this library: the call panicked. The handle answers this from now on and can only be freed.
     */
    SENTRY_PROFILER_PANIC = 11,
    /**
     * A failure that has no number of its own in this version; the log callback gets its text.
     */
    SENTRY_PROFILER_OTHER = 12,
    /**
     * The handle was made by the process that this one was forked from. Here it can only be freed.
     */
    SENTRY_PROFILER_FORKED = 13,
    /**
     * Start while recording: nothing changed.
     */
    SENTRY_PROFILER_ALREADY_RECORDING = 100,
    /**
     * Stop while not recording: nothing changed.
     */
    SENTRY_PROFILER_NOT_RECORDING = 101,
    /**
     * The session is not sampled: it never records.
     */
    SENTRY_PROFILER_NOT_SAMPLED = 102,
    /**
     * Spans start and stop this session: nothing changed.
     */
    SENTRY_PROFILER_TRACE_LIFECYCLE = 103,
} sentry_profiler_status_t;

/**
 * How grave a log message is.
 */
typedef enum {
    /**
     * What happens as it should.
     */
    SENTRY_PROFILER_LOG_DEBUG = 0,
    /**
     * What costs data or needs a hand.
     */
    SENTRY_PROFILER_LOG_WARNING = 1,
} sentry_profiler_log_level_t;

/**
 * What a finished profile can be written as.
 */
typedef enum {
    /**
     * Sentry's sample format V2: the JSON payload of a `profile_chunk` item, metadata included.
     */
    SENTRY_PROFILER_FORMAT_SAMPLE_V2 = 0,
    /**
     * Sentry's sample format V1, deprecated: JSON with samples, stacks, frames and measurements.
     */
    SENTRY_PROFILER_FORMAT_SAMPLE_V1 = 1,
    /**
     * A whole envelope with one `profile_chunk` item, ready to POST to Sentry.
     */
    SENTRY_PROFILER_FORMAT_ENVELOPE = 2,
    /**
     * JSON that Chrome DevTools and VS Code open, as `.cpuprofile`.
     */
    SENTRY_PROFILER_FORMAT_CPUPROFILE = 3,
    /**
     * Gzipped protocol buffers for pprof.
     */
    SENTRY_PROFILER_FORMAT_PPROF = 4,
    /**
     * One line a stack and its time in microseconds, for flame graph tools.
     */
    SENTRY_PROFILER_FORMAT_FOLDED = 5,
    /**
     * A flame graph, SVG.
     */
    SENTRY_PROFILER_FORMAT_FLAMEGRAPH = 6,
} sentry_profiler_format_t;

/**
 * What starts and stops a session: Sentry's `profileLifecycle`.
 */
typedef enum {
    /**
     * `sentry_profiler_session_start` and `sentry_profiler_session_stop`. The default.
     */
    SENTRY_PROFILER_LIFECYCLE_MANUAL = 0,
    /**
     * It records while at least one span is active.
     */
    SENTRY_PROFILER_LIFECYCLE_TRACE = 1,
} sentry_profiler_lifecycle_t;

/**
 * When V8 builds its map from addresses to functions.
 */
typedef enum {
    /**
     * Once, in `sentry_profiler_new`; starting is cheap from then on. The default.
     */
    SENTRY_PROFILER_LOGGING_EAGER = 0,
    /**
     * Each time that recording begins, which takes 1 to 1.6 ms per MB of live heap on the isolate's thread.
     */
    SENTRY_PROFILER_LOGGING_LAZY = 1,
} sentry_profiler_logging_t;

/**
 * A finished profile. Immutable, and not bound to any thread, isolate or profiler.
 */
typedef struct sentry_profile_t sentry_profile_t;

/**
 * Bytes that this library made and the caller owns. Immutable.
 */
typedef struct sentry_profiler_buffer_t sentry_profiler_buffer_t;

/**
 * How profilers, sessions and encoders behave. What reads options copies them: they may be changed or freed right afterwards.
 */
typedef struct sentry_profiler_options_t sentry_profiler_options_t;

/**
 * Records an isolate chunk by chunk. Belongs to the thread of its profiler.
 */
typedef struct sentry_profiler_session_t sentry_profiler_session_t;

/**
 * The profiler of one isolate. Belongs to the thread that made it.
 */
typedef struct sentry_profiler_t sentry_profiler_t;

/**
 * Receives a log message of `len` bytes of UTF-8; a NUL follows them. The message is valid during the call only.
 *
 * Called on any thread, also on several at once, until `sentry_profiler_free` has returned; a thread of this library
 * has a stack of `SENTRY_PROFILER_CALLBACK_STACK_BYTES`. It must not throw, nor wait for the isolate's thread; calls
 * on profilers and sessions answer `SENTRY_PROFILER_IN_CALLBACK`.
 */
typedef void (*sentry_profiler_log_callback_t)(sentry_profiler_log_level_t level,
                                               const char *message,
                                               size_t len,
                                               void *user_data);

/**
 * A finished chunk of a session. Later versions append fields: those beyond `struct_size` are not there.
 */
typedef struct {
    /**
     * Bytes of this structure, as the library knows it.
     */
    size_t struct_size;
    /**
     * 32 lower-case hexadecimal digits and a NUL.
     */
    const char *chunk_id;
    /**
     * 32 lower-case hexadecimal digits and a NUL: the session's, the same for all its chunks.
     */
    const char *profiler_id;
    /**
     * A whole envelope, ready to POST to Sentry: its header, then the item.
     */
    const char *envelope;
    /**
     * Bytes of it.
     */
    size_t envelope_len;
    /**
     * The last part of the envelope: the item with its header, to append to an envelope of the host's own.
     */
    const char *item;
    /**
     * Bytes of it.
     */
    size_t item_len;
    /**
     * The part of the item that is the chunk itself: JSON, sample format V2.
     */
    const char *payload;
    /**
     * Bytes of it.
     */
    size_t payload_len;
    /**
     * Samples in it, idle samples aside.
     */
    uint64_t sample_count;
    /**
     * When it begins, Unix time, microseconds.
     */
    int64_t start_us;
    /**
     * When it ends, Unix time, microseconds.
     */
    int64_t end_us;
} sentry_profiler_chunk_t;

/**
 * Receives a finished chunk of a session. The chunk and all that it points to are valid during the call only: copy what is
 * kept.
 *
 * Called on the encoder thread and no other, whose stack has `SENTRY_PROFILER_CALLBACK_STACK_BYTES`, one chunk at a
 * time, until `sentry_profiler_session_free` or `sentry_profiler_free` has returned. While it runs, no other chunk of
 * the process is encoded, so hand long work, such as sending, to another thread. It must not throw, nor wait for the
 * isolate's thread; calls on profilers and sessions answer `SENTRY_PROFILER_IN_CALLBACK`.
 */
typedef void (*sentry_profiler_chunk_callback_t)(const sentry_profiler_chunk_t *chunk, void *user_data);

/**
 * Asks that `sentry_profiler_poll` be called on the isolate's thread soon: something is due there, and no JavaScript has run
 * for a while. It may only pass that on, to an event loop for example, and return.
 *
 * Called on the ticker thread, whose stack has `SENTRY_PROFILER_CALLBACK_STACK_BYTES`, at most once every 100 ms and
 * only while something records, until `sentry_profiler_free` has returned. It must not throw, nor wait for the
 * isolate's thread or for a lock that is held around calls of this library; calls on profilers and sessions answer
 * `SENTRY_PROFILER_IN_CALLBACK`.
 */
typedef void (*sentry_profiler_wake_callback_t)(void *user_data);

/**
 * Answers the address of V8's function of that mangled name, or NULL. Asked only for what neither the linker nor the loader
 * has found: a V8 that was loaded with `RTLD_LOCAL`, for example. A wrong address is undefined behaviour.
 *
 * Called on the calling thread, inside `sentry_profiler_new` and `sentry_profiler_support`. It must not throw; calls on
 * profilers and sessions answer `SENTRY_PROFILER_IN_CALLBACK`.
 */
typedef void *(*sentry_profiler_symbol_resolver_t)(const char *mangled_name, void *user_data);

/**
 * What a profile holds. Set `struct_size` to `sizeof(sentry_profile_info_t)` before the call; later versions append fields.
 */
typedef struct {
    /**
     * Bytes of this structure, as the caller knows it.
     */
    size_t struct_size;
    /**
     * When it begins, Unix time, microseconds.
     */
    int64_t start_us;
    /**
     * When it ends, Unix time, microseconds.
     */
    int64_t end_us;
    /**
     * The sampling interval asked for, microseconds.
     */
    uint64_t sampling_interval_us;
    /**
     * Samples in it, idle samples aside.
     */
    uint64_t sample_count;
    /**
     * Samples that came after the maximum was reached and are not in it.
     */
    uint64_t dropped_sample_count;
    /**
     * Distinct stacks, those of callers included.
     */
    uint64_t stack_count;
    /**
     * Distinct functions.
     */
    uint64_t frame_count;
    /**
     * 32 lower-case hexadecimal digits and a NUL: the id under which it is written as a chunk.
     */
    char chunk_id[33];
    /**
     * 32 lower-case hexadecimal digits and a NUL: the same for all recordings of a profiler; events link to it.
     */
    char profiler_id[33];
} sentry_profile_info_t;

/**
 * Takes the next `len` bytes of what is written; answers 0 to go on, anything else to stop. The bytes are valid during the
 * call only.
 *
 * Called on the calling thread, inside `sentry_profile_write`. It must not throw; calls on profilers and sessions answer
 * `SENTRY_PROFILER_IN_CALLBACK`.
 */
typedef int (*sentry_profiler_write_callback_t)(const char *data, size_t len, void *user_data);

/**
 * What became of a session's chunks. Set `struct_size` to `sizeof(sentry_profiler_session_stats_t)` before the call; later
 * versions append fields.
 */
typedef struct {
    /**
     * Bytes of this structure, as the caller knows it.
     */
    size_t struct_size;
    /**
     * Chunks given to the chunk callback.
     */
    uint64_t delivered_chunk_count;
    /**
     * Samples in them, idle samples aside.
     */
    uint64_t delivered_sample_count;
    /**
     * Chunks dropped because they had fewer than `SENTRY_PROFILER_MIN_CHUNK_SAMPLE_COUNT` samples.
     */
    uint64_t dropped_too_short_count;
    /**
     * Chunks dropped because too many waited for the encoder, or because freeing waited for them no longer.
     */
    uint64_t dropped_overflow_count;
    /**
     * Slices of the isolate's recording dropped because too many waited for the encoder.
     */
    uint64_t dropped_slice_count;
} sentry_profiler_session_stats_t;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The bytes of a buffer. A NUL follows them, which `sentry_profiler_buffer_len` does not count, so that text can be printed.
 *
 * Returns NULL for NULL. The bytes belong to the buffer and are valid until it is freed. Any thread, also several at once and
 * inside callbacks.
 */
const char *sentry_profiler_buffer_data(const sentry_profiler_buffer_t *buffer);

/**
 * The number of bytes in a buffer.
 *
 * Returns 0 for NULL. Any thread, also several at once and inside callbacks.
 */
size_t sentry_profiler_buffer_len(const sentry_profiler_buffer_t *buffer);

/**
 * Frees a buffer, and with it what `sentry_profiler_buffer_data` returned. NULL is ignored.
 *
 * Any thread, also inside callbacks; nobody else may be using the buffer.
 */
void sentry_profiler_buffer_free(sentry_profiler_buffer_t *buffer);

/**
 * Makes options with the default of each.
 *
 * Returns OK or NULL_ARGUMENT. The caller owns `*out`, for `sentry_profiler_options_free`; it is NULL unless OK. Any thread.
 */
sentry_profiler_status_t sentry_profiler_options_new(sentry_profiler_options_t **out);

/**
 * Frees options; what was made with them goes on. NULL is ignored.
 *
 * Any thread; nobody else may be using the options.
 */
void sentry_profiler_options_free(sentry_profiler_options_t *options);

/**
 * Sets when V8 builds its map of the program, a `sentry_profiler_logging_t`; eager by default. Read by `sentry_profiler_new`.
 *
 * Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for an unknown enumerator. Any thread, one call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_logging(sentry_profiler_options_t *options,
                                                             uint32_t logging);

/**
 * Sets the time between two samples, microseconds, from `SENTRY_PROFILER_MIN_SAMPLING_INTERVAL_US` to
 * `SENTRY_PROFILER_MAX_SAMPLING_INTERVAL_US`; 99 Hz by default. It is the same for all that records on an isolate. Read by
 * `sentry_profiler_new`.
 *
 * Returns OK, NULL_ARGUMENT or INVALID_ARGUMENT. Any thread, one call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_sampling_interval_us(sentry_profiler_options_t *options,
                                                                          uint32_t interval_us);

/**
 * Sets how many samples a named recording keeps, 2 or more; those after them are counted as dropped. Read by
 * `sentry_profiler_new`.
 *
 * Returns OK, NULL_ARGUMENT or INVALID_ARGUMENT. Any thread, one call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_max_sample_count(sentry_profiler_options_t *options,
                                                                      uint32_t sample_count);

/**
 * Sets what the isolate's thread is called in Sentry: its id, a number in decimal digits (`0`, the main thread's, by default),
 * and its name (`main` by default). Read by sessions and encoders.
 *
 * Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for an empty id or for what is not UTF-8. The strings are copied. Any thread,
 * one call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_thread(sentry_profiler_options_t *options,
                                                            const char *id,
                                                            size_t id_len,
                                                            const char *name,
                                                            size_t name_len);

/**
 * Sets what starts and stops a session, a `sentry_profiler_lifecycle_t`; manual by default. Read by
 * `sentry_profiler_session_new`.
 *
 * Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for an unknown enumerator. Any thread, one call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_lifecycle(sentry_profiler_options_t *options,
                                                               uint32_t lifecycle);

/**
 * Sets the share of sessions that profile at all, 0 to 1; 0 by default, as Sentry's `profileSessionSampleRate`. It is decided
 * once, in `sentry_profiler_session_new`.
 *
 * Returns OK, NULL_ARGUMENT or INVALID_ARGUMENT. Any thread, one call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_session_sample_rate(sentry_profiler_options_t *options,
                                                                         double rate);

/**
 * Sets how long a session's chunk is, milliseconds, from `SENTRY_PROFILER_MIN_CHUNK_DURATION_MS` to
 * `SENTRY_PROFILER_MAX_CHUNK_DURATION_MS`, which is the default. Read by `sentry_profiler_session_new`.
 *
 * Returns OK, NULL_ARGUMENT or INVALID_ARGUMENT. Any thread, one call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_chunk_duration_ms(sentry_profiler_options_t *options,
                                                                       uint32_t duration_ms);

/**
 * Sets how long a chunk stays open for the next span after the last one has ended, milliseconds;
 * `SENTRY_PROFILER_DEFAULT_QUIET_MS` by default. Read by `sentry_profiler_session_new`.
 *
 * Returns OK or NULL_ARGUMENT. Any thread, one call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_quiet_ms(sentry_profiler_options_t *options, uint32_t quiet_ms);

/**
 * Sets the release that runs; empty, the default, leaves it out. Read by sessions and encoders.
 *
 * Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for what is not UTF-8. The string is copied. Any thread, one call on the
 * options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_release(sentry_profiler_options_t *options,
                                                             const char *release,
                                                             size_t len);

/**
 * Sets the environment the program runs in; empty, the default, leaves it out. Read by sessions and encoders.
 *
 * Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for what is not UTF-8. The string is copied. Any thread, one call on the
 * options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_environment(sentry_profiler_options_t *options,
                                                                 const char *environment,
                                                                 size_t len);

/**
 * Sets the name and version of the SDK that sends; this library's by default. Read by sessions and encoders.
 *
 * Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for what is empty or not UTF-8. The strings are copied. Any thread, one call
 * on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_sdk(sentry_profiler_options_t *options,
                                                         const char *name,
                                                         size_t name_len,
                                                         const char *version,
                                                         size_t version_len);

/**
 * Sets Sentry's platform; `node` by default, which is what Sentry accepts JavaScript profiles of. Read by sessions and
 * encoders.
 *
 * Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for what is empty or not UTF-8. The string is copied. Any thread, one call on
 * the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_platform(sentry_profiler_options_t *options,
                                                              const char *platform,
                                                              size_t len);

/**
 * Adds the debug id of a file, by which Sentry finds its source map. `file` is the script's name as V8 knows it; of a `file://`
 * URL, the plain path. Read by sessions and encoders.
 *
 * Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for what is empty or not UTF-8. The strings are copied. Any thread, one call
 * on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_add_debug_id(sentry_profiler_options_t *options,
                                                              const char *file,
                                                              size_t file_len,
                                                              const char *debug_id,
                                                              size_t debug_id_len);

/**
 * Sets who receives log messages, those included that say why a call failed; nobody by default, and again with a NULL
 * `callback`. Read by `sentry_profiler_new`.
 *
 * Returns OK, or NULL_ARGUMENT for NULL options. `user_data` must stay valid until `sentry_profiler_free` has returned. Any
 * thread, one call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_log_callback(sentry_profiler_options_t *options,
                                                                  sentry_profiler_log_callback_t callback,
                                                                  void *user_data);

/**
 * Sets who receives a session's finished chunks; nobody by default, and again with a NULL `callback`. Read by
 * `sentry_profiler_session_new`, which needs one.
 *
 * Returns OK, or NULL_ARGUMENT for NULL options. `user_data` must stay valid until `sentry_profiler_session_free` has
 * returned. Any thread, one call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_chunk_callback(sentry_profiler_options_t *options,
                                                                    sentry_profiler_chunk_callback_t callback,
                                                                    void *user_data);

/**
 * Sets who is asked to have `sentry_profiler_poll` called while the isolate is idle; nobody by default, and again with a NULL
 * `callback`. Without one, an isolate that runs no JavaScript closes a chunk when it runs some again. Read by
 * `sentry_profiler_new`.
 *
 * Returns OK, or NULL_ARGUMENT for NULL options. `user_data` must stay valid until `sentry_profiler_free` has returned. Any
 * thread, one call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_wake_callback(sentry_profiler_options_t *options,
                                                                   sentry_profiler_wake_callback_t callback,
                                                                   void *user_data);

/**
 * Sets who finds V8's functions when neither the linker nor the loader does; nobody by default, and again with a NULL
 * `callback`. Read by `sentry_profiler_new` and `sentry_profiler_support`.
 *
 * Returns OK, or NULL_ARGUMENT for NULL options. `user_data` must stay valid during those calls. Any thread, one call on the
 * options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_symbol_resolver(sentry_profiler_options_t *options,
                                                                     sentry_profiler_symbol_resolver_t callback,
                                                                     void *user_data);

/**
 * Tells whether the V8 in this process can be profiled: it can when `missing` comes out empty. `options` may be NULL; its
 * symbol resolver is asked.
 *
 * Returns OK, also for a V8 that is not supported; NULL_ARGUMENT; IN_CALLBACK. The caller owns both buffers, for
 * `sentry_profiler_buffer_free`; both are NULL unless OK. `*version` is V8's own version, empty when no V8 is in reach;
 * `*missing` has the mangled names that were not found, one a line. Any thread. The first call looks everything up, some
 * microseconds.
 */
sentry_profiler_status_t sentry_profiler_support(const sentry_profiler_options_t *options,
                                                 sentry_profiler_buffer_t **version,
                                                 sentry_profiler_buffer_t **missing);

/**
 * Tells what a profile holds.
 *
 * Returns OK, NULL_ARGUMENT, INVALID_ARGUMENT when `info->struct_size` is not set, or PANIC. `info` is the caller's. Any
 * thread, also several at once and inside callbacks.
 */
sentry_profiler_status_t sentry_profile_info(const sentry_profile_t *profile,
                                             sentry_profile_info_t *info);

/**
 * Writes a profile in a `sentry_profiler_format_t`. `options` give a chunk's metadata (thread, release, environment, SDK,
 * platform, debug ids); NULL stands for those of the profiler that recorded it.
 *
 * Returns OK, NULL_ARGUMENT, INVALID_ARGUMENT for an unknown format, or PANIC. The caller owns `*out`, for
 * `sentry_profiler_buffer_free`; it is NULL unless OK. Any thread, also several at once and inside callbacks. Takes some
 * milliseconds for each thousand distinct stacks.
 */
sentry_profiler_status_t sentry_profile_encode(const sentry_profile_t *profile,
                                               uint32_t format,
                                               const sentry_profiler_options_t *options,
                                               sentry_profiler_buffer_t **out);

/**
 * Writes a profile in a `sentry_profiler_format_t`, piece by piece, to `write(data, len, user_data)`. `options` are those of
 * `sentry_profile_encode`.
 *
 * Returns OK; NULL_ARGUMENT; INVALID_ARGUMENT for an unknown format; WRITE_FAILED when `write` returned something else than 0:
 * it is not called again; PANIC. Any thread, also several at once; the callback runs on the calling one. Takes as long as
 * `sentry_profile_encode` and as `write`.
 */
sentry_profiler_status_t sentry_profile_write(const sentry_profile_t *profile,
                                              uint32_t format,
                                              const sentry_profiler_options_t *options,
                                              sentry_profiler_write_callback_t write,
                                              void *user_data);

/**
 * Frees a profile. NULL is ignored.
 *
 * Any thread, also inside callbacks; nobody else may be using the profile.
 */
void sentry_profile_free(sentry_profile_t *profile);

/**
 * Makes the profiler of an isolate. Make it early and keep it, one for each isolate: with eager logging V8 walks the heap
 * here, 8 to 25 ms when it is small, and functions that it had optimized before may be missing from stacks. `options` may be NULL, for the defaults.
 *
 * Returns OK, NULL_ARGUMENT, UNSUPPORTED_V8, WRONG_THREAD when the isolate is not entered on this thread, IN_CALLBACK,
 * START_REFUSED, or PANIC. The caller owns `*out`, for `sentry_profiler_free`, which must come before `Isolate::Dispose`;
 * it is NULL unless OK. To be called on the thread that runs the isolate, to which the profiler then belongs. No
 * `HandleScope` is needed, here and in all other calls.
 */
sentry_profiler_status_t sentry_profiler_new(sentry_profiler_isolate_t *isolate,
                                             const sentry_profiler_options_t *options,
                                             sentry_profiler_t **out);

/**
 * Begins a recording. Recordings may overlap, in any number, and each gets the samples of its own time. A recording that has
 * the title already is dropped and a new one begins.
 *
 * Returns OK, NULL_ARGUMENT, INVALID_ARGUMENT for a title that is empty or not UTF-8, WRONG_THREAD, IN_CALLBACK,
 * FORKED, UNSUPPORTED_V8, START_REFUSED, NO_THREAD, or PANIC. The title is copied. Isolate thread, isolate entered.
 * The first recording takes up to some milliseconds, with lazy logging more; others some microseconds.
 */
sentry_profiler_status_t sentry_profiler_start_profiling(sentry_profiler_t *profiler,
                                                         const char *title,
                                                         size_t len);

/**
 * Ends a recording and hands out its profile.
 *
 * Returns OK, NOT_RECORDING when no recording has the title, NULL_ARGUMENT, INVALID_ARGUMENT for a title that is
 * empty or not UTF-8, WRONG_THREAD, IN_CALLBACK, FORKED, UNSUPPORTED_V8 when what V8 recorded makes no sense, or
 * PANIC. The caller owns `*out`, for `sentry_profile_free`; it is NULL unless OK. Isolate thread, isolate entered.
 * Takes some milliseconds, whatever was recorded before the last seconds was merged already.
 */
sentry_profiler_status_t sentry_profiler_stop_profiling(sentry_profiler_t *profiler,
                                                        const char *title,
                                                        size_t len,
                                                        sentry_profile_t **out);

/**
 * Does what is due on the isolate's thread, for the profiler and all its sessions: closes what is full, frees what V8 holds.
 * While JavaScript runs nothing depends on it; to be called when the wake callback asks for it, and at any other time without
 * harm.
 *
 * Returns OK, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED, or PANIC. Isolate thread, isolate entered. Takes at
 * most about a millisecond.
 */
sentry_profiler_status_t sentry_profiler_poll(sentry_profiler_t *profiler);

/**
 * Stops everything and frees a profiler. Recordings that run are dropped; sessions deliver what they have, for which
 * this waits `SENTRY_PROFILER_FREE_TIMEOUT_MS` at most, and their later calls answer CLOSED until they are freed,
 * before or after this. Must come before `Isolate::Dispose`. NULL is ignored.
 *
 * Returns OK; TIMEOUT: the profiler is gone, and chunks that were not delivered in time are lost; WRONG_THREAD or
 * IN_CALLBACK: nothing was freed, call again where it is right; PANIC: the handle is gone all the same. Afterwards no
 * callback of the profiler or its sessions is called any more: those that are under way are waited for. Isolate
 * thread, also in destructors at the thread's or the program's end; the isolate need not be entered. In the child of
 * a `fork` V8's own profiler is not freed, because its sampling thread is missing there.
 */
sentry_profiler_status_t sentry_profiler_free(sentry_profiler_t *profiler);

/**
 * Makes a session on a profiler. `options` may be NULL, for those that the profiler was made with; either way they need a
 * chunk callback. Whether the session is sampled is decided here, once.
 *
 * Returns OK, NULL_ARGUMENT, INVALID_ARGUMENT without a chunk callback, WRONG_THREAD, IN_CALLBACK, FORKED,
 * UNSUPPORTED_V8, or PANIC. The caller owns `*out`, for `sentry_profiler_session_free`; it is NULL unless OK. Isolate
 * thread, isolate entered. Nothing records yet.
 */
sentry_profiler_status_t sentry_profiler_session_new(sentry_profiler_t *profiler,
                                                     const sentry_profiler_options_t *options,
                                                     sentry_profiler_session_t **out);

/**
 * Begins to record, in the manual lifecycle.
 *
 * Returns OK, ALREADY_RECORDING, NOT_SAMPLED, TRACE_LIFECYCLE, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED,
 * CLOSED, UNSUPPORTED_V8, START_REFUSED, or PANIC; NO_THREAD: nothing is recorded yet, and until
 * `sentry_profiler_session_stop` it is tried again, at growing intervals, in later calls on the session and in
 * `sentry_profiler_poll`. Isolate thread, isolate entered. Takes up to some milliseconds, with lazy logging more.
 */
sentry_profiler_status_t sentry_profiler_session_start(sentry_profiler_session_t *session);

/**
 * Ends the recording, in the manual lifecycle; its last chunk goes to the chunk callback.
 *
 * Returns OK, NOT_RECORDING, NOT_SAMPLED, TRACE_LIFECYCLE, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED, CLOSED,
 * UNSUPPORTED_V8, or PANIC. Isolate thread, isolate entered. Takes up to some milliseconds; the chunk is encoded
 * elsewhere.
 */
sentry_profiler_status_t sentry_profiler_session_stop(sentry_profiler_session_t *session);

/**
 * Says that a span has begun. In the trace lifecycle the first one begins to record; otherwise nothing happens.
 *
 * Returns OK, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED, CLOSED, UNSUPPORTED_V8, START_REFUSED, or PANIC.
 * Where the operating system gives no thread it is OK, the log callback hears of it once, and it is tried again, at
 * growing intervals. Isolate thread, isolate entered. Takes some microseconds, up to some milliseconds after a pause.
 */
sentry_profiler_status_t sentry_profiler_session_span_started(sentry_profiler_session_t *session);

/**
 * Says that a span has ended. In the trace lifecycle recording pauses with the last one; one that did not begin is ignored.
 *
 * Returns OK, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED, CLOSED, UNSUPPORTED_V8, or PANIC. Isolate thread,
 * isolate entered. Takes some microseconds.
 */
sentry_profiler_status_t sentry_profiler_session_span_ended(sentry_profiler_session_t *session);

/**
 * Closes the open chunk and waits until every chunk up to now has been given to the chunk callback, `timeout_ms` milliseconds
 * at most. The session goes on.
 *
 * Returns OK, TIMEOUT, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED, CLOSED, UNSUPPORTED_V8, or PANIC. Isolate
 * thread, isolate entered.
 */
sentry_profiler_status_t sentry_profiler_session_flush(sentry_profiler_session_t *session,
                                                       uint64_t timeout_ms);

/**
 * Adds the debug id of a file, for the chunks that are encoded from now on; see `sentry_profiler_options_add_debug_id`.
 *
 * Returns OK, NULL_ARGUMENT, INVALID_ARGUMENT for what is empty or not UTF-8, WRONG_THREAD, IN_CALLBACK, FORKED, or
 * PANIC. The strings are copied. Isolate thread.
 */
sentry_profiler_status_t sentry_profiler_session_add_debug_id(sentry_profiler_session_t *session,
                                                              const char *file,
                                                              size_t file_len,
                                                              const char *debug_id,
                                                              size_t debug_id_len);

/**
 * The id that links events to the session's chunks: 32 lower-case hexadecimal digits, for `contexts.profile.profiler_id`.
 *
 * Returns OK, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED, or PANIC. The caller owns `*out`, for
 * `sentry_profiler_buffer_free`; it is NULL unless OK. Isolate thread.
 */
sentry_profiler_status_t sentry_profiler_session_profiler_id(sentry_profiler_session_t *session,
                                                             sentry_profiler_buffer_t **out);

/**
 * Tells whether the session profiles at all.
 *
 * Returns OK, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED, or PANIC. `*out` is written only when OK. Isolate
 * thread.
 */
sentry_profiler_status_t sentry_profiler_session_is_sampled(sentry_profiler_session_t *session, bool *out);

/**
 * Tells whether the session records now.
 *
 * Returns OK, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED, or PANIC. `*out` is written only when OK. Isolate
 * thread.
 */
sentry_profiler_status_t sentry_profiler_session_is_recording(sentry_profiler_session_t *session, bool *out);

/**
 * Tells what became of the chunks so far, also after the profiler was freed.
 *
 * Returns OK, NULL_ARGUMENT, INVALID_ARGUMENT when `stats->struct_size` is not set, WRONG_THREAD, IN_CALLBACK,
 * FORKED, or PANIC. `stats` is the caller's. Isolate thread.
 */
sentry_profiler_status_t sentry_profiler_session_stats(sentry_profiler_session_t *session,
                                                       sentry_profiler_session_stats_t *stats);

/**
 * Ends and frees a session. Its last chunks go to the chunk callback first, for which this waits
 * `SENTRY_PROFILER_FREE_TIMEOUT_MS` at most. NULL is ignored.
 *
 * Returns OK; TIMEOUT: the session is gone, and chunks that were not delivered in time are lost; WRONG_THREAD or
 * IN_CALLBACK: nothing was freed, call again where it is right; PANIC: the handle is gone all the same. Afterwards
 * the chunk callback is not called any more: one that is under way is waited for. Isolate thread, before or after
 * `sentry_profiler_free`, also in destructors at the thread's or the program's end. The isolate need not be entered;
 * when it is not, and something else of the profiler records, the end of the last chunk is lost, and that is TIMEOUT,
 * too. In the child of a `fork` nothing is delivered.
 */
sentry_profiler_status_t sentry_profiler_session_free(sentry_profiler_session_t *session);

/**
 * Says what a status means, in English, for logs.
 *
 * Returns a NUL-terminated string, never NULL, also for a number that is no status. It is static: never freed, valid for ever.
 * Any thread, also inside callbacks.
 */
const char *sentry_profiler_status_message(uint32_t status);

/**
 * The library's version, such as `0.1.0`.
 *
 * Returns a NUL-terminated string, never NULL. It is static: never freed, valid for ever. Any thread, also inside callbacks.
 */
const char *sentry_profiler_version(void);

/**
 * The version of the binary interface that the loaded library has; to be compared with `SENTRY_PROFILER_ABI_VERSION` by who
 * loads it by hand.
 *
 * Any thread, also inside callbacks.
 */
uint32_t sentry_profiler_abi_version(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SENTRY_PROFILER_H */
