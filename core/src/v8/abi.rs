//! V8's functions by their mangled names.
//!
//! V8 has no stable C++ ABI, but the functions that a profiler needs have had the same mangled names from V8 10.1 on,
//! and a mangled name carries its parameter types: a changed signature is a missing symbol, never a wrong call. The
//! names are weak references in one table of addresses, so that the same library loads where some or all of them are
//! missing. Every reference stays in that table: one elsewhere would make the symbol strong. Windows has no weak
//! references and Microsoft's names: there the functions are looked up.
//!
//! `cargo xtask v8-abi` compares [`SYMBOLS`] and [`CONSTANTS`] with the headers of every supported Node, and with what
//! its programs for Windows and macOS export.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::{Arc, OnceLock};

use super::convention::{call, pointer};
pub use super::enums::*;
use crate::error::Unsupported;
use crate::platform::Host;

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

/// `v8::CpuProfileNode::LineTick`, whose size depends on V8's version.
#[repr(C)]
pub struct LineTick {
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
    /// The mangled name of all systems but Windows, without a leading underscore.
    pub link_name: &'static str,
    /// The mangled name of Microsoft's compilers.
    pub microsoft_name: &'static str,
    /// The Rust type of the function.
    pub signature: &'static str,
}

impl Symbol {
    /// The mangled name on this system.
    pub const fn own_name(&self) -> &'static str {
        if cfg!(windows) { self.microsoft_name } else { self.link_name }
    }
}

/// A row is a function's name here and its type, then its two mangled names. What a `class_fn` or a `class_method`
/// returns is a class: see [`super::convention`].
macro_rules! symbols {
    ($($name:ident: $kind:ident $args:tt $(-> $ret:ty)?, $link:literal, $microsoft:literal;)*) => {
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
            microsoft_name: $microsoft,
            signature: concat!("fn", stringify!($args) $(, " -> ", stringify!($ret))?),
        }),*];

        #[cfg(test)]
        const KINDS: &[&str] = &[$(stringify!($kind)),*];

        const OWN_NAMES: [&CStr; SYMBOLS.len()] = [$({
            let name = if cfg!(windows) { concat!($microsoft, "\0") } else { concat!($link, "\0") };
            match CStr::from_bytes_with_nul(name.as_bytes()) {
                Ok(name) => name,
                Err(_) => panic!("a mangled name has no NUL"),
            }
        }),*];

        /// Every function of the table, all present.
        #[allow(missing_docs)]
        #[derive(Clone, Copy, Debug)]
        pub struct Api {
            $(pub $name: pointer!($kind $args $(-> $ret)?),)*
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
                        std::mem::transmute::<*const c_void, pointer!($kind $args $(-> $ret)?)>(next())
                    },)*
                }
            }
        }
    };
}

symbols! {
    get_version: fn() -> *const c_char,
        "_ZN2v82V810GetVersionEv",
        "?GetVersion@V8@v8@@SAPEBDXZ";
    set_flags: fn(*const c_char, usize),
        "_ZN2v82V818SetFlagsFromStringEPKcm",
        "?SetFlagsFromString@V8@v8@@SAXPEBD_K@Z";
    isolate_try_get_current: fn() -> *mut Isolate,
        "_ZN2v87Isolate13TryGetCurrentEv",
        "?TryGetCurrent@Isolate@v8@@SAPEAV12@XZ";
    isolate_request_interrupt: fn(*mut Isolate, InterruptCallback, *mut c_void),
        "_ZN2v87Isolate16RequestInterruptEPFvPS0_PvES2_",
        "?RequestInterrupt@Isolate@v8@@QEAAXP6AXPEAV12@PEAX@Z1@Z";
    isolate_get_heap_statistics: fn(*mut Isolate, *mut c_void),
        "_ZN2v87Isolate17GetHeapStatisticsEPNS_14HeapStatisticsE",
        "?GetHeapStatistics@Isolate@v8@@QEAAXPEAVHeapStatistics@2@@Z";
    string_new_from_utf8: class_fn(*mut Isolate, *const c_char, c_int, c_int) -> Local,
        "_ZN2v86String11NewFromUtf8EPNS_7IsolateEPKcNS_13NewStringTypeEi",
        "?NewFromUtf8@String@v8@@SA?AV?$MaybeLocal@VString@v8@@@2@PEAVIsolate@2@PEBDW4NewStringType@2@H@Z";
    value_type_of: class_method(*mut c_void, *mut Isolate) -> Local,
        "_ZN2v85Value6TypeOfEPNS_7IsolateE",
        "?TypeOf@Value@v8@@QEAA?AV?$Local@VString@v8@@@2@PEAVIsolate@2@@Z";
    profiler_new: fn(*mut Isolate, c_int, c_int) -> *mut CpuProfiler,
        "_ZN2v811CpuProfiler3NewEPNS_7IsolateENS_22CpuProfilingNamingModeENS_23CpuProfilingLoggingModeE",
        "?New@CpuProfiler@v8@@SAPEAV12@PEAVIsolate@2@W4CpuProfilingNamingMode@2@W4CpuProfilingLoggingMode@2@@Z";
    profiler_dispose: fn(*mut CpuProfiler),
        "_ZN2v811CpuProfiler7DisposeEv",
        "?Dispose@CpuProfiler@v8@@QEAAXXZ";
    profiler_set_sampling_interval: fn(*mut CpuProfiler, c_int),
        "_ZN2v811CpuProfiler19SetSamplingIntervalEi",
        "?SetSamplingInterval@CpuProfiler@v8@@QEAAXH@Z";
    profiler_set_use_precise_sampling: fn(*mut CpuProfiler, bool),
        "_ZN2v811CpuProfiler21SetUsePreciseSamplingEb",
        "?SetUsePreciseSampling@CpuProfiler@v8@@QEAAX_N@Z";
    profiler_start: class_method(*mut CpuProfiler, Local, c_int, bool, u32) -> StartResult,
        "_ZN2v811CpuProfiler5StartENS_5LocalINS_6StringEEENS_16CpuProfilingModeEbj",
        "?Start@CpuProfiler@v8@@QEAA?AUCpuProfilingResult@2@V?$Local@VString@v8@@@2@W4CpuProfilingMode@2@_NI@Z";
    profiler_stop: fn(*mut CpuProfiler, u32) -> *mut CpuProfile,
        "_ZN2v811CpuProfiler4StopEj",
        "?Stop@CpuProfiler@v8@@QEAAPEAVCpuProfile@2@I@Z";
    profile_root: fn(*const CpuProfile) -> *const CpuProfileNode,
        "_ZNK2v810CpuProfile14GetTopDownRootEv",
        "?GetTopDownRoot@CpuProfile@v8@@QEBAPEBVCpuProfileNode@2@XZ";
    profile_samples_count: fn(*const CpuProfile) -> c_int,
        "_ZNK2v810CpuProfile15GetSamplesCountEv",
        "?GetSamplesCount@CpuProfile@v8@@QEBAHXZ";
    profile_sample: fn(*const CpuProfile, c_int) -> *const CpuProfileNode,
        "_ZNK2v810CpuProfile9GetSampleEi",
        "?GetSample@CpuProfile@v8@@QEBAPEBVCpuProfileNode@2@H@Z";
    profile_sample_timestamp: fn(*const CpuProfile, c_int) -> i64,
        "_ZNK2v810CpuProfile18GetSampleTimestampEi",
        "?GetSampleTimestamp@CpuProfile@v8@@QEBA_JH@Z";
    profile_start_time: fn(*const CpuProfile) -> i64,
        "_ZNK2v810CpuProfile12GetStartTimeEv",
        "?GetStartTime@CpuProfile@v8@@QEBA_JXZ";
    profile_end_time: fn(*const CpuProfile) -> i64,
        "_ZNK2v810CpuProfile10GetEndTimeEv",
        "?GetEndTime@CpuProfile@v8@@QEBA_JXZ";
    profile_delete: fn(*mut CpuProfile),
        "_ZN2v810CpuProfile6DeleteEv",
        "?Delete@CpuProfile@v8@@QEAAXXZ";
    node_function_name: fn(*const CpuProfileNode) -> *const c_char,
        "_ZNK2v814CpuProfileNode18GetFunctionNameStrEv",
        "?GetFunctionNameStr@CpuProfileNode@v8@@QEBAPEBDXZ";
    node_script_name: fn(*const CpuProfileNode) -> *const c_char,
        "_ZNK2v814CpuProfileNode24GetScriptResourceNameStrEv",
        "?GetScriptResourceNameStr@CpuProfileNode@v8@@QEBAPEBDXZ";
    node_line: fn(*const CpuProfileNode) -> c_int,
        "_ZNK2v814CpuProfileNode13GetLineNumberEv",
        "?GetLineNumber@CpuProfileNode@v8@@QEBAHXZ";
    node_column: fn(*const CpuProfileNode) -> c_int,
        "_ZNK2v814CpuProfileNode15GetColumnNumberEv",
        "?GetColumnNumber@CpuProfileNode@v8@@QEBAHXZ";
    node_id: fn(*const CpuProfileNode) -> u32,
        "_ZNK2v814CpuProfileNode9GetNodeIdEv",
        "?GetNodeId@CpuProfileNode@v8@@QEBAIXZ";
    node_hit_count: fn(*const CpuProfileNode) -> u32,
        "_ZNK2v814CpuProfileNode11GetHitCountEv",
        "?GetHitCount@CpuProfileNode@v8@@QEBAIXZ";
    node_hit_line_count: fn(*const CpuProfileNode) -> u32,
        "_ZNK2v814CpuProfileNode15GetHitLineCountEv",
        "?GetHitLineCount@CpuProfileNode@v8@@QEBAIXZ";
    node_line_ticks: fn(*const CpuProfileNode, *mut LineTick, u32) -> bool,
        "_ZNK2v814CpuProfileNode12GetLineTicksEPNS0_8LineTickEj",
        "?GetLineTicks@CpuProfileNode@v8@@QEBA_NPEAULineTick@12@I@Z";
    node_source_type: fn(*const CpuProfileNode) -> c_int,
        "_ZNK2v814CpuProfileNode13GetSourceTypeEv",
        "?GetSourceType@CpuProfileNode@v8@@QEBA?AW4SourceType@12@XZ";
    node_parent: fn(*const CpuProfileNode) -> *const CpuProfileNode,
        "_ZNK2v814CpuProfileNode9GetParentEv",
        "?GetParent@CpuProfileNode@v8@@QEBAPEBV12@XZ";
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

    /// The table of this process; what neither the linker nor the loader found is asked of `resolver`.
    ///
    /// # Errors
    /// [`Unsupported`] lists what is missing.
    ///
    /// # Safety
    /// What `resolver` returns is V8's function of that name, or null.
    pub unsafe fn resolve(resolver: Resolver<'_>) -> Result<Arc<Self>, Unsupported> {
        // Whatever has V8 has its version.
        let host = Host::that_exports(OWN_NAMES[0]);
        let addresses: [*const c_void; SYMBOLS.len()] = std::array::from_fn(|at| {
            let name = OWN_NAMES[at];
            let found = |address: &*const c_void| !address.is_null();
            Some(linked(at))
                .filter(found)
                .or_else(|| Some(host.symbol(name)).filter(found))
                .unwrap_or_else(|| resolver(name))
        });
        let missing: Vec<_> = std::iter::zip(SYMBOLS, addresses)
            .filter(|(_, address)| address.is_null())
            .map(|(symbol, _)| symbol.own_name())
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

    /// `v8::String::NewFromUtf8`.
    ///
    /// # Safety
    /// As V8's.
    pub unsafe fn new_from_utf8(&self, isolate: *mut Isolate, text: *const c_char, kind: c_int, len: c_int) -> Local {
        // SAFETY: as the caller vouches.
        unsafe { call!((self.string_new_from_utf8), [], isolate, text, kind, len) }
    }

    /// `v8::Value::TypeOf`.
    ///
    /// # Safety
    /// As V8's.
    pub unsafe fn type_of(&self, value: Local, isolate: *mut Isolate) -> Local {
        // SAFETY: as the caller vouches.
        unsafe { call!((self.value_type_of), [value.this()], isolate) }
    }

    /// `v8::CpuProfiler::Start`.
    ///
    /// # Safety
    /// As V8's.
    pub unsafe fn start(
        &self,
        profiler: *mut CpuProfiler,
        title: Local,
        mode: c_int,
        record_samples: bool,
        max_samples: u32,
    ) -> StartResult {
        // SAFETY: as the caller vouches.
        unsafe { call!((self.profiler_start), [profiler], title, mode, record_samples, max_samples) }
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
                name if name == SYMBOLS[0].own_name().as_bytes() => get_version as *const c_void,
                _ => std::ptr::null(),
            })
        }
        .unwrap_err();
        let stop = SYMBOLS.iter().find(|symbol| symbol.name == "profiler_stop").unwrap();
        assert_eq!(error.version.as_deref(), Some("9.9.9"));
        assert!(error.to_string().contains(stop.own_name()), "{error}");
        assert!(!error.to_string().contains("GetVersion"), "{error}");
    }

    /// After the name stand `S` and the convention for a function without `this`, three letters for `this` and the
    /// convention else; then what is returned, where `?AV` and `?AU` are classes.
    #[test]
    fn classes_are_returned_as_microsofts_names_say() {
        for (symbol, kind) in std::iter::zip(SYMBOLS, KINDS) {
            let (_, call) = symbol.microsoft_name.split_once("@@").unwrap();
            let (this, returned) = call.split_at(if call.starts_with('S') { 2 } else { 4 });
            let returns_class = ["?AV", "?AU"].iter().any(|class| returned.starts_with(class));
            let right = match (returns_class, this) {
                (false, _) => "fn",
                (true, "SA") => "class_fn",
                (true, _) => "class_method",
            };
            assert_eq!(*kind, right, "{}", symbol.name);
        }
    }
}
