// libsentry_profiler for C++17: the C library's handles as move-only objects. Header-only; never throws itself.
//
// sentry_profiler.h says what each function does, which statuses it returns, and on which threads it may be called;
// all of that holds here. A call that gives an object or a value to the caller returns a Result, every other one a
// Status.

#ifndef SENTRY_PROFILER_HPP
#define SENTRY_PROFILER_HPP

#include "sentry_profiler.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

namespace sentry_profiler {

using Status = sentry_profiler_status_t;
using Format = sentry_profiler_format_t;
using Lifecycle = sentry_profiler_lifecycle_t;
using Logging = sentry_profiler_logging_t;
using LogLevel = sentry_profiler_log_level_t;
using Chunk = sentry_profiler_chunk_t;

/// What a status means, in English.
inline std::string_view message(Status status) noexcept {
    return sentry_profiler_status_message(static_cast<std::uint32_t>(status));
}

/// The library's version.
inline std::string_view version() noexcept { return sentry_profiler_version(); }

/// The value that a call returned, or the status that says why it did not.
template <typename T>
class [[nodiscard]] Result {
public:
    Result(Status status) noexcept : status_(status) {}
    Result(T value) noexcept : status_(SENTRY_PROFILER_OK), value_(std::move(value)) {}

    Status status() const noexcept { return status_; }
    explicit operator bool() const noexcept { return value_.has_value(); }

    /// Only if the result is true.
    T &operator*() & noexcept { return *value_; }
    const T &operator*() const & noexcept { return *value_; }
    T &&operator*() && noexcept { return *std::move(value_); }
    T *operator->() noexcept { return &*value_; }
    const T *operator->() const noexcept { return &*value_; }

    /// Empty unless the result is true.
    std::optional<T> value() && noexcept { return std::move(value_); }

private:
    Status status_;
    std::optional<T> value_;
};

namespace detail {

template <auto Free>
struct Deleter {
    template <typename T>
    void operator()(T *handle) const noexcept {
        Free(handle);
    }
};

template <typename T, auto Free>
using Handle = std::unique_ptr<T, Deleter<Free>>;

struct Callbacks {
    std::function<void(LogLevel, std::string_view)> log;
    std::function<void(const Chunk &)> chunk;
    std::function<void()> wake;
    std::function<void *(const char *)> resolve;
};

/// A handle that belongs to a thread, with the callbacks that it may call.
template <typename T, auto Free>
class Bound {
public:
    Bound(Bound &&other) noexcept
        : handle_(std::exchange(other.handle_, nullptr)), callbacks_(std::move(other.callbacks_)) {}
    Bound &operator=(Bound &&other) noexcept {
        if (this != &other) {
            end();
            handle_ = std::exchange(other.handle_, nullptr);
            callbacks_ = std::move(other.callbacks_);
        }
        return *this;
    }
    ~Bound() { end(); }

    /// What the destructor does, with a status.
    Status close() noexcept {
        const Status status = Free(handle_);
        if (status != SENTRY_PROFILER_WRONG_THREAD && status != SENTRY_PROFILER_IN_CALLBACK) {
            handle_ = nullptr;
            callbacks_.reset();
        }
        return status;
    }

    T *get() const noexcept { return handle_; }

protected:
    Bound(T *handle, std::shared_ptr<Callbacks> callbacks) noexcept
        : handle_(handle), callbacks_(std::move(callbacks)) {}

    const std::shared_ptr<Callbacks> &callbacks() const noexcept { return callbacks_; }

private:
    void end() noexcept {
        close();
        // The handle leaks, so its callbacks, which may still be called, must leak too.
        if (handle_) static_cast<void>(new (std::nothrow) std::shared_ptr<Callbacks>(std::move(callbacks_)));
    }

    T *handle_;
    std::shared_ptr<Callbacks> callbacks_;
};

// `noexcept`: an exception must not pass through the library, so it ends the program here.
inline void on_log(LogLevel level, const char *text, std::size_t len, void *data) noexcept {
    static_cast<Callbacks *>(data)->log(level, {text, len});
}
inline void on_chunk(const Chunk *chunk, void *data) noexcept { static_cast<Callbacks *>(data)->chunk(*chunk); }
inline void on_wake(void *data) noexcept { static_cast<Callbacks *>(data)->wake(); }
inline void *on_symbol(const char *name, void *data) noexcept { return static_cast<Callbacks *>(data)->resolve(name); }
inline int on_write(const char *bytes, std::size_t len, void *data) noexcept {
    return (*static_cast<const std::function<bool(std::string_view)> *>(data))({bytes, len}) ? 0 : 1;
}

}  // namespace detail

/// Bytes, until the end of the object. A NUL follows them.
class Buffer {
public:
    explicit Buffer(sentry_profiler_buffer_t *buffer) noexcept : handle_(buffer) {}

    std::string_view view() const noexcept {
        return {sentry_profiler_buffer_data(handle_.get()), sentry_profiler_buffer_len(handle_.get())};
    }

private:
    detail::Handle<sentry_profiler_buffer_t, sentry_profiler_buffer_free> handle_;
};

/// Options for profilers, sessions and encoders, which copy what they need. Callbacks live as long as the objects made
/// with them.
class Options {
public:
    static Result<Options> create() noexcept {
        sentry_profiler_options_t *options = nullptr;
        const Status status = sentry_profiler_options_new(&options);
        if (status != SENTRY_PROFILER_OK) return status;
        return Options(options);
    }

    Status set_logging(Logging logging) noexcept { return sentry_profiler_options_set_logging(own(), logging); }
    Status set_lifecycle(Lifecycle lifecycle) noexcept {
        return sentry_profiler_options_set_lifecycle(own(), lifecycle);
    }
    Status set_sampling_interval(std::chrono::microseconds interval) noexcept {
        return sentry_profiler_options_set_sampling_interval_us(own(), clamp(interval.count()));
    }
    Status set_max_sample_count(std::uint32_t count) noexcept {
        return sentry_profiler_options_set_max_sample_count(own(), count);
    }
    Status set_session_sample_rate(double rate) noexcept {
        return sentry_profiler_options_set_session_sample_rate(own(), rate);
    }
    Status set_chunk_duration(std::chrono::milliseconds duration) noexcept {
        return sentry_profiler_options_set_chunk_duration_ms(own(), clamp(duration.count()));
    }
    Status set_quiet(std::chrono::milliseconds quiet) noexcept {
        return sentry_profiler_options_set_quiet_ms(own(), clamp(quiet.count()));
    }
    Status set_thread(std::string_view id, std::string_view name) noexcept {
        return sentry_profiler_options_set_thread(own(), data(id), id.size(), data(name), name.size());
    }
    Status set_release(std::string_view release) noexcept {
        return sentry_profiler_options_set_release(own(), data(release), release.size());
    }
    Status set_environment(std::string_view environment) noexcept {
        return sentry_profiler_options_set_environment(own(), data(environment), environment.size());
    }
    Status set_sdk(std::string_view name, std::string_view version) noexcept {
        return sentry_profiler_options_set_sdk(own(), data(name), name.size(), data(version), version.size());
    }
    Status set_platform(std::string_view platform) noexcept {
        return sentry_profiler_options_set_platform(own(), data(platform), platform.size());
    }
    Status add_debug_id(std::string_view file, std::string_view id) noexcept {
        return sentry_profiler_options_add_debug_id(own(), data(file), file.size(), data(id), id.size());
    }

    /// Called on any thread. It must not wait for the isolate's thread.
    Status on_log(std::function<void(LogLevel, std::string_view)> callback) {
        return change([&](detail::Callbacks &callbacks) { callbacks.log = std::move(callback); });
    }
    /// Called on the encoder thread; the chunk is valid during the call only. It must not wait for the isolate's
    /// thread.
    Status on_chunk(std::function<void(const Chunk &)> callback) {
        return change([&](detail::Callbacks &callbacks) { callbacks.chunk = std::move(callback); });
    }
    /// Called on the ticker thread: arrange a call of `Profiler::poll` on the isolate's thread soon, and return.
    Status on_wake(std::function<void()> callback) {
        return change([&](detail::Callbacks &callbacks) { callbacks.wake = std::move(callback); });
    }
    /// Called on the calling thread: returns the address of the V8 function with this mangled name, or null.
    Status on_symbol(std::function<void *(const char *)> callback) {
        return change([&](detail::Callbacks &callbacks) { callbacks.resolve = std::move(callback); });
    }

    const sentry_profiler_options_t *get() const noexcept { return handle_.get(); }
    const std::shared_ptr<detail::Callbacks> &callbacks() const noexcept { return callbacks_; }

private:
    explicit Options(sentry_profiler_options_t *options) noexcept : handle_(options) {}

    sentry_profiler_options_t *own() noexcept { return handle_.get(); }

    // Objects that were made with the former callbacks keep them.
    template <typename Change>
    Status change(Change change) {
        auto next =
            callbacks_ ? std::make_shared<detail::Callbacks>(*callbacks_) : std::make_shared<detail::Callbacks>();
        change(*next);
        void *data = next.get();
        const Status statuses[] = {
            sentry_profiler_options_set_log_callback(own(), next->log ? detail::on_log : nullptr, data),
            sentry_profiler_options_set_chunk_callback(own(), next->chunk ? detail::on_chunk : nullptr, data),
            sentry_profiler_options_set_wake_callback(own(), next->wake ? detail::on_wake : nullptr, data),
            sentry_profiler_options_set_symbol_resolver(own(), next->resolve ? detail::on_symbol : nullptr, data),
        };
        callbacks_ = std::move(next);
        for (const Status status : statuses) {
            if (status != SENTRY_PROFILER_OK) return status;
        }
        return SENTRY_PROFILER_OK;
    }

    // An empty view may hold a null pointer, which the library refuses.
    static const char *data(std::string_view text) noexcept { return text.data() ? text.data() : ""; }
    // A value that does not fit is out of range in any case.
    static std::uint32_t clamp(std::int64_t value) noexcept {
        return value < 0 ? 0 : value > UINT32_MAX ? UINT32_MAX : static_cast<std::uint32_t>(value);
    }

    detail::Handle<sentry_profiler_options_t, sentry_profiler_options_free> handle_;
    std::shared_ptr<detail::Callbacks> callbacks_;
};

/// The V8 in this process.
struct Support {
    /// V8's own version; empty if no V8 was found.
    Buffer version;
    /// Mangled names that were not found, one per line: empty if this V8 can be profiled.
    Buffer missing;

    bool supported() const noexcept { return missing.view().empty(); }

    static Result<Support> check(const Options *options = nullptr) noexcept {
        sentry_profiler_buffer_t *version = nullptr, *missing = nullptr;
        const Status status = sentry_profiler_support(options ? options->get() : nullptr, &version, &missing);
        if (status != SENTRY_PROFILER_OK) return status;
        return Support{Buffer(version), Buffer(missing)};
    }
};

/// A finished profile. May be used on any thread.
class Profile {
public:
    explicit Profile(sentry_profile_t *profile) noexcept : handle_(profile) {}

    Result<sentry_profile_info_t> info() const noexcept {
        sentry_profile_info_t info = {};
        info.struct_size = sizeof info;
        const Status status = sentry_profile_info(handle_.get(), &info);
        if (status != SENTRY_PROFILER_OK) return status;
        return info;
    }

    /// `options` give a chunk's metadata; with null they are those of the profiler that recorded it.
    Result<Buffer> encode(Format format, const Options *options = nullptr) const noexcept {
        sentry_profiler_buffer_t *buffer = nullptr;
        const Status status =
            sentry_profile_encode(handle_.get(), format, options ? options->get() : nullptr, &buffer);
        if (status != SENTRY_PROFILER_OK) return status;
        return Buffer(buffer);
    }

    /// `write` receives the pieces in order and returns whether to continue.
    Status write(Format format, const std::function<bool(std::string_view)> &write,
                 const Options *options = nullptr) const noexcept {
        return sentry_profile_write(handle_.get(), format, options ? options->get() : nullptr,
                                    write ? detail::on_write : nullptr,
                                    const_cast<void *>(static_cast<const void *>(&write)));
    }

private:
    detail::Handle<sentry_profile_t, sentry_profile_free> handle_;
};

/// Continuous profiling: records an isolate chunk by chunk. Belongs to the isolate's thread and must be destroyed
/// there: elsewhere the destructor does nothing, and the session and its callbacks are never freed.
class Session : public detail::Bound<sentry_profiler_session_t, sentry_profiler_session_free> {
public:
    Status start() noexcept { return sentry_profiler_session_start(get()); }
    Status stop() noexcept { return sentry_profiler_session_stop(get()); }
    Status span_started() noexcept { return sentry_profiler_session_span_started(get()); }
    Status span_ended() noexcept { return sentry_profiler_session_span_ended(get()); }
    Status flush(std::chrono::milliseconds timeout) noexcept {
        return sentry_profiler_session_flush(get(),
                                             timeout.count() < 0 ? 0 : static_cast<std::uint64_t>(timeout.count()));
    }
    Status add_debug_id(std::string_view file, std::string_view id) noexcept {
        return sentry_profiler_session_add_debug_id(get(), file.data() ? file.data() : "", file.size(),
                                                    id.data() ? id.data() : "", id.size());
    }
    Result<Buffer> profiler_id() const noexcept {
        sentry_profiler_buffer_t *buffer = nullptr;
        const Status status = sentry_profiler_session_profiler_id(get(), &buffer);
        if (status != SENTRY_PROFILER_OK) return status;
        return Buffer(buffer);
    }
    Result<bool> is_sampled() const noexcept { return ask(sentry_profiler_session_is_sampled); }
    Result<bool> is_recording() const noexcept { return ask(sentry_profiler_session_is_recording); }
    Result<sentry_profiler_session_stats_t> stats() const noexcept {
        sentry_profiler_session_stats_t stats = {};
        stats.struct_size = sizeof stats;
        const Status status = sentry_profiler_session_stats(get(), &stats);
        if (status != SENTRY_PROFILER_OK) return status;
        return stats;
    }

private:
    friend class Profiler;
    Session(sentry_profiler_session_t *session, std::shared_ptr<detail::Callbacks> callbacks) noexcept
        : Bound(session, std::move(callbacks)) {}

    Result<bool> ask(Status (*question)(sentry_profiler_session_t *, bool *)) const noexcept {
        bool value = false;
        const Status status = question(get(), &value);
        if (status != SENTRY_PROFILER_OK) return status;
        return value;
    }
};

/// The profiler of one isolate. Belongs to the isolate's thread and must be destroyed there, before
/// `Isolate::Dispose`: elsewhere the destructor does nothing, and the profiler and its callbacks are never freed.
class Profiler : public detail::Bound<sentry_profiler_t, sentry_profiler_free> {
public:
    /// With null `options`: the defaults.
    static Result<Profiler> create(v8::Isolate *isolate, const Options *options = nullptr) noexcept {
        sentry_profiler_t *profiler = nullptr;
        const Status status = sentry_profiler_new(isolate, options ? options->get() : nullptr, &profiler);
        if (status != SENTRY_PROFILER_OK) return status;
        return Profiler(profiler, options ? options->callbacks() : nullptr);
    }

    Status start_profiling(std::string_view title) noexcept {
        return sentry_profiler_start_profiling(get(), title.data() ? title.data() : "", title.size());
    }
    Result<Profile> stop_profiling(std::string_view title) noexcept {
        sentry_profile_t *profile = nullptr;
        const Status status =
            sentry_profiler_stop_profiling(get(), title.data() ? title.data() : "", title.size(), &profile);
        if (status != SENTRY_PROFILER_OK) return status;
        return Profile(profile);
    }
    Status poll() noexcept { return sentry_profiler_poll(get()); }

    /// With null `options`: those of the profiler. They need a chunk callback.
    Result<Session> session(const Options *options = nullptr) noexcept {
        sentry_profiler_session_t *session = nullptr;
        const Status status = sentry_profiler_session_new(get(), options ? options->get() : nullptr, &session);
        if (status != SENTRY_PROFILER_OK) return status;
        return Session(session, options ? options->callbacks() : callbacks());
    }

private:
    Profiler(sentry_profiler_t *profiler, std::shared_ptr<detail::Callbacks> callbacks) noexcept
        : Bound(profiler, std::move(callbacks)) {}
};

#ifdef INCLUDE_V8_H_
/// Where V8's headers were included before this one: enters an isolate and opens a `HandleScope`, until the end of
/// the block. The profiler needs the isolate entered; the handles are for the host's own calls of V8.
class IsolateScope {
public:
    explicit IsolateScope(v8::Isolate *isolate) : entered_(isolate), handles_(isolate) {}
    IsolateScope(const IsolateScope &) = delete;
    IsolateScope &operator=(const IsolateScope &) = delete;

private:
    v8::Isolate::Scope entered_;
    v8::HandleScope handles_;
};
#endif

}  // namespace sentry_profiler

#endif
