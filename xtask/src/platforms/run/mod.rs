//! Runs what was built for the platforms: on this system, with another C library, under qemu or under Wine.

mod c_programs;
mod node;
mod place;
mod program;
mod roots;
mod stage;
mod wine;

use std::collections::VecDeque;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use sentry_profiler_ingest::{Ingest, validate_chunk};
use serde_json::{Value, json};

use super::Built;
use super::targets::{Runs, Target};
use crate::{received_profile, workspace};
use node::{MAJORS, Node, WHOLE};
use place::{Folder, Place};
use stage::{Broken, Stage};

/// Programs that run at the same time. Each takes a core, and has seconds in which it waits.
const AT_ONCE: usize = 2;

/// What is run, each in a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    /// The C library in a program without V8.
    Smoke,
    /// The package without the SDK, on every major.
    Record,
    /// The package's integration in the SDK, against an ingest, on every major.
    Service,
    /// What the package says of native files that cannot be used.
    Broken,
    /// The C library in Node.
    CAddon,
}

/// Those that run in one release of Node only.
const IN_ONE: [Program; 2] = [Program::Broken, Program::CAddon];

impl Program {
    /// Also the name of its file.
    fn name(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Record => "record",
            Self::Service => "service",
            Self::Broken => "broken",
            Self::CAddon => "c-addon",
        }
    }
}

/// What came of running a platform's files.
#[derive(Debug, Default)]
pub struct Ran {
    /// `under qemu on Node 20.20.2, 22.23.3, 24.21.0`, or why nothing was run.
    pub summary: String,
    /// How many programs were run.
    pub programs: usize,
    /// What failed, as it was shown when it did.
    pub failed: Vec<String>,
}

/// Runs all programs of all these platforms, with a package that has their native files.
///
/// # Errors
/// When something that all of them take cannot be had. What fails of one platform is in its result.
pub fn run(built: &[(&'static Target, &Built)], package: &Path) -> Result<Vec<Ran>> {
    let stage = Stage::new(package)?;
    let (mut jobs, mut all) = (VecDeque::new(), Vec::new());
    for (platform, &(target, built)) in built.iter().enumerate() {
        let mut ran = Ran::default();
        match prepare(target, built, &stage, &mut ran) {
            Ok(prepared) => {
                ran.programs = prepared.len();
                jobs.extend(prepared.into_iter().map(|job| (platform, job)));
            }
            Err(error) => ran.fail(format!("{}: {error:#}", target.name)),
        }
        all.push(ran);
    }
    let (jobs, all) = (Mutex::new(jobs), Mutex::new(all));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((platform, job)) = next(&jobs) {
                    if let Err(failure) = job.run() {
                        all.lock().expect("no thread panics")[platform].fail(failure);
                    }
                }
            });
        }
    });
    Ok(all.into_inner().expect("no thread panics"))
}

fn next<T>(jobs: &Mutex<VecDeque<T>>) -> Option<T> {
    jobs.lock().expect("no thread panics").pop_front()
}

/// For the table.
impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = match self.failed.len() {
            0 => String::new(),
            1 => "1 FAILED".to_owned(),
            more => format!("{more} FAILED"),
        };
        let parts = [failed.as_str(), &self.summary];
        f.write_str(&parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", "))
    }
}

impl Ran {
    fn fail(&mut self, failure: String) {
        println!("{failure}");
        self.failed.push(failure);
    }
}

/// Makes all that a platform's programs take, and says in `ran` where they run, or why they do not.
fn prepare(target: &'static Target, built: &Built, stage: &Stage, ran: &mut Ran) -> Result<Vec<Job>> {
    if let Runs::Nowhere(reason) = target.runs() {
        ran.summary = format!("no: {reason}");
        return Ok(Vec::new());
    }
    let place = roots::place(target)?;
    if let Some(reason) = place.forbidden()? {
        ran.summary = format!("no: {reason}");
        return Ok(Vec::new());
    }
    let results = workspace::target()?.join("platforms/results").join(target.name);
    workspace::remove(&results)?;
    let broken = stage.broken(target)?;
    let c = if c_programs::CAN_BE_COMPILED { c_programs::compile(target, built)? } else { results.join("no-c") };
    if broken.foreign.is_none() {
        println!("{}: no file of another platform was built, so what is said of one is not checked", target.name);
    }
    let mut nodes = Vec::new();
    let mut missing = Vec::new();
    for major in MAJORS {
        match Node::of(major, target)? {
            Ok(node) => nodes.push((major, Arc::new(node))),
            Err(reason) => missing.push(format!("; {reason}")),
        }
    }
    let versions: Vec<_> = nodes.iter().map(|(_, node)| node.version.as_str()).collect();
    ran.summary = format!("{} on Node {}{}", place.how, versions.join(", "), missing.concat());

    let run = Arc::new(Run { target, service: stage.folder.clone(), place, broken, c, results });
    let mut jobs = vec![Job { run: run.clone(), node: None, program: Program::Smoke }];
    for (major, node) in nodes {
        let one = if major == WHOLE { &IN_ONE[..] } else { &[] };
        let programs = [Program::Record, Program::Service].into_iter().chain(one.iter().copied());
        jobs.extend(programs.map(|program| Job { run: run.clone(), node: Some(node.clone()), program }));
    }
    let in_c = |job: &Job| matches!(job.program, Program::Smoke | Program::CAddon);
    jobs.retain(|job| c_programs::CAN_BE_COMPILED || !in_c(job));
    Ok(jobs)
}

/// What the programs of a platform have in common.
struct Run {
    target: &'static Target,
    /// The folder of the stage.
    service: PathBuf,
    place: Place,
    broken: Broken,
    /// The folder of the C programs.
    c: PathBuf,
    /// Where programs leave what they say and record.
    results: PathBuf,
}

/// A program to run.
struct Job {
    run: Arc<Run>,
    node: Option<Arc<Node>>,
    program: Program,
}

impl Job {
    /// Runs it and says what came of it; also what the error is.
    fn run(&self) -> Result<(), String> {
        let began = Instant::now();
        let mut name = self.program.name().to_owned();
        if let Some(node) = &self.node {
            name += &format!(" on Node {}", node.version);
        }
        let result = self.run.results.join(name.replace(' ', "-"));
        let outcome = self.judged(&result);
        let (target, seconds) = (self.run.target.name, began.elapsed().as_secs_f32());
        match outcome {
            Ok(checks) => println!("{target}: {name}: {checks} checks, {seconds:.1} s"),
            Err(error) => return Err(format!("{target}: {name}: FAILED after {seconds:.1} s: {error:#}")),
        }
        Ok(())
    }

    /// Runs it and judges what it left in the folder `result`; returns how many checks passed.
    fn judged(&self, result: &Path) -> Result<usize> {
        let Run { target, place, c, .. } = &*self.run;
        fs::create_dir_all(result)?;
        let log = result.join("output");
        let c = place.folder(c, "c");
        let Some(node) = &self.node else {
            let mut command = place.command(&[&c], &c.path(c_programs::smoke(target)))?;
            return program::run(command.arg(env!("CARGO_PKG_VERSION")), &log);
        };
        let (service, results) = (place.folder(&self.run.service, "service"), place.folder(result, "results"));
        let (release, executable) = node.at(place);
        let mut command = place.command(&[&service, &results, &c, &release], &executable)?;
        command.arg(service.path(&format!("{}.cjs", self.program.name()))).env("ADDON", target.addon());
        match self.program {
            Program::Record => record(&mut command, &results, result, &log),
            Program::Service => serve(&mut command, &log),
            Program::Broken => {
                let Broken { folders, foreign } = &self.run.broken;
                command.args(folders.iter().map(|folder| service.path(folder)));
                command.envs(foreign.map(|foreign| ("FOREIGN", foreign.name)));
                program::run(&mut command, &log)
            }
            Program::CAddon => program::run(command.env("C_ADDON", c.path(c_programs::ADDON)), &log),
            Program::Smoke => bail!("it runs without Node"),
        }
    }
}

/// Runs the program that leaves chunks, which must be valid.
fn record(command: &mut Command, results: &Folder, result: &Path, log: &Path) -> Result<usize> {
    let checks = program::run(command.env("CHUNKS", results.path("chunks")), log)?;
    let mut chunks = 0;
    for entry in fs::read_dir(result.join("chunks")).context("it left no chunks")? {
        let file = entry?.path();
        let bytes = fs::read(&file)?;
        let payload: Value = serde_json::from_slice(&bytes)?;
        let header = json!({"type": "profile_chunk", "platform": payload["platform"]});
        if let Err(broken) = validate_chunk(&header, &bytes) {
            let broken: Vec<_> = broken.iter().map(ToString::to_string).collect();
            bail!("{} is not valid: {}", workspace::show(&file), broken.join("; "));
        }
        chunks += 1;
    }
    ensure!(chunks >= 2, "it left {chunks} chunks");
    Ok(checks + chunks)
}

/// Runs a service that sends chunks of its function `hot` to an ingest.
fn serve(command: &mut Command, log: &Path) -> Result<usize> {
    let ingest = Ingest::start()?;
    let checks = program::run(command.env("DSN", ingest.dsn()).env("INGEST", ingest.url()), log)?;
    let received = ingest.received();
    ensure!(received.errors.is_empty(), "the ingest refused a request: {}", received.errors.join("; "));
    let broken: Vec<_> = received.chunks().filter_map(|chunk| chunk.violations.as_ref()).flatten().collect();
    ensure!(broken.is_empty(), "a chunk is not valid: {broken:?}");
    let profile = received_profile::profile(received.chunks().map(|chunk| &chunk.payload))?;
    let hottest = profile.hottest(1).first().map(|spot| spot.frame.function.to_string());
    ensure!(hottest.as_deref() == Some("hot"), "the hottest function is {hottest:?}");
    Ok(checks + received.chunks().count())
}
