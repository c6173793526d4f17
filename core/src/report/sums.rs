//! What all threads of a report ran, added up.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use super::Thread;
use super::data::package_of;
use crate::profile::origin::{Origin, Places};
use crate::{Frame, Profile, StackId};

/// All threads added up.
#[derive(Default)]
pub struct Sums<'a> {
    pub ran_us: u64,
    /// In how many samples something ran.
    pub samples: usize,
    pub kinds: [u64; Origin::ALL.len()],
    pub packages: FxHashMap<&'a str, u64>,
    pub functions: FxHashMap<&'a Frame, Times>,
    /// Own times of lines.
    pub lines: FxHashMap<&'a Frame, FxHashMap<u32, u64>>,
    pub paths: FxHashMap<Vec<Step>, u64>,
}

#[derive(Clone, Copy, Default)]
pub struct Times {
    pub self_us: u64,
    pub total_us: u64,
}

impl<'a> Sums<'a> {
    pub fn of(threads: &[&Thread<'a>], places: &Places<'_>) -> Self {
        let mut sums = Self::default();
        for profile in threads.iter().map(|thread| thread.profile) {
            for spot in profile.hottest(usize::MAX) {
                let times = sums.functions.entry(spot.frame).or_default();
                times.self_us += spot.self_us;
                times.total_us += spot.total_us;
                let (origin, shown) = (Origin::of(spot.frame), places.path(spot.frame));
                sums.kinds[origin as usize] += spot.self_us;
                sums.ran_us += spot.self_us;
                let package = package_of(origin, shown, shown.len() < spot.frame.file.len());
                if !package.is_empty() {
                    *sums.packages.entry(package).or_default() += spot.self_us;
                }
            }
            for total in profile.line_totals().into_iter().filter(|total| total.line > 0) {
                let lines = sums.lines.entry(leaf(profile, total.stack)).or_default();
                *lines.entry(total.line).or_default() += total.time_us;
            }
            for total in profile.stack_totals() {
                sums.samples += total.samples as usize;
                *sums.paths.entry(path(profile, total.stack, places)).or_default() += total.time_us;
            }
        }
        sums
    }

    /// The functions that ran themselves, hottest first.
    pub fn hottest(&self) -> Vec<(&'a Frame, Times)> {
        let mut functions: Vec<_> = self.functions.iter().map(|(frame, times)| (*frame, *times)).collect();
        functions.retain(|(_, times)| times.self_us > 0);
        functions.sort_by(|(one, of_one), (other, of_other)| {
            let key = |frame: &Frame, times: &Times| (Reverse(times.self_us), Reverse(times.total_us), frame.line);
            key(one, of_one).cmp(&key(other, of_other)).then_with(|| one.function.cmp(&other.function))
        });
        functions
    }
}

/// A function's short path and line, or what it is.
pub fn place(places: &Places<'_>, frame: &Frame) -> String {
    match places.path(frame) {
        "" => Origin::of(frame).name().to_owned(),
        path if frame.line > 0 => format!("{path}:{}", frame.line),
        path => path.to_owned(),
    }
}

/// A part of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    Function(String),
    /// Functions that are not the user's: where they are from, and how many they are.
    Run(String, usize),
}

fn leaf(profile: &Profile, stack: StackId) -> &Frame {
    &profile.frames()[profile.stacks()[stack.index()].frame.index()]
}

/// The user's own functions of a stack, outermost first; each run of others is one step.
fn path(profile: &Profile, stack: StackId, places: &Places<'_>) -> Vec<Step> {
    let mut frames: Vec<_> = profile.frames_of(stack).map(|frame| &profile.frames()[frame.index()]).collect();
    frames.reverse();
    let mut steps = vec![];
    for run in frames.chunk_by(|one, other| !one.in_app && !other.in_app) {
        steps.push(match run {
            [frame] => Step::Function(frame.function.to_string()),
            _ => {
                let mut names: Vec<&str> = vec![];
                for frame in run {
                    let (origin, shown) = (Origin::of(frame), places.path(frame));
                    let package = package_of(origin, shown, shown.len() < frame.file.len());
                    let name = if package.is_empty() { origin.name() } else { package };
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
                names.truncate(3);
                Step::Run(names.join(", "), run.len())
            }
        });
    }
    steps
}
