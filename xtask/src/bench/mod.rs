//! `cargo xtask bench`: compares this profiler with others in one run.

mod chart;
mod machine;
mod markdown;
mod package_size;
mod report;
mod results;
mod scenarios;
mod targets;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::node_releases::{self, Node};
use crate::npm_package::{self, Package};
use crate::{npm, process, workspace};
use package_size::size_of;
use results::Results;
use scenarios::Scenario;

/// Compare this profiler with @sentry/node-cpu-profiler, @datadog/pprof, Node's inspector and no profiler
///
/// Every measurement runs in a fresh process; the profilers take turns, and medians are compared. The machine should
/// be otherwise idle. Takes two hours; with --quick less than six minutes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Shorter recordings, each measured once or twice, on one release unless --node says otherwise
    #[arg(long)]
    quick: bool,
    #[arg(long, value_delimiter = ',', value_name = "RELEASES", help = node_help())]
    node: Vec<String>,
    /// Only these scenarios
    #[arg(long, value_delimiter = ',', value_name = "SCENARIOS")]
    only: Vec<String>,
    /// Write all values to this file as JSON, updated after each measurement
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Replace bench/RESULTS.md, bench/results.svg and the table in README.md
    #[arg(long)]
    save: bool,
    /// Instead, count the instructions of the core's benchmarks under valgrind
    #[arg(long, conflicts_with_all = ["quick", "node", "only", "json", "save"])]
    instructions: bool,
}

fn node_help() -> String {
    format!("Node releases, majors or versions [default: {}]", node_releases::MEASURED.join(","))
}

/// What the measured programs load.
struct Setup {
    package: Package,
    /// A folder whose node_modules contain the other profilers, the SDK and our package.
    dir: PathBuf,
    programs: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    if arguments.instructions {
        return instructions();
    }
    let setup = install(npm_package::build()?)?;
    let releases = match (&*arguments.node, arguments.quick) {
        ([], true) => vec![node_releases::USUAL.to_owned()],
        ([], false) => node_releases::MEASURED.map(str::to_owned).to_vec(),
        (named, _) => named.to_vec(),
    };
    let nodes = releases.iter().map(|release| node_releases::fetch(release)).collect::<Result<Vec<_>>>()?;
    write_application(&setup, &nodes[0])?;
    let mut scenarios = scenarios::all(arguments.quick);
    if let Some(unknown) = arguments.only.iter().find(|name| !scenarios.iter().any(|s| s.name == **name)) {
        let names: Vec<_> = scenarios.iter().map(|scenario| scenario.name).collect();
        anyhow::bail!("unknown scenario {unknown}; the scenarios are {}", names.join(", "));
    }
    scenarios.retain(|scenario| arguments.only.is_empty() || arguments.only.iter().any(|name| name == scenario.name));

    let mut results = Results::new(arguments.quick, &nodes, &setup.dir)?;
    results.sizes = vec![
        ("ours", size_of(&setup.dir, "sentry-profiler-node", None)?),
        ("peer", size_of(&setup.dir, "@sentry/profiling-node", Some("@sentry/node"))?),
        ("datadog", size_of(&setup.dir, "@datadog/pprof", None)?),
    ];
    measure(&setup, &nodes, &scenarios, &mut results, arguments.json.as_deref())?;

    let report = report::report(&results, &scenarios);
    println!("\n{report}");
    if arguments.save {
        let dir = workspace::root().join("bench");
        fs::write(dir.join("RESULTS.md"), report)?;
        let readme = workspace::root().join("README.md");
        fs::write(&readme, with_table(&fs::read_to_string(&readme)?, &report::summary(&results))?)?;
        if let Some(chart) = chart::draw(&results) {
            fs::write(dir.join("results.svg"), chart)?;
        }
    }
    Ok(())
}

/// Replaces what is between the two marks.
fn with_table(text: &str, table: &str) -> Result<String> {
    const MARKS: [&str; 2] = ["<!-- measured -->", "<!-- /measured -->"];
    let (before, rest) = text.split_once(MARKS[0]).with_context(|| format!("there is no {}", MARKS[0]))?;
    let (_, after) = rest.split_once(MARKS[1]).with_context(|| format!("there is no {}", MARKS[1]))?;
    Ok(format!("{before}{}\n{}\n{}{after}", MARKS[0], table.trim(), MARKS[1]))
}

fn install(package: Package) -> Result<Setup> {
    let sources = workspace::root().join("bench");
    let dir = workspace::target()?.join("bench");
    npm::installed("bench", &sources, &dir)?;
    package.put_into(&dir)?;
    Ok(Setup { package, dir, programs: sources.join("programs") })
}

/// Writes the modules that the heavy cold start loads.
fn write_application(setup: &Setup, node: &Node) -> Result<()> {
    let dir = setup.dir.join("application");
    let programs = ["application.cjs", "shapes.cjs"].map(|name| setup.programs.join(name));
    workspace::when_changed("bench-application", &programs, &dir, || {
        workspace::remove(&dir)?;
        process::output(node.command().arg(&programs[0]).arg(&dir)).map(drop)
    })
}

/// Runs whole rounds rather than one profiler after the other, so that disturbances hit all profilers alike.
fn measure(
    setup: &Setup,
    nodes: &[Node],
    scenarios: &[Scenario],
    results: &mut Results,
    json: Option<&Path>,
) -> Result<()> {
    let addon = setup.package.addon();
    let total: usize = scenarios.iter().flat_map(|s| (0..s.repetitions).map(|round| s.profilers_of(round).len())).sum();
    let total = total * nodes.len();
    let (mut done, begin) = (0, Instant::now());
    for round in 0..scenarios.iter().map(|scenario| scenario.repetitions).max().unwrap_or(0) {
        for scenario in scenarios.iter().filter(|scenario| round < scenario.repetitions) {
            let profilers = scenario.profilers_of(round);
            for group in profilers.chunks(if scenario.at_once { profilers.len() } else { 1 }) {
                for node in nodes {
                    done += group.len();
                    let what = format!("{}, {}", scenario.name, group.join(" and "));
                    eprint!("\r\x1b[K{done}/{total}, {} s: {what}", begin.elapsed().as_secs());
                    let (figures, undisturbed) = undisturbed(|| run_programs(setup, &addon, node, scenario, group))
                        .with_context(|| format!("\n{what}, Node {}", node.version))?;
                    for (profiler, figures) in group.iter().zip(&figures) {
                        results.add(&node.version, scenario.name, profiler, figures);
                    }
                    results.disturbed += usize::from(!undisturbed);
                }
            }
            // After each measurement, so that an interrupted run keeps what it measured.
            if let Some(file) = json {
                fs::write(file, serde_json::to_vec_pretty(&results.json())?)
                    .with_context(|| format!("writing {}", file.display()))?;
            }
        }
    }
    eprintln!("\r\x1b[K{total} measurements in {} s", begin.elapsed().as_secs());
    Ok(())
}

/// Retries a measurement during which the host took the cores away. Also returns whether the last try was
/// undisturbed.
fn undisturbed<T>(run: impl Fn() -> Result<T>) -> Result<(T, bool)> {
    const STOLEN_AT_MOST: f64 = 0.03;
    const TRIES: usize = 2;
    let mut tried = 0;
    loop {
        tried += 1;
        let stolen = machine::Stolen::from_now_on();
        let result = run()?;
        let undisturbed = stolen.share() <= STOLEN_AT_MOST;
        if undisturbed || tried == TRIES {
            return Ok((result, undisturbed));
        }
    }
}

/// What a program printed.
type Figures = serde_json::Map<String, serde_json::Value>;

/// Measures several profilers at the same time.
fn run_programs(
    setup: &Setup,
    addon: &Path,
    node: &Node,
    scenario: &Scenario,
    profilers: &[&str],
) -> Result<Vec<Figures>> {
    thread::scope(|scope| {
        let run = |&profiler| scope.spawn(move || run_program(setup, addon, node, scenario, profiler));
        let runs: Vec<_> = profilers.iter().map(run).collect();
        runs.into_iter().map(|run| run.join().expect("a measurement does not panic")).collect()
    })
}

fn run_program(setup: &Setup, addon: &Path, node: &Node, scenario: &Scenario, profiler: &str) -> Result<Figures> {
    let mut command = node.command();
    if profiler == "ours, early" {
        command.args(["--require", "sentry-profiler-node/early"]);
    }
    if profiler == "ours, lazy" {
        command.env("SENTRY_PROFILER_LOGGING_MODE", "lazy");
    }
    command
        .current_dir(&setup.dir)
        .arg("--expose-gc")
        .arg(setup.programs.join(scenario.program))
        .arg(profiler)
        .args(&scenario.arguments)
        .env("BENCH_PEERS", &setup.dir)
        .env("BENCH_ADDON", addon)
        .env_remove("NODE_OPTIONS");
    let printed = process::output(&mut command)?;
    let line = printed.lines().last().context("the program printed nothing")?;
    serde_json::from_str(line).with_context(|| format!("the program printed {line}"))
}

/// Counts the instructions of one round of each of the core's benchmarks, which do not depend on the machine's load.
fn instructions() -> Result<()> {
    let built = process::output(workspace::cargo().args([
        "bench",
        "--package=sentry-profiler",
        "--bench=formats",
        "--no-run",
        "--message-format=json",
    ]))?;
    let program = built
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find_map(|message| Some(message["executable"].as_str()?.to_owned()))
        .context("cargo built no benchmark")?;
    let listed = process::output(std::process::Command::new(&program).args(["--bench", "--list"]))?;
    for name in listed.lines().filter_map(|line| line.strip_suffix(": benchmark")) {
        let file = workspace::target()?.join("callgrind.out");
        process::output(
            std::process::Command::new("valgrind")
                .args(["--tool=callgrind", "--toggle-collect=*measured*", "--quiet"])
                .arg(format!("--callgrind-out-file={}", file.display()))
                .arg(&program)
                .args(["--test", "--exact", name]),
        )
        .context("is valgrind installed?")?;
        let profile = fs::read_to_string(&file)?;
        let count = profile.lines().find_map(|line| line.strip_prefix("summary: ")).context("callgrind left no sum")?;
        println!("{name:40} {count:>12} instructions");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::with_table;

    #[test]
    fn the_table_is_replaced_and_nothing_else() {
        let text = "before\n<!-- measured -->\nold\n<!-- /measured -->\nafter\n";
        let replaced = with_table(text, "new\n").unwrap();
        assert_eq!(replaced, "before\n<!-- measured -->\nnew\n<!-- /measured -->\nafter\n");
        assert!(with_table("no marks", "new").is_err());
    }
}
