// A minimal embedder of V8 that runs the tests. Usage: host [folder for chunks [part of a test's name]]

#include "body.h"

#include <libplatform/libplatform.h>
#include <v8.h>

#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace {

struct Context {
    v8::Isolate *isolate;
    v8::Local<v8::Context> context;
};

void Run(const char *javascript, void *data) {
    auto *host = static_cast<Context *>(data);
    v8::HandleScope scope(host->isolate);
    auto text = v8::String::NewFromUtf8(host->isolate, javascript).ToLocalChecked();
    auto name = v8::String::NewFromUtf8Literal(host->isolate, "body.js");
    v8::ScriptOrigin origin(host->isolate, name);
    v8::TryCatch caught(host->isolate);
    v8::Local<v8::Script> script;
    if (!v8::Script::Compile(host->context, text, &origin).ToLocal(&script) || script->Run(host->context).IsEmpty()) {
        std::fprintf(stderr, "this JavaScript failed: %s\n", javascript);
        std::abort();
    }
}

#ifndef HIDDEN_V8
// Frees the profiler after the isolate's scopes, as an embedder may whose objects are destroyed later.
int FreedOutsideOfTheScopes(v8::Isolate *isolate) {
    sentry_profiler_t *profiler = nullptr;
    {
        v8::Isolate::Scope entered(isolate);
        if (sentry_profiler_new(isolate, nullptr, &profiler) != SENTRY_PROFILER_OK) return 1;
        if (sentry_profiler_start_profiling(profiler, "open", 4) != SENTRY_PROFILER_OK) return 1;
    }
    if (sentry_profiler_poll(profiler) != SENTRY_PROFILER_WRONG_THREAD) return 1;
    return sentry_profiler_free(profiler) == SENTRY_PROFILER_OK ? 0 : 1;
}
#endif

// Grows the main thread's stack early: valgrind ends the program if a signal needs stack that has not grown yet.
void GrowStack() {
    volatile char pages[1 << 20];
    for (size_t at = 0; at < sizeof pages; at += 4096) pages[at] = 0;
}

}  // namespace

int main(int argc, char **argv) {
    // V8 samples with SIGPROF and restores the previous handler afterwards. With the default one, a late signal would
    // end the process, as happens under valgrind.
    std::signal(SIGPROF, SIG_IGN);
    GrowStack();
    v8::V8::InitializeICU();
    auto platform = v8::platform::NewDefaultPlatform();
    v8::V8::InitializePlatform(platform.get());
    v8::V8::Initialize();

    v8::Isolate::CreateParams params;
    std::unique_ptr<v8::ArrayBuffer::Allocator> allocator(v8::ArrayBuffer::Allocator::NewDefaultAllocator());
    params.array_buffer_allocator = allocator.get();
    v8::Isolate *isolate = v8::Isolate::New(params);
    const char *only = argc > 2 ? argv[2] : nullptr;
    int failed = 0;
    {
        v8::Isolate::Scope entered(isolate);
        v8::HandleScope scope(isolate);
        Context context{isolate, v8::Context::New(isolate)};
        v8::Context::Scope running(context.context);
        body_host_t host{isolate, Run, &context, argc > 1 ? argv[1] : nullptr, only};
        failed = body(&host);
        if (body_alone) failed += body_alone(&host);
    }
#ifndef HIDDEN_V8
    if (!only && FreedOutsideOfTheScopes(isolate)) {
        std::fprintf(stderr, "freeing outside of the isolate's scope failed\n");
        failed++;
    }
#endif
    isolate->Dispose();
    v8::V8::Dispose();
    v8::V8::DisposePlatform();
    return failed ? 1 : 0;
}
