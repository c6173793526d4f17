//! Compiling the tests and linking them with the library.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use super::layout::private_libs;
use super::libnode::Libnode;
use crate::platforms::targets::System;
use crate::{process, workspace};

/// A folder to build a test in.
pub fn scratch(name: &str) -> Result<PathBuf> {
    let folder = workspace::target()?.join("c").join(name);
    workspace::remove(&folder)?;
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

pub fn sources() -> PathBuf {
    workspace::root().join("tests/c")
}

pub fn include() -> PathBuf {
    workspace::root().join("include")
}

pub fn compiler(program: &str, standard: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(format!("-std={standard}")).arg("-I").arg(include());
    command
}

/// Compiles each source to an object.
pub fn objects(folder: &Path, sources: &[PathBuf], flags: &[&str]) -> Result<Vec<PathBuf>> {
    let mut objects = Vec::new();
    for (at, source) in sources.iter().enumerate() {
        let object = folder.join(format!("{at}.o"));
        let c = source.extension().is_some_and(|extension| extension == "c");
        let mut command = if c { compiler("gcc", "c11") } else { compiler("g++", "c++17") };
        process::output(command.arg("-c").args(flags).arg(source).arg("-o").arg(&object))?;
        objects.push(object);
    }
    Ok(objects)
}

pub fn shared_with(lib: &Path, libnode: &Libnode) -> Vec<String> {
    let mut libraries = vec![format!("-L{}", lib.display()), format!("-Wl,-rpath,{}", lib.display())];
    libraries.push("-lsentry_profiler".to_owned());
    libraries.extend(libnode.libraries.iter().map(|library| library.display().to_string()));
    libraries.push("-lpthread".to_owned());
    libraries
}

pub fn static_with(lib: &Path, v8: &[PathBuf]) -> Vec<String> {
    let mut libraries = vec![lib.join("libsentry_profiler.a").display().to_string()];
    libraries.extend(v8.iter().map(|library| library.display().to_string()));
    libraries.extend(system_libs());
    libraries
}

/// What static libraries need of this system.
pub fn system_libs() -> impl Iterator<Item = String> {
    private_libs(System::HOST).iter().copied().map(str::to_owned)
}

/// Fails unless the command fails and its output contains `saying`.
pub fn must_fail(command: &mut Command, saying: &str) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    ensure!(!output.status.success(), "{} did not fail", process::show(command));
    ensure!(said.contains(saying), "{} failed, but without saying {saying:?}:\n{said}", process::show(command));
    Ok(())
}
