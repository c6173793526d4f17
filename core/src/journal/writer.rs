//! Writes what is new of a stream to a file.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashSet;

use super::{BEAT, CPU, END, FRAMES, HEAD, HEAP, MAGIC, MAP, READINGS, SAMPLES, STACKS, VERSION};
use crate::columns::{Columns, zigzag};
use crate::host::{LogLevel, Logger};
use crate::platform::create_private;
use crate::profile::{Frame, FrameKind, Measurements, Point, Sample, Stack};
use crate::slice::Merge;
use crate::stream::{Consumer, Input, Mark, push_mark};
use crate::time::{Monotonic, Unix};
use crate::window::Window;

/// How often what was sampled is written: so much is lost when the process is killed.
const WRITE_US: i64 = 250_000;
/// In the beginning it is written more often, because many processes are killed as soon as they have done their work:
/// test runners do that with each file's.
const FIRST_WRITE_US: i64 = 50_000;

/// The file, until it is closed or cannot be written to.
pub(super) struct Out {
    file: Option<File>,
    begin: Unix,
    log: Option<Logger>,
    /// Those that frames have been of, and those of them that nobody has asked for yet.
    files: FxHashSet<Arc<str>>,
    new_files: Vec<Arc<str>>,
}

impl Out {
    pub(super) fn create(file: &Path, log: Option<Logger>) -> io::Result<Self> {
        let mut file = create_private(file)?;
        file.write_all(&MAGIC)?;
        let (files, new_files) = Default::default();
        Ok(Self { file: Some(file), begin: Unix::from_us(0), log, files, new_files })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.file.is_none()
    }

    pub(super) fn head(&mut self, begin: Unix, interval_us: u32, json: &str) {
        self.begin = begin;
        let mut head = Columns::default();
        head.put_all([VERSION, zigzag(begin.us()), interval_us.into()]);
        head.put_text(json);
        self.record(HEAD, head);
    }

    pub(super) fn new_files(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.new_files)
    }

    pub(super) fn source_map(&mut self, file: &str, json: &str) {
        let mut map = Columns::default();
        map.put_text(file);
        map.put_text(json);
        self.record(MAP, map);
    }

    pub(super) fn close(&mut self, json: &str) {
        let mut end = Columns::default();
        end.put_text(json);
        self.record(END, end);
        self.file = None;
    }

    fn record(&mut self, kind: u8, content: Columns) {
        let Some(file) = &mut self.file else { return };
        let content = content.into_bytes();
        let mut record = Vec::with_capacity(content.len() + 9);
        record.extend((content.len() as u32 + 1).to_le_bytes());
        record.extend([0; 4]);
        record.push(kind);
        record.extend(content);
        let checksum = crc32fast::hash(&record[8..]).to_le_bytes();
        record[4..8].copy_from_slice(&checksum);
        // One call, so that what is in the file is whole, whenever the process ends.
        if let Err(error) = file.write_all(&record) {
            self.file = None;
            if let Some(log) = &self.log {
                log(LogLevel::Warning, &format!("the recording ends here, it cannot be written: {error}"));
            }
        }
    }

    fn frames(&mut self, frames: &[Frame]) {
        let mut columns = Columns::default();
        for frame in frames {
            if frame.kind == FrameKind::Script && self.files.insert(frame.file.clone()) {
                self.new_files.push(frame.file.clone());
            }
            columns.put_text(&frame.function);
            columns.put_text(&frame.file);
            let kind = match frame.kind {
                FrameKind::Script => 0,
                FrameKind::Builtin => 1,
                FrameKind::Callback => 2,
                FrameKind::Internal => 3,
                FrameKind::Unresolved => 4,
            };
            columns.put_all([frame.line.into(), frame.column.into(), kind, frame.in_app.into()]);
        }
        self.record(FRAMES, columns);
    }

    fn stacks(&mut self, stacks: &[Stack]) {
        let mut columns = Columns::default();
        for stack in stacks {
            columns.put_all([stack.parent.map_or(0, |parent| parent.index() as u64 + 1), stack.frame.index() as u64]);
        }
        self.record(STACKS, columns);
    }

    fn samples(&mut self, samples: &[Sample]) {
        let mut columns = Columns::default();
        let mut before = self.begin;
        for sample in samples {
            columns.put_signed(sample.time - before);
            columns.put_all([sample.stack.map_or(0, |stack| stack.index() as u64 + 1), sample.line.into()]);
            before = sample.time;
        }
        self.record(SAMPLES, columns);
    }

    fn readings(&mut self, readings: &Measurements) {
        let mut columns = Columns::default();
        let mut before = self.begin;
        let mut put = |points: &[Point], kind, value: fn(f64) -> u64| {
            for point in points {
                columns.put_signed(point.time - before);
                columns.put_all([kind, value(point.value)]);
                before = point.time;
            }
        };
        put(&readings.cpu_usage, CPU, |percent| (percent * 100.0).round() as u64);
        put(&readings.memory_footprint, HEAP, |bytes| bytes as u64);
        self.record(READINGS, columns);
    }

    fn beat(&mut self, time: Unix) {
        let mut columns = Columns::default();
        columns.put_signed(time.us());
        self.record(BEAT, columns);
    }
}

/// The consumer of a journal.
pub(super) struct Writer {
    out: Arc<Mutex<Out>>,
    window: Window,
    marks: VecDeque<Mark>,
    /// How many frames and stacks of the window are written.
    frames: usize,
    stacks: usize,
    written_us: Monotonic,
    is_done: bool,
}

impl Writer {
    pub(super) fn new(out: Arc<Mutex<Out>>, from_us: Monotonic, interval_us: u32) -> Self {
        Self {
            out,
            window: Window::new(from_us, interval_us, usize::MAX),
            marks: VecDeque::new(),
            frames: 0,
            stacks: 0,
            written_us: from_us,
            is_done: false,
        }
    }

    fn write(&mut self, to_us: Monotonic, input: &Input<'_>) {
        let builder = self.window.builder_mut();
        let mut out = self.out.lock();
        if builder.frames().len() > self.frames {
            out.frames(&builder.frames()[self.frames..]);
            self.frames = builder.frames().len();
        }
        if builder.stacks().len() > self.stacks {
            out.stacks(&builder.stacks()[self.stacks..]);
            self.stacks = builder.stacks().len();
        }
        let samples = builder.take_samples();
        if !samples.is_empty() {
            out.samples(&samples);
        }
        let readings = std::mem::take(builder.measurements_mut());
        if readings != Measurements::default() {
            out.readings(&readings);
        }
        out.beat(input.clock.wall(to_us));
        self.written_us = to_us;
    }
}

impl Consumer for Writer {
    fn mark(&mut self, mark: Mark) {
        push_mark(&mut self.marks, mark);
    }

    fn input(&mut self, input: &Input<'_>) {
        if self.is_done {
            return;
        }
        if input.slice.anew {
            self.window.pause();
        }
        let end_us = self.marks.iter().find(|mark| matches!(mark, Mark::End(_))).map(|mark| mark.time_us());
        let from_us = input.from_us.max(self.window.start_us());
        let to_us = end_us.map_or(input.to_us, |end_us| end_us.min(input.to_us));
        let mut merge = Merge::new(input.slice);
        for &tick in input.slice.ticks.iter().filter(|tick| (from_us..to_us).contains(&tick.time_us)) {
            self.window.tick(tick, &mut merge, input.clock);
        }
        for reading in input.readings.iter().filter(|reading| reading.time_us < to_us) {
            self.window.reading(reading, input.clock);
        }
        if end_us.is_some_and(|end_us| end_us <= input.to_us) {
            self.window.end_tick(None, input.clock);
            self.is_done = true;
        }
        self.write(to_us, input);
    }

    fn is_done(&self) -> bool {
        self.is_done
    }

    fn boundary_us(&self) -> Option<Monotonic> {
        let age_us = self.written_us - self.window.start_us();
        Some(self.written_us + (age_us / 2).clamp(FIRST_WRITE_US, WRITE_US))
    }
}
