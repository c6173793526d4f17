/*
 * libsentry_profiler: a sampling profiler for the JavaScript of a V8 isolate, with profiles for Sentry, Chrome
 * DevTools, pprof and flame graphs. Works with any V8 since 10.2, shared or linked statically, without its headers.
 *
 * Generated from bindings-c by cbindgen; do not edit.
 *
 * Handles are opaque. `_new` gives a handle to the caller, and `_free` takes it back; NULL is never undefined
 * behaviour. Outputs come last and are written only on success. Handles among them are NULL otherwise, so that
 * freeing them is always safe. Strings are passed as a pointer and a length in bytes; they are UTF-8 and need no NUL
 * at the end.
 *
 * A profiler and its sessions belong to the one thread that runs the isolate ("isolate thread"): calls on another
 * thread return SENTRY_PROFILER_WRONG_THREAD. "Any thread" calls on the same handle may run at once only if the
 * handle is `const`. Comments name statuses without their prefix: OK is SENTRY_PROFILER_OK.
 *
 * The ABI is stable: a program that was linked against one release runs with every later one that has the same
 * SENTRY_PROFILER_ABI_VERSION. Later releases may:
 *
 * - add functions, types and constants, among them new options with their setters;
 * - add enumerators with new numbers: treat an unknown status below 100 as a failure, and from 100 on as nothing to
 *   do;
 * - append fields to the structures that begin with `struct_size`;
 * - change the text of log and status messages, and the order and the comments of this header.
 *
 * They must not:
 *
 * - remove or rename a function, or change its parameters, its result, its threads or who owns what;
 * - remove or rename an enumerator, or change its number or meaning;
 * - remove, move, resize or reinterpret a field of a structure, or add one elsewhere than at the end;
 * - change the parameters of a callback or the threads it is called on;
 * - give the contents of an opaque type to callers, or export a symbol whose name does not begin with
 *   `sentry_profiler_` or `sentry_profile_`.
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
/** `v8::Isolate` itself in C++, an opaque type in C. */
typedef v8::Isolate sentry_profiler_isolate_t;
#else
/** `v8::Isolate` itself in C++, an opaque type in C. */
typedef struct sentry_profiler_isolate_t sentry_profiler_isolate_t;
#endif

/**
 * The version of the binary interface, which is the number in the shared library's name. It changes only when a
 * program that was linked against an older library could break.
 */
#define SENTRY_PROFILER_ABI_VERSION 1

/**
 * The default sampling interval: 99 Hz, so that samples do not run in lockstep with what happens 100 times a second.
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
 * How many samples a named recording keeps by default.
 */
#define SENTRY_PROFILER_DEFAULT_MAX_SAMPLE_COUNT 500000

/**
 * The longest duration of a session's chunk, which is the default.
 */
#define SENTRY_PROFILER_MAX_CHUNK_DURATION_MS 60000

/**
 * The shortest duration of a session's chunk.
 */
#define SENTRY_PROFILER_MIN_CHUNK_DURATION_MS 100

/**
 * How long a chunk stays open for the next span by default.
 */
#define SENTRY_PROFILER_DEFAULT_QUIET_MS 1000

/**
 * A chunk with fewer samples is dropped.
 */
#define SENTRY_PROFILER_MIN_CHUNK_SAMPLE_COUNT 2

/**
 * How long freeing a session or a profiler waits, at most, until the last chunks are delivered.
 */
#define SENTRY_PROFILER_FREE_TIMEOUT_MS 5000

/**
 * The stack size of this library's own threads, on which wake, chunk and most log callbacks run.
 */
#define SENTRY_PROFILER_CALLBACK_STACK_BYTES 2097152

/**
 * The result of a call. The numbers are permanent; later versions may add new ones.
 *
 * 0 is success. 1 to 99 are failures: the call changed nothing, unless its comment says otherwise. From 100 on the
 * call had nothing to do, which is not a failure.
 */
typedef enum {
    /**
     * Success.
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
     * The operating system could not create a thread.
     */
    SENTRY_PROFILER_NO_THREAD = 8,
    /**
     * Not everything was delivered in time.
     */
    SENTRY_PROFILER_TIMEOUT = 9,
    /**
     * A write callback returned something other than 0.
     */
    SENTRY_PROFILER_WRITE_FAILED = 10,
    /**
     * A bug in this library: the call panicked. Every later call on the handle returns this; only freeing it works.
     */
    SENTRY_PROFILER_PANIC = 11,
    /**
     * A failure without a number of its own in this version; the log callback receives its text.
     */
    SENTRY_PROFILER_OTHER = 12,
    /**
     * The handle was made before this process was forked from its parent. Here it can only be freed.
     */
    SENTRY_PROFILER_FORKED = 13,
    /**
     * Started while recording: nothing changed.
     */
    SENTRY_PROFILER_ALREADY_RECORDING = 100,
    /**
     * Stopped while not recording: nothing changed.
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
 * The severity of a log message.
 */
typedef enum {
    /**
     * Normal operation.
     */
    SENTRY_PROFILER_LOG_DEBUG = 0,
    /**
     * Something that loses data or needs attention.
     */
    SENTRY_PROFILER_LOG_WARNING = 1,
} sentry_profiler_log_level_t;

/**
 * When V8 builds its map from addresses to functions.
 */
typedef enum {
    /**
     * Once, in `sentry_profiler_new`, after which every start is cheap: 1 to 1.6 ms per MB of live heap on the isolate's
     * thread. V8 then also adds each function that it compiles. The default.
     */
    SENTRY_PROFILER_LOGGING_EAGER = 0,
    /**
     * When recording begins, which then takes as long as that. The map is given back when nothing was recorded for a
     * minute, and costs nothing until the next recording. Functions that V8 optimized in the middle of a loop before
     * that are missing in it: their time counts for their callers.
     */
    SENTRY_PROFILER_LOGGING_LAZY = 1,
} sentry_profiler_logging_t;

/**
 * The formats in which a finished profile can be written.
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
     * For flame graph tools: each line has a stack and its time in microseconds.
     */
    SENTRY_PROFILER_FORMAT_FOLDED = 5,
    /**
     * A flame graph as SVG, with callers above what they call. Browsers can zoom into it and search it.
     */
    SENTRY_PROFILER_FORMAT_FLAMEGRAPH = 6,
    /**
     * A page that any browser shows: what ran when, as a flame graph and in tables. It makes no requests.
     */
    SENTRY_PROFILER_FORMAT_HTML = 7,
    /**
     * The most important of it as a page of Markdown: shares, the hottest functions, lines and paths.
     */
    SENTRY_PROFILER_FORMAT_MARKDOWN = 8,
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
     * The session records while at least one span is active.
     */
    SENTRY_PROFILER_LIFECYCLE_TRACE = 1,
} sentry_profiler_lifecycle_t;

/**
 * A finished profile. Immutable, and not bound to any thread, isolate or profiler.
 */
typedef struct sentry_profile_t sentry_profile_t;

/**
 * Bytes that this library returned and the caller owns. Immutable.
 */
typedef struct sentry_profiler_buffer_t sentry_profiler_buffer_t;

/**
 * How profilers, sessions and encoders behave. Functions that read options copy them: they may be changed or freed
 * right afterwards.
 */
typedef struct sentry_profiler_options_t sentry_profiler_options_t;

/**
 * Continuous profiling: records an isolate chunk by chunk. Belongs to the thread of its profiler.
 */
typedef struct sentry_profiler_session_t sentry_profiler_session_t;

/**
 * The profiler of one isolate. Belongs to the thread that made it.
 */
typedef struct sentry_profiler_t sentry_profiler_t;

/**
 * Receives a log message: `len` bytes of UTF-8, followed by a NUL. The message is valid during the call only.
 *
 * Called on any thread, also on several at once, until `sentry_profiler_free` has returned; this library's own
 * threads have a stack of `SENTRY_PROFILER_CALLBACK_STACK_BYTES`. It must not throw and must not wait for the
 * isolate's thread. Inside it, calls on profilers and sessions return `SENTRY_PROFILER_IN_CALLBACK`.
 */
typedef void (*sentry_profiler_log_callback_t)(sentry_profiler_log_level_t level,
                                               const char *message,
                                               size_t len,
                                               void *user_data);

/**
 * Asks the host to call `sentry_profiler_poll` on the isolate's thread soon: something is due there, and no
 * JavaScript has run for a while. It must only pass the request on, for example to an event loop, and return.
 *
 * Called on the ticker thread, whose stack has `SENTRY_PROFILER_CALLBACK_STACK_BYTES`, at most once every 100 ms and
 * only while something records, until `sentry_profiler_free` has returned. It must not throw, and must not wait for
 * the isolate's thread or for a lock that is held around calls of this library. Inside it, calls on profilers and
 * sessions return `SENTRY_PROFILER_IN_CALLBACK`.
 */
typedef void (*sentry_profiler_wake_callback_t)(void *user_data);

/**
 * Returns the address of the V8 function with this mangled name, or NULL. Called only for functions that neither the
 * linker nor the loader has found, for example those of a V8 that was loaded with `RTLD_LOCAL`. On Windows the name is
 * as Microsoft's compilers mangle it. A wrong address is undefined behaviour.
 *
 * Called on the calling thread, inside `sentry_profiler_new` and `sentry_profiler_support`. It must not throw. Inside
 * it, calls on profilers and sessions return `SENTRY_PROFILER_IN_CALLBACK`.
 */
typedef void *(*sentry_profiler_symbol_resolver_t)(const char *mangled_name, void *user_data);

/**
 * A summary of a profile. Set `struct_size` to `sizeof(sentry_profile_info_t)` before the call; later versions
 * append fields.
 */
typedef struct {
    /**
     * Size of this structure in bytes, as the caller knows it.
     */
    size_t struct_size;
    /**
     * When the profile begins: Unix time in microseconds.
     */
    int64_t start_us;
    /**
     * When the profile ends: Unix time in microseconds.
     */
    int64_t end_us;
    /**
     * The sampling interval that was asked for, in microseconds.
     */
    uint64_t sampling_interval_us;
    /**
     * Samples in the profile, without idle samples.
     */
    uint64_t sample_count;
    /**
     * Samples that were dropped because the maximum was reached.
     */
    uint64_t dropped_sample_count;
    /**
     * Distinct stacks, including those of callers.
     */
    uint64_t stack_count;
    /**
     * Distinct functions.
     */
    uint64_t frame_count;
    /**
     * The id of the profile when it is written as a chunk: 32 lower-case hexadecimal digits and a NUL.
     */
    char chunk_id[33];
    /**
     * The id that events link to, the same for all recordings of a profiler: 32 lower-case hexadecimal digits and a
     * NUL.
     */
    char profiler_id[33];
} sentry_profile_info_t;

/**
 * Receives the next `len` bytes of a profile that is being written. Returns 0 to continue, anything else to stop.
 * The bytes are valid during the call only.
 *
 * Called on the calling thread, inside `sentry_profile_write`. It must not throw. Inside it, calls on profilers and
 * sessions return `SENTRY_PROFILER_IN_CALLBACK`.
 */
typedef int (*sentry_profiler_write_callback_t)(const char *data, size_t len, void *user_data);

/**
 * A finished chunk of a session. Later versions append fields: those beyond `struct_size` do not exist.
 */
typedef struct {
    /**
     * Size of this structure in bytes, as the library knows it.
     */
    size_t struct_size;
    /**
     * The chunk's own id: 32 lower-case hexadecimal digits and a NUL.
     */
    const char *chunk_id;
    /**
     * The session's id, the same for all its chunks: 32 lower-case hexadecimal digits and a NUL.
     */
    const char *profiler_id;
    /**
     * A whole envelope, ready to POST to Sentry: its header, then the item.
     */
    const char *envelope;
    /**
     * Length of the envelope in bytes.
     */
    size_t envelope_len;
    /**
     * The last part of the envelope: the item with its header, to append to an envelope of the host's own.
     */
    const char *item;
    /**
     * Length of the item in bytes.
     */
    size_t item_len;
    /**
     * The part of the item that is the chunk itself: JSON, sample format V2.
     */
    const char *payload;
    /**
     * Length of the payload in bytes.
     */
    size_t payload_len;
    /**
     * Samples in the chunk, without idle samples.
     */
    uint64_t sample_count;
    /**
     * When the chunk begins: Unix time in microseconds.
     */
    int64_t start_us;
    /**
     * When the chunk ends: Unix time in microseconds.
     */
    int64_t end_us;
} sentry_profiler_chunk_t;

/**
 * Receives a finished chunk of a session. The chunk and all that it points to are valid during the call only: copy
 * what must last longer.
 *
 * Called on the encoder thread only, whose stack has `SENTRY_PROFILER_CALLBACK_STACK_BYTES`, one chunk at a time,
 * until `sentry_profiler_session_free` or `sentry_profiler_free` has returned. While it runs, no other chunk of the
 * process is encoded, so hand long work, such as sending, to another thread. It must not throw and must not wait for
 * the isolate's thread. Inside it, calls on profilers and sessions return `SENTRY_PROFILER_IN_CALLBACK`.
 */
typedef void (*sentry_profiler_chunk_callback_t)(const sentry_profiler_chunk_t *chunk, void *user_data);

/**
 * Counts of a session's chunks. Set `struct_size` to `sizeof(sentry_profiler_session_stats_t)` before the call; later
 * versions append fields.
 */
typedef struct {
    /**
     * Size of this structure in bytes, as the caller knows it.
     */
    size_t struct_size;
    /**
     * Chunks that were passed to the chunk callback.
     */
    uint64_t delivered_chunk_count;
    /**
     * Samples in those chunks, without idle samples.
     */
    uint64_t delivered_sample_count;
    /**
     * Chunks dropped because they had fewer than `SENTRY_PROFILER_MIN_CHUNK_SAMPLE_COUNT` samples.
     */
    uint64_t dropped_too_short_count;
    /**
     * Chunks dropped because too many waited for the encoder, or because freeing stopped waiting for them.
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
 * The library's version, such as `0.1.0`.
 *
 * Returns a NUL-terminated string, never NULL. It is static: do not free it. Any thread, also inside callbacks.
 */
const char *sentry_profiler_version(void);

/**
 * The version of the loaded library's binary interface. A host that loads the library by hand compares it with
 * `SENTRY_PROFILER_ABI_VERSION`.
 *
 * Any thread, also inside callbacks.
 */
uint32_t sentry_profiler_abi_version(void);

/**
 * Describes a status in English, for logs.
 *
 * Returns a NUL-terminated string, never NULL, also for a number that is not a status. It is static: do not free it.
 * Any thread, also inside callbacks.
 */
const char *sentry_profiler_status_message(uint32_t status);

/**
 * Makes options, all of which have their defaults.
 *
 * Returns OK or NULL_ARGUMENT. The caller owns `*out` and frees it with `sentry_profiler_options_free`; it is NULL
 * unless OK. Any thread.
 */
sentry_profiler_status_t sentry_profiler_options_new(sentry_profiler_options_t **out);

/**
 * Frees options; what was made with them stays as it is. NULL is ignored.
 *
 * Any thread; nothing else may use the options at the same time.
 */
void sentry_profiler_options_free(sentry_profiler_options_t *options);

/**
 * Sets when V8 builds its map of the program: a `sentry_profiler_logging_t`, eager by default. Read by
 * `sentry_profiler_new`.
 *
 * Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for an unknown enumerator. Any thread, one call on the options at a
 * time.
 */
sentry_profiler_status_t sentry_profiler_options_set_logging(sentry_profiler_options_t *options, uint32_t logging);

/**
 * Sets the time between two samples in microseconds, from `SENTRY_PROFILER_MIN_SAMPLING_INTERVAL_US` to
 * `SENTRY_PROFILER_MAX_SAMPLING_INTERVAL_US`; `SENTRY_PROFILER_DEFAULT_SAMPLING_INTERVAL_US` by default. All
 * recordings and sessions of a profiler share it. Read by `sentry_profiler_new`.
 *
 * Returns OK, NULL_ARGUMENT or INVALID_ARGUMENT. Any thread, one call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_sampling_interval_us(sentry_profiler_options_t *options,
                                                                          uint32_t interval_us);

/**
 * Sets how many samples a named recording keeps, 2 or more; later samples are counted as dropped. Read by
 * `sentry_profiler_new`.
 *
 * Returns OK, NULL_ARGUMENT or INVALID_ARGUMENT. Any thread, one call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_max_sample_count(sentry_profiler_options_t *options,
                                                                      uint32_t sample_count);

/**
 * Sets the isolate's thread as Sentry shows it: its id, a number in decimal digits (`0`, the main thread, by
 * default), and its name (`main` by default). Read by sessions and encoders.
 *
 * Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for an empty id or a string that is not UTF-8. The strings are
 * copied. Any thread, one call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_thread(sentry_profiler_options_t *options,
                                                            const char *id,
                                                            size_t id_len,
                                                            const char *name,
                                                            size_t name_len);

/**
 * Sets the program's release; an empty string, the default, leaves it out. Read by sessions and encoders.
 *
 * Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for a string that is not UTF-8. The string is copied. Any thread,
 * one call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_release(sentry_profiler_options_t *options,
                                                             const char *release,
                                                             size_t len);

/**
 * Sets the environment the program runs in; an empty string, the default, leaves it out. Read by sessions and
 * encoders.
 *
 * Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for a string that is not UTF-8. The string is copied. Any thread,
 * one call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_environment(sentry_profiler_options_t *options,
                                                                 const char *environment,
                                                                 size_t len);

/**
 * Sets the name and version of the SDK that sends the chunks; this library's by default. Read by sessions and
 * encoders.
 *
 * Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for a string that is empty or not UTF-8. The strings are copied.
 * Any thread, one call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_sdk(sentry_profiler_options_t *options,
                                                         const char *name,
                                                         size_t name_len,
                                                         const char *version,
                                                         size_t version_len);

/**
 * Sets Sentry's platform; `node` by default, from which Sentry accepts JavaScript profiles. Read by sessions and
 * encoders.
 *
 * Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for a string that is empty or not UTF-8. The string is copied. Any
 * thread, one call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_platform(sentry_profiler_options_t *options,
                                                              const char *platform,
                                                              size_t len);

/**
 * Adds the debug id of a file, by which Sentry finds its source map. `file` is the script's name as V8 knows it; for
 * a `file://` URL it is the plain path. Read by sessions and encoders.
 *
 * Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for a string that is empty or not UTF-8. The strings are copied.
 * Any thread, one call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_add_debug_id(sentry_profiler_options_t *options,
                                                              const char *file,
                                                              size_t file_len,
                                                              const char *debug_id,
                                                              size_t debug_id_len);

/**
 * Sets the callback that receives log messages, including the reasons why calls failed. The default is none; a NULL
 * `callback` removes it. Read by `sentry_profiler_new`.
 *
 * Returns OK, or NULL_ARGUMENT for NULL options. `user_data` must stay valid until `sentry_profiler_free` has
 * returned. Any thread, one call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_log_callback(sentry_profiler_options_t *options,
                                                                  sentry_profiler_log_callback_t callback,
                                                                  void *user_data);

/**
 * Sets the callback that asks for `sentry_profiler_poll` while the isolate is idle. The default is none; a NULL
 * `callback` removes it. Without one, an idle isolate closes its chunk only when it runs JavaScript again. Read by
 * `sentry_profiler_new`.
 *
 * Returns OK, or NULL_ARGUMENT for NULL options. `user_data` must stay valid until `sentry_profiler_free` has
 * returned. Any thread, one call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_wake_callback(sentry_profiler_options_t *options,
                                                                   sentry_profiler_wake_callback_t callback,
                                                                   void *user_data);

/**
 * Sets the callback that finds V8's functions when neither the linker nor the loader does. The default is none; a
 * NULL `callback` removes it. Read by `sentry_profiler_new` and `sentry_profiler_support`.
 *
 * Returns OK, or NULL_ARGUMENT for NULL options. `user_data` must stay valid during those calls. Any thread, one
 * call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_symbol_resolver(sentry_profiler_options_t *options,
                                                                     sentry_profiler_symbol_resolver_t callback,
                                                                     void *user_data);

/**
 * Checks whether the V8 in this process can be profiled: it can if `*missing` is empty. `options` may be NULL;
 * otherwise their symbol resolver is used.
 *
 * Returns OK, also for a V8 that is not supported; NULL_ARGUMENT; IN_CALLBACK. The caller owns both buffers and
 * frees them with `sentry_profiler_buffer_free`; both are NULL unless OK. `*version` is V8's own version, empty if
 * no V8 was found; `*missing` has the mangled names that were not found, one per line. Any thread. The first call
 * looks up every name, which takes some microseconds.
 */
sentry_profiler_status_t sentry_profiler_support(const sentry_profiler_options_t *options,
                                                 sentry_profiler_buffer_t **version,
                                                 sentry_profiler_buffer_t **missing);

/**
 * Makes the profiler of an isolate. Make one per isolate, early, and keep it: with eager logging V8 walks the heap
 * here, which takes 8 to 25 ms for a small heap, and functions that V8 optimized before may be missing from stacks.
 * `options` may be NULL, for the defaults.
 *
 * Returns OK, NULL_ARGUMENT, UNSUPPORTED_V8, WRONG_THREAD when the isolate is not entered on this thread,
 * IN_CALLBACK, START_REFUSED, or PANIC. The caller owns `*out` and frees it with `sentry_profiler_free`, before
 * `Isolate::Dispose`; it is NULL unless OK. Call it on the thread that runs the isolate, to which the profiler then
 * belongs. No call of this library needs a `HandleScope`.
 */
sentry_profiler_status_t sentry_profiler_new(sentry_profiler_isolate_t *isolate,
                                             const sentry_profiler_options_t *options,
                                             sentry_profiler_t **out);

/**
 * Starts a recording. Any number of recordings may overlap, and each receives the samples of its own time. If a
 * recording with the same title is running, it is dropped and a new one starts.
 *
 * Returns OK, NULL_ARGUMENT, INVALID_ARGUMENT for a title that is empty or not UTF-8, WRONG_THREAD, IN_CALLBACK,
 * FORKED, UNSUPPORTED_V8, START_REFUSED, NO_THREAD, or PANIC. The title is copied. Isolate thread, isolate entered.
 * The first recording takes up to a few milliseconds, with lazy logging perhaps the time to read the heap; others
 * take some microseconds.
 */
sentry_profiler_status_t sentry_profiler_start_profiling(sentry_profiler_t *profiler, const char *title, size_t len);

/**
 * Stops a recording and returns its profile.
 *
 * Returns OK, NOT_RECORDING when no recording has the title, NULL_ARGUMENT, INVALID_ARGUMENT for a title that is
 * empty or not UTF-8, WRONG_THREAD, IN_CALLBACK, FORKED, UNSUPPORTED_V8 when what V8 recorded makes no sense, or
 * PANIC. The caller owns `*out` and frees it with `sentry_profile_free`; it is NULL unless OK. Isolate thread,
 * isolate entered. Takes a few milliseconds however long the recording is: all but its last seconds is merged
 * already.
 */
sentry_profiler_status_t sentry_profiler_stop_profiling(sentry_profiler_t *profiler,
                                                        const char *title,
                                                        size_t len,
                                                        sentry_profile_t **out);

/**
 * Does what is due on the isolate's thread, for the profiler and all its sessions: closes full chunks and frees what
 * V8 holds. Call it when the wake callback asks for it; at any other time it does no harm. While JavaScript runs,
 * nothing depends on it.
 *
 * Returns OK, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED, or PANIC. Isolate thread, isolate entered. Takes at
 * most about one millisecond.
 */
sentry_profiler_status_t sentry_profiler_poll(sentry_profiler_t *profiler);

/**
 * Stops everything and frees a profiler. Running recordings are dropped. Sessions deliver what they have, for which
 * this waits at most `SENTRY_PROFILER_FREE_TIMEOUT_MS`; their later calls return CLOSED. Sessions may be freed
 * before or after their profiler. Must come before `Isolate::Dispose`. NULL is ignored.
 *
 * Returns OK; TIMEOUT: the profiler is freed, and chunks that were not delivered in time are lost; WRONG_THREAD or
 * IN_CALLBACK: nothing was freed, so call it again on the isolate's thread, outside of callbacks; PANIC: the handle
 * is gone nevertheless. After it returns, no callback of the profiler or its sessions is called any more: it waits
 * for those that are running. Isolate thread, also in destructors at the end of the thread or the program; the
 * isolate need not be entered. In the child of a `fork` V8's own profiler is not freed, because its sampling thread
 * does not exist there.
 */
sentry_profiler_status_t sentry_profiler_free(sentry_profiler_t *profiler);

/**
 * Fills in a summary of a profile.
 *
 * Returns OK, NULL_ARGUMENT, INVALID_ARGUMENT when `info->struct_size` is not set, or PANIC. The caller owns `info`.
 * Any thread, also several at once and inside callbacks.
 */
sentry_profiler_status_t sentry_profile_info(const sentry_profile_t *profile, sentry_profile_info_t *info);

/**
 * Writes a profile into a new buffer, in a `sentry_profiler_format_t`. `options` give a chunk's metadata (thread,
 * release, environment, SDK, platform, debug ids); with NULL they are those of the profiler that recorded it.
 *
 * Returns OK, NULL_ARGUMENT, INVALID_ARGUMENT for an unknown format, or PANIC. The caller owns `*out` and frees it
 * with `sentry_profiler_buffer_free`; it is NULL unless OK. Any thread, also several at once and inside callbacks.
 * Takes a few milliseconds per thousand distinct stacks.
 */
sentry_profiler_status_t sentry_profile_encode(const sentry_profile_t *profile,
                                               uint32_t format,
                                               const sentry_profiler_options_t *options,
                                               sentry_profiler_buffer_t **out);

/**
 * Writes a profile in a `sentry_profiler_format_t`, piece by piece, by calls of `write(data, len, user_data)`.
 * `options` are as for `sentry_profile_encode`.
 *
 * Returns OK; NULL_ARGUMENT; INVALID_ARGUMENT for an unknown format; WRITE_FAILED when `write` returned something
 * other than 0, after which it is not called again; PANIC. Any thread, also several at once; the callback runs on
 * the calling thread. Takes as long as `sentry_profile_encode` and all calls of `write`.
 */
sentry_profiler_status_t sentry_profile_write(const sentry_profile_t *profile,
                                              uint32_t format,
                                              const sentry_profiler_options_t *options,
                                              sentry_profiler_write_callback_t write,
                                              void *user_data);

/**
 * Frees a profile. NULL is ignored.
 *
 * Any thread, also inside callbacks; nothing else may use the profile at the same time.
 */
void sentry_profile_free(sentry_profile_t *profile);

/**
 * Sets what starts and stops a session: a `sentry_profiler_lifecycle_t`, manual by default. Read by
 * `sentry_profiler_session_new`.
 *
 * Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for an unknown enumerator. Any thread, one call on the options at a
 * time.
 */
sentry_profiler_status_t sentry_profiler_options_set_lifecycle(sentry_profiler_options_t *options, uint32_t lifecycle);

/**
 * Sets the share of sessions that profile at all, 0 to 1; 0 by default, like Sentry's `profileSessionSampleRate`.
 * Whether a session is sampled is decided once, in `sentry_profiler_session_new`.
 *
 * Returns OK, NULL_ARGUMENT or INVALID_ARGUMENT. Any thread, one call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_session_sample_rate(sentry_profiler_options_t *options,
                                                                         double rate);

/**
 * Sets the duration of a session's chunk in milliseconds, from `SENTRY_PROFILER_MIN_CHUNK_DURATION_MS` to
 * `SENTRY_PROFILER_MAX_CHUNK_DURATION_MS`, which is the default. Read by `sentry_profiler_session_new`.
 *
 * Returns OK, NULL_ARGUMENT or INVALID_ARGUMENT. Any thread, one call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_chunk_duration_ms(sentry_profiler_options_t *options,
                                                                       uint32_t duration_ms);

/**
 * Sets how long a chunk stays open for the next span after the last one has ended, in milliseconds;
 * `SENTRY_PROFILER_DEFAULT_QUIET_MS` by default. Read by `sentry_profiler_session_new`.
 *
 * Returns OK or NULL_ARGUMENT. Any thread, one call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_quiet_ms(sentry_profiler_options_t *options, uint32_t quiet_ms);

/**
 * Sets the callback that receives a session's finished chunks. The default is none; a NULL `callback` removes it.
 * Read by `sentry_profiler_session_new`, which requires one.
 *
 * Returns OK, or NULL_ARGUMENT for NULL options. `user_data` must stay valid until `sentry_profiler_session_free` has
 * returned. Any thread, one call on the options at a time.
 */
sentry_profiler_status_t sentry_profiler_options_set_chunk_callback(sentry_profiler_options_t *options,
                                                                    sentry_profiler_chunk_callback_t callback,
                                                                    void *user_data);

/**
 * Makes a session on a profiler; nothing is recorded yet. `options` may be NULL, for those that the profiler was
 * made with; in both cases they need a chunk callback. Whether the session is sampled is decided here, once.
 *
 * Returns OK, NULL_ARGUMENT, INVALID_ARGUMENT without a chunk callback, WRONG_THREAD, IN_CALLBACK, FORKED,
 * UNSUPPORTED_V8, or PANIC. The caller owns `*out` and frees it with `sentry_profiler_session_free`; it is NULL
 * unless OK. Isolate thread, isolate entered.
 */
sentry_profiler_status_t sentry_profiler_session_new(sentry_profiler_t *profiler,
                                                     const sentry_profiler_options_t *options,
                                                     sentry_profiler_session_t **out);

/**
 * Starts to record, in the manual lifecycle.
 *
 * Returns OK, ALREADY_RECORDING, NOT_SAMPLED, TRACE_LIFECYCLE, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED,
 * CLOSED, UNSUPPORTED_V8, START_REFUSED, or PANIC; NO_THREAD: nothing is recorded yet, and until
 * `sentry_profiler_session_stop` later calls on the session and `sentry_profiler_poll` try again, at growing
 * intervals. Isolate thread, isolate entered. Takes up to a few milliseconds, with lazy logging
 * perhaps the time to read the heap.
 */
sentry_profiler_status_t sentry_profiler_session_start(sentry_profiler_session_t *session);

/**
 * Stops recording, in the manual lifecycle; the last chunk goes to the chunk callback.
 *
 * Returns OK, NOT_RECORDING, NOT_SAMPLED, TRACE_LIFECYCLE, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED, CLOSED,
 * UNSUPPORTED_V8, or PANIC. Isolate thread, isolate entered. Takes up to a few milliseconds; the chunk is encoded
 * on another thread.
 */
sentry_profiler_status_t sentry_profiler_session_stop(sentry_profiler_session_t *session);

/**
 * Reports that a span has started. In the trace lifecycle the first active span starts recording; otherwise nothing
 * happens.
 *
 * Returns OK, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED, CLOSED, UNSUPPORTED_V8, START_REFUSED, or PANIC.
 * If no thread can be created, it returns OK, logs one warning, and later calls try again at growing intervals.
 * Isolate thread, isolate entered. Takes some microseconds, or up to a few milliseconds after a pause.
 */
sentry_profiler_status_t sentry_profiler_session_span_started(sentry_profiler_session_t *session);

/**
 * Reports that a span has ended. In the trace lifecycle recording pauses when the last active span ends. A span that
 * was never started is ignored.
 *
 * Returns OK, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED, CLOSED, UNSUPPORTED_V8, or PANIC. Isolate thread,
 * isolate entered. Takes some microseconds.
 */
sentry_profiler_status_t sentry_profiler_session_span_ended(sentry_profiler_session_t *session);

/**
 * Closes the open chunk and waits, at most `timeout_ms` milliseconds, until every chunk so far has been passed to
 * the chunk callback. The session goes on.
 *
 * Returns OK, TIMEOUT, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED, CLOSED, UNSUPPORTED_V8, or PANIC. Isolate
 * thread, isolate entered.
 */
sentry_profiler_status_t sentry_profiler_session_flush(sentry_profiler_session_t *session, uint64_t timeout_ms);

/**
 * Adds the debug id of a file for chunks that are encoded from now on; see `sentry_profiler_options_add_debug_id`.
 *
 * Returns OK, NULL_ARGUMENT, INVALID_ARGUMENT for a string that is empty or not UTF-8, WRONG_THREAD, IN_CALLBACK,
 * FORKED, or PANIC. The strings are copied. Isolate thread.
 */
sentry_profiler_status_t sentry_profiler_session_add_debug_id(sentry_profiler_session_t *session,
                                                              const char *file,
                                                              size_t file_len,
                                                              const char *debug_id,
                                                              size_t debug_id_len);

/**
 * The id that links events to the session's chunks: 32 lower-case hexadecimal digits, for
 * `contexts.profile.profiler_id`.
 *
 * Returns OK, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED, or PANIC. The caller owns `*out` and frees it with
 * `sentry_profiler_buffer_free`; it is NULL unless OK. Isolate thread.
 */
sentry_profiler_status_t sentry_profiler_session_profiler_id(sentry_profiler_session_t *session,
                                                             sentry_profiler_buffer_t **out);

/**
 * Writes to `*out` whether the session is sampled; if not, it never records.
 *
 * Returns OK, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED, or PANIC. `*out` is written only when OK. Isolate
 * thread.
 */
sentry_profiler_status_t sentry_profiler_session_is_sampled(sentry_profiler_session_t *session, bool *out);

/**
 * Writes to `*out` whether the session is recording now.
 *
 * Returns OK, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED, or PANIC. `*out` is written only when OK. Isolate
 * thread.
 */
sentry_profiler_status_t sentry_profiler_session_is_recording(sentry_profiler_session_t *session, bool *out);

/**
 * Counts the session's chunks so far; works also after the profiler was freed.
 *
 * Returns OK, NULL_ARGUMENT, INVALID_ARGUMENT when `stats->struct_size` is not set, WRONG_THREAD, IN_CALLBACK,
 * FORKED, or PANIC. The caller owns `stats`. Isolate thread.
 */
sentry_profiler_status_t sentry_profiler_session_stats(sentry_profiler_session_t *session,
                                                       sentry_profiler_session_stats_t *stats);

/**
 * Stops and frees a session. Its last chunks go to the chunk callback first, for which this waits at most
 * `SENTRY_PROFILER_FREE_TIMEOUT_MS`. NULL is ignored.
 *
 * Returns OK; TIMEOUT: the session is freed, and chunks that were not delivered in time are lost; WRONG_THREAD or
 * IN_CALLBACK: nothing was freed, so call it again on the isolate's thread, outside of callbacks; PANIC: the handle
 * is gone nevertheless. After it returns, the chunk callback is not called any more: it waits for a call that is
 * running. Isolate thread, before or after `sentry_profiler_free`, also in destructors at the end of the thread or
 * the program. The isolate need not be entered; but if it is not, and something else of the profiler records, the
 * end of the last chunk is lost and TIMEOUT is returned. In the child of a `fork` nothing is delivered.
 */
sentry_profiler_status_t sentry_profiler_session_free(sentry_profiler_session_t *session);

/**
 * The bytes of a buffer. A NUL follows them, so that text can be printed; `sentry_profiler_buffer_len` does not
 * count it.
 *
 * Returns NULL for NULL. The bytes belong to the buffer and are valid until it is freed. Any thread, also several at
 * once and inside callbacks.
 */
const char *sentry_profiler_buffer_data(const sentry_profiler_buffer_t *buffer);

/**
 * The number of bytes in a buffer.
 *
 * Returns 0 for NULL. Any thread, also several at once and inside callbacks.
 */
size_t sentry_profiler_buffer_len(const sentry_profiler_buffer_t *buffer);

/**
 * Frees a buffer, including the bytes that `sentry_profiler_buffer_data` returned. NULL is ignored.
 *
 * Any thread, also inside callbacks; nothing else may use the buffer at the same time.
 */
void sentry_profiler_buffer_free(sentry_profiler_buffer_t *buffer);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SENTRY_PROFILER_H */
