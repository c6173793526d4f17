//! Link options of the add-on.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let system = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    // For GNU's tools on Windows it wants a libnode.dll; there Node-API is looked up in the program.
    if system != "windows" {
        napi_build::setup();
    }
    match system.as_str() {
        // Node unloads an add-on with the last environment that uses it, while the threads of the process may still be
        // in it.
        "linux" => println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete"),
        // Its path on the machine that built it would be its name otherwise.
        "macos" => println!("cargo::rustc-cdylib-link-arg=-Wl,-install_name,@rpath/sentry_profiler.node"),
        _ => {}
    }
}
