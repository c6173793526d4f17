//! Compares the core's table of V8 functions and constants with the headers of real V8 releases.
//!
//! The table names functions by their mangled names and declares their types by hand, for there is no V8 header in
//! the build. `bindgen` reads the headers and is the oracle. `cargo xtask v8-abi` fetches the releases and calls
//! this.

mod class;
mod compare;
mod headers;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use compare::{Difference, Table};
use headers::Headers;
use sentry_profiler::v8::abi::{CONSTANTS, SYMBOLS};

/// Compares the core's table of V8 functions with V8's headers.
#[derive(Parser)]
struct Arguments {
    /// Releases to compare with: a name, `=`, and the folder of `v8.h`.
    #[arg(required = true, value_name = "NAME=INCLUDE", value_parser = release)]
    releases: Vec<(String, PathBuf)>,
}

fn release(argument: &str) -> Result<(String, PathBuf)> {
    let (name, include) = argument.split_once('=').context("expected NAME=INCLUDE")?;
    let include = PathBuf::from(include);
    if !include.join("v8-profiler.h").is_file() {
        bail!("there is no v8-profiler.h in {}", include.display());
    }
    Ok((name.to_owned(), include))
}

fn main() -> ExitCode {
    match compare(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints what differs; whether nothing does.
fn compare(arguments: &Arguments) -> Result<bool> {
    let table = Table::new(SYMBOLS.iter().map(|symbol| (symbol.name, symbol.link_name, symbol.signature)), CONSTANTS)?;
    let headers = read(&arguments.releases, &table.classes()?)?;

    let differences = table.differences(&headers);
    for ((name, _), differences) in arguments.releases.iter().zip(&differences) {
        print(name, differences);
    }
    let equal = differences.iter().all(Vec::is_empty);
    let names: Vec<_> = arguments.releases.iter().map(|(name, _)| name.as_str()).collect();
    println!(
        "compared {} functions and {} constants with the headers of {}: {}",
        SYMBOLS.len(),
        CONSTANTS.len(),
        names.join(", "),
        if equal { "no difference" } else { "they differ" }
    );
    Ok(equal)
}

/// The headers of every release, at once: reading one takes seconds, and they are independent.
fn read(releases: &[(String, PathBuf)], classes: &BTreeSet<String>) -> Result<Vec<Headers>> {
    std::thread::scope(|scope| {
        let readers: Vec<_> = releases
            .iter()
            .map(|(name, include)| {
                scope.spawn(move || {
                    let headers = headers::read(include, classes);
                    eprintln!("read the headers of {name}");
                    headers
                })
            })
            .collect();
        let headers = readers.into_iter().zip(releases).map(|(reader, (name, _))| match reader.join() {
            Ok(headers) => headers.with_context(|| format!("reading the headers of {name}")),
            Err(panic) => std::panic::resume_unwind(panic),
        });
        headers.collect()
    })
}

fn print(release: &str, differences: &[Difference]) {
    if differences.is_empty() {
        return;
    }
    println!("{release}");
    let widths = [differences.iter().map(|d| d.item.len()).max(), differences.iter().map(|d| d.what.len()).max()]
        .map(Option::unwrap_or_default);
    for Difference { item, what, ours, theirs } in differences {
        println!("  {item:0$}  {what:1$}  ours: {ours}  V8's: {theirs}", widths[0], widths[1]);
    }
    println!();
}
