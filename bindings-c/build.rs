//! Link options of the shared library.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The number is SENTRY_PROFILER_ABI_VERSION, not the package's version.
    let options: &[&str] = match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        // The threads of the process may still be in the library when a host unloads it.
        Ok("linux") => &["-Wl,-soname,libsentry_profiler.so.1", "-Wl,-z,nodelete"],
        // V8's functions are the host's, if it has them.
        Ok("macos") => &["-Wl,-install_name,@rpath/libsentry_profiler.1.dylib", "-Wl,-undefined,dynamic_lookup"],
        _ => &[],
    };
    for option in options {
        println!("cargo::rustc-cdylib-link-arg={option}");
    }
}
