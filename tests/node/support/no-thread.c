/* Preloaded into a process: no thread can be created while the file exists that NO_THREAD names. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
    const char *file = getenv("NO_THREAD");
    if (file && access(file, F_OK) == 0) return EAGAIN;
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    /* The form that POSIX recommends, since C has no cast from `void *` to a function pointer. */
    *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
    return create ? create(thread, attributes, run, argument) : ENOSYS;
}
