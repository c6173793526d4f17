//! Hosts that fork, block, end in destructors or have large thread-local variables.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::compile::{compiler, scratch, shared_with, sources};
use super::install::test_library;
use super::libnode::{Libnode, libnode};
use super::named::named;
use crate::process;

/// The cases of tests/c/hostile.cc that need no build of their own.
const HOSTILE: &[&str] = &[
    "thread-local",
    "main-thread-local",
    "static",
    "stack",
    "blocked-free",
    "blocked-spans",
    "wake",
    "fork",
    "fork-early",
];

pub fn hostile(name: Option<&str>) -> Result<String> {
    let (lib, libnode) = (test_library()?, libnode()?);
    let program = hostile_program("hostile", &[], &lib, &libnode)?;
    let large = hostile_program("hostile-large", &["-DTLS_KB=100"], &lib, &libnode)?;
    let mut cases: Vec<_> = HOSTILE.iter().map(|case| (&program, *case)).collect();
    cases.push((&large, "large-thread-local"));
    let cases = named(cases, name, |(_, case)| case)?;
    let mut failed = vec![];
    for (program, case) in &cases {
        if let Err(error) = process::output(Command::new(program).arg(case)) {
            println!("{error:#}");
            failed.push(*case);
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(format!("{} cases", cases.len()))
}

pub fn hostile_program(name: &str, flags: &[&str], lib: &Path, libnode: &Libnode) -> Result<PathBuf> {
    let program = scratch(name)?.join("hostile");
    let mut command = compiler("g++", "c++17");
    command.args(["-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fno-rtti"]).args(flags);
    command.arg("-isystem").arg(&libnode.include).arg(sources().join("hostile.cc")).arg("-o").arg(&program);
    command.args(shared_with(lib, libnode));
    command.arg(format!("-Wl,--disable-new-dtags,-rpath,{}", libnode.folder.display()));
    process::output(&mut command)?;
    Ok(program)
}
