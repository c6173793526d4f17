// Calls that are allowed on any thread: options, profiles, buffers.

#include "fuzz.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

namespace fuzz {

std::atomic<uint64_t> profiles_made{0};

Text text_of(const std::string &string) {
    Text text;
    text.bytes.reset(new char[string.size() ? string.size() : 1]);
    std::memcpy(text.bytes.get(), string.data(), string.size());
    text.data = text.bytes.get();
    text.len = string.size();
    return text;
}

namespace {

const char *const GOOD[] = {
    "a",          "release@1.0.0", "\"quoted\" \\ and {braces}", "two\nlines", "tab\tand \x01 control",
    "größe → 🦀", "\xef\xbf\xbe",  "file:///srv/app.js",         "0",          "-1",
    "node",       "; # :",
};
const char *const NOT_UTF8[] = {
    "\xff", "\xc3", "a\xc0\x80", "\xed\xa0\x80", "\xf8\x88\x80\x80\x80", "\xf4\x90\x80\x80"};

}  // namespace

Text some_text(Random &random, bool may_be_empty) {
    switch (random.below(24)) {
    case 0: {
        Text text;
        text.len = random.one_in(2) ? 0 : random.next();
        text.wrong = NULL_ARGUMENT;
        return text;
    }
    case 1: {
        Text text = text_of("text");
        text.len = random.one_in(2) ? SIZE_MAX : static_cast<size_t>(PTRDIFF_MAX) + random.between(1, 9);
        text.wrong = INVALID_ARGUMENT;
        return text;
    }
    case 2: {
        Text text = text_of(random.of(NOT_UTF8));
        text.wrong = INVALID_ARGUMENT;
        return text;
    }
    case 3: {
        Text text = text_of("");
        text.wrong = may_be_empty ? NONE : INVALID_ARGUMENT;
        return text;
    }
    case 4: return text_of(std::string(random.below(20000) + 1, 'x'));
    case 5: return text_of(std::string("a\0b", 3));
    default: return text_of(random.of(GOOD));
    }
}

void free_buffer(sentry_profiler_buffer_t *buffer) { PLAIN(sentry_profiler_buffer_free, buffer); }

std::string_view view_of(const sentry_profiler_buffer_t *buffer) {
    const char *data = PLAIN(sentry_profiler_buffer_data, buffer);
    size_t len = PLAIN(sentry_profiler_buffer_len, buffer);
    if (!buffer) {
        CHECK(data == nullptr && len == 0);
        return {};
    }
    CHECK(data != nullptr && data[len] == 0);
    return {data, len};
}

namespace {

void *never_asked(const char *name, void *) { fail("the resolver was called for %s, which was linked", name); }

}  // namespace

void set_option(Options *options, Random &random, Runner *runner) {
    auto *handle = options ? options->handle : nullptr;
    Settings ignored, &settings = options ? options->settings : ignored;
    Statuses none = handle ? NONE : NULL_ARGUMENT;
    auto text = some_text(random, true), other = some_text(random, true);
    auto number = [&](std::initializer_list<uint32_t> some) { return *(some.begin() + random.below(some.size())); };
    auto not_empty = [](const Text &text) { return text.wrong | (text.data && !text.len ? INVALID_ARGUMENT : NONE); };
    switch (random.below(17)) {
    case 0: {
        uint32_t logging = number({0, 0, 0, 1, 2, UINT32_MAX});
        CALL(none | (logging > 1 ? INVALID_ARGUMENT : NONE), OK, sentry_profiler_options_set_logging, handle, logging);
        break;
    }
    case 1: {
        uint32_t us = number({0, 99, 100, 500, 1000, 1000, 5000, 10101, 1000000, 1000001, UINT32_MAX});
        bool wrong = us < SENTRY_PROFILER_MIN_SAMPLING_INTERVAL_US || us > SENTRY_PROFILER_MAX_SAMPLING_INTERVAL_US;
        auto status = CALL(none | (wrong ? INVALID_ARGUMENT : NONE), OK,
                           sentry_profiler_options_set_sampling_interval_us, handle, us);
        if (status == SENTRY_PROFILER_OK) settings.interval_us = us;
        break;
    }
    case 2: {
        uint32_t count = number({0, 1, 2, 3, 100, 500000, UINT32_MAX});
        auto status = CALL(none | (count < 2 ? INVALID_ARGUMENT : NONE), OK,
                           sentry_profiler_options_set_max_sample_count, handle, count);
        if (status == SENTRY_PROFILER_OK) settings.max_samples = count;
        break;
    }
    case 3:
        CALL(none | not_empty(text) | other.wrong, OK, sentry_profiler_options_set_thread, handle, text.data, text.len,
             other.data, other.len);
        break;
    case 4: {
        uint32_t lifecycle = number({0, 1, 1, 2, UINT32_MAX});
        auto status = CALL(none | (lifecycle > 1 ? INVALID_ARGUMENT : NONE), OK, sentry_profiler_options_set_lifecycle,
                           handle, lifecycle);
        if (status == SENTRY_PROFILER_OK) settings.lifecycle = lifecycle;
        break;
    }
    case 5: {
        static const double RATES[] = {
            0, -0.0, 0.5, 1, 1, 1, std::numeric_limits<double>::denorm_min(), -0.1, 1.01, NAN, INFINITY, -INFINITY};
        double rate = random.of(RATES);
        auto status = CALL(none | (rate >= 0 && rate <= 1 ? NONE : INVALID_ARGUMENT), OK,
                           sentry_profiler_options_set_session_sample_rate, handle, rate);
        if (status == SENTRY_PROFILER_OK) settings.rate = rate;
        break;
    }
    case 6: {
        uint32_t ms = number({0, 99, 100, 100, 150, 500, 2000, 60000, 60001, UINT32_MAX});
        bool wrong = ms < SENTRY_PROFILER_MIN_CHUNK_DURATION_MS || ms > SENTRY_PROFILER_MAX_CHUNK_DURATION_MS;
        auto status = CALL(none | (wrong ? INVALID_ARGUMENT : NONE), OK, sentry_profiler_options_set_chunk_duration_ms,
                           handle, ms);
        if (status == SENTRY_PROFILER_OK) settings.chunk_ms = ms;
        break;
    }
    case 7: CALL(none, OK, sentry_profiler_options_set_quiet_ms, handle, number({0, 1, 50, 1000, UINT32_MAX})); break;
    case 8: CALL(none | text.wrong, OK, sentry_profiler_options_set_release, handle, text.data, text.len); break;
    case 9: CALL(none | text.wrong, OK, sentry_profiler_options_set_environment, handle, text.data, text.len); break;
    case 10:
        CALL(none | not_empty(text) | not_empty(other), OK, sentry_profiler_options_set_sdk, handle, text.data,
             text.len, other.data, other.len);
        break;
    case 11:
        CALL(none | not_empty(text), OK, sentry_profiler_options_set_platform, handle, text.data, text.len);
        break;
    case 12:
        CALL(none | not_empty(text) | not_empty(other), OK, sentry_profiler_options_add_debug_id, handle, text.data,
             text.len, other.data, other.len);
        break;
    case 13: {
        Ear *ear = runner && !random.one_in(4) ? new_ear(*runner, random) : nullptr;
        auto status = CALL(none, OK, sentry_profiler_options_set_log_callback, handle, ear ? on_log : nullptr, ear);
        if (status == SENTRY_PROFILER_OK) settings.log = ear;
        break;
    }
    case 14: {
        Ear *ear = runner && !random.one_in(8) ? new_ear(*runner, random) : nullptr;
        auto status =
            CALL(none, OK, sentry_profiler_options_set_chunk_callback, handle, ear ? on_chunk : nullptr, ear);
        if (status == SENTRY_PROFILER_OK) settings.chunk = ear;
        break;
    }
    case 15: {
        Ear *ear = runner && !random.one_in(4) ? new_ear(*runner, random) : nullptr;
        auto status = CALL(none, OK, sentry_profiler_options_set_wake_callback, handle, ear ? on_wake : nullptr, ear);
        if (status == SENTRY_PROFILER_OK) settings.wake = ear;
        break;
    }
    default:
        CALL(none, OK, sentry_profiler_options_set_symbol_resolver, handle, random.one_in(2) ? never_asked : nullptr,
             nullptr);
    }
}

Options *new_options(Random &random) {
    Out<sentry_profiler_options_t> out(random);
    auto *handle = out.given(CALL(out.wrong(), OK, sentry_profiler_options_new, out.at));
    return handle ? new Options{handle, {}} : nullptr;
}

void free_options(Options *options) {
    PLAIN(sentry_profiler_options_free, options->handle);
    delete options;
}

std::mutex profiles_lock;
std::vector<std::shared_ptr<Profile>> profiles;

void keep_profile(Random &random, std::shared_ptr<Profile> profile) {
    std::lock_guard<std::mutex> lock(profiles_lock);
    profiles_made++;
    if (profiles.size() < 16) {
        profiles.push_back(profile);
    } else {
        // The previous profile is freed at the end of this scope.
        std::swap(profiles[random.below(profiles.size())], profile);
    }
}

void check_encoded(uint32_t format, std::string_view text) {
    switch (format) {
    case SENTRY_PROFILER_FORMAT_SAMPLE_V2:
    case SENTRY_PROFILER_FORMAT_SAMPLE_V1:
    case SENTRY_PROFILER_FORMAT_CPUPROFILE: CHECK(is_json_object(text)); break;
    case SENTRY_PROFILER_FORMAT_ENVELOPE: {
        // The header, the item's header, the item.
        for (int line = 0; line < 3; line++) {
            size_t end = text.find('\n');
            CHECK(end != text.npos && is_json_object(text.substr(0, end)));
            text.remove_prefix(end + 1);
        }
        CHECK(text.empty());
        break;
    }
    case SENTRY_PROFILER_FORMAT_PPROF: CHECK(text.size() > 18 && text.substr(0, 2) == "\x1f\x8b"); break;
    case SENTRY_PROFILER_FORMAT_FOLDED:
        CHECK(is_utf8(text));
        while (!text.empty()) {
            size_t end = text.find('\n'), space = text.substr(0, end).rfind(' ');
            CHECK(end != text.npos && space != text.npos && space > 0 && space + 1 < end);
            CHECK(text.substr(space + 1, end - space - 1).find_first_not_of("0123456789") == text.npos);
            text.remove_prefix(end + 1);
        }
        break;
    case SENTRY_PROFILER_FORMAT_HTML: CHECK(is_utf8(text) && text.substr(0, 15) == "<!doctype html>"); break;
    case SENTRY_PROFILER_FORMAT_MARKDOWN: CHECK(is_utf8(text) && text.substr(0, 2) == "# "); break;
    default: {
        size_t end = text.rfind("</svg>");
        CHECK(is_utf8(text) && text.substr(0, 5) == "<?xml" && end != text.npos && end + 8 > text.size());
    }
    }
}

namespace {

std::shared_ptr<Profile> some_profile(Random &random) {
    std::lock_guard<std::mutex> lock(profiles_lock);
    return profiles.empty() ? nullptr : profiles[random.below(profiles.size())];
}

struct Written {
    std::string bytes;
    uint64_t stop_after;
    bool stopped = false;
};

int on_write(const char *data, size_t len, void *user_data) {
    Operation operation("write callback");
    auto &written = *static_cast<Written *>(user_data);
    CHECK(!written.stopped && data != nullptr && len > 0);
    written.bytes.append(data, len);
    sentry_profiler_buffer_t *buffers[2];
    if (len % 8 == 0) CALL(IN_CALLBACK, OK, sentry_profiler_support, nullptr, &buffers[0], &buffers[1]);
    written.stopped = written.stop_after-- == 0;
    return written.stopped ? (len % 2 ? 1 : -1) : 0;
}

void ask_info(Profile *profile, Random &random) {
    struct {
        sentry_profile_info_t known;
        char later[64];
    } info;
    static const size_t SIZES[] = {0, 1, 7, 8, 9, sizeof info.known - 1, sizeof info.known, sizeof info, SIZE_MAX};
    std::memset(&info, 0x55, sizeof info);
    size_t size = random.one_in(3) ? random.of(SIZES) : sizeof info.known;
    info.known.struct_size = size;
    bool given = !random.one_in(20);
    Statuses wrong = (profile ? NONE : NULL_ARGUMENT) | (given ? NONE : NULL_ARGUMENT) |
                     (size < sizeof(size_t) || size > sizeof info ? INVALID_ARGUMENT : NONE);
    // A shorter struct is valid only if an earlier version had that size.
    Statuses normal = size < sizeof info.known ? OK | INVALID_ARGUMENT : OK;
    auto status =
        CALL(wrong, normal, sentry_profile_info, profile ? profile->handle : nullptr, given ? &info.known : nullptr);
    const char *bytes = reinterpret_cast<const char *>(&info);
    size_t written = status == SENTRY_PROFILER_OK ? std::min(size, sizeof info.known) : sizeof(size_t);
    CHECK(info.known.struct_size == size);
    for (size_t at = written; at < sizeof info; at++) CHECK(bytes[at] == 0x55);
    if (status != SENTRY_PROFILER_OK || size < sizeof info.known) return;

    const auto &known = info.known;
    CHECK(known.start_us > 1000000000000000 && known.start_us <= known.end_us);
    CHECK(known.sampling_interval_us == profile->interval_us && known.sample_count <= profile->max_samples);
    CHECK(std::strlen(known.chunk_id) == 32 && std::strlen(known.profiler_id) == 32);
    std::lock_guard<std::mutex> lock(profile->lock);
    // A profile's info never changes, also when its profiler is gone. There is padding after the last field.
    constexpr size_t FROM = sizeof(size_t),
                     TO = offsetof(sentry_profile_info_t, profiler_id) + sizeof known.profiler_id;
    const char *former = reinterpret_cast<const char *>(&profile->info);
    CHECK(!profile->info.struct_size || std::memcmp(former + FROM, bytes + FROM, TO - FROM) == 0);
    profile->info = known;
}

void encode(Profile *profile, const Options *options, Random &random) {
    uint32_t format =
        random.one_in(20) ? FORMATS + static_cast<uint32_t>(random.next() % 1000) : random.below(FORMATS);
    auto *handle = profile ? profile->handle : nullptr;
    auto *with = options ? options->handle : nullptr;
    Statuses wrong = (handle ? NONE : NULL_ARGUMENT) | (format < FORMATS ? NONE : INVALID_ARGUMENT);
    if (random.one_in(2)) {
        Out<sentry_profiler_buffer_t> out(random);
        auto *buffer = out.given(CALL(wrong | out.wrong(), OK, sentry_profile_encode, handle, format, with, out.at));
        if (!buffer) return;
        auto text = view_of(buffer);
        check_encoded(format, text);
        // Every envelope has a new id and a time stamp.
        if (!with && format != SENTRY_PROFILER_FORMAT_ENVELOPE) {
            std::lock_guard<std::mutex> lock(profile->lock);
            auto &first = profile->hashes[format];
            CHECK(first == 0 || first == hash(text));
            first = hash(text);
        }
        free_buffer(buffer);
    } else {
        Written written{{}, random.one_in(3) ? random.below(3) : UINT64_MAX};
        bool given = !random.one_in(20);
        auto status = CALL(wrong | (given ? NONE : NULL_ARGUMENT), OK | WRITE_FAILED, sentry_profile_write, handle,
                           format, with, given ? on_write : nullptr, &written);
        CHECK((status == SENTRY_PROFILER_WRITE_FAILED) == written.stopped);
        if (status == SENTRY_PROFILER_OK) check_encoded(format, written.bytes);
    }
}

}  // namespace

Options *common_options;

void harmless(Random &random, bool in_callback) {
    auto profile = some_profile(random);
    auto *used = random.one_in(30) ? nullptr : profile.get();
    switch (random.below(8)) {
    case 0:
    case 1: ask_info(used, random); break;
    case 2:
    case 3:
    case 4: encode(used, random.one_in(3) ? common_options : nullptr, random); break;
    case 5: {
        auto status =
            random.one_in(2) ? static_cast<uint32_t>(random.below(120)) : static_cast<uint32_t>(random.next());
        CHECK(std::strlen(PLAIN(sentry_profiler_status_message, status)) > 0);
        CHECK(std::strchr(PLAIN(sentry_profiler_version), '.') != nullptr);
        CHECK(PLAIN(sentry_profiler_abi_version) == SENTRY_PROFILER_ABI_VERSION);
        break;
    }
    case 6: {
        Out<sentry_profiler_buffer_t> version(random), missing(random);
        Statuses wrong = version.wrong() | missing.wrong() | (in_callback ? IN_CALLBACK : NONE);
        auto *options = random.one_in(2) ? common_options->handle : nullptr;
        auto status = CALL(wrong, OK, sentry_profiler_support, options, version.at, missing.at);
        auto *first = version.given(status), *second = missing.given(status);
        CHECK(status != SENTRY_PROFILER_OK || (!view_of(first).empty() && view_of(second).empty()));
        free_buffer(first);
        free_buffer(second);
        break;
    }
    default: {
        PLAIN(sentry_profiler_options_free, nullptr);
        PLAIN(sentry_profile_free, nullptr);
        if (Options *options = new_options(random)) {
            for (uint64_t times = random.below(6); times > 0; times--) set_option(options, random, nullptr);
            free_options(options);
        }
    }
    }
}

}  // namespace fuzz
