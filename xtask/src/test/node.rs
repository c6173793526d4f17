//! The Node tests: which files there are, and running them on a release.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use super::context::{Context, Outcome, Selection};
use crate::node_releases::{self, Release};
use crate::npm_package::Package;
use crate::{fuzz, npm, process, sentry_sdk, workspace};

/// A folder of test files, `*.test.mjs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// Tests that run on every release.
    Main,
    /// Tests that make random calls for some time.
    Fuzz,
    /// Tests that take minutes and mostly wait: two files run at once.
    Long,
    /// Tests that keep a core busy or need a gigabyte: one file runs at a time.
    Heavy,
    /// What the package does where it cannot be loaded or finds no V8. Runs once, on a Node that builds single
    /// executables.
    Elsewhere,
    /// A production build of Next.js with each of its bundlers. One release only, because a build takes a minute.
    NextJs,
    /// The package in an AWS Lambda function.
    Lambda,
}

impl Suite {
    fn folder(self) -> &'static str {
        match self {
            Self::Main => "tests/node",
            Self::Fuzz => "tests/node/fuzz",
            Self::Long => "tests/node/long",
            Self::Heavy => "tests/node/heavy",
            Self::Elsewhere => "tests/elsewhere",
            Self::NextJs => "tests/nextjs",
            Self::Lambda => "tests/lambda",
        }
    }

    /// The names of its files without `.test.mjs`, sorted.
    pub fn files(self) -> Result<Vec<String>> {
        let folder = workspace::root().join(self.folder());
        let mut names = Vec::new();
        for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            names.extend(entry?.file_name().to_string_lossy().strip_suffix(SUFFIX).map(str::to_owned));
        }
        ensure!(!names.is_empty(), "there is no *{SUFFIX} in {}", folder.display());
        names.sort();
        Ok(names)
    }
}

const SUFFIX: &str = ".test.mjs";

/// The files of [`Suite::Main`] that take more than a few seconds or need an idle machine. The numbers are seconds on
/// two cores with Node 24.
const COSTLY: &[Costly] = &[
    costly("accuracy", 140, Between::Skipped),
    costly("chunks", 19, Between::Runs),
    costly("record-ends", 15, Between::Skipped),
    costly("record", 15, Between::Skipped),
    costly("no-thread", 14, Between::Runs),
    costly("measurements", 13, Between::Skipped),
    costly("frames", 11, Between::Runs),
    costly("same-data", 10, Between::Skipped),
    costly("exits", 9, Between::Skipped),
    costly("native-profile", 9, Between::Runs),
    costly("freeze", 8, Between::Skipped),
    costly("delivery", 8, Between::Runs),
    costly("spans", 7, Between::Skipped),
    costly("odd-input", 6, Between::Skipped),
    costly("clients", 5, Between::Skipped),
    costly("binary", 4, Between::Skipped),
    costly("console", 2, Between::Skipped),
    costly("clock", 3, Between::Skipped),
];

/// The files of [`Suite::Main`] that compare times, or count what a busy machine takes away: no other file runs at the
/// same time.
const ALONE: &[&str] =
    &["accuracy", "clock", "exits", "freeze", "measurements", "same-data", "spans", "worker-ends", "workers"];

/// What `cargo xtask test --quick` leaves out.
#[derive(Debug, PartialEq)]
struct Costly {
    file: &'static str,
    seconds: u32,
    between: Between,
}

/// Whether a file runs on a release that lies between two that are tested in full.
#[derive(Debug, PartialEq)]
enum Between {
    Runs,
    Skipped,
}

const fn costly(file: &'static str, seconds: u32, between: Between) -> Costly {
    Costly { file, seconds, between }
}

/// The files of a suite to run on a release, and those left out because they were not asked for.
fn choose(suite: Suite, release: &Release, selection: &Selection) -> Result<(Vec<String>, Vec<&'static Costly>)> {
    let mut files = suite.files()?;
    if let Some(part) = &selection.file {
        files.retain(|file| file.contains(part.as_str()));
        return Ok((files, Vec::new()));
    }
    let costly = if suite == Suite::Main { COSTLY } else { &[] };
    let skipped = |costly: &&Costly| selection.quick || release.between && costly.between == Between::Skipped;
    let left_out: Vec<_> = costly.iter().filter(skipped).collect();
    files.retain(|file| !left_out.iter().any(|costly| costly.file == file));
    Ok((files, left_out))
}

/// Files that one process of Node's test runner runs.
struct Batch {
    files: Vec<String>,
    /// How many of them at the same time; nothing leaves it to Node.
    at_once: Option<u32>,
}

fn batches(suite: Suite, release: &Release, files: Vec<String>) -> Vec<Batch> {
    match suite {
        Suite::Long => vec![Batch { files, at_once: Some(2) }],
        Suite::Heavy => vec![Batch { files, at_once: Some(1) }],
        // Node 18 has no such option.
        Suite::Main if release.major() != "18" => {
            let (alone, together) = files.into_iter().partition(|file| ALONE.contains(&file.as_str()));
            let batches = [Batch { files: together, at_once: Some(2) }, Batch { files: alone, at_once: Some(1) }];
            batches.into_iter().filter(|batch| !batch.files.is_empty()).collect()
        }
        _ => vec![Batch { files, at_once: None }],
    }
}

/// Fails unless a file of these suites has `part` in its name. The error lists the files.
pub fn must_have(suites: &[Suite], part: &str) -> Result<()> {
    let mut known: Vec<String> = suites.iter().map(|suite| suite.files()).collect::<Result<Vec<_>>>()?.concat();
    if !known.iter().any(|file| file.contains(part)) {
        known.dedup();
        bail!("no test file's name contains {part}; the files are {}", known.join(", "));
    }
    Ok(())
}

/// The tests of a suite on one release of Node.
pub fn run(context: &Context, release: &Release, suite: Suite) -> Result<Outcome> {
    if let Some(reason) = release.unavailable() {
        return Ok(Outcome::Skipped(reason));
    }
    let (files, left_out) = choose(suite, release, &context.selection)?;
    if files.is_empty() {
        return Ok(Outcome::Skipped("no file has this name".to_owned()));
    }
    let package = context.package()?;
    let ingest = context.ingest()?;
    let node = node_releases::fetch(release.version)?;

    let folder = workspace::root().join(suite.folder());
    let pattern = context.selection.name.as_ref();
    let mut tally = Tally::default();
    let mut ended = Ok(());
    for Batch { files, at_once } in batches(suite, release, files.clone()) {
        let log = workspace::target()?.join(format!("{}-{}.tap", suite.folder().replace('/', "-"), node.version));
        workspace::remove(&log)?;
        let mut command = node.command();
        command
            .current_dir(workspace::root())
            // One report for people, one for counting.
            .args(["--test", "--test-reporter=spec", "--test-reporter-destination=stdout"])
            .args(["--test-reporter=tap", &format!("--test-reporter-destination={}", log.display())])
            .args(at_once.map(|files| format!("--test-concurrency={files}")))
            .args(pattern.map(|pattern| format!("--test-name-pattern={pattern}")))
            .args(files.iter().map(|file| folder.join(format!("{file}{SUFFIX}"))))
            .env("SENTRY_PROFILER_TEST_PACKAGE", &package.dir)
            .env("SENTRY_PROFILER_TEST_TARBALL", &package.tarball)
            .env("SENTRY_PROFILER_TEST_INGEST", ingest)
            .env("SENTRY_PROFILER_TEST_LAMBDA", workspace::target()?.join("lambda"))
            .env(fuzz::SEED, context.fuzz.seed.to_string())
            .env(fuzz::SECONDS, context.fuzz.node_seconds().to_string())
            .env_remove("NODE_OPTIONS");
        install(suite, &folder, package, &mut command)?;
        let batch_ended = process::run(&mut command);
        let Ok(report) = fs::read_to_string(&log) else {
            return batch_ended.and(Err(anyhow!("Node left no {}", log.display())));
        };
        tally.add(&report)?;
        ended = ended.and(batch_ended);
    }
    // The counts say more than Node's exit status, so judge the report first.
    let mut remark = match (tally.judge()?, pattern) {
        (Some(remark), _) => remark,
        (None, Some(pattern)) => {
            bail!("no test matches {pattern}; the tests are\n  {}", names(&folder, &files)?.join("\n  "))
        }
        (None, None) => bail!("no test ran"),
    };
    if !left_out.is_empty() {
        let left_out: Vec<_> =
            left_out.iter().map(|costly| format!("{} ({} s)", costly.file, costly.seconds)).collect();
        remark += &format!("; left out: {}", left_out.join(", "));
    }
    ended.map(|()| Outcome::Passed(remark))
}

/// Installs what a suite's tests need besides the package.
fn install(suite: Suite, folder: &Path, package: &Package, command: &mut Command) -> Result<()> {
    if suite == Suite::Elsewhere {
        let dir = workspace::target()?.join("elsewhere");
        npm::installed("elsewhere", folder, &dir)?;
        command.env("SENTRY_PROFILER_TEST_ELSEWHERE", dir);
        command.env("SENTRY_PROFILER_TEST_OLD_NODE", node_releases::fetch(node_releases::TOO_OLD)?.program());
    }
    if suite == Suite::NextJs {
        let dir = workspace::target()?.join("nextjs");
        npm::installed("nextjs", folder, &dir)?;
        npm::add(&dir, &package.tarball, &["sentry-profiler-node", "@sentry/profiling-node"])?;
        command.env("SENTRY_PROFILER_TEST_NEXTJS", dir);
    }
    for major in sentry_sdk::MAJORS {
        command.env(format!("SENTRY_PROFILER_TEST_SDK{major}"), sentry_sdk::install(major, package)?);
    }
    Ok(())
}

/// The names of the tests in these files, as written in their sources.
fn names(folder: &Path, files: &[String]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for file in files {
        let path: PathBuf = folder.join(format!("{file}{SUFFIX}"));
        let source = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        names.extend(names_in(&source).map(|name| format!("{file}: {name}")));
    }
    Ok(names)
}

fn names_in(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter_map(|line| {
        let line = line.trim_start();
        let call = ["test(", "describe("].iter().find_map(|call| line.strip_prefix(call))?;
        let quote = call.chars().next().filter(|first| ['\'', '`', '"'].contains(first))?;
        call[1..].split(quote).next()
    })
}

/// What reports in the Test Anything Protocol add up to.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    cancelled: usize,
    skipped: usize,
    /// Why tests were skipped.
    reasons: BTreeSet<String>,
    /// The tests that failed, each with the beginning of its error.
    failures: Vec<String>,
}

impl Tally {
    fn add(&mut self, report: &str) -> Result<()> {
        let count = |what: &str| -> Result<usize> {
            // The last count is that of the whole run.
            let line =
                report.lines().rev().find_map(|line| line.strip_prefix("# ")?.strip_prefix(what)?.strip_prefix(' '));
            line.with_context(|| format!("the report has no number of {what}"))?.parse().context("not a number")
        };
        // Newer releases report a file without a test that matches as one that passed; older ones skip what does not
        // match.
        let empty = report.lines().filter(|line| line.starts_with("ok ") && line.ends_with(SUFFIX)).count();
        let (unmatched, reasons): (Vec<_>, Vec<_>) = report
            .lines()
            .filter_map(|line| Some(line.split_once("# SKIP")?.1.trim()))
            .filter(|reason| !reason.is_empty())
            .partition(|reason| *reason == "test name does not match pattern");
        self.passed += count("pass")?.saturating_sub(empty);
        self.failed += count("fail")?;
        self.cancelled += count("cancelled")?;
        self.skipped += count("skipped")?.saturating_sub(unmatched.len());
        self.reasons.extend(reasons.into_iter().map(str::to_owned));
        self.failures.extend(failures(report));
        Ok(())
    }

    /// An error when a test failed, nothing when none ran.
    fn judge(&self) -> Result<Option<String>> {
        let Self { passed, failed, cancelled, skipped, reasons, failures } = self;
        ensure!(
            failed + cancelled == 0,
            "{}",
            format!("{failed} tests failed, {cancelled} were cancelled\n{}", failures.join("\n")).trim_end()
        );
        Ok(match (passed, skipped) {
            (0, _) => None,
            (_, 0) => Some(format!("{passed} tests")),
            _ => {
                let reasons: Vec<_> = reasons.iter().map(String::as_str).collect();
                Some(format!("{passed} tests, {skipped} skipped: {}", reasons.join("; ")))
            }
        })
    }
}

/// How many lines of a failed test's error are repeated.
const ERROR_LINES: usize = 8;

/// The tests that failed, each with the beginning of its error; groups of tests are left out.
fn failures(report: &str) -> impl Iterator<Item = String> {
    let mut lines = report.lines().map(str::trim);
    std::iter::from_fn(move || {
        let name = lines.find_map(|line| line.strip_prefix("not ok "))?;
        let about: Vec<_> = lines.by_ref().take_while(|line| *line != "...").collect();
        let error = about.iter().position(|line| line.starts_with("error: ")).map_or(&[][..], |at| &about[at..]);
        let end = error.iter().position(|line| line.starts_with("code: ")).unwrap_or(error.len());
        let is_group = about.contains(&"failureType: 'subtestsFailed'");
        let error = &error[..end.min(ERROR_LINES)];
        Some((!is_group).then(|| format!("  not ok {name}\n    {}", error.join("\n    "))))
    })
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node_releases::RELEASES;

    fn judge(report: &str) -> Result<Option<String>> {
        let mut tally = Tally::default();
        tally.add(report)?;
        tally.judge()
    }

    #[test]
    fn what_failed_is_named_with_its_error() {
        let report = "    not ok 1 - one\n      ---\n      type: 'test'\n      error: |-\n        bad\n        news\n      \
                      code: 'ERR'\n      ...\n    ok 2 - two\n      ---\n      ...\nnot ok 1 - both\n  ---\n  failureType: \
                      'subtestsFailed'\n  error: '1 subtest failed'\n  ...\nnot ok 2 - three\n  ---\n  error: 'x'\n  ...\n";
        let seen: Vec<_> = failures(report).collect();
        assert_eq!(seen, ["  not ok 1 - one\n    error: |-\n    bad\n    news", "  not ok 2 - three\n    error: 'x'"]);
    }

    #[test]
    fn a_report_is_judged() {
        let report = |pass, fail, cancelled, skipped| {
            format!(
                "TAP version 13\n    ok 1 - a # SKIP too old\nok 1 - b\n# tests 9\n# pass {pass}\n# fail {fail}\n\
                 # cancelled {cancelled}\n# skipped {skipped}\n# todo 0\n"
            )
        };
        assert_eq!(judge(&report(3, 0, 0, 0)).unwrap().unwrap(), "3 tests");
        assert_eq!(judge(&report(3, 0, 0, 1)).unwrap().unwrap(), "3 tests, 1 skipped: too old");
        assert_eq!(judge(&report(0, 0, 0, 2)).unwrap(), None);
        let mut two = Tally::default();
        two.add(&report(3, 0, 0, 0)).unwrap();
        two.add(&report(4, 0, 0, 1)).unwrap();
        assert_eq!(two.judge().unwrap().unwrap(), "7 tests, 1 skipped: too old");
        two.add(&report(0, 1, 0, 0)).unwrap();
        assert!(two.judge().is_err());
        for bad in [report(3, 1, 0, 0), report(3, 0, 1, 0), "TAP version 13\n".to_owned()] {
            assert!(judge(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_without_a_test_that_matches_is_no_test() {
        let end = "# fail 0\n# cancelled 0\n";
        let newer = |pass| format!("ok 1 - a\nok 2 - tests/node/b.test.mjs\n# pass {pass}\n{end}# skipped 0\n");
        let older = "ok 1 - a # SKIP test name does not match pattern\nok 2 - b\n# pass 1\n# skipped 1\n";
        assert_eq!(judge(&newer(2)).unwrap().unwrap(), "1 tests");
        assert_eq!(judge(&newer(1)).unwrap(), None);
        assert_eq!(judge(&format!("{older}{end}")).unwrap().unwrap(), "1 tests");
    }

    #[test]
    fn costly_files_are_left_out_unless_they_are_asked_for() {
        let (between, full) = (RELEASES.iter().find(|release| release.between).unwrap(), &RELEASES[0]);
        let chosen = |release, file: Option<&str>, quick| {
            let selection = Selection { file: file.map(str::to_owned), quick, name: None };
            choose(Suite::Main, release, &selection).unwrap()
        };
        let all = Suite::Main.files().unwrap();
        let named = COSTLY.iter().map(|costly| costly.file).chain(ALONE.iter().copied());
        assert!(named.into_iter().all(|file| all.iter().any(|known| known == file)), "a file is gone");
        assert_eq!(chosen(full, None, false), (all.clone(), vec![]));
        let skipped = COSTLY.iter().filter(|costly| costly.between == Between::Skipped).count();
        assert_eq!(chosen(between, None, false).1.len(), skipped);
        assert_eq!(chosen(full, None, true).1.len(), COSTLY.len());
        for release in [between, full] {
            assert_eq!(chosen(release, Some("accuracy"), false).0, ["accuracy"]);
        }
    }

    #[test]
    fn a_wrong_file_says_which_there_are() {
        must_have(&[Suite::Main], "chunk").unwrap();
        must_have(&[Suite::Main, Suite::Long], "minute").unwrap();
        let error = must_have(&[Suite::Main], "chunky").unwrap_err().to_string();
        assert!(error.contains("chunky") && error.contains("accuracy, binary, chunks"), "{error}");
    }

    #[test]
    fn tests_are_found_in_a_source() {
        let source =
            "describe('a', () => {\n  test(`b of ${c}`, t => 1);\n  test(name, () => 2);\n});\ntest(\"it's d\"";
        assert_eq!(names_in(source).collect::<Vec<_>>(), ["a", "b of ${c}", "it's d"]);
    }
}
