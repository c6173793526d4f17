//! A flame graph as an SVG that a browser opens.

use inferno::flamegraph::{Options, from_lines};

use super::folded;
use crate::Profile;

/// An SVG in which widths are time, tooltips have microseconds, and frames can be clicked and searched.
///
/// If nothing ran, the SVG says so.
pub fn encode(profile: &Profile) -> Vec<u8> {
    let lines = folded::lines(profile);
    let mut options = Options::default();
    options.title = "CPU time".to_owned();
    options.count_name = "µs".to_owned();
    // The same profile gives the same bytes.
    options.deterministic = true;
    let mut svg = Vec::new();
    if let Err(error) = from_lines(&mut options, lines.lines(), &mut svg) {
        // Without stacks, `from_lines` writes an SVG with a message and also returns an error.
        debug_assert!(lines.is_empty(), "{error}");
    }
    svg
}
