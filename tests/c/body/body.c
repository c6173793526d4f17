/* Runs all tests, or those whose names contain the host's `only`. */
#include "support.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    const char *name;
    void (*run)(const body_host_t *host);
} test_t;

#define ROW(test) {#test, test},
static const test_t tests[] = {TESTS(ROW)};
static const test_t tests_alone[] = {TESTS_ALONE(ROW)};
#define COUNT(array) (sizeof(array) / sizeof *(array))

static int wanted(const body_host_t *host, const test_t *test) {
    return !host->only || strstr(test->name, host->only) != NULL;
}

/* Statuses must be right the first time; checks of samples may be retried. */
static void run(const test_t *test, const body_host_t *host) {
    for (int tries = 1; tries <= 3; tries++) {
        unsampled = 0;
        test->run(host);
        if (!unsampled) return;
    }
    atomic_fetch_add(&failures, unsampled);
}

static int run_all(const test_t *all, size_t count, const body_host_t *host) {
    int ran = 0;
    for (size_t at = 0; at < count; at++) {
        if (!wanted(host, &all[at])) continue;
        run(&all[at], host);
        ran++;
    }
    if (ran == 0) return 0;
    printf("%d checks, %d failed\n", atomic_load(&checks), atomic_load(&failures));
    fflush(stdout);
    return atomic_load(&failures);
}

static int any_wanted(const test_t *all, size_t count, const body_host_t *host) {
    for (size_t at = 0; at < count; at++) {
        if (wanted(host, &all[at])) return 1;
    }
    return 0;
}

static void print_names(const test_t *all, size_t count) {
    for (size_t at = 0; at < count; at++) fprintf(stderr, "  %s\n", all[at].name);
}

int body(const body_host_t *host) {
    if (!any_wanted(tests, COUNT(tests), host) && !any_wanted(tests_alone, COUNT(tests_alone), host)) {
        fprintf(stderr, "no test's name contains %s; the tests are\n", host->only);
        print_names(tests, COUNT(tests));
        print_names(tests_alone, COUNT(tests_alone));
        return 1;
    }
    return run_all(tests, COUNT(tests), host);
}

int body_alone(const body_host_t *host) { return run_all(tests_alone, COUNT(tests_alone), host); }
