//! Windows.

use std::ffi::{CStr, c_void};
use std::fs::File;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{io, ptr};

use windows_sys::Win32::Foundation::{CloseHandle, FILETIME, HMODULE};
use windows_sys::Win32::Media::{timeBeginPeriod, timeEndPeriod};
use windows_sys::Win32::System::LibraryLoader::{
    GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN, GetModuleHandleA, GetModuleHandleExW,
    GetProcAddress,
};
use windows_sys::Win32::System::Performance::{QueryPerformanceCounter, QueryPerformanceFrequency};
use windows_sys::Win32::System::SystemInformation::GetSystemTimePreciseAsFileTime;
use windows_sys::Win32::System::Threading::{CreateThread, GetCurrentProcess, GetProcessTimes};

/// Waits end with the system's clock tick, which comes every 15.6 ms where nobody asks for more.
pub(crate) const WAITS_ARE_COARSE: bool = true;

/// Has the waits of this process end within a millisecond of their time, until it is dropped.
pub(crate) struct FineWaits(());

impl FineWaits {
    const PERIOD_MS: u32 = 1;

    pub(crate) fn begin() -> Self {
        // SAFETY: no requirements. It fails where there is no such period: waits stay as they are.
        unsafe { timeBeginPeriod(Self::PERIOD_MS) };
        Self(())
    }
}

impl Drop for FineWaits {
    fn drop(&mut self) {
        // SAFETY: no requirements.
        unsafe { timeEndPeriod(Self::PERIOD_MS) };
    }
}

/// Now, on V8's clock, microseconds: the performance counter.
pub(crate) fn monotonic_us() -> i64 {
    let (mut count, mut a_second) = (0, 0);
    // SAFETY: both are ours. Neither call fails since Windows XP.
    unsafe {
        QueryPerformanceCounter(&mut count);
        QueryPerformanceFrequency(&mut a_second);
    }
    // At once, it would overflow after ten days of a counter of 10 MHz.
    count / a_second * 1_000_000 + count % a_second * 1_000_000 / a_second
}

/// Now, Unix time, microseconds.
pub(crate) fn wall_us() -> i64 {
    /// From 1601, where Windows begins to count, to 1970.
    const UNIX_EPOCH_US: i64 = 11_644_473_600_000_000;
    let mut time = FILETIME::default();
    // SAFETY: the structure is ours.
    unsafe { GetSystemTimePreciseAsFileTime(&mut time) };
    us(time) - UNIX_EPOCH_US
}

/// CPU time that this process has used, microseconds.
pub(crate) fn process_cpu_us() -> i64 {
    let [mut created, mut exited, mut kernel, mut user] = [FILETIME::default(); 4];
    // SAFETY: the structures are ours, and the process is this one.
    unsafe { GetProcessTimes(GetCurrentProcess(), &mut created, &mut exited, &mut kernel, &mut user) };
    us(kernel) + us(user)
}

/// Windows counts in units of 100 ns.
fn us(time: FILETIME) -> i64 {
    (i64::from(time.dwHighDateTime) << 32 | i64::from(time.dwLowDateTime)) / 10
}

/// Creates a file that is not there yet. Who can read it is up to its folder.
pub(crate) fn create_private(file: &Path) -> io::Result<File> {
    File::create_new(file)
}

/// There are no signals here.
pub(crate) fn block_signals() {}

/// Starts a thread as V8 does, which ends at once. It is not waited for: see [`wait_for`].
///
/// Not by the standard library: V8 has the stack committed, for which there may be no memory left, not only reserved.
pub(crate) fn probe_thread() -> io::Result<()> {
    unsafe extern "system" fn nothing(_argument: *mut c_void) -> u32 {
        0
    }
    // SAFETY: the thread touches nothing, and its handle is ours.
    unsafe {
        let thread = CreateThread(ptr::null(), super::V8_STACK_BYTES, Some(nothing), ptr::null(), 0, ptr::null_mut());
        if thread.is_null() {
            return Err(io::Error::last_os_error());
        }
        CloseHandle(thread);
    }
    Ok(())
}

/// Waits until a thread has done what it was started for, not for its end: threads take the loader's lock where they
/// begin and end, which is held where a thread-local variable is destroyed, and a profiler with it. One that could not
/// even begin for that is left alone; it finds everything that it needs.
pub(crate) fn wait_for(thread: JoinHandle<()>) {
    const PATIENCE: Duration = Duration::from_secs(5);
    let begin = Instant::now();
    while !thread.is_finished() && begin.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Where a host's functions are found by name: in one of the modules of this process.
pub(crate) struct Host(HMODULE);

impl Host {
    /// The host that exports a name: the program itself, as `node.exe` and Electron's do, or a DLL.
    pub(crate) fn that_exports(name: &CStr) -> Self {
        let dlls = [c"node.dll", c"libnode.dll", c"v8.dll"].map(CStr::as_ptr);
        std::iter::once(ptr::null())
            .chain(dlls)
            // SAFETY: null for the program, or a name that ends with a NUL.
            .map(|module| Self(unsafe { GetModuleHandleA(module.cast()) }))
            .find(|host| !host.symbol(name).is_null())
            .unwrap_or(Self(ptr::null_mut()))
    }

    /// The address of a function, null when there is none.
    pub(crate) fn symbol(&self, name: &CStr) -> *const c_void {
        if self.0.is_null() {
            return ptr::null();
        }
        // SAFETY: the module is loaded, and the name ends with a NUL.
        unsafe { GetProcAddress(self.0, name.as_ptr().cast()) }.map_or(ptr::null(), |found| found as *const c_void)
    }
}

/// Keeps the library that this is in loaded from now on: threads of ours may be in it, and callbacks of V8's may come
/// late.
pub(crate) fn stay_loaded() {
    let here = stay_loaded as *const u16;
    let mut module = ptr::null_mut();
    // SAFETY: the flags say that it is an address, and this module is loaded.
    unsafe {
        GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, here, &mut module);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_by_what_it_exports() {
        assert!(Host::that_exports(c"no such function").symbol(c"no such function").is_null());
        // SAFETY: the name ends with a NUL.
        let kernel = Host(unsafe { GetModuleHandleA(c"kernel32.dll".as_ptr().cast()) });
        assert!(!kernel.symbol(c"GetProcAddress").is_null());
    }
}
