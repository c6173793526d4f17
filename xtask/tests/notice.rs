//! `NOTICE` lists what is compiled into the C library and the add-on, with the licences. To write it anew:
//! `SENTRY_PROFILER_WRITE=1 cargo test -p xtask --test notice`

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// The crates that are linked into what is published.
const PUBLISHED: [&str; 2] = ["sentry-profiler-c", "sentry-profiler-node"];

/// Where they run: a crate that only other systems need is in neither.
const PLATFORMS: [&str; 9] = [
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-musl",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-gnu",
    "x86_64-pc-windows-msvc",
    "aarch64-pc-windows-msvc",
];

const HEAD: &str = "\
libsentry_profiler is under the licence in the file LICENSE. Its C library and its add-on for Node contain parts of
the works that are named below, each under the licence that follows its name.
";

const STANDARD_LIBRARY: &str = "The standard library of Rust";

/// Licences in the order in which they are chosen, with what their text says and no other does.
const LICENCES: [(&str, &str); 7] = [
    ("MIT", "Permission is hereby granted, free of charge"),
    ("BSD-3-Clause", "Redistribution and use in source and binary forms"),
    ("BSD-2-Clause", "Redistribution and use in source and binary forms"),
    ("ISC", "Permission to use, copy, modify, and"),
    ("Zlib", "The origin of this software must not be misrepresented"),
    ("Unicode-3.0", "UNICODE LICENSE V3"),
    ("Apache-2.0", "Apache License"),
];

const MIT: &str = "\
Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the \"Software\"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    id: String,
    license: Option<String>,
    manifest_path: PathBuf,
    authors: Vec<String>,
    targets: Vec<Target>,
    /// `None` for the crates of this workspace.
    source: Option<String>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    /// `None` for what is linked.
    kind: Option<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn metadata() -> Metadata {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root()).args(["metadata", "--format-version=1", "--locked"]);
    let output = command.args(PLATFORMS.iter().flat_map(|platform| ["--filter-platform", platform])).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What is linked into what is published. Macros run while it is compiled, and are not in it.
fn linked(metadata: &Metadata) -> Vec<&Package> {
    let packages: BTreeMap<_, _> = metadata.packages.iter().map(|package| (&*package.id, package)).collect();
    let nodes: BTreeMap<_, _> = metadata.resolve.nodes.iter().map(|node| (&*node.id, node)).collect();
    let roots = metadata.packages.iter().filter(|package| PUBLISHED.contains(&&*package.name));
    let mut pending: Vec<&str> = roots.map(|package| &*package.id).collect();
    assert_eq!(pending.len(), PUBLISHED.len(), "a published crate is missing");
    let mut seen = BTreeSet::new();
    while let Some(id) = pending.pop() {
        if packages[id].targets.iter().any(|target| target.kind.iter().any(|kind| kind == "proc-macro")) {
            continue;
        }
        if seen.insert(id) {
            let linked = nodes[id].deps.iter().filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind.is_none()));
            pending.extend(linked.map(|dep| &*dep.pkg));
        }
    }
    seen.into_iter().map(|id| packages[id]).filter(|package| package.source.is_some()).collect()
}

/// The licence that we take of those that are offered, and its text as the package has it.
fn licence(package: &Package) -> (&'static str, String) {
    let Package { name, authors, .. } = package;
    let offered = package.license.as_deref().unwrap_or_else(|| panic!("{name} names no licence"));
    assert!(!offered.contains(" AND ") && !offered.contains(" WITH "), "{name}: {offered} takes a closer look");
    let offered: Vec<&str> = offered.split(" OR ").flat_map(|part| part.split('/')).map(str::trim).collect();
    let chosen = LICENCES.iter().find(|(licence, _)| offered.contains(licence));
    let &(licence, words) = chosen.unwrap_or_else(|| panic!("{name} is under {offered:?}, which NOTICE does not know"));
    let mut files: Vec<PathBuf> = fs::read_dir(package.manifest_path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && has_name(path, &["licen", "copying"]))
        .collect();
    files.sort();
    let text = files.iter().map(|file| fs::read_to_string(file).unwrap()).find(|text| text.contains(words));
    // Some packages only name it.
    let text = text.unwrap_or_else(|| {
        assert!(licence == "MIT" && !authors.is_empty(), "{name} has no text of its licence, {licence}");
        format!("Copyright (c) {}\n\n{MIT}", authors.join(", "))
    });
    assert!(
        licence != "Apache-2.0" || !has_notice(package),
        "{name} has a notice, which its licence wants to be passed on"
    );
    (licence, text)
}

fn has_name(path: &Path, beginnings: &[&str]) -> bool {
    let name = path.file_name().unwrap().to_string_lossy().to_lowercase();
    beginnings.iter().any(|beginning| name.starts_with(beginning))
}

fn has_notice(package: &Package) -> bool {
    let folder = package.manifest_path.parent().unwrap();
    fs::read_dir(folder).unwrap().any(|entry| has_name(&entry.unwrap().path(), &["notice"]))
}

fn notice() -> String {
    let metadata = metadata();
    let mut by_text: BTreeMap<String, (BTreeSet<String>, &str, String)> = BTreeMap::new();
    let mut add = |name: &str, licence, text: String| {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        by_text.entry(words).or_insert((BTreeSet::new(), licence, text)).0.insert(name.to_owned());
    };
    let linked = linked(&metadata);
    assert!(linked.len() >= 20, "only {} packages were found", linked.len());
    for package in linked {
        let (licence, text) = licence(package);
        add(&package.name, licence, text);
    }
    add(STANDARD_LIBRARY, "MIT", format!("Copyright (c) The Rust Project Contributors\n\n{MIT}"));
    let mut parts: Vec<_> = by_text.into_values().collect();
    parts.sort();
    let mut notice = HEAD.to_owned();
    for (names, licence, text) in parts {
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        notice += &format!("\n{}\n{names} ({licence})\n\n", "-".repeat(80));
        for line in text.trim_matches('\n').lines() {
            notice += &format!("{}\n", line.trim_end());
        }
    }
    notice
}

#[test]
fn the_notice_is_complete() {
    let file = root().join("NOTICE");
    let notice = notice();
    if std::env::var_os("SENTRY_PROFILER_WRITE").is_some() {
        fs::write(&file, &notice).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == notice, "{} is out of date: see the top of this test", file.display());
}
