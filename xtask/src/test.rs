//! `cargo xtask test`: every check, one after the other, and at the end what became of each.

use std::cell::OnceCell;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use crate::dist::{self, Package};
use crate::nodes::{RELEASES, Release};
use crate::{abi, c, clang, debian, demo, fuzz, nodes, npm, process, sdk, tree};

/// Run every check: formatting, lints, Rust and Node tests on every Node, the demo
///
/// A step that fails does not keep the others from running. The last line says how many passed and failed.
#[derive(clap::Args)]
pub struct Arguments {
    /// Run only these steps; a name's beginning stands for all that begin so, such as `node` or `node-22`
    #[arg(long, value_name = "STEP", num_args = 1..)]
    only: Vec<String>,
    /// List the steps and run none
    #[arg(long)]
    list: bool,
    /// Fuzz for minutes rather than for seconds, the add-on on every Node
    #[arg(long)]
    long: bool,
    /// Repeat the choices that a fuzz has made
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Install no Debian package: a step that lacks one fails
    #[arg(long)]
    no_install: bool,
}

/// What builds and checks the C library and its examples, and what Debian's libnode needs.
const C_PACKAGES: &[&str] = &[
    "abigail-tools",
    "cmake",
    "libcurl4-openssl-dev",
    "pkg-config",
    "valgrind",
    "libbrotli1",
    "libicu72",
    "libnghttp2-14",
    "libuv1",
];
/// Tests that take minutes, in which they mostly wait: two files run at once.
const LONG_TESTS: &str = "tests/node/long";
/// Tests that make random calls for some time.
const FUZZ_TESTS: &str = "tests/node/fuzz";
/// Tests that keep a core busy, or take a gigabyte: nothing else runs beside them.
const HEAVY_TESTS: &str = "tests/node/heavy";
/// The tests that take longest; a release between two others goes without.
const SLOW_TESTS: &[&str] = &[
    "accuracy",
    "clients",
    "clock",
    "console",
    "exits",
    "freeze",
    "measurements",
    "odd-input",
    "same-data",
    "spans",
    "worker-crowd",
];
/// What the package says where it cannot be loaded, or finds no V8: once, and with a Node that builds single
/// executables.
const ELSEWHERE_TESTS: &str = "tests/elsewhere";
/// A production build of Next.js with each of its bundlers: one release, for a build takes a minute.
const NEXTJS_TESTS: &str = "tests/nextjs";
/// The last Node that is too old.
const OLD_NODE: &str = "16.20.2";
/// What builds AWS's client of the Lambda Runtime API.
const LAMBDA_PACKAGES: &[&str] = &["autoconf", "automake", "cmake", "libtool", "make"];

/// One check.
pub struct Step {
    name: String,
    about: String,
    /// Debian's packages that it takes.
    packages: &'static [&'static str],
    run: Box<Check>,
}

type Check = dyn Fn(&Context) -> Result<Outcome>;

impl Step {
    fn new(
        name: impl Into<String>,
        about: impl Into<String>,
        run: impl Fn(&Context) -> Result<Outcome> + 'static,
    ) -> Self {
        Self { name: name.into(), about: about.into(), packages: &[], run: Box::new(run) }
    }

    fn needs(self, packages: &'static [&'static str]) -> Self {
        Self { packages, ..self }
    }
}

/// What became of a check that did not fail.
enum Outcome {
    /// With what there is to say about it, such as how many tests ran.
    Passed(String),
    /// With the reason.
    Skipped(String),
}

impl From<()> for Outcome {
    fn from((): ()) -> Self {
        Self::Passed(String::new())
    }
}

/// All checks, in the order in which they run: what is quick and often wrong comes first.
pub fn steps() -> Vec<Step> {
    let cargo = |arguments: &'static [&'static str]| {
        move |_: &Context| process::run(tree::cargo().args(arguments)).map(Outcome::from)
    };
    let mut steps = vec![
        Step::new("fmt", "the Rust sources are formatted", cargo(&["fmt", "--all", "--check"])),
        Step::new(
            "clippy",
            "no lint speaks up",
            cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        ),
        Step::new("js-lint", "JavaScript and TypeScript are formatted, and no lint speaks up", |_| lint_javascript()),
        Step::new("rust", "the Rust tests", cargo(&["test", "--workspace"])),
        Step::new("v8-abi", "V8's headers agree with the table of its functions", |_| abi::run().map(Outcome::from))
            .needs(clang::packages()),
        Step::new("build", "the add-on and the package keep their promises", |context| {
            context.package().map(|_| Outcome::from(()))
        }),
    ];
    let c_step = |run: fn() -> Result<String>| move |_: &Context| run().map(Outcome::Passed);
    steps.extend(c::STEPS.iter().map(|&(name, about, run)| Step::new(name, about, c_step(run)).needs(C_PACKAGES)));
    steps.push(
        Step::new("c-fuzz", "random calls of the C library, plain and under the sanitizers", |context| {
            let plan = context.fuzz()?;
            plan.follow("c-fuzz", || fuzz::c(plan)).map(Outcome::Passed)
        })
        .needs(C_PACKAGES),
    );
    for release in RELEASES {
        let about = format!("the Node tests on {}: {}", release.version, release.why);
        steps.push(Step::new(format!("node-{}", release.version), about, |context| {
            node_tests(context, release, "tests/node")
        }));
    }
    steps.push(Step::new("node-fuzz", "random calls of the add-on and the package, on one release", |context| {
        let plan = context.fuzz()?;
        plan.follow("node-fuzz", || fuzz_node(context, plan))
    }));
    steps.push(Step::new("long", "the Node tests that take minutes, on one release", |context| {
        node_tests(context, release("24"), LONG_TESTS)
    }));
    steps.push(Step::new("heavy", "the Node tests that take a core or much memory, on one release", |context| {
        node_tests(context, release("24"), HEAVY_TESTS)
    }));
    steps.push(Step::new("elsewhere", "the package in Deno, in Bun, in an old Node and in bundles", |context| {
        node_tests(context, release("26"), ELSEWHERE_TESTS)
    }));
    steps.push(Step::new("next", "a Next.js server, built with webpack and with Turbopack", |context| {
        node_tests(context, release("24"), NEXTJS_TESTS)
    }));
    for major in ["22", "24"] {
        let about = format!("a function under AWS's own runtime client, which Node {major} runs on Lambda");
        let step = Step::new(format!("lambda-{major}"), about, move |context| {
            node_tests(context, release(major), "tests/lambda")
        });
        steps.push(step.needs(LAMBDA_PACKAGES));
    }
    steps.push(Step::new("demo", "cargo xtask demo", |context| {
        demo::show(&demo::Arguments::default(), context.package()?).map(Outcome::from)
    }));
    steps
}

/// The packages of Debian that steps take.
pub fn packages(steps: &[Step]) -> impl Iterator<Item = &'static str> {
    steps.iter().flat_map(|step| step.packages).copied()
}

/// Installs what steps lack, where that can be done, and says so before: a test is not expected to change a system.
fn prepare(steps: &[Step], no_install: bool) {
    let missing = debian::missing(packages(steps));
    if missing.is_empty() || no_install || !debian::can_install() {
        return;
    }
    println!(
        "These Debian packages are missing, and are installed now: {}.\n`cargo xtask test --no-install` installs \
         nothing; `cargo xtask setup` installs them and does nothing else.",
        missing.join(", ")
    );
    if let Err(error) = debian::install(&missing) {
        // Many steps go without them.
        println!("they could not be installed: {error:#}");
    }
}

/// What several steps need, made once, by the first that asks.
#[derive(Default)]
struct Context {
    package: OnceCell<Result<Package, String>>,
    ingest: OnceCell<Result<PathBuf, String>>,
    fuzz: Option<fuzz::Plan>,
}

impl Context {
    fn package(&self) -> Result<&Package> {
        once(&self.package, || dist::build(&dist::Arguments::default())).context("building the package")
    }

    /// The ingest as a program, for tests that are not written in Rust.
    fn ingest(&self) -> Result<&PathBuf> {
        once(&self.ingest, || {
            process::run(tree::cargo().args(["build", "--quiet", "--package", "sentry-profiler-ingest"]))?;
            Ok(tree::target()?.join("debug/ingest"))
        })
        .context("building the ingest")
    }

    fn fuzz(&self) -> Result<fuzz::Plan> {
        self.fuzz.context("no choices were planned")
    }
}

/// What failed once is not tried again by every step after it.
fn once<T>(cell: &OnceCell<Result<T, String>>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    let made = cell.get_or_init(|| make().map_err(|error| format!("{error:#}")));
    made.as_ref().map_err(|error| anyhow!(error.clone()))
}

/// A step's name, what became of it, and how long it took.
type Ran = (String, Result<Outcome>, Duration);

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let steps = steps();
    if arguments.list {
        let width = steps.iter().map(|step| step.name.len()).max().unwrap_or(0);
        steps.iter().for_each(|step| println!("{:width$}  {}", step.name, step.about));
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = choose(steps, &arguments.only)?;
    prepare(&chosen, arguments.no_install);
    let fuzz = Some(fuzz::Plan::new(arguments.seed, arguments.long)?);
    let context = Context { fuzz, ..Context::default() };
    let ran: Vec<Ran> = chosen
        .into_iter()
        .map(|step| {
            println!("\n=== {}: {}", step.name, step.about);
            let begin = Instant::now();
            let outcome = debian::need(step.packages).and_then(|()| (step.run)(&context));
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
        bail!("there is no step {unknown}: `cargo xtask test --list` shows them");
    }
    Ok(steps.into_iter().filter(|step| only.is_empty() || only.iter().any(|wanted| matches(step, wanted))).collect())
}

/// The table at the end. Its last line is for programs: `N passed, N failed`.
fn summary(ran: &[Ran]) -> String {
    let width = ran.iter().map(|(name, ..)| name.len()).max().unwrap_or(0).max("step".len());
    let mut summary = format!("{:width$}  result   seconds\n", "step");
    let (mut passed, mut failed) = (0, 0);
    for (name, outcome, time) in ran {
        let (result, remark) = match outcome {
            Ok(Outcome::Passed(remark)) => ("passed", remark.clone()),
            Ok(Outcome::Skipped(reason)) => ("skipped", reason.clone()),
            // Its first line: all of it was printed where it happened.
            Err(error) => ("FAILED", format!("{error:#}").lines().next().unwrap_or_default().to_owned()),
        };
        passed += usize::from(result == "passed");
        failed += usize::from(result == "FAILED");
        let line = format!("{name:width$}  {result:7}  {:7.1}  {remark}", time.as_secs_f64());
        summary += line.trim_end();
        summary.push('\n');
    }
    summary + &format!("\n{passed} passed, {failed} failed")
}

/// Biome, as biome.json at the top of the repository sets it up.
fn lint_javascript() -> Result<Outcome> {
    let dir = tree::target()?.join("js-lint");
    npm::installed("js-lint", &tree::root().join("tests/js-lint"), &dir)?;
    let mut biome = Command::new(dir.join("node_modules/.bin/biome"));
    process::run(biome.current_dir(tree::root()).args(["check", "--error-on-warnings"])).map(Outcome::from)
}

/// The last release of a major.
fn release(major: &str) -> &'static Release {
    RELEASES.iter().rev().find(|release| release.major() == major).expect("a major that is in the list")
}

/// The add-on's fuzz: on the release that most run, or on all.
fn fuzz_node(context: &Context, plan: fuzz::Plan) -> Result<Outcome> {
    if !plan.long {
        return node_tests(context, release("24"), FUZZ_TESTS);
    }
    for release in RELEASES {
        node_tests(context, release, FUZZ_TESTS).with_context(|| format!("on Node {}", release.version))?;
    }
    Ok(Outcome::Passed(format!("{} releases", RELEASES.len())))
}

/// The tests of a folder on one release of Node.
fn node_tests(context: &Context, release: &Release, tests: &str) -> Result<Outcome> {
    if let Some(reason) = release.unavailable() {
        return Ok(Outcome::Skipped(reason));
    }
    let package = context.package()?;
    let ingest = context.ingest()?;
    let node = nodes::fetch(release.version)?;

    let name = tests.replace('/', "-");
    let folder = tree::root().join(tests);
    let mut files: Vec<_> = fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.to_string_lossy().ends_with(".test.mjs"));
    let left_out = if release.between { SLOW_TESTS } else { &[] };
    files.retain(|file| !left_out.iter().any(|name| file.ends_with(format!("{name}.test.mjs"))));
    files.sort();
    ensure!(!files.is_empty(), "there is no *.test.mjs in {}", folder.display());

    let log = tree::target()?.join(format!("{name}-{}.tap", node.version));
    tree::remove(&log)?;
    let mut command = node.command();
    command
        .current_dir(tree::root())
        // One report for people, one to count by.
        .args(["--test", "--test-reporter=spec", "--test-reporter-destination=stdout"])
        .args(["--test-reporter=tap", &format!("--test-reporter-destination={}", log.display())])
        .args((tests == LONG_TESTS).then_some("--test-concurrency=2"))
        .args((tests == HEAVY_TESTS).then_some("--test-concurrency=1"))
        .args(&files)
        .env("SENTRY_PROFILER_TEST_PACKAGE", &package.dir)
        .env("SENTRY_PROFILER_TEST_INGEST", ingest)
        .env("SENTRY_PROFILER_TEST_LAMBDA", tree::target()?.join("lambda"))
        .env_remove("NODE_OPTIONS");
    if let Some(plan) = context.fuzz {
        command.env(fuzz::SEED, plan.seed.to_string()).env(fuzz::SECONDS, plan.node_seconds().to_string());
    }
    if tests == ELSEWHERE_TESTS {
        let dir = tree::target()?.join("elsewhere");
        npm::installed("elsewhere", &folder, &dir)?;
        command.env("SENTRY_PROFILER_TEST_ELSEWHERE", dir);
        command.env("SENTRY_PROFILER_TEST_OLD_NODE", nodes::fetch(OLD_NODE)?.program());
    }
    if tests == NEXTJS_TESTS {
        let dir = tree::target()?.join("nextjs");
        npm::installed("nextjs", &folder, &dir)?;
        npm::add(&dir, &package.tarball, &["sentry-profiler-node", "@sentry/profiling-node"])?;
        command.env("SENTRY_PROFILER_TEST_NEXTJS", dir);
    }
    for major in sdk::MAJORS {
        command.env(format!("SENTRY_PROFILER_TEST_SDK{major}"), sdk::install(major, package)?);
    }
    let ended = process::run(&mut command);
    let Ok(report) = fs::read_to_string(&log) else {
        return ended.and(Err(anyhow!("Node left no {}", log.display())));
    };
    // How many failed says more than that some did.
    let mut remark = judge(&report)?;
    if !left_out.is_empty() {
        remark += &format!("; left out: {}", left_out.join(", "));
    }
    ended.map(|()| Outcome::Passed(remark))
}

/// What a report in the Test Anything Protocol adds up to; an error unless at least one test passed and none failed.
fn judge(report: &str) -> Result<String> {
    let count = |what: &str| -> Result<usize> {
        // The last one is that of the whole run.
        let line = report.lines().rev().find_map(|line| line.strip_prefix("# ")?.strip_prefix(what)?.strip_prefix(' '));
        line.with_context(|| format!("the report has no number of {what}"))?.parse().context("not a number")
    };
    let (passed, failed, cancelled, skipped) = (count("pass")?, count("fail")?, count("cancelled")?, count("skipped")?);
    ensure!(failed + cancelled == 0, "{failed} tests failed, {cancelled} were cancelled");
    ensure!(passed > 0, "no test ran");
    let mut reasons: Vec<_> =
        report.lines().filter_map(|line| Some(line.split_once("# SKIP")?.1.trim())).filter(|r| !r.is_empty()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    Ok(match skipped {
        0 => format!("{passed} tests"),
        _ => format!("{passed} tests, {skipped} skipped: {}", reasons.join("; ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_judged() {
        let report = |pass, fail, cancelled, skipped| {
            format!(
                "TAP version 13\n    ok 1 - a # SKIP too old\nok 1 - b\n# tests 9\n# pass {pass}\n# fail {fail}\n\
                 # cancelled {cancelled}\n# skipped {skipped}\n# todo 0\n"
            )
        };
        assert_eq!(judge(&report(3, 0, 0, 0)).unwrap(), "3 tests");
        assert_eq!(judge(&report(3, 0, 0, 1)).unwrap(), "3 tests, 1 skipped: too old");
        for bad in [report(0, 0, 0, 2), report(3, 1, 0, 0), report(3, 0, 1, 0), "TAP version 13\n".to_owned()] {
            assert!(judge(&bad).is_err(), "{bad}");
        }
    }

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
                "1 passed, 1 failed",
            ]
        );
    }

    #[test]
    fn steps_are_chosen_by_their_beginning() {
        let chosen = |only: &str| -> Vec<String> {
            choose(steps(), &[only.to_owned()]).unwrap().into_iter().map(|step| step.name).collect()
        };
        assert_eq!(chosen("fmt"), ["fmt"]);
        assert_eq!(chosen("node-22"), ["node-22.9.0", "node-22.23.3"]);
        assert_eq!(chosen("node").len(), RELEASES.len() + 1, "and the fuzz");
        assert!(choose(steps(), &["nod".to_owned()]).is_err());
        assert_eq!(choose(steps(), &[]).unwrap().len(), steps().len());
    }
}
