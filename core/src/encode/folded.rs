//! Folded stacks, one line per stack: `root;…;leaf 1234`. Every flame graph tool reads them.

use std::fmt::Write;

use super::printable;
use crate::profile::NATIVE;
use crate::{Frame, FrameKind, Profile};

/// Lines with times in microseconds. Idle time is left out.
///
/// A frame is `function (file:line)`, or without a file its kind. The format has no escapes: as in the scripts that
/// introduced it, `;` in a name becomes `:`, and control characters, such as line breaks, become spaces. A function
/// named `#` is written as `\#`, because readers treat a line that begins with `# ` as a comment. Characters that XML
/// does not allow are replaced.
pub fn encode(profile: &Profile) -> Vec<u8> {
    let labels: Vec<String> = profile.frames().iter().map(label).collect();
    let mut lines = String::new();
    let mut stack = Vec::new();
    for total in profile.stack_totals().iter().filter(|total| total.time_us > 0) {
        stack.clear();
        stack.extend(profile.frames_of(total.stack));
        for (at, &frame) in stack.iter().rev().enumerate() {
            if at > 0 {
                lines.push(';');
            }
            lines.push_str(&labels[frame.index()]);
        }
        writeln!(lines, " {}", total.time_us).expect("writing to a string cannot fail");
    }
    lines.into_bytes()
}

fn label(frame: &Frame) -> String {
    let Frame { function, file, line, kind, .. } = frame;
    let label = match (&**file, kind) {
        // V8's states already have parentheses.
        ("", FrameKind::Internal) => function.to_string(),
        ("", FrameKind::Callback) if &**function == NATIVE => function.to_string(),
        ("", FrameKind::Script) => format!("{function} (script)"),
        ("", FrameKind::Builtin) => format!("{function} (builtin)"),
        ("", FrameKind::Callback) => format!("{function} (native)"),
        ("", FrameKind::Unresolved) => format!("{function} (unknown)"),
        (file, _) if *line == 0 => format!("{function} ({file})"),
        (file, _) => format!("{function} ({file}:{line})"),
    };
    let label: String = label.chars().map(|c| if c == ';' { ':' } else { printable(c) }).collect();
    // Readers trim a line before they look for a comment.
    if label.trim_start().starts_with("# ") { label.replacen('#', "\\#", 1) } else { label }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_one_frame_on_one_line() {
        let label = |function: &str, file: &str, line, kind| {
            label(&Frame { function: function.into(), file: file.into(), line, column: 1, kind, in_app: false })
        };
        assert_eq!(label("a", "/a.js", 7, FrameKind::Script), "a (/a.js:7)");
        assert_eq!(label("a", "/a.js", 0, FrameKind::Script), "a (/a.js)");
        assert_eq!(label("a;b\n1\r", "/a;\t.js", 7, FrameKind::Script), "a:b 1  (/a: .js:7)");
        assert_eq!(label("a\u{fffe}b\u{ffff}", "/a.js", 0, FrameKind::Script), "a\u{fffd}b\u{fffd} (/a.js)");
        assert_eq!(label("(program)", "", 0, FrameKind::Internal), "(program)");
        assert_eq!(label("write", "", 0, FrameKind::Callback), "write (native)");
        assert_eq!(label(NATIVE, "", 0, FrameKind::Callback), "(native)");
        assert_eq!(label("#", "/a.js", 7, FrameKind::Script), r"\# (/a.js:7)");
        assert_eq!(label("\n# 1", "", 0, FrameKind::Script), r" \# 1 (script)");
        assert_eq!(label("#a", "/a.js", 7, FrameKind::Script), "#a (/a.js:7)");
    }
}
