//! Makes files of recordings: a report of all threads of a run, and one profile of each in other formats.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use sentry_profiler::decode::{chunk, cpuprofile};
use sentry_profiler::encode::{self, flamegraph, folded, pprof};
use sentry_profiler::journal::{self, Recorded};
use sentry_profiler::report::{self, Exit, Process, Report, Thread};
use sentry_profiler::source_maps::SourceMaps;
use sentry_profiler::{Profile, Unix};
use serde::{Deserialize, Serialize};

/// How many functions a summary lists.
const LISTED: usize = 10;
/// Of how many source maps it says why they are not used.
const SKIPPED: usize = 2;

/// What to make.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    title: String,
    /// Journals, `.cpuprofile`s and chunks.
    inputs: Vec<PathBuf>,
    /// The files to compare with, for a diff.
    #[serde(default)]
    before: Vec<PathBuf>,
    /// The exit code of what ran, or the signal that ended it.
    code: Option<i32>,
    signal: Option<String>,
    /// When it ended, Unix milliseconds, and the id of its process: what it has not recorded is said.
    end_ms: Option<f64>,
    pid: Option<u32>,
    /// Whether that process had done all that was wanted when it was ended.
    #[serde(default)]
    is_done: bool,
    /// Whether hot lines are shown with their source.
    #[serde(default)]
    sources: bool,
    /// Whether functions and lines are shown where they were written, and the folder of maps that are not where their
    /// files say.
    #[serde(default)]
    source_maps: bool,
    source_map_folder: Option<PathBuf>,
    /// Formats and the files to write them to, without the thread's name where there are several.
    outputs: Vec<Output>,
}

#[derive(Deserialize)]
struct Output {
    format: Format,
    file: PathBuf,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Format {
    Html,
    Md,
    Cpuprofile,
    Pprof,
    Folded,
    Svg,
}

/// What was made.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    files: Vec<PathBuf>,
    /// Inputs that cannot be read, and why.
    unreadable: Vec<(PathBuf, String)>,
    unrecorded: Vec<String>,
    duration_us: i64,
    samples: usize,
    ran_us: u64,
    /// Shares of what ran by kind of code, the largest first.
    kinds: Vec<(&'static str, f64)>,
    threads: Vec<(String, String, u64)>,
    /// The ten hottest functions.
    hottest: Vec<Hot>,
    /// In a diff: how long something ran before, and the ten functions that changed most.
    #[serde(skip_serializing_if = "Option::is_none")]
    before_us: Option<u64>,
    changes: Vec<Change>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    function: String,
    place: String,
    before_us: u64,
    after_us: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Hot {
    function: String,
    place: String,
    self_us: u64,
    share: f64,
}

/// What a journal's head says.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Head {
    pid: u32,
    name: String,
    thread: String,
    thread_id: u32,
}

/// A thread, read.
struct Input {
    head: Head,
    profile: Profile,
    source_maps: Vec<(String, String)>,
    is_whole: bool,
}

/// Makes the files of a request. Its answer is JSON, see `ts/cli/reports.ts`.
pub fn make(request: &Request) -> Result<String, String> {
    let mut unreadable = vec![];
    let mut read_all = |files: &[PathBuf]| {
        let (mut inputs, mut chunks) = (vec![], vec![]);
        for file in files {
            match read(file) {
                Ok(Read::Thread(input)) => inputs.push(*input),
                Ok(Read::Chunk(bytes)) => chunks.push((name_of(file), bytes)),
                Err(why) => unreadable.push((file.clone(), why)),
            }
        }
        inputs.extend(threads_of(&chunks));
        inputs.sort_by_key(|input| (input.head.pid, input.head.thread_id, input.profile.start()));
        inputs
    };
    let (mut before, mut inputs) = (read_all(&request.before), read_all(&request.inputs));
    for Output { file, .. } in &request.outputs {
        let read = request.before.iter().chain(&request.inputs);
        // A file that is not there yet is none of them.
        if let Ok(written) = fs::canonicalize(file)
            && read.flat_map(fs::canonicalize).any(|read| read == written)
        {
            return Err(format!("{} would be overwritten, which is read: give another place with -o", file.display()));
        }
    }
    let unrecorded = unrecorded(request, &inputs);
    for inputs in [&mut before, &mut inputs] {
        // Processes and workers in which nothing ran, or that were killed before it was written.
        inputs.retain(|input| input.profile.active_samples() > 0);
    }
    let mut maps = request.source_map_folder.clone().map_or_else(SourceMaps::new, SourceMaps::in_folder);
    if request.source_maps {
        for input in before.iter_mut().chain(&mut inputs) {
            input.source_maps.iter().for_each(|(file, map)| maps.add(file, map.as_bytes()));
            maps.apply(&mut input.profile);
        }
    }
    let mut report = report(request, &inputs);
    report.unrecorded = unrecorded;
    report.unrecorded.extend(maps.skipped().iter().take(SKIPPED).cloned());
    let more = maps.skipped().len().saturating_sub(SKIPPED);
    if more > 0 {
        report.unrecorded.push(format!("Nor are those of {more} more files."));
    }
    if request.sources {
        report.read_sources_with(&maps.contents());
    }
    let mut summary = if request.before.is_empty() {
        summary(&report, write(request, &report, &inputs)?)
    } else {
        let before = Report { title: "before".to_owned(), ..of_threads(&before) };
        let mut summary = summary(&report, write_diff(request, &before, &report)?);
        compare(&mut summary, &before, &report);
        summary
    };
    summary.unreadable = unreadable;
    serde_json::to_string(&summary).map_err(|error| error.to_string())
}

/// What a file has.
enum Read {
    Thread(Box<Input>),
    /// One chunk of Sentry's, among others: the bytes.
    Chunk(Vec<u8>),
}

fn read(file: &Path) -> Result<Read, String> {
    let read_file = || fs::read(file).map_err(|error| error.to_string());
    let bytes = read_file()?;
    match journal::read(&bytes) {
        Ok(Recorded { head, end, profile, source_maps, .. }) => {
            let head = serde_json::from_str(&head).map_err(|error| format!("its head is no JSON: {error}"))?;
            Ok(Read::Thread(Box::new(Input { head, profile, source_maps, is_whole: end.is_some() })))
        }
        Err(journal::NoJournal::Foreign) => match cpuprofile::decode(bytes) {
            Ok(profile) => {
                let head = Head { name: name_of(file), thread: "main".to_owned(), ..Head::default() };
                Ok(Read::Thread(Box::new(Input { head, profile, source_maps: vec![], is_whole: true })))
            }
            Err(why) => {
                let bytes = read_file()?;
                chunk::decode([&bytes]).map(|_| Read::Chunk(bytes)).map_err(|_| why.to_string())
            }
        },
        Err(why) => Err(why.to_string()),
    }
}

fn name_of(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The threads of chunks, each of which can be read, with the name of the first one's file.
fn threads_of(chunks: &[(String, Vec<u8>)]) -> Vec<Input> {
    let threads = chunk::decode(chunks.iter().map(|(_, bytes)| bytes)).unwrap_or_default();
    let input = |(at, chunk::Thread { id, name, profile })| {
        let thread = name.unwrap_or_else(|| format!("thread {id}"));
        let head = Head { name: chunks[0].0.clone(), thread, thread_id: at, ..Head::default() };
        Input { head, profile, source_maps: vec![], is_whole: true }
    };
    (0..).zip(threads).map(input).collect()
}

fn of_threads(inputs: &[Input]) -> Report<'_> {
    let start = inputs.iter().map(|input| input.profile.start()).min().unwrap_or(Unix::from_us(0));
    let end = inputs.iter().map(|input| input.profile.end()).max().unwrap_or(start);
    let mut report = Report::new("", start, end);
    let mut processes: BTreeMap<u32, Vec<&Input>> = BTreeMap::new();
    for input in inputs {
        processes.entry(input.head.pid).or_default().push(input);
    }
    for (pid, threads) in processes {
        let name = match (&*threads[0].head.name, pid) {
            (name, 0) => name.to_owned(),
            (name, pid) => format!("{name} (pid {pid})"),
        };
        let threads = threads.into_iter().map(|input| Thread::new(&*input.head.thread, &input.profile)).collect();
        report.processes.push(Process::new(name, threads));
    }
    report
}

fn report<'a>(request: &Request, inputs: &'a [Input]) -> Report<'a> {
    let mut report = Report { title: request.title.clone(), ..of_threads(inputs) };
    report.exit = match (&request.signal, request.code) {
        (Some(signal), _) => Some(Exit::Signal(signal.clone())),
        (None, code) => code.map(Exit::Code),
    };
    report
}

/// What is missing of threads whose recordings have no end.
fn unrecorded(request: &Request, inputs: &[Input]) -> Vec<String> {
    let killed = inputs.iter().filter(|input| !input.is_whole);
    // Of the other processes it is not known when they ended.
    let (own, others): (Vec<_>, Vec<_>) = killed.partition(|input| request.pid == Some(input.head.pid));
    let name = |input: &Input| format!("{}, {}", input.head.name, input.head.thread);
    let mut sentences = vec![];
    if let Some(end) = request.end_ms.filter(|_| !request.is_done).map(|ms| Unix::from_us((ms * 1e3) as i64)) {
        sentences.extend(own.iter().map(|input| {
            let lost = (end - input.profile.end()).max(0) as f64 / 1e6;
            format!("The last {lost:.1} s of {}, are not recorded: it was killed.", name(input))
        }));
    }
    match &others[..] {
        [] => {}
        [one] => {
            sentences.push(format!("The end of {}, is not recorded: it was killed, or still runs.", name(one)));
        }
        [first, ..] => sentences.push(format!(
            "The ends of {} threads, such as {}, are not recorded: they were killed, or still run.",
            others.len(),
            name(first)
        )),
    }
    sentences
}

fn write(request: &Request, report: &Report<'_>, inputs: &[Input]) -> Result<Vec<PathBuf>, String> {
    let mut files = vec![];
    // Of nothing there is no report.
    let outputs = if inputs.is_empty() { &[][..] } else { &request.outputs };
    for Output { format, file } in outputs {
        let whole = match format {
            Format::Html => Some(report::html(report)),
            Format::Md => Some(report::markdown(report).into_bytes()),
            _ => None,
        };
        if let Some(bytes) = whole {
            put(file, &bytes, &mut files)?;
            continue;
        }
        for input in inputs {
            let encode = match format {
                Format::Cpuprofile => encode::cpuprofile::encode,
                Format::Pprof => pprof::encode,
                Format::Folded => folded::encode,
                _ => flamegraph::encode,
            };
            let mut own = if inputs.len() > 1 { of_thread(file, &input.head, None) } else { file.clone() };
            // Files of other tools say neither their process nor their thread.
            for number in 2.. {
                if !files.contains(&own) {
                    break;
                }
                own = of_thread(file, &input.head, Some(number));
            }
            put(&own, &encode(&input.profile), &mut files)?;
        }
    }
    Ok(files)
}

fn write_diff(request: &Request, before: &Report<'_>, after: &Report<'_>) -> Result<Vec<PathBuf>, String> {
    let mut files = vec![];
    for Output { format, file } in &request.outputs {
        if *format != Format::Html {
            return Err("a diff can only be written as html".to_owned());
        }
        put(file, &report::html_diff(before, after), &mut files)?;
    }
    Ok(files)
}

/// `profile.cpuprofile` becomes `profile-4711-worker-3.cpuprofile`, with a number
/// `profile-4711-worker-3-2.cpuprofile`.
fn of_thread(file: &Path, head: &Head, number: Option<u32>) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let (stem, extension) = name.split_once('.').unwrap_or((&name, ""));
    let thread = head.thread.replace(|character: char| !character.is_ascii_alphanumeric(), "-");
    let number = number.map(|number| format!("-{number}")).unwrap_or_default();
    file.with_file_name(format!("{stem}-{}-{thread}{number}.{extension}", head.pid))
}

fn put(file: &Path, bytes: &[u8], files: &mut Vec<PathBuf>) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot write {}: {error}", file.display());
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::File::create(file).and_then(|mut file| file.write_all(bytes)).map_err(failed)?;
    files.push(file.to_owned());
    Ok(())
}

fn summary(report: &Report<'_>, files: Vec<PathBuf>) -> Summary {
    let sums = report.totals();
    let part = |us: u64| us as f64 / sums.ran_us.max(1) as f64;
    let threads = report.processes.iter().flat_map(|process| {
        process.threads.iter().map(|thread| {
            let ran_us = thread.profile.stack_totals().iter().map(|total| total.time_us).sum();
            (process.name.clone(), thread.name.clone(), ran_us)
        })
    });
    Summary {
        files,
        unreadable: vec![],
        unrecorded: report.unrecorded.clone(),
        duration_us: report.end - report.start,
        samples: sums.samples,
        ran_us: sums.ran_us,
        kinds: sums.kinds.iter().map(|&(name, us)| (name, part(us))).collect(),
        threads: threads.collect(),
        hottest: sums
            .hottest
            .into_iter()
            .take(LISTED)
            .map(|hot| Hot { share: part(hot.self_us), function: hot.function, place: hot.place, self_us: hot.self_us })
            .collect(),
        before_us: None,
        changes: vec![],
    }
}

/// Adds what differs between two reports.
fn compare(summary: &mut Summary, before: &Report<'_>, after: &Report<'_>) {
    let (before, after) = (before.totals(), after.totals());
    summary.before_us = Some(before.ran_us);
    let mut functions: BTreeMap<(String, String), [u64; 2]> = BTreeMap::new();
    for (side, totals) in [before, after].into_iter().enumerate() {
        for hot in totals.hottest {
            // The same function may be at another line by now.
            let file = hot.place.rsplit_once(':').map_or(&*hot.place, |(file, _)| file).to_owned();
            functions.entry((hot.function, file)).or_default()[side] += hot.self_us;
        }
    }
    let mut changes: Vec<_> = functions
        .into_iter()
        .map(|((function, place), [before_us, after_us])| Change { function, place, before_us, after_us })
        .collect();
    changes.sort_by_key(|change| Reverse(change.before_us.abs_diff(change.after_us)));
    changes.truncate(LISTED);
    summary.changes = changes;
}
