//! Profiles that pages are made of.

use std::fs::File;

use anyhow::{Context, Result};
use flate2::read::GzDecoder;
use sentry_profiler::profile::in_app;
use sentry_profiler::{Frame, FrameKind, Point, Profile, ProfileBuilder, Unix};

use crate::{received_profile, workspace};

/// Chunks of the benchmark's programs.
pub const RECORDED: [&str; 2] = ["deep", "very-deep"];

pub const START: Unix = Unix::from_us(1_700_000_000_000_000);

pub fn recorded(name: &str) -> Result<Profile> {
    let file = workspace::root().join(format!("core/benches/recorded/{name}.json.gz"));
    let reader = GzDecoder::new(File::open(&file).with_context(|| format!("opening {}", file.display()))?);
    received_profile::profile([&serde_json::from_reader(reader)?])
}

/// A function, its file and line.
pub type Call = (&'static str, &'static str, u32);

/// What ran for how many milliseconds, outermost first; no function means that nothing ran.
pub type Ran = (i64, &'static [Call]);

/// A name that fits nowhere.
pub const LONG: &str = concat!(
    "anExceedinglyLongNameThatGoesOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOn",
    "AndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOn",
);

pub fn frame((function, file, line): Call) -> Frame {
    let kind = match (function, file) {
        ("(garbage collector)" | "(program)", _) => FrameKind::Internal,
        (_, "") => FrameKind::Callback,
        _ => FrameKind::Script,
    };
    let in_app = in_app(kind, function, file, None);
    Frame { function: function.into(), file: file.into(), line, column: 1, kind, in_app }
}

pub fn profile(ran: &[Ran]) -> Profile {
    const TICK_US: i64 = 10_000;
    let mut builder = ProfileBuilder::new();
    let mut time = START;
    for &(ms, calls) in ran {
        let mut stack = None;
        for &call in calls {
            let frame = builder.frame(&frame(call));
            stack = Some(builder.stack(stack, frame));
        }
        let first = calls.last().filter(|(_, file, _)| file.starts_with('/')).map(|&(_, _, line)| line);
        for tick in 0..ms * 1_000 / TICK_US {
            // Three of four samples are at a function's second line.
            let line = first.map_or(0, |first| first + if tick % 4 < 3 { 1 } else { 3 });
            match stack {
                Some(stack) => builder.sample_in_line(time, stack, line),
                None => builder.sample(time, None),
            }
            time = time + TICK_US;
        }
    }
    builder.sample(time, None);
    for at in 0..(time - START) / 100_000 {
        let (time, wave) = (START + at * 100_000, (at as f64 / 2.0).sin());
        builder.measurements_mut().cpu_usage.push(Point { time, value: 30.0 + 20.0 * wave });
        builder.measurements_mut().memory_footprint.push(Point { time, value: 4e7 + 1e7 * wave + 1e6 * at as f64 });
    }
    builder.finish(START, time, TICK_US as u32)
}
