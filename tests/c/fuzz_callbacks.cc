// What callbacks check and do.

#include "fuzz.h"

#include <cstring>

namespace fuzz {

namespace {

// The wall clock may be adjusted while a chunk is open.
constexpr int64_t CLOCK_US = 1000000;

std::mutex ears_lock;

}  // namespace

std::atomic<uint64_t> chunks_seen{0}, samples_seen{0};
std::atomic<int64_t> long_since_ms{INT64_MAX}, long_until_ms{0};
std::vector<std::unique_ptr<Ear>> ears;
std::mutex facts_lock;
std::map<std::string, std::shared_ptr<Chunks>> chunks_by_id;
std::set<std::string> chunk_ids;

Ear *new_ear(Runner &runner, Random &random) {
    std::lock_guard<std::mutex> lock(ears_lock);
    ears.push_back(std::make_unique<Ear>(runner, random.next()));
    return ears.back().get();
}

void listen(Ear *ear, int change) {
    if (ear) ear->users += change;
}

std::shared_ptr<Chunks> chunks_of(const std::string &profiler_id) {
    std::lock_guard<std::mutex> lock(facts_lock);
    auto &chunks = chunks_by_id[profiler_id];
    if (!chunks) chunks = std::make_shared<Chunks>();
    return chunks;
}

void refused(Runner &runner, Random &random, Statuses reason) {
    bool none = random.one_in(20);
    auto *profiler = none ? nullptr : random.of(runner.profilers);
    auto *session = none ? nullptr : random.of(runner.sessions);
    auto *p = profiler ? profiler->handle : nullptr;
    auto *s = session ? session->handle : nullptr;
    Statuses no_profiler = reason | (p ? NONE : NULL_ARGUMENT) | (profiler && profiler->poisoned ? PANIC : NONE);
    Statuses no_session = reason | (s ? NONE : NULL_ARGUMENT);
    auto text = some_text(random, false), other = some_text(random, false);
    bool answer = true;
    switch (random.below(18)) {
    case 0: {
        Out<sentry_profiler_t> out(random);
        auto *isolate = random.one_in(10) ? nullptr : runner.isolate;
        out.given(CALL(reason | out.wrong() | (isolate ? NONE : NULL_ARGUMENT), NONE, sentry_profiler_new, isolate,
                       random.one_in(2) ? common_options->handle : nullptr, out.at));
        break;
    }
    case 1: CALL(no_profiler | text.wrong, NONE, sentry_profiler_start_profiling, p, text.data, text.len); break;
    case 2: {
        Out<sentry_profile_t> out(random);
        out.given(CALL(no_profiler | text.wrong | out.wrong(), NONE, sentry_profiler_stop_profiling, p, text.data,
                       text.len, out.at));
        break;
    }
    case 3: CALL(no_profiler, NONE, sentry_profiler_poll, p); break;
    case 4: {
        Out<sentry_profiler_session_t> out(random);
        out.given(CALL(no_profiler | out.wrong(), NONE, sentry_profiler_session_new, p, nullptr, out.at));
        break;
    }
    // A handle is not freed here, poisoned or not. NULL may be freed anywhere.
    case 5: CALL(p ? reason : OK, NONE, sentry_profiler_free, p); break;
    case 6: CALL(no_session, NONE, sentry_profiler_session_start, s); break;
    case 7: CALL(no_session, NONE, sentry_profiler_session_stop, s); break;
    case 8: CALL(no_session, NONE, sentry_profiler_session_span_started, s); break;
    case 9: CALL(no_session, NONE, sentry_profiler_session_span_ended, s); break;
    case 10: CALL(no_session, NONE, sentry_profiler_session_flush, s, random.next()); break;
    case 11:
        CALL(no_session | text.wrong | other.wrong, NONE, sentry_profiler_session_add_debug_id, s, text.data, text.len,
             other.data, other.len);
        break;
    case 12: {
        Out<sentry_profiler_buffer_t> out(random);
        out.given(CALL(no_session | out.wrong(), NONE, sentry_profiler_session_profiler_id, s, out.at));
        break;
    }
    case 13: CALL(no_session, NONE, sentry_profiler_session_is_sampled, s, &answer); break;
    case 14: CALL(no_session, NONE, sentry_profiler_session_is_recording, s, &answer); break;
    case 15: {
        sentry_profiler_session_stats_t stats{};
        stats.struct_size = sizeof stats;
        CALL(no_session, NONE, sentry_profiler_session_stats, s, &stats);
        CHECK(stats.delivered_chunk_count == 0 && stats.dropped_slice_count == 0);
        break;
    }
    case 16: CALL(s ? reason : OK, NONE, sentry_profiler_session_free, s); break;
    default: CALL(no_profiler, NONE, sentry_profiler_test_panic, p);
    }
    CHECK(answer);
}

namespace {

// Common to all callbacks.
class Hearing {
public:
    Hearing(void *user_data, const char *what)
        : ear(*static_cast<Ear *>(user_data)), operation_(what), random(ear.seed) {
        CHECK(ear.users > 0);
        random = Random(ear.seed + ear.calls++);
    }

    ~Hearing() { CHECK(ear.users > 0); }

    void act() {
        for (uint64_t times = random.below(3); times > 0; times--) {
            if (random.one_in(2)) {
                harmless(random, true);
                continue;
            }
            std::unique_lock<std::recursive_mutex> lock(ear.runner.lock, std::try_to_lock);
            if (lock) refused(ear.runner, random, IN_CALLBACK);
        }
    }

    Ear &ear;

private:
    Operation operation_;

public:
    Random random;
};

}  // namespace

void on_log(sentry_profiler_log_level_t level, const char *message, size_t len, void *user_data) {
    Hearing hearing(user_data, "log callback");
    CHECK(level == SENTRY_PROFILER_LOG_DEBUG || level == SENTRY_PROFILER_LOG_WARNING);
    CHECK(std::strlen(message) == len && is_utf8({message, len}));
    if (hearing.random.one_in(4)) hearing.act();
}

void on_wake(void *user_data) {
    Hearing hearing(user_data, "wake callback");
    hearing.ear.runner.wanted = true;
    if (hearing.random.one_in(4)) hearing.act();
    // Other isolates may be gone after the sleep.
    if (hearing.random.one_in(10)) sleep_ms(hearing.random.below(200));
}

void on_chunk(const sentry_profiler_chunk_t *chunk, void *user_data) {
    Hearing hearing(user_data, "chunk callback");
    CHECK(chunk->struct_size == sizeof *chunk);
    CHECK(std::strlen(chunk->chunk_id) == 32 && std::strlen(chunk->profiler_id) == 32);
    CHECK(chunk->item + chunk->item_len == chunk->envelope + chunk->envelope_len);
    CHECK(chunk->payload + chunk->payload_len + 1 == chunk->item + chunk->item_len);
    check_encoded(SENTRY_PROFILER_FORMAT_ENVELOPE, {chunk->envelope, chunk->envelope_len});
    CHECK(std::string_view(chunk->item, 23) == "{\"type\":\"profile_chunk\"");
    CHECK(is_json_object({chunk->payload, chunk->payload_len}));
    CHECK(chunk->sample_count >= SENTRY_PROFILER_MIN_CHUNK_SAMPLE_COUNT && chunk->start_us <= chunk->end_us);
    {
        std::lock_guard<std::mutex> lock(facts_lock);
        CHECK(chunk_ids.insert(chunk->chunk_id).second);
    }
    auto chunks = chunks_of(chunk->profiler_id);
    {
        std::lock_guard<std::mutex> lock(chunks->lock);
        CHECK(!chunks->freed && chunks->duration_us > 0);
        CHECK(chunk->end_us - chunk->start_us <= chunks->duration_us + CLOCK_US);
        CHECK(chunk->start_us >= chunks->last_end_us - CLOCK_US);
        chunks->last_end_us = chunk->end_us;
        chunks->count++;
        chunks->samples += chunk->sample_count;
    }
    chunks_seen++;
    samples_seen += chunk->sample_count;
    hearing.act();
    if (hearing.random.one_in(6)) sleep_ms(hearing.random.below(60));
    // Freeing the session stops waiting for chunks after a while, but always waits for a running callback.
    if (hearing.random.one_in(400)) {
        long_since_ms = now_ms();
        sleep_ms(SENTRY_PROFILER_FREE_TIMEOUT_MS + 500);
        long_until_ms = now_ms();
        long_since_ms = INT64_MAX;
    }
    std::lock_guard<std::mutex> lock(chunks->lock);
    CHECK(!chunks->freed);
}

}  // namespace fuzz
