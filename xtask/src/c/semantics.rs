//! The same scenarios have the same results in every language.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::compile::{compiler, scratch, shared_with, system_libs};
use super::install::test_library;
use super::layout::copy;
use super::libnode::{Libnode, libnode};
use super::named::named;
use crate::{node_releases, process, workspace};

/// One language in which the scenarios are run.
struct Language {
    name: &'static str,
    /// The crates that it needs besides the C library of the tests.
    crates: &'static [&'static str],
    /// The program; the caller adds the runner and the scenarios as arguments.
    program: fn(&Place) -> Result<Command>,
}

const LANGUAGES: &[Language] = &[
    Language { name: "C", crates: &[], program: c },
    Language { name: "Rust", crates: &["sentry-profiler-semantics"], program: rust },
    Language { name: "Node", crates: &["sentry-profiler-node"], program: node },
];

/// Where the parts of the programs are.
struct Place {
    /// tests/semantics.
    sources: PathBuf,
    /// The folder of the C library.
    lib: PathBuf,
    libnode: Libnode,
    /// Where cargo put what it built.
    built: PathBuf,
    /// Where the programs go.
    folder: PathBuf,
}

pub fn semantics(name: Option<&str>) -> Result<String> {
    let place = Place {
        sources: workspace::root().join("tests/semantics"),
        lib: test_library()?,
        libnode: libnode()?,
        built: workspace::target()?.join("debug"),
        folder: scratch("semantics")?,
    };
    let crates = LANGUAGES.iter().flat_map(|language| language.crates).flat_map(|name| ["--package", name]);
    process::run(workspace::cargo().arg("build").args(crates))?;

    let table: Vec<Value> = serde_json::from_str(&fs::read_to_string(place.sources.join("scenarios.json"))?)?;
    let table = named(table, name, |scenario| scenario["name"].as_str().unwrap_or_default())?;
    let chosen = place.folder.join("scenarios.json");
    fs::write(&chosen, serde_json::to_vec(&table)?)?;
    for Language { name, program, .. } in LANGUAGES {
        let mut command = program(&place)?;
        command.arg(place.sources.join("runner.js")).arg(&chosen);
        let mut wrong = differences(&table, &mut command)?;
        if !wrong.is_empty() {
            // Under load V8 may not sample, and short moments become long, so one retry is allowed.
            println!("retrying {name}: {}", wrong.join("; "));
            wrong = differences(&table, &mut command)?;
        }
        ensure!(wrong.is_empty(), "{name} differs from the table:\n{}", wrong.join("\n"));
    }
    let languages: Vec<_> = LANGUAGES.iter().map(|language| language.name).collect();
    Ok(format!("{} scenarios with the same results in {}", table.len(), languages.join(", ")))
}

fn c(place: &Place) -> Result<Command> {
    embedder(place, "c", &[place.sources.join("surface.cc")], shared_with(&place.lib, &place.libnode))
}

fn rust(place: &Place) -> Result<Command> {
    let archive = place.built.join("libsentry_profiler_semantics.a");
    let files = std::iter::once(&archive).chain(&place.libnode.libraries);
    let libraries = files.map(|file| file.display().to_string());
    embedder(place, "rust", &[], libraries.chain(system_libs()).collect())
}

fn node(place: &Place) -> Result<Command> {
    let addon = place.folder.join("sentry_profiler.node");
    copy(&place.built.join("libsentry_profiler_node.so"), &addon)?;
    // The release that has the embedders' V8.
    let mut command = node_releases::fetch(node_releases::oldest().version)?.command();
    command.env_remove("NODE_OPTIONS").arg(place.sources.join("node.mjs")).arg(addon);
    Ok(command)
}

/// An embedder of libnode that runs the scenarios through the given surface.
fn embedder(place: &Place, name: &str, surface: &[PathBuf], libraries: Vec<String>) -> Result<Command> {
    let program = place.folder.join(name);
    let mut command = compiler("g++", "c++17");
    command.args(["-O1", "-Wall", "-Wextra", "-Werror", "-fno-rtti", "-isystem"]).arg(&place.libnode.include);
    command.arg(place.sources.join("host.cc")).args(surface).arg("-o").arg(&program).args(libraries);
    command.arg(format!("-Wl,--disable-new-dtags,-rpath,{}", place.libnode.folder.display()));
    process::output(&mut command)?;
    Ok(Command::new(program))
}

/// Where a program's results are not those of the table.
fn differences(table: &[Value], program: &mut Command) -> Result<Vec<String>> {
    let said = process::output(program)?;
    let results: Vec<Value> = serde_json::from_str(&said).with_context(|| format!("no results:\n{said}"))?;
    ensure!(!table.is_empty() && results.len() == table.len(), "{} of {} scenarios", results.len(), table.len());
    let mut wrong = Vec::new();
    for (scenario, results) in std::iter::zip(table, &results) {
        let steps = scenario["steps"].as_array().context("a scenario has steps")?;
        ensure!(results["name"] == scenario["name"], "{} instead of {}", results["name"], scenario["name"]);
        for (at, step) in steps.iter().enumerate() {
            // A step of work has no result, so its last word is not a string.
            let expected = step.as_array().and_then(|words| words.last()).filter(|word| word.is_string());
            let result = &results["results"][at];
            if expected.is_some_and(|expected| result != expected) {
                wrong.push(format!("{}: {step}: {result}", scenario["name"]));
            }
        }
    }
    Ok(wrong)
}
