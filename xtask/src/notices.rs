//! The licences of the crates that become a part of what is published, which ask to be passed on with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{process, workspace};

/// Our licence, and those of all that is in a crate's library for any of these targets.
pub fn of(package: &str, triples: &[&str]) -> Result<String> {
    let mut crates = BTreeMap::new();
    for triple in triples {
        let arguments = ["metadata", "--format-version=1", "--locked", "--filter-platform", triple];
        let metadata: Value = serde_json::from_str(&process::output(workspace::cargo().args(arguments))?)?;
        crates.extend(linked(&metadata, package)?);
    }
    let ours = fs::read_to_string(workspace::root().join("LICENSE"))?;
    let mut by_text: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, package) in crates {
        let text = texts(&package, &ours).with_context(|| format!("the licence of {name}"))?;
        by_text.entry(text).or_default().push(name);
    }
    let mut sections: Vec<_> =
        by_text.into_iter().map(|(text, names)| format!("{}\n\n{text}", names.join("\n"))).collect();
    sections.sort();
    let rule = format!("\n{}\n\n", "-".repeat(72));
    Ok(format!("{ours}{rule}The binaries have parts of these packages.\n{rule}{}", sections.join(&rule)))
}

/// The packages of others that are linked into a package's library, by name and version.
fn linked(metadata: &Value, package: &str) -> Result<BTreeMap<String, Value>> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let packages: BTreeMap<String, Value> =
        list(&metadata["packages"]).into_iter().map(|package| (text(&package["id"]), package)).collect();
    let nodes: BTreeMap<String, Value> =
        list(&metadata["resolve"]["nodes"]).into_iter().map(|node| (text(&node["id"]), node)).collect();
    let first = packages.iter().find(|(_, it)| it["name"] == package).context("cargo knows no such package")?.0;
    let (mut open, mut seen, mut found) = (vec![first.clone()], BTreeSet::new(), BTreeMap::new());
    while let Some(id) = open.pop() {
        let package = &packages[&id];
        let runs_while_building = list(&package["targets"]).iter().any(|target| target["kind"][0] == "proc-macro");
        if runs_while_building || !seen.insert(id.clone()) {
            continue;
        }
        if !package["source"].is_null() {
            let name = format!("{} {}", text(&package["name"]), text(&package["version"]));
            found.insert(name, package.clone());
        }
        for dependency in list(&nodes[&id]["deps"]) {
            // Neither tests nor build scripts are linked.
            if list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()) {
                open.push(text(&dependency["pkg"]));
            }
        }
    }
    ensure!(!found.is_empty(), "{package} is made of nothing");
    Ok(found)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The licences in a package's folder. MIT alone, where it is one to choose: it is the shortest.
fn texts(package: &Value, ours: &str) -> Result<String> {
    let manifest = text(&package["manifest_path"]);
    let folder = Path::new(&manifest).parent().context("a manifest lies in a folder")?;
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_uppercase();
        if ["LICENSE", "LICENCE", "COPYING", "NOTICE"].iter().any(|begin| name.starts_with(begin)) {
            files.push((name, entry.path()));
        }
    }
    files.retain(|(_, path)| path.is_file());
    if files.iter().any(|(name, _)| name.contains("MIT")) {
        files.retain(|(name, _)| name.contains("MIT") || name.starts_with("NOTICE"));
    }
    files.sort();
    if files.is_empty() {
        // It names the licence only; MIT is ours as well.
        ensure!(text(&package["license"]).contains("MIT"), "it is {}, without a text", package["license"]);
        let authors: Vec<_> = package["authors"].as_array().into_iter().flatten().map(text).collect();
        let authors = if authors.is_empty() { "its authors".to_owned() } else { authors.join(", ") };
        let terms = ours.find("Permission is hereby").context("our own licence is another one")?;
        return Ok(format!("MIT License\n\nCopyright (c) {authors}\n\n{}", &ours[terms..]));
    }
    let texts: Vec<_> = files.iter().map(|(_, path)| fs::read_to_string(path)).collect::<Result<_, _>>()?;
    Ok(texts.iter().map(|text| text.trim().to_owned() + "\n").collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_c_library_names_what_it_is_made_of() {
        let notices = of("sentry-profiler-c", &["x86_64-unknown-linux-gnu"]).unwrap();
        assert!(notices.starts_with("MIT License"), "{notices}");
        for name in ["serde_json 1.", "inferno 0.", "parking_lot 0.", "COMMON DEVELOPMENT AND DISTRIBUTION LICENSE"] {
            assert!(notices.contains(name), "{name}");
        }
        for name in ["serde_derive 1.", "cbindgen 0.", "criterion 0.", "windows-sys 0."] {
            assert!(!notices.contains(name), "{name}");
        }
    }
}
