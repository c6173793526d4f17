/* Replaces `pthread_create`, linked into a program or preloaded, so that a test can make it fail. */
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
    /* The form that POSIX recommends, since C has no cast from `void *` to a function pointer. */
    *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
    return create ? create(thread, attributes, run, argument) : ENOSYS;
}
