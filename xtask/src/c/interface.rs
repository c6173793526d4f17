//! The header, and what the shared library exports.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::compile::{compiler, include, must_fail, scratch, sources};
use super::install::build;
use super::layout::ABI;
use crate::{linkage, node_releases, process, workspace};

pub fn header() -> Result<String> {
    let folder = scratch("header")?;
    let mut compiled = 0;
    for (program, suffix, standards) in [
        // Compilers from before C23 was published call it `c2x`.
        ("gcc", "c", &["c99", "c11", "c17", "c2x"][..]),
        ("g++", "cc", &["c++17", "c++20"]),
    ] {
        for header in ["sentry_profiler.h", "sentry_profiler.hpp"] {
            if suffix == "c" && header.ends_with("hpp") {
                continue;
            }
            let source = folder.join(format!("{header}.{suffix}"));
            fs::write(&source, format!("#include \"{header}\"\nextern int nothing;\n"))?;
            for standard in standards {
                let mut command = compiler(program, standard);
                command.args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]).arg(&source);
                process::output(&mut command)?;
                compiled += 1;
            }
        }
    }
    let context = |right: bool| {
        let mut command = compiler("g++", "c++17");
        command
            .arg("-isystem")
            .arg(node_releases::fetch(node_releases::oldest().version)?.include())
            .arg("-fsyntax-only");
        command.args(right.then_some("-DRIGHT")).arg(sources().join("context.cc"));
        Ok::<_, anyhow::Error>(command)
    };
    process::output(&mut context(true)?)?;
    must_fail(&mut context(false)?, "v8::Context")?;
    Ok(format!("{compiled} times"))
}

pub fn symbols() -> Result<String> {
    let dist = build()?;
    let library = dist.join("lib/libsentry_profiler.so");
    let linkage = linkage::of(&library)?;
    let committed = workspace::root().join("bindings-c/abi");
    let write = std::env::var_os("SENTRY_PROFILER_WRITE").is_some();

    let exported = linkage.exported.iter().cloned().collect::<Vec<_>>().join("\n") + "\n";
    let list = committed.join("symbols.txt");
    if write {
        fs::create_dir_all(&committed)?;
        fs::write(&list, &exported)?;
    }
    let known = fs::read_to_string(&list).with_context(|| format!("reading {}", list.display()))?;
    ensure!(exported == known, "the exported symbols differ from {}:\n{exported}", workspace::show(&list));
    let ours = |name: &String| name.starts_with("sentry_profiler_") || name.starts_with("sentry_profile_");
    ensure!(linkage.exported.iter().all(ours), "something else is exported");
    linkage::check_v8(&linkage)?;

    // Rust's debug information describes Rust's types, so the interface comes from the compiled header.
    let folder = scratch("abi")?;
    let interface = interface(&folder, &linkage.exported)?;
    let baseline = committed.join("sentry_profiler.abi");
    if write {
        let mut abidw = Command::new("abidw");
        abidw.args(["--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--out-file"]);
        process::output(abidw.arg(&baseline).arg(&interface))?;
    }
    process::output(Command::new("abidiff").arg("--no-show-locs").arg(&baseline).arg(&interface)).with_context(|| {
        format!(
            "the interface differs from {}; published parts must stay. If it only grew, run SENTRY_PROFILER_WRITE=1 cargo \
             xtask test --only c-symbols",
            workspace::show(&baseline)
        )
    })?;
    Ok(format!("{} functions", linkage.exported.len()))
}

/// Compiles a library with empty definitions of the header's functions.
fn interface(folder: &Path, exported: &BTreeSet<String>) -> Result<PathBuf> {
    let header = fs::read_to_string(include().join("sentry_profiler.h"))?;
    let mut source = "#include \"sentry_profiler.h\"\n".to_owned();
    let mut defined = BTreeSet::new();
    // A declaration is what follows a comment and ends with `);`.
    for part in header.split("*/").skip(1) {
        let Some((declaration, _)) = part.split_once(");") else { continue };
        let declaration = declaration.trim();
        let Some(name) = declaration.split('(').next().and_then(|head| head.rsplit([' ', '*']).next()) else {
            continue;
        };
        if declaration.contains(['{', '#', ';']) || declaration.starts_with("typedef") {
            continue;
        }
        defined.insert(name.to_owned());
        source += &format!("{declaration}) {{ __builtin_trap(); }}\n");
    }
    ensure!(&defined == exported, "the header declares other functions than the library exports: {defined:?}");
    let (file, library) = (folder.join("interface.c"), folder.join("interface.so"));
    fs::write(&file, source)?;
    let mut command = compiler("gcc", "c11");
    command.args(["-g", "-w", "-shared", "-fPIC"]).arg(format!("-Wl,-soname,libsentry_profiler.so.{ABI}"));
    // In its own folder, so that no path of this machine gets into the debug information.
    process::output(command.current_dir(folder).args(["interface.c", "-o", "interface.so"]))?;
    Ok(library)
}
