//! The lines of source that a report shows next to the time that they took.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;

use rustc_hash::FxHashMap;

use super::Report;
use crate::Frame;

/// Functions with the most time of their own, and the lines of each with the most.
const FUNCTIONS: usize = 50;
const LINES: usize = 10;
/// What is longer was not written by hand.
const MAX_FILE_BYTES: u64 = 32 << 20;
const MAX_LINE_CHARS: usize = 200;

/// Lines of source by file and number.
pub type Sources = BTreeMap<String, BTreeMap<u32, String>>;

/// The hottest lines of the hottest functions, by file.
fn wanted<'a>(report: &Report<'a>) -> BTreeMap<&'a str, Vec<u32>> {
    let mut functions: FxHashMap<&Frame, BTreeMap<u32, u64>> = FxHashMap::default();
    for profile in report.processes.iter().flat_map(|process| &process.threads).map(|thread| thread.profile) {
        for total in profile.line_totals().into_iter().filter(|total| total.line > 0) {
            let leaf = &profile.frames()[profile.stacks()[total.stack.index()].frame.index()];
            *functions.entry(leaf).or_default().entry(total.line).or_default() += total.time_us;
        }
    }
    let mut functions: Vec<_> = functions.into_iter().filter(|(frame, _)| !frame.file.is_empty()).collect();
    functions
        .sort_by_cached_key(|(frame, lines)| (Reverse(lines.values().sum::<u64>()), frame.file.clone(), frame.line));
    let mut files: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for (frame, lines) in functions.into_iter().take(FUNCTIONS) {
        let mut lines: Vec<_> = lines.into_iter().collect();
        lines.sort_by_key(|&(line, time_us)| (Reverse(time_us), line));
        files.entry(&frame.file).or_default().extend(lines.into_iter().take(LINES).map(|(line, _)| line));
    }
    files
}

/// The hottest lines of a report, as far as their files can be read on this machine.
pub fn read(report: &Report<'_>, known: &BTreeMap<String, Vec<&str>>) -> Sources {
    let read = |(file, lines): (&str, Vec<u32>)| {
        if let Some(known) = known.get(file) {
            return Some((file.to_owned(), chosen(known.iter().copied(), &lines)));
        }
        fs::metadata(file).ok().filter(|file| file.is_file() && file.len() <= MAX_FILE_BYTES)?;
        let text = fs::read_to_string(file).ok()?;
        Some((file.to_owned(), chosen(text.lines(), &lines)))
    };
    wanted(report).into_iter().filter_map(read).collect()
}

fn chosen<'t>(text: impl Iterator<Item = &'t str>, lines: &[u32]) -> BTreeMap<u32, String> {
    let numbered = (1..).zip(text).filter(|(number, _)| lines.contains(number));
    numbered.map(|(number, text)| (number, shortened(text))).collect()
}

/// Without indentation, and cut where it is too long to be shown.
fn shortened(line: &str) -> String {
    let line = line.trim();
    match line.char_indices().nth(MAX_LINE_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
