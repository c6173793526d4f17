//! [`Report`]: what a run did, and [`html`]: one page that shows it, in any browser, without a server or a network.
//! [`markdown`] says the most important of it as text.
//!
//! ```no_run
//! use sentry_profiler::report::{Process, Report, Thread, html};
//!
//! # fn stopped() -> sentry_profiler::Profile { unimplemented!() }
//! let profile = stopped();
//! let mut report = Report::new("node build.js", profile.start(), profile.end());
//! report.processes.push(Process::new("node", vec![Thread::new("main", &profile)]));
//! std::fs::write("report.html", html(&report))?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod data;
mod markdown;
mod page;
mod sources;
mod sums;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

pub use self::sources::Sources;
use self::sums::Sums;
use crate::profile::origin::{Origin, Places};
use crate::{Frame, Profile, Unix};

/// What was recorded of one run of a program.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// What was run: the command, or what else tells this report from others.
    pub title: String,
    /// When it began.
    pub start: Unix,
    /// When it ended.
    pub end: Unix,
    /// How it ended, if that is known.
    pub exit: Option<Exit>,
    /// What is not in the report, a sentence each: "The last 0.2 s are not recorded."
    pub unrecorded: Vec<String>,
    /// Those that ran, in the order in which they are shown.
    pub processes: Vec<Process<'a>>,
    /// Lines of source, by file and number (from 1), that are shown next to the time that they took.
    pub sources: Sources,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It returned this code.
    Code(i32),
    /// A signal of this name ended it.
    Signal(String),
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(name) => write!(f, "ended by {name}"),
        }
    }
}

/// A process of a run.
#[derive(Clone, Debug)]
pub struct Process<'a> {
    /// What it is called where there is more than one.
    pub name: String,
    /// Its threads, the main one first.
    pub threads: Vec<Thread<'a>>,
}

/// A thread that ran JavaScript, and its profile.
#[derive(Clone, Debug)]
pub struct Thread<'a> {
    /// What it is called.
    pub name: String,
    /// The CPU time that it took, if it was measured.
    pub cpu: Option<Duration>,
    /// What it ran.
    pub profile: &'a Profile,
    /// What it worked on, in any order.
    pub spans: Vec<Span>,
}

/// A stretch of work with a name, such as a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// What was done.
    pub name: String,
    /// When it began.
    pub start: Unix,
    /// When it ended.
    pub end: Unix,
}

impl<'a> Report<'a> {
    /// A report without processes.
    pub fn new(title: impl Into<String>, start: Unix, end: Unix) -> Self {
        Self {
            title: title.into(),
            start,
            end,
            exit: None,
            unrecorded: vec![],
            processes: vec![],
            sources: Sources::new(),
        }
    }

    /// The report of one profile.
    pub fn of(profile: &'a Profile) -> Self {
        let thread = Thread::new("main", profile);
        let processes = vec![Process::new("process", vec![thread])];
        Self { processes, ..Self::new("Profile", profile.start(), profile.end()) }
    }

    /// Adds the hottest lines of the hottest functions, as far as their files can be read on this machine.
    pub fn read_sources(&mut self) {
        self.read_sources_with(&BTreeMap::new());
    }

    /// As [`Report::read_sources`]; of these files the lines are known.
    pub fn read_sources_with(&mut self, known: &BTreeMap<String, Vec<&str>>) {
        self.sources = sources::read(self, known);
    }
}

/// What a report's threads ran, added up.
#[derive(Clone, Debug)]
pub struct Totals {
    /// How long something ran, microseconds.
    pub ran_us: u64,
    /// In how many samples something ran.
    pub samples: usize,
    /// How much of it each kind of code took, by the kind's name, the largest part first.
    pub kinds: Vec<(&'static str, u64)>,
    /// The functions that ran themselves, hottest first.
    pub hottest: Vec<HotFunction>,
}

/// A function of [`Totals`].
#[derive(Clone, Debug)]
pub struct HotFunction {
    /// Its name.
    pub function: String,
    /// Its short path and line, or what kind of code it is.
    pub place: String,
    /// How long it ran itself, microseconds.
    pub self_us: u64,
}

impl Report<'_> {
    /// What its threads ran, added up.
    pub fn totals(&self) -> Totals {
        let threads: Vec<_> = self.processes.iter().flat_map(|process| &process.threads).collect();
        let places = Places::of(threads.iter().flat_map(|thread| thread.profile.frames()));
        let sums = Sums::of(&threads, &places);
        let mut kinds: Vec<_> = Origin::ALL.into_iter().map(Origin::name).zip(sums.kinds).collect();
        kinds.retain(|(_, us)| *us > 0);
        kinds.sort_by_key(|(_, us)| std::cmp::Reverse(*us));
        let hot = |(frame, times): (&Frame, sums::Times)| HotFunction {
            function: frame.function.to_string(),
            place: sums::place(&places, frame),
            self_us: times.self_us,
        };
        let hottest = sums.hottest().into_iter().map(hot).collect();
        Totals { ran_us: sums.ran_us, samples: sums.samples, kinds, hottest }
    }
}

impl<'a> Process<'a> {
    /// A process with these threads.
    pub fn new(name: impl Into<String>, threads: Vec<Thread<'a>>) -> Self {
        Self { name: name.into(), threads }
    }
}

impl<'a> Thread<'a> {
    /// A thread of which nothing but its profile is known.
    pub fn new(name: impl Into<String>, profile: &'a Profile) -> Self {
        Self { name: name.into(), cpu: None, profile, spans: vec![] }
    }
}

/// The page of a report.
///
/// It is below 300 kB where the samples alone take no more than half of that: times are rounded, calls that took the
/// least time are merged into their callers' `(smaller calls)`, and the page says so. Any thread; takes as long as the
/// profiles are large.
pub fn html(report: &Report<'_>) -> Vec<u8> {
    page::of(&[report])
}

/// The report as Markdown: one page of at most some kilobytes, for people in a terminal and for agents. It has the
/// shares of all kinds of code and packages, the hottest functions with their hot lines, the hottest paths, and what
/// blocked a thread the longest.
pub fn markdown(report: &Report<'_>) -> String {
    markdown::of(report)
}

/// The page that compares two reports, thread by thread, in their order.
pub fn html_diff(before: &Report<'_>, after: &Report<'_>) -> Vec<u8> {
    page::of(&[before, after])
}
