//! The C tests, tests/c/body, in every host.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::checkers::{SANITIZERS, check_sanitizers, check_valgrind, set_sanitizers, under_valgrind};
use super::compile::{compiler, objects, scratch, shared_with, sources, static_with};
use super::hidden_v8::hidden_v8;
use super::host::{Host, body, body_files, run_body};
use super::hostile::hostile_program;
use super::install::test_library;
use super::libnode::{Libnode, libnode};
use crate::{linkage, node_releases, process};

pub fn shared(name: Option<&str>) -> Result<String> {
    let (lib, libnode) = (test_library()?, libnode()?);
    let libraries = shared_with(&lib, &libnode);
    let host = Host { name: "shared", body: &body()?, flags: &[], libraries: libraries.clone() }.build(&libnode)?;
    let c = run_body(&mut Command::new(&host), &host.with_file_name("chunks"), name)?;
    if name.is_some() {
        return Ok(c);
    }
    let cpp = Host { name: "raii", body: &[sources().join("raii.cc")], flags: &[], libraries }.build(&libnode)?;
    let cpp = process::output(&mut Command::new(&cpp))?;
    Ok(format!("C: {c}; C++: {}", cpp.trim()))
}

pub fn sanitizers(name: Option<&str>) -> Result<String> {
    let (lib, libnode) = (test_library()?, libnode()?);
    let libraries = shared_with(&lib, &libnode);
    let host = Host { name: "sanitizers", body: &body()?, flags: SANITIZERS, libraries }.build(&libnode)?;
    check_sanitizers(&host)?;
    // A sampler that outlives its isolate is a use after free, which only the sanitizers see.
    let hostile = hostile_program("sanitizers-hostile", SANITIZERS, &lib, &libnode)?;
    for case in ["thread-local", "static"].into_iter().filter(|_| name.is_none()) {
        let mut command = Command::new(&hostile);
        set_sanitizers(&mut command);
        process::output(command.arg(case))?;
    }
    let mut command = Command::new(&host);
    set_sanitizers(&mut command);
    run_body(&mut command, &host.with_file_name("chunks"), name)
}

pub fn valgrind(name: Option<&str>) -> Result<String> {
    check_valgrind()?;
    let (lib, libnode) = (test_library()?, libnode()?);
    let libraries = shared_with(&lib, &libnode);
    let host = Host { name: "valgrind", body: &body()?, flags: &[], libraries }.build(&libnode)?;
    run_body(&mut under_valgrind(&host), &host.with_file_name("chunks"), name)
}

pub fn linked_statically(name: Option<&str>) -> Result<String> {
    let (lib, libnode) = (test_library()?, libnode()?);
    let libraries = static_with(&lib, &libnode.libraries);
    let host = Host { name: "static", body: &body()?, flags: &[], libraries }.build(&libnode)?;
    let linked = linkage::of(&host)?;
    ensure!(!linked.needed.iter().any(|needed| needed.contains("sentry")), "the library is not linked statically");
    let beside = run_body(&mut Command::new(&host), &host.with_file_name("chunks"), name)?;

    // As in an embedder that links V8 statically, V8's functions are hidden and in an archive.
    let hidden = hidden_v8(&libnode, &host.with_file_name("host.o"))?;
    let libraries = static_with(&lib, std::slice::from_ref(&hidden));
    let host = Host { name: "static-hidden", body: &body()?, flags: &[], libraries }.build(&libnode)?;
    let linked = linkage::of(&host)?;
    ensure!(!linked.needed.iter().any(|needed| needed.contains("libnode")), "V8 is linked dynamically");
    ensure!(linkage::v8_names(&linked.exported).count() == 0, "the program exports V8");
    let inside = run_body(&mut Command::new(&host), &host.with_file_name("chunks"), name)?;

    // The shared library cannot reach the same V8, so above it was the linker that found it.
    let source = [sources().join("hidden.c")];
    let mut libraries = shared_with(&lib, &Libnode { libraries: vec![hidden], ..libnode });
    libraries.push("-ldl".to_owned());
    let libnode = self::libnode()?;
    let host = Host { name: "shared-hidden", body: &source, flags: &["-DHIDDEN_V8"], libraries }.build(&libnode)?;
    process::output(Command::new(&host).arg("unused"))?;
    Ok(format!("{beside}; hidden: {inside}"))
}

pub fn on_node(name: Option<&str>) -> Result<String> {
    let lib = test_library()?;
    let mut remarks = Vec::new();
    for release in node_releases::RELEASES.iter().filter(|release| release.unavailable().is_none()) {
        let node = node_releases::fetch(release.version)?;
        let folder = scratch(&format!("node-{}", node.version))?;
        let (file, nothread) = (folder.join("body.node"), folder.join("nothread.so"));
        let mut command = compiler("gcc", "c11");
        command.args(["-O1", "-fPIC", "-shared"]).arg(sources().join("nothread.c")).arg("-o").arg(&nothread);
        process::output(&mut command)?;
        // Hidden, because Node may have functions of the same short names.
        let objects = objects(&folder, &body_files()?, &["-O1", "-fPIC", "-fvisibility=hidden"])?;
        let mut command = compiler("g++", "c++20");
        command.args(["-O1", "-fno-rtti", "-fPIC", "-shared", "-isystem"]).arg(node.include());
        command.arg(sources().join("addon.cc")).args(&objects).arg("-o").arg(&file);
        command.arg(format!("-L{}", lib.display())).arg(format!("-Wl,-rpath,{}", lib.display()));
        process::output(command.args(["-lsentry_profiler", "-lpthread"]))?;

        let mut command = node.command();
        if matches!(release.major(), "22" | "23") {
            // Without this flag the V8 of these releases can hang (see bindings-c/README.md).
            command.arg("--no-compact-code-space");
        }
        let script = "process.exitCode = require(process.argv[1]).run(process.argv[2], process.argv[3]) ? 1 : 0";
        command.args(["-e", script]).arg(&file).env_remove("NODE_OPTIONS").env("LD_PRELOAD", &nothread);
        let said =
            run_body(&mut command, &folder.join("chunks"), name).with_context(|| format!("Node {}", node.version))?;
        println!("Node {}: {said}", node.version);
        remarks.push(node.version);
    }
    Ok(format!("Node {}", remarks.join(", ")))
}
