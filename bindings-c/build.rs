//! Link options of the shared library.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        // The number is SENTRY_PROFILER_ABI_VERSION, not the package's version.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libsentry_profiler.so.1");
        // The library's threads may still run when a host unloads it.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
