// A Node add-on that links libsentry_profiler.so and runs the tests on Node's isolate and, at the same time, on a
// second isolate in a thread of its own. Exports run(folder[, part of a test's name]), which returns the number of
// failed checks.

#include "body.h"

#include <node.h>
#include <node_api.h>
#include <uv.h>
#include <v8.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

namespace {

void Run(const char *javascript, void *data) {
    auto *isolate = static_cast<v8::Isolate *>(data);
    v8::HandleScope scope(isolate);
    const auto context = isolate->GetCurrentContext();
    const auto text = v8::String::NewFromUtf8(isolate, javascript).ToLocalChecked();
    const auto name = v8::String::NewFromUtf8Literal(isolate, "body.js");
#if V8_MAJOR_VERSION >= 12
    v8::ScriptOrigin origin(name);
#else
    v8::ScriptOrigin origin(isolate, name);
#endif
    v8::Local<v8::Script> script;
    if (!v8::Script::Compile(context, text, &origin).ToLocal(&script) || script->Run(context).IsEmpty()) {
        std::fprintf(stderr, "this JavaScript failed: %s\n", javascript);
        std::abort();
    }
}

int OnOwnThread(node::MultiIsolatePlatform *platform, const char *output, const char *only) {
    uv_loop_t loop;
    if (uv_loop_init(&loop) != 0) return 1;
    int failed;
    {
        std::shared_ptr<node::ArrayBufferAllocator> allocator = node::ArrayBufferAllocator::Create();
        v8::Isolate *isolate = node::NewIsolate(allocator, &loop, platform);
        {
            v8::Locker locker(isolate);
            v8::Isolate::Scope entered(isolate);
            v8::HandleScope scope(isolate);
            v8::Context::Scope running(v8::Context::New(isolate));
            body_host_t host{isolate, Run, isolate, output, only};
            failed = body(&host);
        }
#if NODE_MAJOR_VERSION >= 24
        platform->DisposeIsolate(isolate);
#else
        isolate->Dispose();
        platform->UnregisterIsolate(isolate);
#endif
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return failed;
}

napi_value RunBody(napi_env env, napi_callback_info info) {
    size_t count = 2, length = 0;
    napi_value arguments[2], result;
    char output[4096], name[256];
    if (napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr) != napi_ok || count < 1 ||
        napi_get_value_string_utf8(env, arguments[0], output, sizeof output, &length) != napi_ok) {
        napi_throw_type_error(env, nullptr, "run expects a folder");
        return nullptr;
    }
    // Undefined is not a string and means all tests.
    const bool named = napi_get_value_string_utf8(env, arguments[1], name, sizeof name, &length) == napi_ok;
    const char *only = named ? name : nullptr;
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    auto *platform = node::GetMultiIsolatePlatform(node::GetCurrentEnvironment(isolate->GetCurrentContext()));
    int own = 0;
    std::thread thread([&] { own = OnOwnThread(platform, output, only); });
    body_host_t host{isolate, Run, isolate, output, only};
    const int failed = body(&host);
    thread.join();
    const int alone = body_alone(&host);
    return napi_create_int32(env, failed + own + alone, &result) == napi_ok ? result : nullptr;
}

napi_value Init(napi_env env, napi_value exports) {
    napi_value function;
    if (napi_create_function(env, "run", NAPI_AUTO_LENGTH, RunBody, nullptr, &function) != napi_ok ||
        napi_set_named_property(env, exports, "run", function) != napi_ok) {
        std::abort();
    }
    return exports;
}

}  // namespace

NAPI_MODULE(sentry_profiler_test, Init)
