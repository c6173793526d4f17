//! `cargo xtask bench`: this profiler beside the others, in one run.

mod chart;
mod machine;
mod results;
mod targets;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::dist::{self, Package};
use crate::nodes::{self, Node};
use crate::{npm, process, tree};
use results::{Results, size_of};

/// Measure this profiler beside @sentry/node-cpu-profiler, @datadog/pprof, Node's inspector and none
///
/// Each measurement is a fresh process; profilers take turns, and medians are compared. The machine should have nothing else
/// to do. An hour and a half; --quick takes less than five minutes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Shorter recordings, each measured once or twice, on Node 24 unless --node says otherwise
    #[arg(long)]
    quick: bool,
    /// Node releases, majors or versions [default: 22,24,26]
    #[arg(long, value_delimiter = ',', value_name = "RELEASES")]
    node: Vec<String>,
    /// Only these scenarios
    #[arg(long, value_delimiter = ',', value_name = "SCENARIOS")]
    only: Vec<String>,
    /// Where to write every value as JSON, as soon as there is one
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Replace bench/RESULTS.md, bench/results.svg and the table in README.md
    #[arg(long)]
    save: bool,
    /// Count instructions of the core's benchmarks under valgrind instead
    #[arg(long, conflicts_with_all = ["quick", "node", "only", "json", "save"])]
    instructions: bool,
}

/// A program of bench/programs with its arguments, measured with several profilers.
pub struct Scenario {
    pub name: &'static str,
    /// For the table's heading; says what is different in a quick run.
    about: String,
    program: &'static str,
    arguments: Vec<String>,
    pub profilers: &'static [&'static str],
    /// Those that are measured in the first round only.
    once: &'static [&'static str],
    repetitions: usize,
}

impl Scenario {
    /// Those that are measured in a round, in an order in which none is always first or always last.
    fn profilers_of(&self, round: usize) -> Vec<&'static str> {
        let mut profilers = self.profilers.to_vec();
        profilers.rotate_left(round % self.profilers.len());
        profilers.retain(|profiler| round == 0 || !self.once.contains(profiler));
        profilers
    }
}

const EVERY: &[&str] = &["ours", "ours, native", "peer", "datadog", "inspector"];
const AND_NONE: &[&str] = &["none", "ours", "ours, native", "peer", "datadog", "inspector"];
/// The targets are about others.
const BESIDE: &[&str] = &["datadog", "inspector"];
/// A minute each: the others are told by the deep shape.
const DEEPEST: &[&str] = &["none", "ours", "ours, native", "peer"];
const RUNNING: &[&str] = &["none", "ours, idle", "ours", "peer"];

fn scenarios(quick: bool) -> Vec<Scenario> {
    let pick = |short: u32, long: u32| if quick { short } else { long };
    let scenario = |name, about: String, program, arguments: &[String], profilers, repetitions: u32| Scenario {
        name,
        about,
        program,
        arguments: arguments.to_vec(),
        profilers,
        once: BESIDE,
        repetitions: repetitions as usize,
    };
    let recording = |name: &'static str, what: &str, seconds: u32, profilers, repetitions| {
        let arguments = [name.to_owned(), seconds.to_string()];
        scenario(name, format!("{what}, {seconds} s"), "recording.cjs", &arguments, profilers, repetitions)
    };
    let starts = |name, what: &str, functions: u32, count: u32| {
        let about = format!("starts and stops in {what}, {count} of each, in turn with as many of the peer's");
        let arguments = [functions, count].map(|number| number.to_string());
        scenario(name, about, "starts.cjs", &arguments, EVERY, pick(1, 5))
    };
    let running = |name, what: &str, program, seconds: u32, repetitions| {
        let about =
            format!("{what}: {seconds} s without a profiler and {seconds} s with one, beside a twin that has none");
        scenario(name, about, program, &[seconds.to_string()], RUNNING, repetitions)
    };
    let chunk_seconds = pick(2, 5);
    let pairs = pick(10, 40);
    vec![
        recording("shallow", "a shallow program", pick(2, 5), EVERY, pick(1, 3)),
        Scenario {
            once: &["none", "datadog", "inspector"],
            ..recording("deep", "500 call paths, 60 to 100 frames deep", pick(5, 30), AND_NONE, pick(1, 3))
        },
        Scenario {
            // Their figures are far from what they are compared with.
            once: &["none", "ours, native"],
            ..recording("very-deep", "2,000 call paths, 100 to 120 frames deep", pick(8, 59), DEEPEST, pick(1, 2))
        },
        scenario(
            "rotation",
            format!("three chunks of {chunk_seconds} s, one after the other, deep"),
            "rotation.cjs",
            &[chunk_seconds.to_string()],
            &["ours", "peer"],
            pick(1, 2),
        ),
        starts("small application", "a small application", 10, pick(20, 100)),
        starts("large application", "an application of 20,000 functions", 20_000, pick(20, 60)),
        scenario(
            "require",
            "with the Sentry SDK loaded before".to_owned(),
            "require.cjs",
            &[],
            &["ours", "peer"],
            pick(5, 15),
        ),
        scenario(
            "requests",
            format!(
                "{pairs} times ten sequential requests of 5 ms that are profiled and ten that are not, real SDK, trace lifecycle"
            ),
            "requests.cjs",
            &[pairs.to_string()],
            &["none", "ours", "peer"],
            pick(1, 3),
        ),
        running("service", "an HTTP service under load", "service.cjs", pick(3, 8), pick(1, 3)),
        running("loops", "CPU-bound loops", "loops.cjs", pick(1, 6), 1),
    ]
}

/// Where everything is that programs load.
struct Setup {
    package: Package,
    /// A folder whose node_modules have the peers, the SDK and our package.
    dir: PathBuf,
    programs: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    if arguments.instructions {
        return instructions();
    }
    let setup = install(dist::build(&dist::Arguments::default())?)?;
    let releases = match (&*arguments.node, arguments.quick) {
        ([], true) => vec![nodes::USUAL.to_owned()],
        ([], false) => nodes::MEASURED.map(str::to_owned).to_vec(),
        (named, _) => named.to_vec(),
    };
    let nodes = releases.iter().map(|release| nodes::fetch(release)).collect::<Result<Vec<_>>>()?;
    let mut scenarios = scenarios(arguments.quick);
    if let Some(unknown) = arguments.only.iter().find(|name| !scenarios.iter().any(|s| s.name == **name)) {
        let names: Vec<_> = scenarios.iter().map(|scenario| scenario.name).collect();
        anyhow::bail!("there is no scenario {unknown}; there are {}", names.join(", "));
    }
    scenarios.retain(|scenario| arguments.only.is_empty() || arguments.only.iter().any(|name| name == scenario.name));

    let mut results = Results::new(arguments.quick, &nodes, &setup.dir)?;
    results.sizes = vec![
        ("ours", size_of(&setup.dir, "sentry-profiler-node", None)?),
        ("peer", size_of(&setup.dir, "@sentry/profiling-node", Some("@sentry/node"))?),
        ("datadog", size_of(&setup.dir, "@datadog/pprof", None)?),
    ];
    measure(&setup, &nodes, &scenarios, &mut results, arguments.json.as_deref())?;

    let report = results.report(&scenarios);
    println!("\n{report}");
    if arguments.save {
        let dir = tree::root().join("bench");
        fs::write(dir.join("RESULTS.md"), report)?;
        let readme = tree::root().join("README.md");
        fs::write(&readme, with_table(&fs::read_to_string(&readme)?, &results.summary())?)?;
        if let Some(chart) = chart::draw(&results) {
            fs::write(dir.join("results.svg"), chart)?;
        }
    }
    Ok(())
}

/// The text with what stands between the two marks replaced.
fn with_table(text: &str, table: &str) -> Result<String> {
    const MARKS: [&str; 2] = ["<!-- measured -->", "<!-- /measured -->"];
    let (before, rest) = text.split_once(MARKS[0]).with_context(|| format!("there is no {}", MARKS[0]))?;
    let (_, after) = rest.split_once(MARKS[1]).with_context(|| format!("there is no {}", MARKS[1]))?;
    Ok(format!("{before}{}\n{}\n{}{after}", MARKS[0], table.trim(), MARKS[1]))
}

fn install(package: Package) -> Result<Setup> {
    let sources = tree::root().join("bench");
    let dir = tree::target()?.join("bench");
    npm::installed("bench", &sources, &dir)?;
    package.put_into(&dir)?;
    Ok(Setup { package, dir, programs: sources.join("programs") })
}

/// Everything once, then everything again: what the machine does meanwhile hits all profilers alike.
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
            for profiler in scenario.profilers_of(round) {
                for node in nodes {
                    done += 1;
                    eprint!("\r\x1b[K{done}/{total}, {} s: {}, {profiler}", begin.elapsed().as_secs(), scenario.name);
                    let (figures, undisturbed) =
                        undisturbed(|| run_program(setup, &addon, node, scenario, profiler))
                            .with_context(|| format!("\n{} with {profiler} on Node {}", scenario.name, node.version))?;
                    results.add(&node.version, scenario.name, profiler, &figures);
                    results.disturbed += usize::from(!undisturbed);
                }
            }
            // Each time: an hour's work is not to be lost.
            if let Some(file) = json {
                fs::write(file, serde_json::to_vec_pretty(&results.json())?)
                    .with_context(|| format!("writing {}", file.display()))?;
            }
        }
    }
    eprintln!("\r\x1b[K{total} measurements in {} s", begin.elapsed().as_secs());
    Ok(())
}

/// Runs it again when the machine did not leave it its cores; says whether it did in the end.
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

fn run_program(
    setup: &Setup,
    addon: &Path,
    node: &Node,
    scenario: &Scenario,
    profiler: &str,
) -> Result<serde_json::Map<String, serde_json::Value>> {
    let mut command = node.command();
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
    let line = printed.lines().last().context("it printed nothing")?;
    serde_json::from_str(line).with_context(|| format!("it printed {line}"))
}

/// How many instructions one round of each of the core's benchmarks takes: the same on a busy machine as on a quiet one.
fn instructions() -> Result<()> {
    let built = process::output(tree::cargo().args([
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
        let file = tree::target()?.join("callgrind.out");
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
