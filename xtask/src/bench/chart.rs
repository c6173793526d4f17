//! The chart of the README: how long the end of a chunk blocks the isolate's thread.

use std::fmt::Write;

use super::results::Results;

const PROFILERS: [(&str, &str); 5] = [
    ("ours", "sentry-profiler-node"),
    ("ours, native", "the same, stopProfiling()"),
    ("peer", "@sentry/profiling-node"),
    ("datadog", "@datadog/pprof"),
    ("inspector", "node:inspector"),
];
const GROUPS: [(&str, &str); 2] = [("deep", "60 to 100 frames deep"), ("very-deep", "100 to 120 frames deep")];

const WIDTH: f64 = 760.0;
const LEFT: f64 = 190.0;
const RIGHT: f64 = 70.0;
const BAR: f64 = 18.0;
const STEP: f64 = 25.0;
const HEAD: f64 = 64.0;
const GROUP_HEAD: f64 = 30.0;
/// The axis: 0.1 ms to 1 s.
const DECADES: std::ops::RangeInclusive<i32> = -1..=3;

/// Returns `None` if the deep shapes were not measured.
pub fn draw(results: &Results) -> Option<String> {
    // One version is enough for the chart: the middle one.
    let node = &results.nodes[results.nodes.len() / 2];
    let mut body = String::new();
    let mut y = HEAD;
    for (scenario, title) in GROUPS {
        let values = PROFILERS.iter().filter_map(|&(profiler, text)| {
            Some((profiler, text, results.median(node, scenario, profiler, "longest")?))
        });
        let values: Vec<_> = values.collect();
        if values.is_empty() {
            return None;
        }
        let _ = writeln!(body, r#"<text class="group" x="0" y="{}">{title}</text>"#, y + 18.0);
        y += GROUP_HEAD;
        for (profiler, text, ms) in values {
            let class = if profiler.starts_with("ours") { "ours" } else { "other" };
            let end = position(ms).max(LEFT + 2.0);
            let middle = y + BAR / 2.0 + 4.5;
            let _ = writeln!(
                body,
                r#"<text x="{:.0}" y="{middle:.1}" text-anchor="end">{text}</text><rect class="{class}" x="{LEFT}" y="{y:.1}" width="{:.1}" height="{BAR}" rx="2"/><text x="{:.1}" y="{middle:.1}">{}</text>"#,
                LEFT - 8.0,
                end - LEFT,
                end + 6.0,
                milliseconds(ms),
            );
            y += STEP;
        }
        y += 8.0;
    }
    let mut axis = String::new();
    for decade in DECADES {
        let x = position(10f64.powi(decade));
        let label = if decade < 0 {
            "0.1 ms".to_owned()
        } else if decade == 3 {
            "1 s".to_owned()
        } else {
            format!("{} ms", 10_i32.pow(decade as u32))
        };
        let _ = writeln!(
            axis,
            r#"<line x1="{x:.1}" y1="{HEAD}" x2="{x:.1}" y2="{:.1}"/><text class="tick" x="{x:.1}" y="{:.1}" text-anchor="middle">{label}</text>"#,
            y,
            HEAD - 6.0
        );
    }
    let height = y + 4.0;
    Some(format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0}" role="img" aria-label="Longest block of the JavaScript thread by one profile chunk, milliseconds, logarithmic">
<style>
text {{ font: 13px system-ui, sans-serif; fill: #1f2328 }}
.title {{ font-size: 15px; font-weight: 600 }}
.group {{ font-weight: 600 }}
.tick {{ font-size: 11px; fill: #59636e }}
line {{ stroke: #d1d9e0 }}
.ours {{ fill: #6a5acd }}
.other {{ fill: #9aa4ae }}
@media (prefers-color-scheme: dark) {{
text {{ fill: #f0f6fc }}
.tick {{ fill: #9198a1 }}
line {{ stroke: #3d444d }}
.ours {{ fill: #9d8cff }}
.other {{ fill: #656c76 }}
}}
</style>
<text class="title" x="0" y="18">Longest block of the JavaScript thread by one profile chunk, Node {node} (logarithmic)</text>
{axis}{body}</svg>
"##
    ))
}

fn position(ms: f64) -> f64 {
    let (least, most) = (f64::from(*DECADES.start()), f64::from(*DECADES.end()));
    LEFT + (ms.log10().clamp(least, most) - least) / (most - least) * (WIDTH - LEFT - RIGHT)
}

fn milliseconds(ms: f64) -> String {
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}
