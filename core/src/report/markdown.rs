//! A report as Markdown: one page, for people in a terminal and for agents.

use std::cmp::Reverse;
use std::fmt::Write;
use std::hash::Hash;

use rustc_hash::FxHashMap;

use super::sums::{Step, Sums, place};
use super::{Report, Sources, Thread};
use crate::profile::origin::{Origin, Places};
use crate::{Frame, Profile};

/// How many rows its tables have.
const PACKAGES: usize = 10;
const FUNCTIONS: usize = 20;
const FUNCTIONS_WITH_LINES: usize = 8;
const LINES: usize = 5;
const PATHS: usize = 8;
/// Of a path, from both ends.
const STEPS: usize = 6;
/// What takes less of what ran than this is no hint.
const NOTABLE: f64 = 0.1;
const NOTABLE_SYNC: f64 = 0.03;

pub fn of(report: &Report<'_>) -> String {
    let threads: Vec<_> = report.processes.iter().flat_map(|process| &process.threads).collect();
    let places = Places::of(threads.iter().flat_map(|thread| thread.profile.frames()));
    let sums = Sums::of(&threads, &places);
    let mut page = Page { text: String::new(), places: &places, whole_us: sums.ran_us };
    page.head(report, &threads, &sums);
    if sums.ran_us > 0 {
        page.kinds(&sums);
        page.packages(&sums);
        page.functions(&sums);
        page.lines(&sums, &report.sources);
        page.paths(&sums);
        page.longest(&threads);
        page.hints(&sums);
    }
    page.text
}

/// The entries with the most time first, and in a fixed order where that is the same.
fn ranked<K: Eq + Hash + Ord, T>(map: &FxHashMap<K, T>, time: impl Fn(&T) -> u64) -> Vec<(&K, u64)> {
    let mut entries: Vec<_> = map.iter().map(|(key, value)| (key, time(value))).filter(|(_, us)| *us > 0).collect();
    entries.sort_by(|one, other| (Reverse(one.1), one.0).cmp(&(Reverse(other.1), other.0)));
    entries
}

struct Page<'a> {
    text: String,
    places: &'a Places<'a>,
    whole_us: u64,
}

impl Page<'_> {
    fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    fn section(&mut self, title: &str) {
        self.line(format!("\n## {title}\n"));
    }

    fn table(&mut self, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
        self.line(format!("| {} |", heads.join(" | ")));
        // Times stand on the right.
        let rules: Vec<_> = heads.iter().map(|head| if TIMES.contains(head) { "---:" } else { "---" }).collect();
        self.line(format!("| {} |", rules.join(" | ")));
        for row in rows {
            self.line(format!("| {} |", row.join(" | ")));
        }
    }

    fn share(&self, us: u64) -> String {
        percent(us, self.whole_us)
    }

    fn head(&mut self, report: &Report<'_>, threads: &[&Thread<'_>], sums: &Sums<'_>) {
        self.line(format!("# {}\n", plain(&report.title)));
        let duration_us = (report.end - report.start).max(0) as u64;
        let mut facts = vec![
            format!("duration {}", duration(duration_us)),
            format!("ran {} ({} of one core)", duration(sums.ran_us), percent(sums.ran_us, duration_us)),
        ];
        let cpu: Option<u64> = threads.iter().map(|thread| thread.cpu.map(|cpu| cpu.as_micros() as u64)).sum();
        facts.extend(cpu.filter(|_| !threads.is_empty()).map(|us| format!("CPU {}", duration(us))));
        if let Some(thread) = threads.first() {
            facts.push(format!("{} samples every {}", sums.samples, duration(thread.profile.interval_us().into())));
        }
        facts.extend(report.exit.as_ref().map(ToString::to_string));
        for fact in facts {
            self.line(format!("- {fact}"));
        }
        for sentence in &report.unrecorded {
            self.line(format!("- **{}**", plain(sentence)));
        }
        let dropped: u64 = threads.iter().map(|thread| thread.profile.dropped_samples()).sum();
        if dropped > 0 {
            self.line(format!("- **{dropped} samples were dropped: the maximum was reached.**"));
        }
        if threads.len() > 1 {
            self.section("Threads");
            let rows = report.processes.iter().flat_map(|process| {
                process.threads.iter().map(|thread| {
                    let ran_us = thread.profile.stack_totals().iter().map(|total| total.time_us).sum();
                    vec![plain(&process.name), plain(&thread.name), duration(ran_us)]
                })
            });
            self.table(&["Process", "Thread", "Ran"], rows);
        }
        if sums.ran_us == 0 {
            self.line("\nNothing ran.");
        }
    }

    fn kinds(&mut self, sums: &Sums<'_>) {
        self.section("Where the time went");
        let rows = Origin::ALL.into_iter().zip(sums.kinds).filter(|(_, us)| *us > 0);
        let rows: Vec<_> = rows.map(|(kind, us)| vec![self.share(us), duration(us), kind.name().to_owned()]).collect();
        self.table(&["Share", "Self", "Kind"], rows.into_iter());
    }

    fn packages(&mut self, sums: &Sums<'_>) {
        let packages = ranked(&sums.packages, |us| *us);
        if packages.is_empty() {
            return;
        }
        let rows: Vec<_> = packages
            .into_iter()
            .take(PACKAGES)
            .map(|(package, us)| vec![self.share(us), duration(us), code(package)])
            .collect();
        self.line("");
        self.table(&["Share", "Self", "Package"], rows.into_iter());
    }

    fn functions(&mut self, sums: &Sums<'_>) {
        self.section("Hottest functions");
        let rows: Vec<_> = sums
            .hottest()
            .into_iter()
            .take(FUNCTIONS)
            .map(|(frame, times)| {
                let (own, total) = (duration(times.self_us), duration(times.total_us));
                vec![self.share(times.self_us), own, total, code(&frame.function), plain(&place(self.places, frame))]
            })
            .collect();
        self.table(&["Share", "Self", "Total", "Function", "Where"], rows.into_iter());
    }

    fn lines(&mut self, sums: &Sums<'_>, sources: &Sources) {
        let functions = sums.hottest();
        let with_lines: Vec<_> = functions
            .iter()
            .filter_map(|(frame, _)| Some((*frame, sums.lines.get(frame)?)))
            .take(FUNCTIONS_WITH_LINES)
            .collect();
        if with_lines.is_empty() {
            return;
        }
        self.section("Hot lines");
        for (frame, lines) in with_lines {
            self.line(format!("- {} {}", code(&frame.function), plain(&place(self.places, frame))));
            let mut hottest: Vec<_> = ranked(lines, |us| *us).into_iter().take(LINES).collect();
            hottest.sort();
            for (line, us) in hottest {
                let source = sources.get(&*frame.file).and_then(|file| file.get(line));
                let source = source.map_or(String::new(), |text| format!(" {}", code(text)));
                self.line(format!("  - line {line}, {}:{source}", duration(us)).trim_end_matches(':'));
            }
        }
    }

    fn paths(&mut self, sums: &Sums<'_>) {
        self.section("Hottest paths");
        for (steps, us) in ranked(&sums.paths, |us| *us).into_iter().take(PATHS) {
            let steps: Vec<_> = steps.iter().map(step).collect();
            let shown = if steps.len() > 2 * STEPS {
                let (first, last) = (&steps[..STEPS], &steps[steps.len() - STEPS..]);
                format!("{} › … › {}", first.join(" › "), last.join(" › "))
            } else {
                steps.join(" › ")
            };
            self.line(format!("- {}, {}: {shown}", self.share(us), duration(us)));
        }
    }

    /// The longest time without a pause: nothing else was done on that thread meanwhile.
    fn longest(&mut self, threads: &[&Thread<'_>]) {
        let longest = threads.iter().filter_map(|thread| Some((thread, Stretch::longest(thread.profile)?)));
        let Some((thread, stretch)) = longest.max_by_key(|(_, stretch)| stretch.us) else { return };
        let Some((frame, us)) = stretch.hottest else { return };
        self.section("Longest without a pause");
        let of_thread = if threads.len() > 1 { format!(" on {}", plain(&thread.name)) } else { String::new() };
        self.line(format!(
            "{}{of_thread}, from {} on; {} of it in {} {}.",
            duration(stretch.us),
            duration(stretch.from_us),
            percent(us, stretch.us),
            code(&frame.function),
            plain(&place(self.places, frame))
        ));
    }

    fn hints(&mut self, sums: &Sums<'_>) {
        let part = |us: u64| us as f64 / self.whole_us as f64;
        let mut hints = vec![];
        let collector_us = sums.kinds[Origin::Collector as usize];
        if part(collector_us) >= NOTABLE {
            hints.push(format!(
                "Garbage collection took {} of the time. Functions that make fewer objects make it rarer.",
                self.share(collector_us)
            ));
        }
        let sync = sums.functions.iter().filter(|(frame, times)| {
            Origin::of(frame) == Origin::Node
                && frame.function.ends_with("Sync")
                && part(times.total_us) >= NOTABLE_SYNC
        });
        let mut sync: Vec<_> = sync.map(|(frame, times)| (Reverse(times.total_us), &*frame.function)).collect();
        sync.sort();
        sync.truncate(3);
        for (Reverse(us), function) in sync {
            hints.push(format!(
                "{} took {} of the time, in which the thread did nothing else. Its asynchronous twin does not block.",
                code(function),
                self.share(us)
            ));
        }
        if !hints.is_empty() {
            self.section("Hints");
            for hint in hints {
                self.line(format!("- {hint}"));
            }
        }
    }
}

/// Heads of columns that are numbers.
const TIMES: [&str; 4] = ["Share", "Self", "Total", "Ran"];

/// A time in which something ran in each sample.
struct Stretch<'a> {
    /// Since the profile's start.
    from_us: u64,
    us: u64,
    /// The function with the most time of its own in it.
    hottest: Option<(&'a Frame, u64)>,
}

impl<'a> Stretch<'a> {
    fn longest(profile: &'a Profile) -> Option<Self> {
        let samples = profile.samples();
        let mut longest = None;
        let mut begin = None;
        for (at, sample) in samples.iter().enumerate() {
            if profile.is_idle(sample.stack) {
                begin = None;
                continue;
            }
            let first = *begin.get_or_insert(at);
            let us = samples.get(at + 1).unwrap_or(sample).time - samples[first].time;
            if longest.is_none_or(|(_, _, most)| us > most) {
                longest = Some((first, at + 1, us));
            }
        }
        let (first, last, us) = longest?;
        let mut own: FxHashMap<usize, u64> = FxHashMap::default();
        for at in first..last {
            let Some(stack) = samples[at].stack else { continue };
            let next = samples.get(at + 1).unwrap_or(&samples[at]).time;
            let frame = profile.stacks()[stack.index()].frame.index();
            *own.entry(frame).or_default() += (next - samples[at].time).max(0) as u64;
        }
        let hottest = own.into_iter().max_by_key(|&(frame, us)| (us, Reverse(frame)));
        Some(Self {
            from_us: (samples[first].time - profile.start()).max(0) as u64,
            us: us.max(0) as u64,
            hottest: hottest.map(|(frame, us)| (&profile.frames()[frame], us)),
        })
    }
}

fn step(step: &Step) -> String {
    match step {
        Step::Function(name) => code(name),
        Step::Run(from, count) => format!("({}: {count} functions)", plain(from)),
    }
}

/// Three or four digits and a unit.
fn duration(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..100_000 => format!("{:.1} ms", us as f64 / 1e3),
        100_000..1_000_000 => format!("{:.0} ms", us as f64 / 1e3),
        1_000_000..100_000_000 => format!("{:.2} s", us as f64 / 1e6),
        _ => format!("{:.0} s", us as f64 / 1e6),
    }
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}

/// Text that no name turns into markup.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for character in text.chars() {
        match character {
            character if character.is_control() => plain.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '&' => {
                write!(plain, "\\{character}").expect("writing to a string cannot fail");
            }
            character => plain.push(character),
        }
    }
    plain
}

/// A name or a line as code, whatever is in it; also in a table.
fn code(text: &str) -> String {
    let text: String = text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    let text = text.replace('|', "\\|");
    let longest = text.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    let (marks, space) = ("`".repeat(longest + 1), if longest > 0 { " " } else { "" });
    format!("{marks}{space}{text}{space}{marks}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_markup() {
        assert_eq!(code("a`b"), "`` a`b ``");
        assert_eq!(code("a|b\n"), "`a\\|b `");
        assert_eq!(code("``"), "``` `` ```");
        assert_eq!(plain("<b>*x*\u{1b}"), "\\<b\\>\\*x\\* ");
    }

    #[test]
    fn times_are_short() {
        let texts = [0, 999, 1_000, 99_949, 123_456, 1_234_567, 123_456_789].map(duration);
        assert_eq!(texts, ["0 µs", "999 µs", "1.0 ms", "99.9 ms", "123 ms", "1.23 s", "123 s"]);
        assert_eq!([percent(1, 3), percent(0, 0)], ["33.3 %", "0.0 %"]);
    }
}
