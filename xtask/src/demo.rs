//! `cargo xtask demo`: profiles a real service under load and shows the result.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use sentry_profiler::encode::{cpuprofile, flamegraph};
use sentry_profiler::report::{Report, html};
use sentry_profiler::{Hotspot, Profile};
use sentry_profiler_ingest::{Ingest, Received, ReceivedItem};

use crate::node_releases::{self, Node};
use crate::npm_package::{self, Package};
use crate::process::Background;
use crate::{npm, received_profile, workspace};

/// Profile a real HTTP service and show the profile
///
/// Builds the package, installs it with the Sentry SDK in target/demo, starts the service of examples/node-service
/// with the DSN of an ingest on this machine, sends requests for some seconds, and prints the hottest functions.
#[derive(clap::Args)]
pub struct Arguments {
    /// Node release to run the service on: a major or a version
    #[arg(long, default_value = node_releases::USUAL)]
    node: String,
    /// How long to send requests
    #[arg(long, default_value = "8", value_name = "SECONDS")]
    seconds: u64,
}

impl Default for Arguments {
    fn default() -> Self {
        Self { node: node_releases::USUAL.to_owned(), seconds: 8 }
    }
}

/// The resources of the service.
const RESOURCES: [&str; 4] = ["price", "search", "report", "page"];

/// Clients that send requests at the same time.
const CLIENTS: usize = 4;

/// A client's pause between two requests, so that the service is busy but not overloaded.
const PAUSE: Duration = Duration::from_millis(60);

/// How many chunks are listed one by one.
const LISTED: usize = 12;

/// How long the service may take to start, and to send its last chunk and end.
const PATIENCE: Duration = Duration::from_secs(20);

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    show(arguments, &npm_package::build()?)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the demo with a built package. Fails if no valid chunk arrives.
pub fn show(arguments: &Arguments, package: &Package) -> Result<()> {
    let node = node_releases::fetch(&arguments.node)?;
    let dir = install(package)?;
    let ingest = Ingest::start()?;
    serve(&node, &dir, &ingest, Duration::from_secs(arguments.seconds))?;
    report(&ingest.received(), &dir)
}

/// Installs the service with the SDK and our package, as a user would.
fn install(package: &Package) -> Result<PathBuf> {
    let example = workspace::root().join("examples/node-service");
    let dir = workspace::target()?.join("demo");
    workspace::when_changed("demo", &[example.clone(), package.tarball.clone()], &dir.join("node_modules"), || {
        eprintln!("installing the service in {}", workspace::show(&dir));
        workspace::remove(&dir)?;
        fs::create_dir_all(&dir)?;
        for entry in fs::read_dir(&example)? {
            let file = entry?.path();
            if file.is_file() {
                fs::copy(&file, dir.join(file.file_name().expect("a file has a name")))?;
            }
        }
        npm::ci(&dir)?;
        npm::add(&dir, &package.tarball, &["sentry-profiler-node"])
    })?;
    Ok(dir)
}

fn serve(node: &Node, dir: &Path, ingest: &Ingest, duration: Duration) -> Result<()> {
    eprintln!("starting the service on Node {}", node.version);
    let mut command = node.command();
    command.args(["--import", "./instrument.mjs", "server.mjs"]).current_dir(dir).stdout(Stdio::piped());
    // The user's settings for another service must not change this one.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SENTRY_") || name == "NODE_OPTIONS" {
            command.env_remove(name);
        }
    }
    let mut service = Background::start(command.env("SENTRY_DSN", ingest.dsn()).env("PORT", "0"))?;
    let mut lines = BufReader::new(service.child().stdout.take().context("no standard output")?).lines();
    let first = lines.next().transpose()?.context("the service ended before it listened")?;
    let address = first.strip_prefix("listening on ").with_context(|| format!("the service printed: {first}"))?;

    eprintln!("sending requests to {address} for {} s", duration.as_secs());
    let answered = load(address, duration)?;
    eprintln!("{answered} requests answered; ending the service");
    service.stop(PATIENCE).context("the service was asked to end")
}

/// Sends requests from several clients at once; returns how many were answered.
fn load(address: &str, duration: Duration) -> Result<usize> {
    let (answered, begin) = (AtomicUsize::new(0), Instant::now());
    thread::scope(|scope| {
        let client = |number: usize| {
            let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
            // Each client begins with another resource, so that they are mixed.
            for resource in RESOURCES.iter().cycle().skip(number) {
                if begin.elapsed() >= duration {
                    break;
                }
                let url = format!("{address}/{resource}");
                let body = agent.get(&url).call().and_then(|mut response| response.body_mut().read_to_string());
                ensure!(!body.with_context(|| format!("requesting {url}"))?.is_empty(), "{url} answered nothing");
                answered.fetch_add(1, Ordering::Relaxed);
                thread::sleep(PAUSE);
            }
            Ok(())
        };
        let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || client(number))).collect();
        clients.into_iter().try_for_each(|client| client.join().expect("a client does not panic"))
    })?;
    Ok(answered.into_inner())
}

fn report(received: &Received, dir: &Path) -> Result<()> {
    for error in &received.errors {
        println!("the ingest refused a request: {error}");
    }
    let chunks: Vec<_> = received.chunks().collect();
    println!();
    println!("profile chunks received: {}", chunks.len());
    for (number, chunk) in chunks.iter().enumerate().take(LISTED) {
        println!("  {}: {}", number + 1, verdict(chunk));
    }
    if chunks.len() > LISTED {
        println!("  and {} more", chunks.len() - LISTED);
    }
    let valid: Vec<_> = chunks.iter().filter(|chunk| chunk.summary.is_some()).map(|chunk| &chunk.payload).collect();
    if valid.is_empty() {
        bail!("no valid profile chunk arrived");
    }
    let profile = received_profile::profile(valid.iter().copied())?;
    println!();
    print!("{}", table(&profile));
    println!();
    let of_service = Report { title: "node server.mjs".into(), ..Report::of(&profile) };
    for (name, bytes, how) in [
        (
            "demo.cpuprofile",
            cpuprofile::encode(&profile),
            "open it in Chrome DevTools (Performance, Load profile) or VS Code",
        ),
        ("demo.html", html(&of_service), "the report: open it in any browser"),
        ("demo.svg", flamegraph::encode(&profile), "a flame graph for any browser"),
    ] {
        let file = dir.join(name);
        fs::write(&file, bytes).with_context(|| format!("writing {}", file.display()))?;
        println!("{}: {how}", workspace::show(&file));
    }
    ensure!(valid.len() == chunks.len(), "{} of {} chunks are not valid", chunks.len() - valid.len(), chunks.len());
    Ok(())
}

/// Describes a valid chunk, or what is wrong with an invalid one.
fn verdict(chunk: &ReceivedItem) -> String {
    match &chunk.summary {
        Some(summary) => format!(
            "valid, {:.1} s, {} samples, {} stacks, {} frames, {} bytes",
            summary.end - summary.start,
            summary.samples,
            summary.stacks,
            summary.frames,
            summary.bytes
        ),
        None => {
            let broken = chunk.violations.as_deref().unwrap_or_default();
            let more = if broken.len() > 3 { format!("; and {} more", broken.len() - 3) } else { String::new() };
            format!("INVALID: {}{more}", broken[..broken.len().min(3)].join("; "))
        }
    }
}

/// The ten hottest functions.
fn table(profile: &Profile) -> String {
    const BAR: usize = 24;
    let hottest = profile.hottest(10);
    let sum: u64 = profile.stack_totals().iter().map(|total| total.time_us).sum();
    let most = hottest.iter().map(|spot| spot.self_us).max().unwrap_or(0).max(1);
    let names: Vec<_> = hottest.iter().map(|spot| shorten(&spot.frame.function, 40)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("function".len());
    let mut table = format!("The ten hottest functions, of {} sampled\n\n", seconds(sum));
    table += &format!("{:>16}  {:>16}  {:BAR$}  {:width$}  defined in\n", "self", "total", "", "function");
    for (Hotspot { frame, self_us, total_us }, name) in hottest.iter().zip(names) {
        let share = |time: &u64| format!("{} {:5.1} %", seconds(*time), *time as f64 * 100.0 / sum.max(1) as f64);
        let bar = "█".repeat((self_us * BAR as u64).div_ceil(most) as usize);
        let place = match (&*frame.file, frame.line) {
            ("", _) => String::new(),
            (file, 0) => workspace::show(Path::new(file)),
            (file, line) => format!("{}:{line}", workspace::show(Path::new(file))),
        };
        let line = format!("{:>16}  {:>16}  {bar:BAR$}  {name:width$}  {place}", share(self_us), share(total_us));
        table += line.trim_end();
        table.push('\n');
    }
    table
}

fn seconds(time_us: u64) -> String {
    format!("{:.2} s", time_us as f64 / 1e6)
}

fn shorten(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use sentry_profiler::{Frame, FrameKind, ProfileBuilder, Unix};

    use super::*;

    #[test]
    fn the_table_is_aligned_and_sorted() {
        let mut builder = ProfileBuilder::new();
        let mut stack = |function: &str, file: &str, line| {
            let kind = FrameKind::Script;
            let (function, file) = (function.into(), file.into());
            let frame = builder.frame(&Frame { function, file, line, column: 1, kind, in_app: true });
            builder.stack(None, frame)
        };
        let (hot, mild) = (stack("hot", "/app/a.mjs", 7), stack("milder", "", 0));
        for (time, stack) in [(0, Some(mild)), (1_000_000, Some(hot)), (4_000_000, None)] {
            builder.sample(Unix::from_us(time), stack);
        }
        let table = table(&builder.finish(Unix::from_us(0), Unix::from_us(4_000_000), 10_000));
        assert_eq!(
            table.lines().collect::<Vec<_>>(),
            [
                "The ten hottest functions, of 4.00 s sampled",
                "",
                "            self             total                            function  defined in",
                "  3.00 s  75.0 %    3.00 s  75.0 %  ████████████████████████  hot       /app/a.mjs:7",
                "  1.00 s  25.0 %    1.00 s  25.0 %  ████████                  milder",
            ]
        );
    }
}
