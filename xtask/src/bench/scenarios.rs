//! What is measured, with which profilers, and how often.

/// A program of bench/programs with its arguments, measured with several profilers.
pub struct Scenario {
    pub name: &'static str,
    /// For the table's heading, with the durations and counts of this run.
    pub about: String,
    pub program: &'static str,
    pub arguments: Vec<String>,
    pub profilers: &'static [&'static str],
    /// Profilers that are measured in the first round only.
    pub once: &'static [&'static str],
    /// Whether all profilers are measured at the same time.
    pub at_once: bool,
    pub repetitions: usize,
}

impl Scenario {
    /// The profilers to measure in a round, rotated so that none is always first or always last.
    pub fn profilers_of(&self, round: usize) -> Vec<&'static str> {
        let mut profilers = self.profilers.to_vec();
        profilers.rotate_left(round % self.profilers.len());
        profilers.retain(|profiler| round == 0 || !self.once.contains(profiler));
        profilers
    }
}

const EVERY: &[&str] = &["ours", "ours, native", "peer", "datadog", "inspector"];
const AND_NONE: &[&str] = &["none", "ours", "ours, native", "peer", "datadog", "inspector"];
/// Not in the targets, so one round is enough.
const BESIDE: &[&str] = &["datadog", "inspector"];
/// Without those that are not in the targets.
const QUICK_STARTS: &[&str] = &["ours", "ours, native", "peer"];
/// Each takes a minute; the deep shape is enough for the other profilers.
const DEEPEST: &[&str] = &["none", "ours", "ours, native", "peer"];
const RUNNING: &[&str] = &["none", "ours, idle", "ours", "peer"];
const STARTED: &[&str] = &["none", "ours", "ours, early", "ours, lazy", "peer"];
/// What records a whole program.
const RECORDERS: &[&str] = &["ours", "--cpu-prof", "0x", "flame"];
/// `0x` and `flame` take more than a minute and are not in the targets.
const QUICK_RECORDERS: &[&str] = &["ours", "--cpu-prof"];

pub fn all(quick: bool) -> Vec<Scenario> {
    let pick = |short: u32, long: u32| if quick { short } else { long };
    let scenario = |name, about: String, program, arguments: &[String], profilers, repetitions: u32| Scenario {
        name,
        about,
        program,
        arguments: arguments.to_vec(),
        profilers,
        once: BESIDE,
        at_once: false,
        repetitions: repetitions as usize,
    };
    let recording = |name: &'static str, what: &str, seconds: u32, profilers, repetitions| {
        let arguments = [name.to_owned(), seconds.to_string()];
        scenario(name, format!("{what}, {seconds} s"), "recording.cjs", &arguments, profilers, repetitions)
    };
    let starts = |name, what: &str, functions: u32, count: u32| {
        let about = format!("{count} starts and stops in {what}, alternating with as many of the peer's");
        let arguments = [functions, count].map(|number| number.to_string());
        let profilers = if quick { QUICK_STARTS } else { EVERY };
        scenario(name, about, "starts.cjs", &arguments, profilers, pick(1, 5))
    };
    let running = |name, what: &str, program, seconds: u32, repetitions| {
        let about =
            format!("{what}: {seconds} s without a profiler and {seconds} s with one, next to a twin that has none");
        scenario(name, about, program, &[seconds.to_string()], RUNNING, repetitions)
    };
    let idle = |name, what: &str, workers: u32, profilers, repetitions| {
        let seconds = pick(3, 10);
        let arguments = [seconds, workers].map(|number| number.to_string());
        Scenario {
            // Saves time, but the figures are lower than those of one process alone.
            at_once: quick,
            ..scenario(name, format!("{what}, {seconds} s"), "idle.cjs", &arguments, profilers, repetitions)
        }
    };
    let idle_workers = |name, workers| {
        idle(name, &format!("idle workers that record: {workers}"), workers, &["none", "ours", "datadog"], 1)
    };
    let started = |name, what: &str, arguments: &[&str], repetitions| {
        let about = format!("{what} until it listens, each profiler {repetitions} times, with the real SDK");
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>();
        scenario(name, about, "cold.cjs", &arguments, STARTED, repetitions)
    };
    let chunk_seconds = pick(2, 5);
    let pairs = pick(10, 12);
    let mut scenarios = vec![
        recording("shallow", "a shallow program", pick(2, 5), EVERY, pick(1, 3)),
        Scenario {
            once: &["none", "datadog", "inspector"],
            ..recording("deep", "500 call paths, 60 to 100 frames deep", pick(5, 30), AND_NONE, pick(1, 3))
        },
        Scenario {
            // Their figures are far from the targets, so one round is enough.
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
                "{pairs} times ten sequential requests of 5 ms that are profiled and ten that are not, real SDK, trace \
                 lifecycle"
            ),
            "requests.cjs",
            &[pairs.to_string()],
            &["none", "ours", "peer"],
            // Processes differ by more than the pairs of one.
            pick(1, 10),
        ),
        running("service", "an HTTP service under load", "service.cjs", pick(3, 8), pick(1, 3)),
        running("loops", "CPU-bound loops", "loops.cjs", pick(1, 6), 1),
        {
            let (seconds, megabytes) = (pick(2, 10), pick(20, 100));
            let about = format!(
                "the command and others: {seconds} s of work with and without, the TypeScript compiler, endless loops that \
                 are killed, a .cpuprofile of {megabytes} MB"
            );
            let arguments = [seconds, megabytes].map(|number| number.to_string());
            let recorders = if quick { QUICK_RECORDERS } else { RECORDERS };
            scenario("record", about, "record.cjs", &arguments, recorders, 1)
        },
        idle("idle", "an idle process that records", 0, &["none", "ours", "peer", "datadog"], pick(1, 2)),
        idle_workers("idle workers 1", 1),
        idle_workers("idle workers 4", 4),
        idle_workers("idle workers 16", 16),
        idle_workers("idle workers 64", 64),
        {
            let spans = pick(3, 8);
            let about = format!("what the process takes after a span of 50 ms, trace lifecycle, {spans} spans");
            Scenario {
                at_once: quick,
                ..scenario("after a span", about, "after-span.cjs", &[spans.to_string()], &["none", "ours"], 1)
            }
        },
        started("cold start small", "a small HTTP service", &[], pick(7, 25)),
        started("cold start heavy", "a service of 450 modules and TypeScript", &["./application"], pick(3, 9)),
        {
            let seconds = pick(1, 4);
            let about = format!(
                "functions that are compiled and called once: {seconds} s without a profiler and {seconds} s with one \
                 that does not record, next to a twin that has none"
            );
            let profilers = &["none", "ours, idle", "ours, lazy", "peer, idle"];
            scenario("compiling", about, "compiling.cjs", &[seconds.to_string()], profilers, pick(1, 3))
        },
        {
            let seconds = 8;
            let about = format!(
                "an HTTP service at 55 % load whose requests come at random times: {seconds} s without a profiler and \
                 {seconds} s with one, next to a twin that has none"
            );
            let profilers = &["none", "ours", "peer", "datadog"];
            scenario("poisson", about, "poisson.cjs", &[seconds.to_string()], profilers, 2)
        },
    ];
    if quick {
        // A few seconds of random arrivals say nothing.
        scenarios.retain(|scenario| !["idle workers 4", "idle workers 64", "poisson"].contains(&scenario.name));
    }
    scenarios
}
