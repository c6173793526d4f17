//! Builds the embedder of the tests and runs the C tests in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::compile::{compiler, objects, scratch, sources};
use super::libnode::Libnode;
use crate::{ingest, process, workspace};

/// What the embedder of the tests is built from.
pub struct Host<'a> {
    pub name: &'a str,
    /// The sources of the tests, and what they need.
    pub body: &'a [PathBuf],
    pub flags: &'a [&'a str],
    /// The linker's arguments after the objects: our library and V8.
    pub libraries: Vec<String>,
}

impl Host<'_> {
    pub fn build(&self, libnode: &Libnode) -> Result<PathBuf> {
        let folder = scratch(self.name)?;
        let flags = [&["-g", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror"], self.flags].concat();
        let mut objects = objects(&folder, self.body, &flags)?;
        let object = folder.join("host.o");
        let mut command = compiler("g++", "c++17");
        command.args(["-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fno-rtti", "-c"]).args(self.flags);
        command.arg("-isystem").arg(&libnode.include).arg(sources().join("host.cc")).arg("-o").arg(&object);
        process::output(&mut command)?;
        objects.push(object);

        let program = folder.join("host");
        let mut command = Command::new("g++");
        // DT_RPATH, unlike DT_RUNPATH, is also searched for the dependencies of the library. Exported symbols let V8
        // find the `pthread_create` of nothread.c.
        command.args(self.flags).args(&objects).arg("-o").arg(&program).args(&self.libraries);
        command.args(["-ldl", "-Wl,--export-dynamic-symbol=pthread_create"]);
        command.arg(format!("-Wl,--disable-new-dtags,-rpath,{}", libnode.folder.display()));
        process::output(&mut command)?;
        Ok(program)
    }
}

/// What a host links to run the tests: their files, and a `pthread_create` that can be made to fail.
pub fn body() -> Result<Vec<PathBuf>> {
    let mut files = body_files()?;
    files.push(sources().join("nothread.c"));
    Ok(files)
}

/// The files of tests/c/body.
pub fn body_files() -> Result<Vec<PathBuf>> {
    let folder = fs::read_dir(sources().join("body"))?;
    let mut files = folder.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "c"));
    files.sort();
    ensure!(!files.is_empty(), "tests/c/body has no C files");
    Ok(files)
}

/// Runs all tests of a program, or those whose names contain `name`, and validates the chunks that they wrote. Returns
/// the line that counts the checks.
pub fn run_body(command: &mut Command, output: &Path, name: Option<&str>) -> Result<String> {
    workspace::remove(output)?;
    fs::create_dir_all(output)?;
    let said = process::output(command.arg(output).args(name).env("RUST_BACKTRACE", "0"))?;
    let counts: Vec<&str> = said.lines().filter(|line| line.contains(" checks, ")).collect();
    ensure!(!counts.is_empty(), "no check was counted:\n{said}");
    // Not every test writes a chunk.
    if name.is_none() || fs::read_dir(output)?.next().is_some() {
        validate(output)?;
    }
    Ok(counts.join("; "))
}

/// Fails unless Sentry would accept every chunk and envelope in the folder.
pub fn validate(folder: &Path) -> Result<usize> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json" || extension == "envelope"));
    ensure!(!files.is_empty(), "there is no chunk in {}", folder.display());
    process::output(Command::new(ingest::program()?).arg("validate").args(&files))?;
    Ok(files.len())
}
