/* All tests in the order in which they run. Each is a function of this name in one of the files here. */
#ifndef TESTS_H
#define TESTS_H

#include "../body.h"

#define TESTS(TEST)                                   \
    TEST(versions)                                    \
    TEST(v8_is_supported)                             \
    TEST(null_is_a_status)                            \
    TEST(bad_values_are_a_status)                     \
    TEST(recordings)                                  \
    TEST(maximum_of_samples)                          \
    TEST(formats)                                     \
    TEST(four_threads_encode_at_once)                 \
    TEST(another_thread_is_refused)                   \
    TEST(manual_session)                              \
    TEST(trace_session)                               \
    TEST(profiler_first)                              \
    TEST(idle_isolate_is_woken)                       \
    TEST(a_recording_without_samples_is_started_anew) \
    TEST(a_panic_poisons_the_handle)

/* Tests that only one thread of a process can run at a time. */
#define TESTS_ALONE(TEST) TEST(a_system_without_threads)

#define DECLARE(test) void test(const body_host_t *host);
TESTS(DECLARE)
TESTS_ALONE(DECLARE)
#undef DECLARE

#endif
