// An embedder of V8 that runs the scenarios: host runner.js scenarios.json. Prints the results as JSON.

#include "surface.h"

#include <libplatform/libplatform.h>
#include <v8.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

namespace {

std::string Read(const char *path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

v8::Local<v8::String> Text(v8::Isolate *isolate, const std::string &text) {
    return v8::String::NewFromUtf8(isolate, text.data(), v8::NewStringType::kNormal, static_cast<int>(text.size()))
        .ToLocalChecked();
}

void Call(const v8::FunctionCallbackInfo<v8::Value> &info) {
    v8::Isolate *isolate = info.GetIsolate();
    const auto context = isolate->GetCurrentContext();
    const v8::String::Utf8Value operation(isolate, info[0]), text(isolate, info[1]);
    const auto number = [&](int at) { return info[at]->NumberValue(context).FromMaybe(0); };
    info.GetReturnValue().Set(Text(isolate, surface_call(*operation, *text, number(2), number(3), number(4))));
}

std::string Run(v8::Isolate *isolate, v8::Local<v8::Context> context, const std::string &source, const char *name) {
    v8::TryCatch caught(isolate);
    v8::ScriptOrigin origin(isolate, Text(isolate, name));
    v8::Local<v8::Script> script;
    v8::Local<v8::Value> value;
    if (!v8::Script::Compile(context, Text(isolate, source), &origin).ToLocal(&script) ||
        !script->Run(context).ToLocal(&value)) {
        std::fprintf(stderr, "%s: %s\n", name, *v8::String::Utf8Value(isolate, caught.Exception()));
        std::exit(1);
    }
    return *v8::String::Utf8Value(isolate, value);
}

}  // namespace

int main(int, char **argv) {
    const auto platform = v8::platform::NewDefaultPlatform();
    v8::V8::InitializePlatform(platform.get());
    v8::V8::Initialize();
    v8::Isolate::CreateParams params;
    const std::unique_ptr<v8::ArrayBuffer::Allocator> allocator(v8::ArrayBuffer::Allocator::NewDefaultAllocator());
    params.array_buffer_allocator = allocator.get();
    v8::Isolate *isolate = v8::Isolate::New(params);
    {
        v8::Isolate::Scope entered(isolate);
        v8::HandleScope scope(isolate);
        const auto context = v8::Context::New(isolate);
        v8::Context::Scope running(context);
        if (!surface_open(isolate)) {
            std::fprintf(stderr, "no profiler\n");
            return 1;
        }
        const auto call = v8::Function::New(context, Call).ToLocalChecked();
        context->Global()->Set(context, Text(isolate, "call"), call).Check();
        Run(isolate, context, Read(argv[1]), "runner.js");
        const std::string source = "JSON.stringify(runScenarios(" + Read(argv[2]) + ", call))";
        std::printf("%s\n", Run(isolate, context, source, "scenarios.js").c_str());
        surface_close();
    }
    isolate->Dispose();
    v8::V8::Dispose();
    v8::V8::DisposePlatform();
}
