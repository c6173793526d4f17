//! `cargo xtask platforms`: the add-on and the C library for every platform, from one machine.

mod build;
mod check;
pub mod fetch;
mod run;
pub mod targets;
pub mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use anyhow::Result;

pub use build::{Built, Profile, build};
use run::Ran;
use targets::{TARGETS, Target};

use crate::{dist, npm_package, workspace};

/// Build the add-on and the C library for every platform, check the files, and run those that can be run here
#[derive(clap::Args)]
pub struct Arguments {
    /// Only these platforms (linux-arm64-musl)
    #[arg(long, value_name = "NAME", num_args = 1..)]
    only: Vec<String>,
    /// Build the files as they are published, which takes three times as long
    #[arg(long)]
    release: bool,
    /// Build nothing, and run what `cargo xtask dist` left in a folder, the package as it is published; fail where it
    /// cannot be run
    #[arg(long, value_name = "FOLDER", conflicts_with = "release")]
    built: Option<PathBuf>,
}

/// What came of a platform.
struct Outcome {
    built: Built,
    checked: String,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let chosen = chosen(&arguments.only)?;
    let profile = if arguments.release { Profile::Release } else { Profile::Tested };
    let (outcomes, package) = match &arguments.built {
        Some(folder) => {
            let (package, built) = dist::unpack(folder, &chosen)?;
            (built.into_iter().zip(&chosen).map(|(built, target)| checked(target, Ok(built))).collect(), package)
        }
        None => {
            let outcomes = all(&chosen, profile);
            let package = packed(&chosen, &outcomes)?;
            (outcomes, package)
        }
    };
    let built: Vec<_> = std::iter::zip(&chosen, &outcomes)
        .filter_map(|(target, outcome)| Some((*target, &outcome.as_ref().ok()?.built)))
        .collect();
    let ran = run::run(&built, &package).unwrap_or_else(|error| {
        eprintln!("nothing can be run: {error:#}");
        Vec::new()
    });
    let mut ran = ran.into_iter();
    let ran: Vec<_> = outcomes.iter().map(|outcome| outcome.as_ref().ok().and_then(|_| ran.next())).collect();
    print!("\n{}", table(&chosen, &outcomes, &ran)?);
    let failed = ran.iter().filter(|ran| ran.as_ref().is_none_or(|ran| !ran.failed.is_empty())).count();
    // What a release is about to publish must have been run.
    let not_run = ran.iter().flatten().filter(|ran| arguments.built.is_some() && ran.programs == 0).count();
    let unseen = if not_run == 0 { String::new() } else { format!(", {not_run} cannot be run here") };
    println!("{} platforms, {failed} failed{unseen}", chosen.len());
    Ok(if failed + not_run == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The npm package with what was built, as it would be published.
fn packed(chosen: &[&Target], outcomes: &[Result<Outcome>]) -> Result<PathBuf> {
    let built = chosen.iter().zip(outcomes);
    let addons: Vec<_> = built
        .filter_map(|(target, outcome)| Some((target.addon(), outcome.as_ref().ok()?.built.addon.clone())))
        .collect();
    let folder = workspace::target()?.join("platforms/packed");
    fs::create_dir_all(&folder)?;
    Ok(npm_package::pack(&addons, &folder)?.dir)
}

/// The platforms of these names; without names, all.
pub fn chosen(names: &[String]) -> Result<Vec<&'static Target>> {
    match names {
        [] => Ok(TARGETS.iter().collect()),
        names => names.iter().map(|name| Target::named(name)).collect(),
    }
}

/// The files of these platforms as they are published, all checked.
pub fn release(chosen: &[&'static Target]) -> Result<Vec<(&'static Target, Built)>> {
    let outcomes = all(chosen, Profile::Release).into_iter().zip(chosen);
    outcomes.map(|(outcome, target)| Ok((*target, outcome?.built))).collect()
}

/// Builds and checks each; what came of them, in their order. Two are built at once, one for each processor.
fn all(chosen: &[&'static Target], profile: Profile) -> Vec<Result<Outcome>> {
    let of = |processor: &'static str| {
        let targets = chosen.iter().enumerate().filter(move |(_, target)| target.processor() == processor);
        move || targets.map(|(at, target)| (at, one(target, profile))).collect::<Vec<_>>()
    };
    let mut outcomes = thread::scope(|scope| {
        let arm64 = scope.spawn(of("aarch64"));
        let mut outcomes = of("x86_64")();
        outcomes.extend(arm64.join().expect("a panic has been shown"));
        outcomes
    });
    outcomes.sort_by_key(|(at, _)| *at);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

fn one(target: &Target, profile: Profile) -> Result<Outcome> {
    let began = Instant::now();
    eprintln!("{}: building", target.name);
    let outcome = checked(target, build(target, profile));
    if let Ok(outcome) = &outcome {
        eprintln!("{}: built in {} s, {}", target.name, began.elapsed().as_secs(), outcome.checked);
    }
    outcome
}

fn checked(target: &Target, built: Result<Built>) -> Result<Outcome> {
    let outcome = built.and_then(|built| Ok(Outcome { checked: check::check(target, &built)?, built }));
    if let Err(error) = &outcome {
        // At once: the others may take long.
        eprintln!("{}: {error:#}", target.name);
    }
    outcome
}

/// A line for each platform, in columns.
fn table(chosen: &[&'static Target], outcomes: &[Result<Outcome>], ran: &[Option<Ran>]) -> Result<String> {
    let mut rows = vec![["platform", "add-on", "C library", "archive", "checked", "run"].map(str::to_owned)];
    for ((target, outcome), ran) in chosen.iter().zip(outcomes).zip(ran) {
        let name = target.name.to_owned();
        rows.push(match outcome {
            Ok(Outcome { built, checked }) => {
                let ran = ran.as_ref().map(Ran::to_string).unwrap_or_default();
                let [addon, shared, archive] = [&built.addon, &built.shared, &built.archive].map(|file| size(file));
                [name, addon?, shared?, archive?, checked.clone(), ran]
            }
            Err(_) => [&*name, "-", "-", "-", "FAILED: said above", ""].map(str::to_owned),
        });
    }
    let widths: [usize; 5] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default());
    let lines = rows.iter().map(|row| {
        let cells = widths.iter().zip(row).map(|(width, cell)| format!("{cell:width$}  "));
        format!("{}\n", (cells.collect::<String>() + &row[5]).trim_end())
    });
    Ok(lines.collect())
}

fn size(file: &Path) -> Result<String> {
    Ok(format!("{} kB", fs::metadata(file)?.len().div_ceil(1000)))
}
