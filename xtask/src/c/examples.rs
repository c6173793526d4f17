//! The examples, and the C++ snippet of the README.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::compile::{scratch, shared_with, sources};
use super::host::{Host, validate};
use super::install::{build, install};
use super::layout::Folders;
use super::libnode::{Libnode, libnode};
use crate::{linkage, process, workspace};

pub fn examples() -> Result<String> {
    let (dist, libnode) = (build()?, libnode()?);
    let lib = dist.join("lib");

    // examples/minimal.c, in the embedder of the tests.
    let source = [sources().join("minimal.c"), workspace::root().join("examples/minimal.c")];
    let flags = ["-I", &dist.join("include").display().to_string()].map(str::to_owned);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let libraries = shared_with(&lib, &libnode);
    let host = Host { name: "minimal", body: &source, flags: &flags, libraries }.build(&libnode)?;
    let folder = host.with_file_name("out");
    fs::create_dir_all(&folder)?;
    process::output(Command::new(&host).arg(&folder))?;
    has_function(&folder.join("minimal.cpuprofile"), "hot")?;

    readme_compiles(&dist, &libnode)?;

    // examples/embedder, built in three ways.
    let source = workspace::root().join("examples/embedder");
    let v8 = libnode.libraries.iter().map(|library| library.display().to_string()).collect::<Vec<_>>();
    let rpath = |lib: &Path| format!("-Wl,--disable-new-dtags,-rpath,{}:{}", libnode.folder.display(), lib.display());
    for (name, options) in [("cmake-shared", &[][..]), ("cmake-static", &["-DSENTRY_PROFILER_STATIC=ON"])] {
        let folder = scratch(name)?;
        let mut cmake = Command::new("cmake");
        cmake.arg("-S").arg(&source).arg("-B").arg(&folder).args(options);
        cmake.arg(format!("-DCMAKE_PREFIX_PATH={}", dist.display()));
        cmake.arg(format!("-DV8_INCLUDE_DIR={}", libnode.include.display()));
        cmake.arg(format!("-DV8_LIBRARIES={}", v8.join(";"))).arg(format!("-DCMAKE_EXE_LINKER_FLAGS={}", rpath(&lib)));
        process::output(&mut cmake)?;
        process::output(Command::new("cmake").arg("--build").arg(&folder))?;
        let program = folder.join("embedder");
        let shared = linkage::of(&program)?.needed.iter().any(|needed| needed.contains("sentry_profiler"));
        ensure!(shared == (name == "cmake-shared"), "{name}: linked the other way");
        embed(&program).with_context(|| name.to_owned())?;
    }
    // As for a package: written elsewhere than where it will be, and libraries in a folder that the system chose.
    let folder = scratch("pkg-config")?;
    let folders = Folders::new(Path::new("/usr"), Path::new("lib/some-linux-gnu"), Some(&folder.join("package")))?;
    install(&folders)?;
    let lib = folders.lib();
    let mut make = Command::new("make");
    make.current_dir(&folder).arg("-f").arg(source.join("Makefile")).arg(format!("VPATH={}", source.display()));
    make.arg(format!("V8_INCLUDE_DIR={}", libnode.include.display())).arg(format!("V8_LIBRARIES={}", v8.join(" ")));
    make.arg(format!("LDFLAGS={}", rpath(&lib))).env("PKG_CONFIG_PATH", lib.join("pkgconfig"));
    process::output(&mut make)?;
    embed(&folder.join("embedder")).context("pkg-config")?;
    Ok("minimal; the README; embedder with CMake (shared, static) and pkg-config".to_owned())
}

/// Compiles the C++ snippet of the README, in a function and with the functions that it leaves to its reader.
fn readme_compiles(dist: &Path, libnode: &Libnode) -> Result<()> {
    const READERS: &str = "#include <string_view>\nvoid log(std::string_view);\nvoid run_javascript(v8::Isolate *);\n\
                           void save(const char *, std::string_view);\n";
    let readme = fs::read_to_string(workspace::root().join("README.md"))?;
    let code =
        readme.split_once("```cpp\n").and_then(|(_, rest)| rest.split_once("```")).context("no C++ in the README")?.0;
    let (includes, body) = code.split_once("\n\n").context("the README's C++ begins with its includes")?;
    let source = scratch("readme")?.join("readme.cc");
    fs::write(&source, format!("{includes}\n{READERS}void start(v8::Isolate *isolate) {{\n{body}}}\n"))?;
    let mut compile = Command::new("g++");
    compile.args(["-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]).arg(&source);
    compile.arg("-I").arg(dist.join("include")).arg("-isystem").arg(&libnode.include);
    process::output(&mut compile).map(drop).context("the README's C++")
}

/// Runs the embedder against a local ingest.
fn embed(program: &Path) -> Result<()> {
    let out = program.with_file_name("out");
    fs::create_dir_all(&out)?;
    let ingest = sentry_profiler_ingest::Ingest::start()?;
    let mut command = Command::new(program);
    command
        .arg(workspace::root().join("examples/embedder/app.js"))
        .arg("--out")
        .arg(&out)
        .args(["--dsn", &ingest.dsn()]);
    let said = process::output(&mut command)?;
    ensure!(said.contains("fibonacci") && said.contains("posted "), "the embedder says something else:\n{said}");
    has_function(&out.join("profile.cpuprofile"), "fibonacci")?;
    validate(&out)?;
    let received = ingest.received();
    ensure!(received.errors.is_empty(), "the ingest refused a request: {:?}", received.errors);
    ensure!(received.chunks().count() == 1, "the ingest got {} chunks", received.chunks().count());
    let broken: Vec<_> = received.chunks().flat_map(|chunk| chunk.violations.iter().flatten()).collect();
    ensure!(broken.is_empty(), "the ingest got an invalid chunk: {broken:?}");
    Ok(())
}

/// Fails unless the function was sampled in this `.cpuprofile`.
fn has_function(file: &Path, name: &str) -> Result<()> {
    let text = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    let profile: Value = serde_json::from_slice(&text)?;
    let nodes = profile["nodes"].as_array().context("no nodes")?;
    let seen = nodes.iter().any(|node| node["callFrame"]["functionName"] == name);
    ensure!(seen, "{} has no function {name}", file.display());
    Ok(())
}
