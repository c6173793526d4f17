//! Named recordings with options, and in every format: off this thread where the program can wait for it.

use napi::bindgen_prelude::*;
use napi_derive::napi;
use sentry_profiler::encode::{RawOptions, cpuprofile, flamegraph, folded, pprof, sample_v1, sample_v2};
use sentry_profiler::report::{self, Process, Report};
use sentry_profiler::v8::LoggingMode;
use sentry_profiler::{DEFAULT_MAX_SAMPLES, Profile, RecordingOptions, SAMPLING_INTERVAL_RANGE_US};

use crate::arguments::Given;
use crate::background::{Background, Encoded, Made, Outcome};
use crate::environment::{Environment, text};
use crate::error::{Thrown, error};

/// A profile as it is written.
#[derive(Clone, Copy)]
enum Kind {
    Chunk,
    Thread,
    Cpuprofile,
    Pprof,
    Folded,
    Flamegraph,
    Html,
    Markdown,
}

const KINDS: &[(&str, Kind)] = &[
    ("chunk", Kind::Chunk),
    ("thread", Kind::Thread),
    ("cpuprofile", Kind::Cpuprofile),
    ("pprof", Kind::Pprof),
    ("folded", Kind::Folded),
    ("flamegraph", Kind::Flamegraph),
    ("html", Kind::Html),
    ("markdown", Kind::Markdown),
];

/// Starts a recording. Options: `intervalUs`, `maxSamples`.
#[napi(catch_unwind)]
pub fn start_recording(env: Env, title: Unknown<'_>, options: Unknown<'_>) -> Result<(), &'static str> {
    let title = given_title(title)?;
    let options = Given::new("options", options);
    let whole = |name, least, most| {
        let given = options.optional(name)?.map(|option| option.number(least, most)).transpose()?;
        Thrown::Ok(given.map(|number| number as u32))
    };
    let (least, most) = (*SAMPLING_INTERVAL_RANGE_US.start(), *SAMPLING_INTERVAL_RANGE_US.end());
    let interval_us = whole("intervalUs", least, most)?;
    let mut recording = RecordingOptions::default();
    recording.max_samples = whole("maxSamples", 2, u32::MAX)?.unwrap_or(DEFAULT_MAX_SAMPLES);
    Environment::of(&env)?.start(&title, interval_us, recording)
}

/// Stops a recording and encodes it here; null if there is none. Options: `format`, `threadId`, `threadName`,
/// `collectResources`.
#[napi(catch_unwind)]
pub fn stop_recording(env: Env, title: Unknown<'_>, options: Unknown<'_>) -> Result<Option<Encoded>, &'static str> {
    Ok(stopped(&env, title, options)?.map(|encoding| encoding.run().into()))
}

/// Stops a recording and encodes it on another thread; null if there is none.
#[napi(catch_unwind)]
pub fn stop_recording_async(
    env: Env,
    title: Unknown<'_>,
    options: Unknown<'_>,
) -> Result<Option<AsyncTask<Background>>, &'static str> {
    Ok(stopped(&env, title, options)?.map(|encoding| AsyncTask::new(Background::new(move || encoding.run()))))
}

fn given_title(title: Unknown<'_>) -> Thrown<String> {
    let title = Given::new("title", title).text()?;
    if title.is_empty() { Err(error("title must not be empty")) } else { Ok(title) }
}

fn stopped(env: &Env, title: Unknown<'_>, options: Unknown<'_>) -> Thrown<Option<Encoding>> {
    let title = given_title(title)?;
    let options = Given::new("options", options);
    // A recording is not lost to an argument that is wrong.
    let kind = options.option("format")?.one_of(KINDS)?;
    let thread_id = options.option("threadId")?.number(0, u32::MAX)?.to_string();
    let thread_name = options.option("threadName")?.text()?;
    let collect_resources = options.option("collectResources")?.boolean()?;
    let environment = Environment::of(env)?;
    let profile = environment.stop(&title)?;
    let logging = environment.logging;
    Ok(profile.map(|profile| Encoding { profile, kind, title, thread_id, thread_name, collect_resources, logging }))
}

/// A profile, and how it is to be written.
struct Encoding {
    profile: Profile,
    kind: Kind,
    title: String,
    thread_id: String,
    thread_name: String,
    collect_resources: bool,
    logging: LoggingMode,
}

impl Encoding {
    fn run(&self) -> Outcome {
        let profile = &self.profile;
        let raw = RawOptions {
            thread_id: &self.thread_id,
            collect_resources: self.collect_resources,
            logging_mode: self.logging.as_str(),
        };
        let bytes = match self.kind {
            Kind::Chunk => sample_v2::raw(profile, raw),
            Kind::Thread => sample_v1::raw(profile, raw),
            Kind::Cpuprofile => cpuprofile::encode(profile),
            Kind::Pprof => return Ok(Made::Bytes(pprof::encode(profile))),
            Kind::Folded => folded::encode(profile),
            Kind::Flamegraph => flamegraph::encode(profile),
            Kind::Html => report::html(&self.report()),
            Kind::Markdown => report::markdown(&self.report()).into_bytes(),
        };
        text(bytes).map(Made::Text)
    }

    fn report(&self) -> Report<'_> {
        let (start, end) = (self.profile.start(), self.profile.end());
        let mut report = Report::new(&*self.title, start, end);
        let thread = report::Thread::new(&*self.thread_name, &self.profile);
        report.processes.push(Process::new("process", vec![thread]));
        report.read_sources();
        report
    }
}
