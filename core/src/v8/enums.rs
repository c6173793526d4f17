//! The enumerators of V8 that we pass or read.

use std::ffi::c_int;

macro_rules! constants {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $path:literal;)*) => {
        $($(#[$doc])* pub const $name: c_int = $value;)*

        /// The enumerators of V8 that we pass or read, by C++ name, for comparison with V8's headers.
        pub const CONSTANTS: &[(&str, i64)] = &[$(($path, $value)),*];
    };
}

constants! {
    /// A node is a function at its definition: line, column and file belong together.
    LEAF_NODE_LINE_NUMBERS = 0, "v8::CpuProfilingMode::kLeafNodeLineNumbers";
    /// Functions without a name get one from where they are assigned.
    DEBUG_NAMING = 1, "v8::CpuProfilingNamingMode::kDebugNaming";
    /// The program is walked once, when the profiler is made.
    EAGER_LOGGING = 1, "v8::CpuProfilingLoggingMode::kEagerLogging";
    /// A recording began.
    STATUS_STARTED = 0, "v8::CpuProfilingStatus::kStarted";
    /// One with this title runs already.
    STATUS_ALREADY_STARTED = 1, "v8::CpuProfilingStatus::kAlreadyStarted";
    /// More than 100 recordings of one profiler.
    STATUS_TOO_MANY = 2, "v8::CpuProfilingStatus::kErrorTooManyProfilers";
    /// A string that is not internalized.
    STRING_NORMAL = 0, "v8::NewStringType::kNormal";
    /// A script.
    SOURCE_SCRIPT = 0, "v8::CpuProfileNode::SourceType::kScript";
    /// Code of V8's own.
    SOURCE_BUILTIN = 1, "v8::CpuProfileNode::SourceType::kBuiltin";
    /// A native function.
    SOURCE_CALLBACK = 2, "v8::CpuProfileNode::SourceType::kCallback";
    /// A state of V8.
    SOURCE_INTERNAL = 3, "v8::CpuProfileNode::SourceType::kInternal";
    /// Unknown.
    SOURCE_UNRESOLVED = 4, "v8::CpuProfileNode::SourceType::kUnresolved";
}
