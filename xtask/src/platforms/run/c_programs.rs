//! The programs in C of tests/platforms, compiled for a platform and linked with its C library.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::platforms::Built;
use crate::platforms::targets::{System, Target};
use crate::platforms::toolchain::{self, c_compiler};
use crate::{c, node_releases, process, workspace};

/// The add-on, in the folder of the programs.
pub const ADDON: &str = "c.node";

/// What the add-on takes of Node: Windows' linker wants to know whose that is.
const NODE_API: [&str; 7] = [
    "napi_call_function",
    "napi_create_function",
    "napi_create_string_utf8",
    "napi_get_cb_info",
    "napi_get_undefined",
    "napi_set_named_property",
    "napi_throw_error",
];

/// Whether there is a compiler for every platform: those that build the library are for this one.
pub const CAN_BE_COMPILED: bool = cfg!(all(target_os = "linux", target_arch = "x86_64"));

/// The program without V8, in the folder of the programs.
pub fn smoke(target: &Target) -> &'static str {
    if target.system == System::Windows { "smoke.exe" } else { "smoke" }
}

/// Compiles both; returns their folder, in which the library is, too.
pub fn compile(target: &Target, built: &Built) -> Result<PathBuf> {
    let folder = workspace::target()?.join("platforms/c").join(target.name);
    workspace::remove(&folder)?;
    fs::create_dir_all(&folder)?;
    let library = match &built.import_library {
        Some(library) => {
            // The import library knows the DLL by its name.
            fs::copy(&built.shared, folder.join(built.shared.file_name().context("a file has a name")?))?;
            library.clone()
        }
        None => {
            let library = folder.join(format!("libsentry_profiler.so.{}", c::ABI));
            fs::copy(&built.shared, &library)?;
            library
        }
    };
    let sources = workspace::root().join("tests/platforms");
    let mut smoke = compiler(target)?;
    smoke.arg(sources.join("smoke.c")).arg(library.as_os_str()).args(found_next_to_it(target));
    process::output(smoke.arg("-o").arg(folder.join(self::smoke(target))))?;

    let mut addon = compiler(target)?;
    addon.arg("-shared").args((target.system != System::Windows).then_some("-fPIC"));
    addon.arg("-isystem").arg(node_releases::fetch(node_releases::USUAL)?.include());
    addon.arg(sources.join("addon.c")).arg(library.as_os_str()).args(found_next_to_it(target));
    if target.system == System::Windows {
        addon.arg(import_library_of_node(&folder)?);
    }
    process::output(addon.arg("-o").arg(folder.join(ADDON)))?;
    Ok(folder)
}

fn compiler(target: &Target) -> Result<Command> {
    let mut command = c_compiler(target)?;
    command.args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-I"]).arg(workspace::root().join("include"));
    Ok(command)
}

/// Windows looks there by itself.
fn found_next_to_it(target: &Target) -> Option<&'static str> {
    (target.system != System::Windows).then_some("-Wl,-rpath,$ORIGIN")
}

/// What stands for node.exe where something is linked that uses it.
fn import_library_of_node(folder: &Path) -> Result<PathBuf> {
    let (definition, library) = (folder.join("node.def"), folder.join("libnode.a"));
    fs::write(&definition, format!("LIBRARY node.exe\nEXPORTS\n{}\n", NODE_API.join("\n")))?;
    process::output(toolchain::dlltool()?.arg("--input-def").arg(&definition).arg("--output-lib").arg(&library))?;
    Ok(library)
}
