//! V8's functions by their mangled names.
//!
//! V8 has no stable C++ ABI, but the functions that a profiler needs have had the same mangled names from V8 10.1 on,
//! and a mangled name carries its parameter types: a changed signature is a missing symbol, never a wrong call. The
//! names are weak references in one table of addresses, so that the same library loads where some or all of them are
//! missing. Every reference stays in that table: one elsewhere would make the symbol strong.
//!
//! `cargo xtask v8-abi` compares [`SYMBOLS`] and [`CONSTANTS`] with the headers of every supported Node.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::{Arc, OnceLock};

use crate::error::Unsupported;

/// `v8::Isolate`.
#[repr(C)]
pub struct Isolate {
    _opaque: [u8; 0],
}

/// `v8::CpuProfiler`.
#[repr(C)]
pub struct CpuProfiler {
    _opaque: [u8; 0],
}

/// `v8::CpuProfile`.
#[repr(C)]
pub struct CpuProfile {
    _opaque: [u8; 0],
}

/// `v8::CpuProfileNode`.
#[repr(C)]
pub struct CpuProfileNode {
    _opaque: [u8; 0],
}

/// `v8::Local<T>`: one register, never looked into.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct Local(*mut c_void);

impl Local {
    /// A method's `this`: a `Local<T>` is used through `operator->`, which returns the same register.
    pub fn this(self) -> *mut c_void {
        self.0
    }

    /// `MaybeLocal::IsEmpty`.
    pub fn is_empty(self) -> bool {
        self.0.is_null()
    }
}

/// `v8::CpuProfilingResult`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct StartResult {
    /// The recording's id, never 0.
    pub id: u32,
    /// `v8::CpuProfilingStatus`.
    pub status: c_int,
}

/// `v8::InterruptCallback`.
pub type InterruptCallback = unsafe extern "C" fn(*mut Isolate, *mut c_void);

/// A function of the table, for comparison with V8's headers.
#[derive(Clone, Copy, Debug)]
pub struct Symbol {
    /// The name in [`Api`].
    pub name: &'static str,
    /// The mangled name, without a platform's leading underscore.
    pub link_name: &'static str,
    /// The Rust type of the function.
    pub signature: &'static str,
}

macro_rules! symbols {
    ($($name:ident = $link:literal: fn($($arg:ty),*) $(-> $ret:ty)?;)*) => {
        #[cfg(target_os = "linux")]
        std::arch::global_asm!(
            ".section .data.rel.ro.sentry_profiler_v8,\"aw\",%progbits",
            ".balign 8",
            ".globl sentry_profiler_v8_table",
            ".hidden sentry_profiler_v8_table",
            "sentry_profiler_v8_table:",
            $(concat!(".weak ", $link), concat!(".quad ", $link),)*
            ".previous",
        );
        #[cfg(target_os = "macos")]
        std::arch::global_asm!(
            ".section __DATA,__const",
            ".balign 8",
            ".private_extern _sentry_profiler_v8_table",
            ".globl _sentry_profiler_v8_table",
            "_sentry_profiler_v8_table:",
            $(concat!(".weak_reference _", $link), concat!(".quad _", $link),)*
            ".text",
        );

        /// The functions of the table, for comparison with V8's headers.
        pub const SYMBOLS: &[Symbol] = &[$(Symbol {
            name: stringify!($name),
            link_name: $link,
            signature: stringify!(fn($($arg),*) $(-> $ret)?),
        }),*];

        const LINK_NAMES: [&CStr; SYMBOLS.len()] = [$(
            match CStr::from_bytes_with_nul(concat!($link, "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => panic!("a mangled name has no NUL"),
            }
        ),*];

        /// Every function of the table, all present.
        #[allow(missing_docs)]
        #[derive(Clone, Copy, Debug)]
        pub struct Api {
            $(pub $name: unsafe extern "C" fn($($arg),*) $(-> $ret)?,)*
        }

        impl Api {
            /// # Safety
            /// The addresses are those of [`SYMBOLS`], in their order, and none is null.
            unsafe fn from_addresses(addresses: &[*const c_void; SYMBOLS.len()]) -> Self {
                let mut addresses = addresses.iter();
                let mut next = || *addresses.next().expect("as many addresses as symbols");
                Self {
                    // SAFETY: the caller vouches for the addresses; the types are compared with V8's headers.
                    $($name: unsafe {
                        std::mem::transmute::<*const c_void, unsafe extern "C" fn($($arg),*) $(-> $ret)?>(next())
                    },)*
                }
            }
        }
    };
}

symbols! {
    get_version = "_ZN2v82V810GetVersionEv": fn() -> *const c_char;
    set_flags = "_ZN2v82V818SetFlagsFromStringEPKcm": fn(*const c_char, usize);
    isolate_try_get_current = "_ZN2v87Isolate13TryGetCurrentEv": fn() -> *mut Isolate;
    isolate_request_interrupt = "_ZN2v87Isolate16RequestInterruptEPFvPS0_PvES2_": fn(*mut Isolate, InterruptCallback, *mut c_void);
    isolate_get_heap_statistics = "_ZN2v87Isolate17GetHeapStatisticsEPNS_14HeapStatisticsE": fn(*mut Isolate, *mut c_void);
    string_new_from_utf8 = "_ZN2v86String11NewFromUtf8EPNS_7IsolateEPKcNS_13NewStringTypeEi": fn(*mut Isolate, *const c_char, c_int, c_int) -> Local;
    value_type_of = "_ZN2v85Value6TypeOfEPNS_7IsolateE": fn(*mut c_void, *mut Isolate) -> Local;
    profiler_new = "_ZN2v811CpuProfiler3NewEPNS_7IsolateENS_22CpuProfilingNamingModeENS_23CpuProfilingLoggingModeE": fn(*mut Isolate, c_int, c_int) -> *mut CpuProfiler;
    profiler_dispose = "_ZN2v811CpuProfiler7DisposeEv": fn(*mut CpuProfiler);
    profiler_set_sampling_interval = "_ZN2v811CpuProfiler19SetSamplingIntervalEi": fn(*mut CpuProfiler, c_int);
    profiler_start = "_ZN2v811CpuProfiler5StartENS_5LocalINS_6StringEEENS_16CpuProfilingModeEbj": fn(*mut CpuProfiler, Local, c_int, bool, u32) -> StartResult;
    profiler_stop = "_ZN2v811CpuProfiler4StopEj": fn(*mut CpuProfiler, u32) -> *mut CpuProfile;
    profile_root = "_ZNK2v810CpuProfile14GetTopDownRootEv": fn(*const CpuProfile) -> *const CpuProfileNode;
    profile_samples_count = "_ZNK2v810CpuProfile15GetSamplesCountEv": fn(*const CpuProfile) -> c_int;
    profile_sample = "_ZNK2v810CpuProfile9GetSampleEi": fn(*const CpuProfile, c_int) -> *const CpuProfileNode;
    profile_sample_timestamp = "_ZNK2v810CpuProfile18GetSampleTimestampEi": fn(*const CpuProfile, c_int) -> i64;
    profile_start_time = "_ZNK2v810CpuProfile12GetStartTimeEv": fn(*const CpuProfile) -> i64;
    profile_end_time = "_ZNK2v810CpuProfile10GetEndTimeEv": fn(*const CpuProfile) -> i64;
    profile_delete = "_ZN2v810CpuProfile6DeleteEv": fn(*mut CpuProfile);
    node_function_name = "_ZNK2v814CpuProfileNode18GetFunctionNameStrEv": fn(*const CpuProfileNode) -> *const c_char;
    node_script_name = "_ZNK2v814CpuProfileNode24GetScriptResourceNameStrEv": fn(*const CpuProfileNode) -> *const c_char;
    node_line = "_ZNK2v814CpuProfileNode13GetLineNumberEv": fn(*const CpuProfileNode) -> c_int;
    node_column = "_ZNK2v814CpuProfileNode15GetColumnNumberEv": fn(*const CpuProfileNode) -> c_int;
    node_id = "_ZNK2v814CpuProfileNode9GetNodeIdEv": fn(*const CpuProfileNode) -> u32;
    node_hit_count = "_ZNK2v814CpuProfileNode11GetHitCountEv": fn(*const CpuProfileNode) -> u32;
    node_source_type = "_ZNK2v814CpuProfileNode13GetSourceTypeEv": fn(*const CpuProfileNode) -> c_int;
    node_parent = "_ZNK2v814CpuProfileNode9GetParentEv": fn(*const CpuProfileNode) -> *const CpuProfileNode;
}

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
    /// The program is walked at each first start.
    LAZY_LOGGING = 0, "v8::CpuProfilingLoggingMode::kLazyLogging";
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

/// Finds a symbol by its mangled name; null when there is none.
pub type Resolver<'a> = &'a dyn Fn(&CStr) -> *const c_void;

impl Api {
    /// The table of this process, looked up once.
    ///
    /// # Errors
    /// [`Unsupported`] lists what is missing.
    pub fn get() -> Result<Arc<Self>, Unsupported> {
        static API: OnceLock<Result<Arc<Api>, Unsupported>> = OnceLock::new();
        // SAFETY: this resolver knows nothing, so it returns nothing wrong.
        API.get_or_init(|| unsafe { Self::resolve(&|_| std::ptr::null()) }).clone()
    }

    /// The table of this process; what neither the linker nor `dlsym` found is asked of `resolver`.
    ///
    /// # Errors
    /// [`Unsupported`] lists what is missing.
    ///
    /// # Safety
    /// What `resolver` returns is V8's function of that name, or null.
    pub unsafe fn resolve(resolver: Resolver<'_>) -> Result<Arc<Self>, Unsupported> {
        let addresses: [*const c_void; SYMBOLS.len()] = std::array::from_fn(|at| {
            let name = LINK_NAMES[at];
            let found = |address: &*const c_void| !address.is_null();
            Some(linked(at))
                .filter(found)
                .or_else(|| Some(loaded(name)).filter(found))
                .unwrap_or_else(|| resolver(name))
        });
        let missing: Vec<_> = std::iter::zip(SYMBOLS, addresses)
            .filter(|(_, address)| address.is_null())
            .map(|(symbol, _)| symbol.link_name)
            .collect();
        if !missing.is_empty() {
            return Err(Unsupported { version: version(addresses[0]), missing, canary: None });
        }
        // SAFETY: no address is null, and each is the function of its name.
        Ok(Arc::new(unsafe { Self::from_addresses(&addresses) }))
    }

    /// V8's own version, such as `12.4.254.21-node.33`.
    pub fn version(&self) -> String {
        version(self.get_version as *const c_void).unwrap_or_default()
    }
}

/// What the linker or the loader put into the table.
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn linked(at: usize) -> *const c_void {
    unsafe extern "C" {
        #[link_name = "sentry_profiler_v8_table"]
        static TABLE: [*const c_void; SYMBOLS.len()];
    }
    // SAFETY: the table is defined above with an entry a symbol and never written after loading. The read is volatile
    // because an entry may be null, which the compiler would otherwise rule out for an address it knows.
    unsafe { (&raw const TABLE[at]).read_volatile() }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn linked(_at: usize) -> *const c_void {
    std::ptr::null()
}

/// What a library that was loaded later exports.
#[cfg(unix)]
fn loaded(name: &CStr) -> *const c_void {
    // SAFETY: the name ends with a NUL.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
}

#[cfg(not(unix))]
fn loaded(_name: &CStr) -> *const c_void {
    std::ptr::null()
}

/// `get_version` is null or the address of `v8::V8::GetVersion`.
fn version(get_version: *const c_void) -> Option<String> {
    // SAFETY: the address is null or the function of this type; `Option` of a function pointer is null for `None`.
    let get_version: Option<unsafe extern "C" fn() -> *const c_char> = unsafe { std::mem::transmute(get_version) };
    // SAFETY: V8 returns a static string.
    get_version.map(|get| unsafe { CStr::from_ptr(get()) }.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_v8_everything_is_missing_and_said_so() {
        let error = Api::get().unwrap_err();
        assert_eq!(error.version, None);
        assert_eq!(error.missing.len(), SYMBOLS.len());
        assert!(error.to_string().contains("no V8 in reach"), "{error}");
    }

    #[test]
    fn what_is_missing_is_listed() {
        extern "C" fn get_version() -> *const c_char {
            c"9.9.9".as_ptr()
        }
        // SAFETY: the one function answered has the type of that name.
        let error = unsafe {
            Api::resolve(&|name| match name.to_bytes() {
                b"_ZN2v82V810GetVersionEv" => get_version as *const c_void,
                _ => std::ptr::null(),
            })
        }
        .unwrap_err();
        assert_eq!(error.version.as_deref(), Some("9.9.9"));
        assert!(error.to_string().contains("_ZN2v811CpuProfiler4StopEj"), "{error}");
        assert!(!error.to_string().contains("GetVersion"), "{error}");
    }
}
