/* A system that gives no thread when the test wishes: stands before the system's own function, linked into a program
 * or preloaded. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

static atomic_int refuses;

void refuse_threads(int refuse);
void refuse_threads(int refuse) { atomic_store(&refuses, refuse); }

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
    if (atomic_load(&refuses)) return EAGAIN;
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    /* As POSIX has it; the cast that C would want is undefined in it. */
    *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
    return create ? create(thread, attributes, run, argument) : ENOSYS;
}
