// Must not compile: a context is not an isolate.
#include <v8.h>

#include "sentry_profiler.h"

sentry_profiler_status_t wrong(v8::Context *context, sentry_profiler_t **out) {
#ifdef RIGHT
    return sentry_profiler_new(context->GetIsolate(), nullptr, out);
#else
    return sentry_profiler_new(context, nullptr, out);
#endif
}
