//! `cargo xtask test`: runs every check in turn and ends with a table of results.

mod context;
mod node;
mod steps;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::{debian_packages, fuzz};
use context::{Context, Outcome, Selection};
use steps::{QUICK, Step};
pub use steps::{all, packages};

/// Run every check: formatting, lints, Rust and Node tests on every Node, the demo
///
/// A step that fails does not keep the others from running. The last line says how many passed and failed.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Arguments {
    /// Run only these steps; `c`, `node` or `node-22` means all steps whose names begin with it
    #[arg(long, value_name = "STEP", num_args = 1..)]
    only: Vec<String>,
    /// Run only the Node test files whose name contains this
    #[arg(long, value_name = "NAME", requires = "only")]
    file: Option<String>,
    /// Run only the tests of these steps that match: a regular expression for Node tests, as in
    /// `node --test-name-pattern`; part of a name for C tests, hostile hosts and scenarios
    #[arg(long, value_name = "PATTERN", requires = "only")]
    name: Option<String>,
    /// Run what finds most mistakes, in three minutes on a built tree: formatting, lints, the Rust tests, the build,
    /// the C tests, and the fast Node test files on one release
    #[arg(long, conflicts_with_all = ["only", "long"])]
    quick: bool,
    /// List the steps without running any
    #[arg(long)]
    list: bool,
    /// Fuzz for minutes instead of seconds, and the add-on on every Node
    #[arg(long)]
    long: bool,
    /// Repeat a fuzzer's run by its seed
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Install no Debian package: a step that lacks one fails
    #[arg(long)]
    no_install: bool,
}

const EXAMPLES: &str = "Examples:
  cargo xtask test --quick                                    an answer in three minutes
  cargo xtask test --only fmt clippy rust                     three steps
  cargo xtask test --only node-24 --file chunks               one Node test file on one release
  cargo xtask test --only node-24 --file chunks --name loop   its tests with `loop` in their name
  cargo xtask test --only c-body --name manual_session        one C test
  cargo xtask test --only c-semantics --name \"an empty title\"  one scenario of the semantics";

/// Installs the packages that steps lack, if possible, and says so first: nobody expects a test to change the system.
fn prepare(steps: &[Step], no_install: bool) {
    let missing = debian_packages::missing(packages(steps));
    if missing.is_empty() || no_install || !debian_packages::can_install() {
        return;
    }
    println!(
        "Installing missing Debian packages: {}.\n`cargo xtask test --no-install` installs nothing; \
         `cargo xtask setup` installs them and does nothing else.",
        missing.join(", ")
    );
    if let Err(error) = debian_packages::install(&missing) {
        // Many steps do without them.
        println!("they could not be installed: {error:#}");
    }
}

/// A step's name, its outcome, and how long it took.
type Ran = (String, Result<Outcome>, Duration);

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let steps = all();
    if arguments.list {
        let width = steps.iter().map(|step| step.name.len()).max().unwrap_or(0);
        steps.iter().for_each(|step| println!("{:width$}  {}", step.name, step.about));
        return Ok(ExitCode::SUCCESS);
    }
    let only =
        if arguments.quick { QUICK.iter().map(|&name| name.to_owned()).collect() } else { arguments.only.clone() };
    let chosen = choose(steps, &only)?;
    let Arguments { file, name, quick, .. } = arguments;
    let selection = Selection { file: file.clone(), name: name.clone(), quick: *quick };
    check(&chosen, &selection)?;
    prepare(&chosen, arguments.no_install);
    let context = Context::new(selection, fuzz::Plan::new(arguments.seed, arguments.long)?);
    let ran: Vec<Ran> = chosen
        .into_iter()
        .map(|step| {
            println!("\n=== {}: {}", step.name, step.about);
            let begin = Instant::now();
            let outcome = debian_packages::need(step.packages).and_then(|()| (step.run)(&context));
            if let Err(error) = &outcome {
                println!("{} failed: {error:#}", step.name);
            }
            (step.name, outcome, begin.elapsed())
        })
        .collect();
    println!("\n{}", summary(&ran));
    let failed = ran.iter().any(|(_, outcome, _)| outcome.is_err());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn choose(steps: Vec<Step>, only: &[String]) -> Result<Vec<Step>> {
    let matches = |step: &Step, wanted: &String| {
        step.name.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
    };
    if let Some(unknown) = only.iter().find(|wanted| !steps.iter().any(|step| matches(step, wanted))) {
        let names: Vec<_> = steps.iter().map(|step| step.name.as_str()).collect();
        bail!("unknown step {unknown}; the steps are {}", names.join(", "));
    }
    Ok(steps.into_iter().filter(|step| only.is_empty() || only.iter().any(|wanted| matches(step, wanted))).collect())
}

/// Fails, before anything runs, if a selection fits no step or no file.
fn check(steps: &[Step], selection: &Selection) -> Result<()> {
    if let Some(file) = &selection.file {
        let other = steps.iter().find(|step| step.suite.is_none());
        ensure!(
            other.is_none(),
            "{} has no Node test files for --file to choose from",
            other.map_or("", |step| &step.name)
        );
        let suites: Vec<_> = steps.iter().filter_map(|step| step.suite).collect();
        node::must_have(&suites, file)?;
    }
    if selection.name.is_some()
        && let Some(other) = steps.iter().find(|step| !step.named)
    {
        bail!("{} has no tests for --name to choose from", other.name);
    }
    Ok(())
}

/// How much of an error is repeated at the end.
const REPEATED_LINES: usize = 40;

/// The table at the end, and once more what failed: a log may be kept or shown from its end only. The last line is for
/// programs: `N passed, N failed`.
fn summary(ran: &[Ran]) -> String {
    let width = ran.iter().map(|(name, ..)| name.len()).max().unwrap_or(0).max("step".len());
    let mut summary = format!("{:width$}  result   seconds\n", "step");
    let (mut passed, mut failed) = (0, 0);
    let mut errors = String::new();
    for (name, outcome, time) in ran {
        let (result, remark) = match outcome {
            Ok(Outcome::Passed(remark)) => ("passed", remark.clone()),
            Ok(Outcome::Skipped(reason)) => ("skipped", reason.clone()),
            Err(error) => {
                let error = format!("{error:#}");
                let (first, rest) = error.split_once('\n').unwrap_or((&error, ""));
                if !rest.is_empty() {
                    errors += &format!("\n{name} failed:\n{}\n", last_lines(rest, REPEATED_LINES));
                }
                ("FAILED", first.to_owned())
            }
        };
        passed += usize::from(result == "passed");
        failed += usize::from(result == "FAILED");
        let line = format!("{name:width$}  {result:7}  {:7.1}  {remark}", time.as_secs_f64());
        summary += line.trim_end();
        summary.push('\n');
    }
    summary + &errors + &format!("\n{passed} passed, {failed} failed")
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;
    use crate::node_releases::RELEASES;

    #[test]
    fn the_summary_ends_with_the_counts() {
        let second = Duration::from_secs(1);
        let ran = [
            ("fmt".to_owned(), Ok(().into()), second),
            ("node-22".to_owned(), Ok(Outcome::Skipped("not packaged".to_owned())), second),
            ("rust".to_owned(), Err(anyhow!("one\ntwo")), second),
        ];
        let summary = summary(&ran);
        assert_eq!(
            summary.lines().collect::<Vec<_>>(),
            [
                "step     result   seconds",
                "fmt      passed       1.0",
                "node-22  skipped      1.0  not packaged",
                "rust     FAILED       1.0  one",
                "",
                "rust failed:",
                "two",
                "",
                "1 passed, 1 failed",
            ]
        );
    }

    #[test]
    fn steps_are_chosen_by_their_beginning() {
        let chosen = |only: &str| -> Vec<String> {
            choose(all(), &[only.to_owned()]).unwrap().into_iter().map(|step| step.name).collect()
        };
        assert_eq!(chosen("fmt"), ["fmt"]);
        assert_eq!(chosen("node-22"), ["node-22.9.0", "node-22.23.3"]);
        assert_eq!(chosen("node").len(), RELEASES.len() + 1, "and the fuzz");
        assert_eq!(chosen("node-24"), ["node-24.21.0"]);
        let error = choose(all(), &["nod".to_owned()]).err().unwrap().to_string();
        assert!(error.contains("unknown step nod; the steps are fmt, clippy"), "{error}");
        assert_eq!(choose(all(), &[]).unwrap().len(), all().len());
    }

    #[test]
    fn a_selection_that_fits_no_step_is_refused() {
        let checked = |only: &str, file: Option<&str>, name: Option<&str>| {
            let steps = choose(all(), &[only.to_owned()]).unwrap();
            let selection = Selection { file: file.map(str::to_owned), name: name.map(str::to_owned), quick: false };
            check(&steps, &selection).map_err(|error| error.to_string())
        };
        assert_eq!(checked("node", Some("chunks"), Some("loop")), Ok(()));
        assert!(checked("fmt", Some("chunks"), None).unwrap_err().starts_with("fmt has no Node test files"));
        assert!(checked("fmt", None, Some("loop")).unwrap_err().starts_with("fmt has no tests"));
        assert!(
            checked("node-24", Some("chunky"), None).unwrap_err().starts_with("no test file's name contains chunky")
        );
    }

    #[test]
    fn the_quick_steps_are_there() {
        let quick = QUICK.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(choose(all(), &quick).unwrap().len(), QUICK.len());
    }
}
