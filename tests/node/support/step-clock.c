/* Preloaded into a process: at SIGUSR2 it moves the wall clock, but no other clock, by CLOCK_STEP_S seconds. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stepped;
static long step_s;

static void step(int signal) {
    (void)signal;
    stepped = 1;
}

__attribute__((constructor)) static void prepare(void) {
    const char *text = getenv("CLOCK_STEP_S");
    step_s = text ? atol(text) : 0;
    signal(SIGUSR2, step);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int failed = (int)syscall(SYS_clock_gettime, clock, time);
    if (!failed && stepped && clock == CLOCK_REALTIME) time->tv_sec += step_s;
    return failed;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}
