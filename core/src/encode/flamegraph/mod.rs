//! A flame graph as an SVG: a picture in any viewer, and in a browser one that can be zoomed and searched.
//!
//! A box is a call: as wide as the time it took, next to its caller, and coloured by whose code it is: the user's own, a
//! dependency's, Node's, native, or garbage collection. Idle time is not drawn. Style and script, 9 kB, are in the
//! file, and nothing is fetched from anywhere. What colours and widths say is there as text as well: a box's `<title>`
//! has the function, its place and whose code it is, and its times to the microsecond, a line each. `x` and `width` are
//! microseconds, `y` is the row.

mod layout;
#[cfg(test)]
mod tests;

use std::fmt::Write;

use self::layout::{Layout, Limits, Placed, What};
use super::printable;
use crate::profile::origin::{Origin, Places};
use crate::{Frame, Profile};

/// Writing to a string cannot fail.
macro_rules! put {
    ($to:expr, $($what:tt)*) => { write!($to, $($what)*).expect("writing to a string cannot fail") };
}

/// On which side of a function those are that it calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Below it, as icicles hang. A browser shows a page's top first, and with it where all began.
    #[default]
    Icicle,
    /// Above it, as flames rise.
    Flame,
}

/// A picture with callers above what they call: [`draw`] in the default direction.
pub fn encode(profile: &Profile) -> Vec<u8> {
    draw(profile, Direction::default())
}

/// A picture in a direction.
///
/// It is as large as what can be seen, not as the profile: calls of less than a 2,000th of the time have no box, nor
/// have any but the 5,000 longest. What one function has of them is merged into one box, or left out where it is too
/// little for that, and the picture says so. Names and paths are cut after 200 characters.
///
/// A profile in which nothing ran gives a picture that says so.
pub fn draw(profile: &Profile, direction: Direction) -> Vec<u8> {
    Picture::of(profile, Limits::USUAL, direction).svg().into_bytes()
}

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// How wide the picture is where no script widens it.
const WIDTH: f64 = 1200.0;
const ROW: u32 = 18;
/// Where the boxes begin.
const TOP: u32 = 102;
/// The longest name or path, in characters: the script of a `data:` URL has megabytes.
const LONGEST: usize = 200;

struct Picture<'a> {
    profile: &'a Profile,
    places: Places<'a>,
    layout: Layout,
    direction: Direction,
}

impl<'a> Picture<'a> {
    fn of(profile: &'a Profile, limits: Limits, direction: Direction) -> Self {
        Self { profile, places: Places::of(profile.frames()), layout: Layout::new(profile, limits), direction }
    }

    fn svg(&self) -> String {
        let Layout { boxes, rows, whole_us, .. } = &self.layout;
        // Without a box there is a line of text.
        let height = rows.max(&1) * ROW;
        let mut svg = String::with_capacity(STYLE.len() + SCRIPT.len() + 2048 + boxes.len() * 256);
        svg.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" ");
        put!(svg, "width=\"{WIDTH}\" height=\"{}\">\n<title>{}</title>\n<style>\n", TOP + height, self.title());
        put_lines(&mut svg, STYLE);
        svg.push_str("</style>\n<rect class=\"back\" width=\"100%\" height=\"100%\"/>\n");
        // Nothing is drawn in a view without a width.
        put!(svg, "<svg id=\"boxes\" y=\"{TOP}\" width=\"100%\" height=\"{height}\" ");
        put!(svg, "viewBox=\"0 0 {} {}\" preserveAspectRatio=\"none\">\n", whole_us.max(&1), rows.max(&1));
        let labels = self.put_boxes(&mut svg);
        put!(svg, "</svg>\n<g id=\"labels\" transform=\"translate(0 {TOP})\">\n{labels}</g>\n");
        self.put_head(&mut svg);
        svg.push_str("<script><![CDATA[\n");
        put_lines(&mut svg, SCRIPT);
        svg.push_str("]]></script>\n</svg>\n");
        svg
    }

    fn title(&self) -> String {
        let duration_us = (self.profile.end() - self.profile.start()).unsigned_abs();
        format!("Flame graph: {} sampled in {}", rounded(self.layout.whole_us), rounded(duration_us))
    }

    /// What the picture is of, the legend, and two lines for what the script has to say.
    fn put_head(&self, svg: &mut String) {
        let Layout { samples, whole_us, shortest_us, is_cut, .. } = self.layout;
        put!(svg, "<g id=\"head\">\n<rect class=\"back\" width=\"100%\" height=\"{}\"/>\n", TOP - 2);
        put!(svg, "<text class=\"title\" x=\"10\" y=\"24\">{}</text>\n<text x=\"10\" y=\"42\">", self.title());
        let s = if samples == 1 { "" } else { "s" };
        put!(svg, "{samples} sample{s}, one every {} ms", f64::from(self.profile.interval_us()) / 1e3);
        if self.profile.dropped_samples() > 0 {
            put!(svg, "; {} more were dropped", self.profile.dropped_samples());
        }
        let folder = self.places.folder();
        if !folder.is_empty() {
            put!(svg, "; own files are in {}", Escaped(&cut(folder)));
        }
        svg.push_str("</text>\n<g id=\"legend\">\n");
        for (at, (origin, us)) in self.by_origin().into_iter().enumerate() {
            put!(svg, "<g transform=\"translate({} 0)\"><rect class=\"{}\" ", 10 + at * 150, class(origin));
            put!(svg, "y=\"51\" width=\"10\" height=\"10\" rx=\"2\"/><text x=\"15\" y=\"60\">{} ", origin.name());
            put!(svg, "{}</text></g>\n", Share(us, whole_us));
        }
        let side = match self.direction {
            Direction::Icicle => "below",
            Direction::Flame => "above",
        };
        put!(svg, "</g>\n<g id=\"info\">\n<text x=\"10\" y=\"78\">A box is a call, what it calls is {side}. ");
        svg.push_str("Click or Enter zooms, arrows move, Esc ends.</text>\n<text x=\"10\" y=\"95\">");
        if whole_us == 0 {
            svg.push_str("Nothing ran.");
        } else if is_cut {
            let percent = shortest_us as f64 * 100.0 / whole_us as f64;
            put!(svg, "Calls below {} ms ({percent:.2} %) have no box of their own.", Ms(shortest_us));
        } else {
            svg.push_str("Every call has a box.");
        }
        svg.push_str("</text>\n</g>\n</g>\n");
    }

    /// The time of each, without what it called.
    fn by_origin(&self) -> [(Origin, u64); 5] {
        let mut sums = Origin::ALL.map(|origin| (origin, 0));
        for (stack, us) in self.profile.stacks().iter().zip(&self.layout.self_us).filter(|(_, us)| **us > 0) {
            let origin = Origin::of(&self.profile.frames()[stack.frame.index()]);
            sums[origin as usize].1 += us;
        }
        sums
    }

    /// Returns the labels, which lie above all boxes.
    fn put_boxes(&self, svg: &mut String) -> String {
        let Layout { boxes, rows, whole_us, .. } = &self.layout;
        let mut known = vec![None; self.profile.frames().len()];
        let mut labels = String::new();
        for &Placed { what, left_us, width_us, self_us, depth } in boxes {
            let row = match self.direction {
                Direction::Icicle => depth,
                Direction::Flame => rows - 1 - depth,
            };
            let other;
            let described = match what {
                What::Call(stack) => {
                    let frame = self.profile.stacks()[stack.index()].frame.index();
                    &*known[frame].get_or_insert_with(|| Described::of(&self.profile.frames()[frame], &self.places))
                }
                What::Everything | What::Merged(_) => {
                    other = self.describe(what);
                    &other
                }
            };
            put!(svg, "<rect class=\"{}\" x=\"{left_us}\" y=\"{row}\" width=\"{width_us}\" ", described.class);
            put!(svg, "height=\"1\"><title>{}\n", described.title);
            if let What::Call(_) = what {
                put!(svg, "self {} ms ({}), ", Ms(self_us), Share(self_us, *whole_us));
            }
            put!(svg, "total {} ms ({})</title></rect>\n", Ms(width_us), Share(width_us, *whole_us));
            let part = |us| us as f64 / *whole_us as f64;
            if let Some(label) = fitting(&described.label, part(width_us) * WIDTH - 8.0) {
                let (name, place) = label.split_at(label.find(GAP).unwrap_or(label.len()));
                put!(labels, "<text x=\"{:.2}%\" dx=\"4\" y=\"{}\">", part(left_us) * 100.0, row * ROW + 13);
                put!(labels, "{}<tspan class=\"place\">{}</tspan></text>\n", Escaped(name), Escaped(place));
            }
        }
        labels
    }

    fn describe(&self, what: What) -> Described {
        let (name, about, class) = match what {
            What::Merged(calls) => (format!("{calls} shorter calls"), "merged".to_owned(), "m"),
            _ => ("all".to_owned(), format!("{} samples", self.layout.samples), "a"),
        };
        Described { title: format!("{name}\n{about}"), label: format!("{name}{GAP}{about}"), class }
    }
}

/// Between a name and its place.
const GAP: char = '\u{2002}';

/// What the boxes of one function have in common.
#[derive(Clone)]
struct Described {
    /// Two lines, escaped.
    title: String,
    /// One line, not escaped.
    label: String,
    class: &'static str,
}

impl Described {
    fn of(frame: &Frame, places: &Places<'_>) -> Self {
        let (name, origin) = (cut(&frame.function), Origin::of(frame));
        let place = match (places.path(frame), frame.line) {
            ("", _) => String::new(),
            (path, 0) => cut(path),
            (path, line) => format!("{}:{line}", cut(path)),
        };
        let (place, about) = match &*place {
            "" => (origin.name(), origin.name().to_owned()),
            place => (place, format!("{place}, {}", origin.name())),
        };
        Self {
            title: format!("{}\n{}", Escaped(&name), Escaped(&about)),
            label: format!("{name}{GAP}{place}"),
            class: class(origin),
        }
    }
}

fn class(origin: Origin) -> &'static str {
    match origin {
        Origin::Own => "o",
        Origin::Dependency => "d",
        Origin::Node => "n",
        Origin::Native => "v",
        Origin::Collector => "g",
    }
}

/// A name on one line, of bounded length, with nothing that XML has no place for.
fn cut(name: &str) -> String {
    let mut cut: String = name.chars().take(LONGEST).map(printable).collect();
    if name.chars().nth(LONGEST).is_some() {
        cut.pop();
        cut.push('…');
    }
    cut
}

/// As much of a label as has room, in pixels; `None` where that is next to nothing.
fn fitting(label: &str, room: f64) -> Option<String> {
    // Of DejaVu Sans, which is among the widest, at 12 pixels.
    let width = |c: char| match c {
        'f' | 'i' | 'j' | 'l' | 't' | 'r' | 'I' | ' ' | GAP => 5.0,
        '!' | '\'' | '(' | ')' | ',' | '-' | '.' | '/' | ':' | ';' | '[' | ']' | '|' => 5.0,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' => 11.8,
        'A'..='Z' => 8.6,
        c if c.is_ascii() => 7.6,
        _ => 12.5,
    };
    if room < 16.0 {
        return None;
    }
    let (mut used, mut fits) = (0.0, 0);
    for (at, c) in label.char_indices() {
        if used + width('…') <= room {
            fits = at;
        }
        used += width(c);
        if used > room {
            return (fits > 1).then(|| format!("{}…", &label[..fits]));
        }
    }
    Some(label.to_owned())
}

struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(['&', '<', '>']) {
            formatter.write_str(&rest[..at])?;
            formatter.write_str(match rest.as_bytes()[at] {
                b'&' => "&amp;",
                b'<' => "&lt;",
                // Only where it ends `]]>` it has to be.
                _ => "&gt;",
            })?;
            rest = &rest[at + 1..];
        }
        formatter.write_str(rest)
    }
}

/// To the microsecond.
struct Ms(u64);

impl std::fmt::Display for Ms {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// To three digits or so.
fn rounded(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        _ => format!("{:.2} s", us as f64 / 1e6),
    }
}

/// A script or a style without what is only for those who read its source.
fn put_lines(to: &mut String, source: &str) {
    for line in source.lines().map(str::trim).filter(|line| !line.starts_with("//") && !line.starts_with("/**")) {
        to.push_str(line);
        to.push('\n');
    }
}

/// A part of a whole.
struct Share(u64, u64);

impl std::fmt::Display for Share {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whole = self.1.max(1);
        let tenths = (self.0 * 1000 + whole / 2) / whole;
        write!(formatter, "{}.{} %", tenths / 10, tenths % 10)
    }
}
