//! The lines of source that a report shows next to the time that they took.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
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
    let functions = definitions(report);
    let read = |(file, lines): (&str, Vec<u32>)| {
        if let Some(known) = known.get(file) {
            return Some((file.to_owned(), chosen(known.iter().copied(), &lines)));
        }
        fs::metadata(file).ok().filter(|file| file.is_file() && file.len() <= MAX_FILE_BYTES)?;
        let text = fs::read_to_string(file).ok()?;
        is_what_ran(&text, functions.get(file)?).then(|| (file.to_owned(), chosen(text.lines(), &lines)))
    };
    wanted(report).into_iter().filter_map(read).collect()
}

/// The lines and the names of functions by file.
fn definitions<'a>(report: &Report<'a>) -> FxHashMap<&'a str, BTreeSet<(u32, &'a str)>> {
    let mut functions: FxHashMap<&str, BTreeSet<_>> = FxHashMap::default();
    for frame in report.processes.iter().flat_map(|process| &process.threads).flat_map(|t| t.profile.frames()) {
        functions.entry(&frame.file).or_default().insert((frame.line, &*frame.function));
    }
    functions
}

/// Whether most functions are at their lines. A file may have changed since, and what Vitest and others run is made
/// of the file whose name it has.
fn is_what_ran(text: &str, functions: &BTreeSet<(u32, &str)>) -> bool {
    let lines: Vec<_> = text.lines().collect();
    let is_there = functions.iter().filter_map(|&(line, function)| {
        // Of `Shop.get price`, the last.
        let name = function.rsplit(['.', ' ', '#']).next()?;
        if name.is_empty() || name.contains(['<', '(']) {
            return None;
        }
        Some(lines.get(line.checked_sub(1)? as usize).is_some_and(|line| line.contains(name)))
    });
    let (there, elsewhere): (Vec<_>, Vec<_>) = is_there.partition(|is_there| *is_there);
    there.len() >= elsewhere.len()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_text_is_not_shown() {
        let text = "class Shop {\n  get price() {}\n}\nconst add = () => {};\n";
        let is = |functions: &[(u32, &str)]| is_what_ran(text, &functions.iter().copied().collect());
        assert!(is(&[(2, "get price"), (4, "add"), (1, "<anonymous>")]));
        assert!(is(&[]) && is(&[(1, "(anonymous)"), (2, "Shop.price"), (3, "add")]));
        assert!(!is(&[(3, "get price"), (6, "add")]) && !is(&[(9, "add")]));
    }
}
