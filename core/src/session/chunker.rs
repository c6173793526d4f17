//! Decides which ticks of the stream go into which chunk.

use std::collections::VecDeque;
use std::sync::Arc;

use super::delivery::{Delivery, MIN_SAMPLES};
use crate::clock::Clock;
use crate::measurements::Reading;
use crate::slice::{Merge, Tick};
use crate::stream::{Consumer, Input, Mark, push_mark};
use crate::time::Monotonic;
use crate::window::Window;

/// Stay well below the 10 MiB that an older ingest accepts.
const MAX_CHUNK_BYTES: usize = 8 << 20;

/// Consecutive windows, closed by time, by quiet, by size and on demand.
pub(super) struct Chunker {
    delivery: Arc<Delivery>,
    interval_us: u32,
    duration_us: i64,
    quiet_us: i64,
    /// Marks that the stream has not reached yet.
    marks: VecDeque<Mark>,
    state: State,
    last_tick_us: Option<Monotonic>,
    /// Where the last tick of the chunk before ends, or the last tick of this one is: the next one comes later.
    after_us: Option<Monotonic>,
}

#[derive(Default)]
enum State {
    /// No chunk is open.
    #[default]
    Closed,
    /// Ticks go into this chunk.
    Recording(Window),
    /// This chunk waits for the next span.
    Quiet { window: Window, since_us: Monotonic },
}

impl State {
    fn window(&self) -> Option<&Window> {
        match self {
            Self::Closed => None,
            Self::Recording(window) | Self::Quiet { window, .. } => Some(window),
        }
    }

    fn window_mut(&mut self) -> Option<&mut Window> {
        match self {
            Self::Closed => None,
            Self::Recording(window) | Self::Quiet { window, .. } => Some(window),
        }
    }

    fn is_recording(&self) -> bool {
        matches!(self, Self::Recording(_))
    }

    fn quiet_since_us(&self) -> Option<Monotonic> {
        if let Self::Quiet { since_us, .. } = self { Some(*since_us) } else { None }
    }
}

impl Chunker {
    pub(super) fn new(delivery: Arc<Delivery>, interval_us: u32) -> Self {
        let (duration, quiet_us) = (delivery.options.chunk_duration, delivery.options.quiet_us());
        Self {
            delivery,
            interval_us,
            duration_us: duration.as_micros() as i64,
            quiet_us,
            marks: VecDeque::new(),
            state: State::Closed,
            last_tick_us: None,
            after_us: None,
        }
    }

    fn open(&mut self, from_us: Monotonic) {
        self.state = State::Recording(Window::new(from_us, self.interval_us, usize::MAX));
        self.last_tick_us = None;
    }

    fn close(&mut self, to_us: Monotonic, clock: &Clock) {
        if let State::Recording(mut window) | State::Quiet { mut window, .. } = std::mem::take(&mut self.state) {
            window.end_tick(None, clock);
            self.after_us = self.after_us.max(window.ended_us());
            self.delivery.put(window.finish(to_us, clock));
        }
    }

    /// Continues in a new chunk.
    fn restart(&mut self, at_us: Monotonic, clock: &Clock) {
        self.close(at_us, clock);
        self.open(at_us);
    }

    fn due_us(&self) -> Option<Monotonic> {
        self.state.window().map(|window| window.start_us() + self.duration_us)
    }

    fn is_due(&self, now_us: Monotonic) -> bool {
        self.due_us().is_some_and(|due_us| now_us >= due_us)
    }

    /// Whether the open chunk would be dropped if it was closed now. Its samples wait for more until the chunk's time
    /// is over.
    fn is_too_short(&self) -> bool {
        self.state.window().is_some_and(|window| window.tick_count() < MIN_SAMPLES)
    }

    /// Whether a chunk that has been quiet since `since_us` has waited long enough for the next span.
    fn has_waited(&self, since_us: Monotonic, now_us: Monotonic) -> bool {
        now_us - since_us >= self.quiet_us && !self.is_too_short()
    }

    fn apply(&mut self, mark: Mark, clock: &Clock) {
        match mark {
            Mark::Active(at_us) => self.resume(at_us, clock),
            Mark::Idle(at_us) => self.pause(at_us, clock),
            Mark::Flush(at_us) => {
                self.roll(at_us, clock);
                match self.state {
                    _ if self.is_too_short() => {}
                    State::Closed => {}
                    State::Recording(_) => self.restart(at_us, clock),
                    State::Quiet { since_us, .. } => self.close(since_us, clock),
                }
                self.delivery.flush_applied();
            }
            Mark::End(at_us) => {
                self.pause(at_us, clock);
                if let Some(since_us) = self.state.quiet_since_us() {
                    self.close(since_us, clock);
                }
                self.delivery.flush_applied();
            }
        }
    }

    fn resume(&mut self, at_us: Monotonic, clock: &Clock) {
        if let Some(since_us) = self.state.quiet_since_us()
            && (self.has_waited(since_us, at_us) || self.is_due(at_us))
        {
            self.close(since_us, clock);
        }
        match std::mem::take(&mut self.state) {
            State::Closed => self.open(at_us),
            State::Recording(window) | State::Quiet { window, .. } => self.state = State::Recording(window),
        }
    }

    fn pause(&mut self, at_us: Monotonic, clock: &Clock) {
        self.roll(at_us, clock);
        self.state = match std::mem::take(&mut self.state) {
            State::Recording(mut window) => {
                window.pause();
                State::Quiet { window, since_us: at_us }
            }
            other => other,
        };
    }

    /// Closes chunks that are full by now.
    fn roll(&mut self, now_us: Monotonic, clock: &Clock) {
        while self.state.is_recording()
            && let Some(due_us) = self.due_us()
            && now_us >= due_us
        {
            // An hour in which nothing runs makes no chunks, and none is missing.
            if self.state.window().is_some_and(|window| window.tick_count() > 0) {
                if let Some(window) = self.state.window_mut() {
                    window.rest_until(due_us, clock);
                }
                self.close(due_us, clock);
            }
            // After a long freeze, skip the empty chunks in between.
            let passed = (now_us - due_us) / self.duration_us * self.duration_us;
            self.open(due_us + passed);
        }
    }

    fn apply_until(&mut self, time_us: Monotonic, clock: &Clock) {
        while let Some(mark) = self.marks.front().copied().filter(|mark| mark.time_us() <= time_us) {
            self.marks.pop_front();
            self.apply(mark, clock);
        }
    }

    /// Advances to a tick; returns whether a chunk wants it.
    fn tick(&mut self, time_us: Monotonic, clock: &Clock) -> bool {
        self.apply_until(time_us, clock);
        let recording = self.state.is_recording();
        let is_due = self.is_due(time_us);
        if let Some(window) = self.state.window_mut().filter(|_| !recording || is_due) {
            window.end_tick(Some(time_us), clock);
        }
        if !recording {
            return false;
        }
        self.roll(time_us, clock);
        if self.last_tick_us.is_some_and(|last_us| clock.jumped(last_us, time_us)) {
            self.restart(time_us, clock);
        }
        self.last_tick_us = Some(time_us);
        true
    }

    fn reading(&mut self, reading: &Reading, clock: &Clock) {
        self.apply_until(reading.time_us, clock);
        self.roll(reading.time_us, clock);
        if let Some(window) = self.state.window_mut() {
            window.reading(reading, clock);
        }
    }
}

impl Consumer for Chunker {
    fn mark(&mut self, mark: Mark) {
        push_mark(&mut self.marks, mark);
    }

    fn input(&mut self, input: &Input<'_>) {
        let clock = input.clock;
        if let Some(window) = self.state.window_mut().filter(|_| input.slice.anew) {
            window.pause();
        }
        let mut merge = Merge::new(input.slice);
        let mut merged_into = self.state.window().map(Window::start_us);
        let mut readings = input.readings.iter().peekable();
        let ticks = input.slice.ticks.iter().filter(|tick| (input.from_us..input.to_us).contains(&tick.time_us));
        for &tick in ticks {
            let time_us = tick.time_us;
            while let Some(reading) = readings.next_if(|reading| reading.time_us <= time_us) {
                self.reading(reading, clock);
            }
            if !self.tick(time_us, clock) {
                continue;
            }
            for is_new in [false, true] {
                let Some(window) = self.state.window_mut() else { break };
                // Indices that were translated for one chunk are invalid in the next.
                if merged_into.replace(window.start_us()) != Some(window.start_us()) {
                    merge = Merge::new(input.slice);
                }
                if is_new || window.takes(tick.stack, &mut merge, MAX_CHUNK_BYTES) {
                    // A tick may be late and the next ones not. Chunks do not overlap for that.
                    let from_us = self.after_us.map_or(time_us, |after_us| time_us.max(after_us + 1));
                    self.after_us = Some(from_us);
                    window.tick(Tick { time_us: from_us, ..tick }, &mut merge, clock);
                    break;
                }
                window.end_tick(Some(time_us), clock);
                self.restart(time_us, clock);
            }
        }
        readings.for_each(|reading| self.reading(reading, clock));
        self.apply_until(input.to_us, clock);
        self.roll(input.to_us, clock);
        if let Some(since_us) = self.state.quiet_since_us()
            && ((input.last && !self.is_too_short()) || self.has_waited(since_us, input.to_us))
        {
            self.close(since_us, clock);
        }
    }

    fn is_done(&self) -> bool {
        false
    }

    fn boundary_us(&self) -> Option<Monotonic> {
        // Without an open chunk, the end of the chunk that the next mark opens.
        let opens = || self.marks.iter().find(|mark| matches!(mark, Mark::Active(_)));
        self.due_us().or_else(|| Some(opens()?.time_us() + self.duration_us))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use parking_lot::Mutex;

    use super::*;
    use crate::lifetime::Threads;
    use crate::session::options::{Chunk, SessionOptions};
    use crate::slice::Slice;
    use crate::stream::MAX_MARKS;

    const INTERVAL_US: i64 = 10_000;
    const SECOND_US: i64 = 1_000_000;
    const WALL_US: i64 = 1_700_000_000_000_000;

    fn at(us: i64) -> Monotonic {
        Monotonic::from_us(us)
    }

    /// A chunker with one-second chunks, fed by hand, and its delivered chunks.
    struct Fixture {
        chunker: Chunker,
        clock: Clock,
        fed_us: i64,
        delivered: Arc<Mutex<Vec<Chunk>>>,
    }

    /// A chunk's samples: (milliseconds since the fixture's beginning, whether anything ran).
    type Samples = Vec<(i64, bool)>;

    impl Fixture {
        fn new() -> Self {
            Self::with_clock(Clock::with_anchors(&[(0, WALL_US)]))
        }

        fn with_clock(clock: Clock) -> Self {
            let delivered = Arc::new(Mutex::new(vec![]));
            let sink = delivered.clone();
            let mut options = SessionOptions::new(Arc::new(move |chunk| sink.lock().push(chunk)));
            options.chunk_duration = Duration::from_secs(1);
            options.quiet = Duration::from_millis(500);
            Self { chunker: Chunker::new(delivery(options), INTERVAL_US as u32), clock, fed_us: 0, delivered }
        }

        /// Continues the stream to a moment, with a sample every interval.
        fn feed(&mut self, to_us: i64) {
            let times = (self.fed_us / INTERVAL_US..).map(|at| at * INTERVAL_US + 1).take_while(|at| *at < to_us);
            let samples: Vec<_> = times.filter(|at| *at >= self.fed_us).collect();
            self.feed_samples(samples, to_us, false);
        }

        fn feed_samples(&mut self, samples: Vec<i64>, to_us: i64, last: bool) {
            self.feed_slice(&Slice::of(samples), to_us, last);
        }

        fn feed_slice(&mut self, slice: &Slice, to_us: i64, last: bool) {
            let readings: Vec<_> = (self.fed_us / 100_000 + 1..=to_us / 100_000)
                .map(|tick| Reading { time_us: at(tick * 100_000 - 1), cpu_usage: Some(1.0), heap_bytes: Some(2) })
                .collect();
            self.chunker.input(&Input {
                slice,
                from_us: at(self.fed_us),
                to_us: at(to_us),
                last,
                readings: &readings,
                clock: &self.clock,
            });
            self.fed_us = to_us;
        }

        fn payloads(&self) -> Vec<Vec<u8>> {
            assert!(self.chunker.delivery.wait(Duration::from_secs(10)));
            self.delivered.lock().iter().map(|chunk| chunk.payload.clone()).collect()
        }

        fn json(&self) -> Vec<serde_json::Value> {
            self.payloads().iter().map(|payload| serde_json::from_slice(payload).unwrap()).collect()
        }

        fn delivered(&self) -> Vec<Samples> {
            let sample = |chunk: &serde_json::Value, sample: &serde_json::Value| {
                let time_us = (sample["timestamp"].as_f64().unwrap() * 1e6).round() as i64 - WALL_US;
                let stack = &chunk["profile"]["stacks"][sample["stack_id"].as_u64().unwrap() as usize];
                (time_us.div_euclid(1_000), !stack.as_array().unwrap().is_empty())
            };
            let chunks = self.json();
            chunks
                .iter()
                .map(|chunk| chunk["profile"]["samples"].as_array().unwrap().iter().map(|s| sample(chunk, s)).collect())
                .collect()
        }
    }

    fn times(chunk: &serde_json::Value) -> Vec<f64> {
        let samples = chunk["profile"]["samples"].as_array().unwrap();
        samples.iter().map(|sample| sample["timestamp"].as_f64().unwrap()).collect()
    }

    fn delivery(options: SessionOptions) -> Arc<Delivery> {
        Arc::new(Delivery::new(options, true, Threads::get(), None))
    }

    #[test]
    fn chunks_follow_each_other_without_loss() {
        let mut fixture = Fixture::new();
        fixture.chunker.mark(Mark::Active(at(0)));
        for slice in 1..=8 {
            fixture.feed(slice * 310_000);
        }
        fixture.chunker.mark(Mark::End(at(2_480_000)));
        fixture.feed(2_600_000);
        let delivered = fixture.delivered();
        assert_eq!(delivered.iter().map(Vec::len).collect::<Vec<_>>(), [100 + 1, 100 + 1, 48 + 1]);
        let ends = delivered.iter().map(|chunk| chunk[chunk.len() - 1]);
        let expected = [(1_000, false), (2_000, false), (2_480, false)];
        assert_eq!(ends.collect::<Vec<_>>(), expected, "an idle sample ends each chunk where the next tick is");
        let times: Vec<_> = delivered.concat().into_iter().filter(|s| s.1).map(|s| s.0).collect();
        assert_eq!(times, (0..248).map(|at| at * 10).collect::<Vec<_>>());
        let readings: Vec<_> =
            fixture.json().iter().map(|c| c["measurements"]["cpu_usage"]["values"].as_array().unwrap().len()).collect();
        assert_eq!(readings, [10, 10, 4]);
    }

    #[test]
    fn chunks_do_not_overlap_where_a_tick_was_late_and_the_next_one_is_not() {
        let mut fixture = Fixture::new();
        fixture.chunker.mark(Mark::Active(at(0)));
        fixture.feed(990_000);
        fixture.feed_samples(vec![998_000], 1_000_000, false);
        fixture.feed_samples(vec![1_003_000, 1_006_000, 1_010_000], 1_500_000, false);
        fixture.chunker.mark(Mark::Flush(at(1_500_000)));
        fixture.feed_samples(vec![1_512_000, 1_520_000], 1_530_000, false);
        fixture.chunker.mark(Mark::End(at(1_540_000)));
        fixture.feed_samples(vec![], 1_600_000, true);
        let delivered = fixture.delivered();
        assert_eq!(delivered[0][98..], [(980, true), (998, true), (1_008, false)]);
        assert_eq!(delivered[1], [(1_008, true), (1_008, true), (1_010, true), (1_020, false)]);
        assert_eq!(delivered[2], [(1_512, true), (1_520, true), (1_530, false)]);
        let times: Vec<f64> = fixture.json().iter().flat_map(times).collect();
        assert!(times.is_sorted_by(|one, two| one < two), "{times:?}");
    }

    #[test]
    fn a_tick_that_was_moved_past_the_next_one_ends_after_it_began() {
        let mut fixture = Fixture::new();
        fixture.chunker.mark(Mark::Active(at(0)));
        fixture.feed(990_000);
        fixture.feed_samples(vec![998_000], 1_000_000, false);
        fixture.chunker.mark(Mark::Idle(at(1_004_000)));
        fixture.feed_samples(vec![1_002_000, 1_003_000, 1_006_000], 1_100_000, true);
        assert_eq!(fixture.delivered()[1], [(1_008, true), (1_008, true), (1_008, false)]);
    }

    #[test]
    fn short_spans_share_a_chunk_and_their_gaps_are_cut_out() {
        let mut fixture = Fixture::new();
        for span in 0..4 {
            fixture.chunker.mark(Mark::Active(at(span * 100_000)));
            fixture.chunker.mark(Mark::Idle(at(span * 100_000 + 25_000)));
        }
        fixture.feed(450_000);
        assert_eq!(fixture.delivered().len(), 0, "another span may come");
        fixture.feed(900_000);
        let spans = [0, 100, 200, 300];
        let expected = spans.map(|at| [(at, true), (at + 10, true), (at + 20, true), (at + 30, false)]).concat();
        assert_eq!(fixture.delivered(), [expected]);
    }

    #[test]
    fn quiet_closes_a_chunk_and_the_end_of_the_stream_does_at_once() {
        let mut fixture = Fixture::new();
        fixture.chunker.mark(Mark::Active(at(0)));
        fixture.chunker.mark(Mark::Idle(at(50_000)));
        fixture.chunker.mark(Mark::Active(at(700_000)));
        fixture.chunker.mark(Mark::Idle(at(750_000)));
        fixture.feed(800_000);
        assert_eq!(fixture.delivered().len(), 1);
        fixture.feed_samples(vec![], 800_001, true);
        let delivered = fixture.delivered();
        assert_eq!(delivered.len(), 2);
        assert_eq!(delivered[1].first().unwrap().0, 700);
    }

    #[test]
    fn the_readings_of_a_chunk_end_where_its_last_span_does() {
        let mut fixture = Fixture::new();
        fixture.chunker.mark(Mark::Active(at(0)));
        fixture.chunker.mark(Mark::Idle(at(250_000)));
        fixture.feed(1_000_000);
        let chunk = &fixture.json()[0];
        for name in ["cpu_usage", "memory_footprint"] {
            let values = chunk["measurements"][name]["values"].as_array().unwrap();
            assert_eq!(values.len(), 2, "{name}: at 100 and 200 ms");
        }
    }

    #[test]
    fn frozen_time_at_a_chunks_end_or_beginning_counts_for_nothing() {
        for end in [Mark::Flush, Mark::End] {
            let mut fixture = Fixture::new();
            fixture.chunker.duration_us = 60 * SECOND_US;
            fixture.chunker.mark(Mark::Active(at(0)));
            // Samples from 0 to 100 ms, then none; the next readings are at 3 s.
            fixture.feed(100_001);
            fixture.fed_us = 3 * SECOND_US - 1;
            fixture.chunker.mark(end(at(3 * SECOND_US + 1)));
            fixture.feed_samples(vec![], 3 * SECOND_US + 2, false);
            // The chunk that a flush opened has readings, and its first sample 2 s later.
            fixture.feed_samples(vec![], 4 * SECOND_US, false);
            fixture.fed_us = 5 * SECOND_US;
            fixture.chunker.mark(Mark::End(at(6 * SECOND_US)));
            fixture.feed(6 * SECOND_US + 1);
            let chunks = fixture.json();
            assert_eq!(chunks.len(), if end(at(0)) == Mark::Flush(at(0)) { 2 } else { 1 });
            for (chunk, samples) in chunks.iter().zip(fixture.delivered()) {
                let values = chunk["measurements"]["cpu_usage"]["values"].as_array().unwrap();
                let times = values.iter().map(|value| value["timestamp"].as_f64().unwrap() - WALL_US as f64 / 1e6);
                let (first, last) = (samples[0].0 as f64 / 1e3, samples.last().unwrap().0 as f64 / 1e3);
                assert!(last <= 0.11 || first >= 5.0, "{samples:?}");
                assert!(times.into_iter().all(|time| (first - 0.5..=last + 0.5).contains(&time)), "{values:?}");
            }
        }
    }

    #[test]
    fn a_flush_delivers_the_samples_so_far_and_recording_continues() {
        let mut fixture = Fixture::new();
        fixture.chunker.delivery.ask_flush();
        fixture.chunker.mark(Mark::Active(at(0)));
        fixture.chunker.mark(Mark::Flush(at(105_000)));
        fixture.feed(200_000);
        assert_eq!(fixture.delivered(), [(0..=11).map(|at| (at * 10, at < 11)).collect::<Vec<_>>()]);
        fixture.chunker.mark(Mark::End(at(200_000)));
        fixture.feed(210_000);
        assert_eq!(fixture.delivered()[1].len(), 9 + 1);
    }

    #[test]
    fn a_chunk_of_one_sample_is_dropped_and_counted() {
        let mut fixture = Fixture::new();
        fixture.chunker.mark(Mark::Active(at(0)));
        fixture.chunker.mark(Mark::End(at(5_000)));
        fixture.feed(100_000);
        assert_eq!(fixture.delivered().len(), 0);
        assert_eq!(fixture.chunker.delivery.stats(0).dropped_too_short, 1);
    }

    #[test]
    fn a_chunk_that_is_too_short_to_send_waits_for_more() {
        let mut fixture = Fixture::new();
        // Spans of 5 ms with one tick each, each flushed, further apart than a quiet chunk waits.
        for span in 0..3 {
            let from_us = span * 600_000;
            fixture.chunker.mark(Mark::Active(at(from_us)));
            fixture.chunker.mark(Mark::Idle(at(from_us + 5_000)));
            fixture.chunker.mark(Mark::Flush(at(from_us + 6_000)));
            fixture.fed_us = from_us;
            fixture.feed_samples(vec![from_us + 1], from_us + 7_000, true);
        }
        assert_eq!(fixture.delivered(), [[(0, true), (10, false), (600, true), (610, false)]]);
        fixture.chunker.mark(Mark::End(at(SECOND_US * 2)));
        fixture.feed_samples(vec![], SECOND_US * 2 + 1, true);
        assert_eq!(fixture.delivered().len(), 1);
        assert_eq!(fixture.chunker.delivery.stats(0).dropped_too_short, 1, "the session's end drops it");
    }

    #[test]
    fn a_chunk_lasts_to_its_end_and_one_in_which_nothing_runs_is_none() {
        let mut fixture = Fixture::new();
        fixture.chunker.mark(Mark::Active(at(0)));
        fixture.feed(50_000);
        // The stream sleeps.
        fixture.feed_samples(vec![], 3_500_000, false);
        fixture.feed_samples(vec![3_700_000, 3_710_000], 3_720_000, false);
        fixture.chunker.mark(Mark::End(at(3_720_000)));
        fixture.feed_samples(vec![], 3_730_000, false);
        let delivered = fixture.delivered();
        assert_eq!(delivered.len(), 2, "{delivered:?}");
        assert_eq!(delivered[0][4..], [(40, true), (50, false), (999, false)]);
        assert_eq!(delivered[1], [(3_700, true), (3_710, true), (3_720, false)]);
        assert_eq!(fixture.chunker.delivery.stats(0).dropped_too_short, 0);
    }

    #[test]
    fn a_tick_in_a_short_span_stands_for_an_interval() {
        let mut fixture = Fixture::new();
        // Spans of 6 ms, 4.3 ms apart: a tick comes at any time in them, the next one mostly in another span.
        let spans = 90;
        for span in 0..spans {
            fixture.chunker.mark(Mark::Active(at(span * 10_300)));
            fixture.chunker.mark(Mark::Idle(at(span * 10_300 + 6_000)));
        }
        fixture.feed(spans * 10_300);
        fixture.chunker.mark(Mark::End(at(spans * 10_300)));
        fixture.feed(spans * 10_300 + 30_000);
        let samples: Vec<_> = fixture.delivered().concat();
        let busy_ms: i64 = samples.windows(2).filter(|pair| pair[0].1).map(|pair| pair[1].0 - pair[0].0).sum();
        let ticks = samples.iter().filter(|sample| sample.1).count() as i64;
        assert!((ticks - spans * 6_000 / 10_300).abs() <= 3, "{ticks}");
        assert!((busy_ms - ticks * 10).abs() <= 10, "{busy_ms} ms for {ticks} ticks");
    }

    #[test]
    fn long_names_do_not_make_a_chunk_longer_than_it_may_be() {
        let mut fixture = Fixture::new();
        fixture.chunker.duration_us = 60 * SECOND_US;
        fixture.chunker.mark(Mark::Active(at(0)));
        for slice in 0..40 {
            let mut ticks = Slice::of((0..25).map(|at| slice * SECOND_US + at * INTERVAL_US));
            // Each tick has its own functions, with names that are longer in JSON.
            ticks.rename(|tick| format!("{slice} {tick} {}", "\u{1}".repeat(6_000)));
            fixture.feed_slice(&ticks, (slice + 1) * SECOND_US, false);
        }
        fixture.chunker.mark(Mark::End(at(40 * SECOND_US)));
        fixture.feed_samples(vec![], 40 * SECOND_US + 1, true);
        let sizes: Vec<_> = fixture.payloads().iter().map(Vec::len).collect();
        assert!(sizes.len() > 1 && sizes.iter().all(|&size| size <= MAX_CHUNK_BYTES), "{sizes:?}");
        let samples: usize = fixture.delivered().iter().flatten().filter(|sample| sample.1).count();
        assert_eq!(samples, 40 * 25, "nothing is lost");
    }

    #[test]
    fn a_freeze_is_a_gap_and_splits_the_chunk() {
        let mut fixture = Fixture::new();
        fixture.chunker.mark(Mark::Active(at(0)));
        // 0 to 100 ms, nothing for 600 ms, then nothing for an hour.
        let hour = 3_600 * SECOND_US;
        let mut samples: Vec<_> = (0..10).map(|at| at * INTERVAL_US).collect();
        samples.extend((0..10).map(|at| 700_000 + at * INTERVAL_US));
        samples.extend((0..10).map(|at| hour + at * INTERVAL_US));
        fixture.chunker.mark(Mark::End(at(hour + 100_000)));
        fixture.feed_samples(samples, hour + 100_000, true);
        let delivered = fixture.delivered();
        assert_eq!(delivered.len(), 2);
        assert_eq!(delivered[0][9..12], [(90, true), (100, false), (700, true)]);
        assert_eq!(delivered[1].first(), Some(&(3_600_000, true)));
        assert_eq!(delivered[1].len(), 10 + 1);
    }

    #[test]
    fn a_stepped_clock_splits_the_chunk_and_every_sample_keeps_its_wall_time() {
        // At 305 ms the wall clock is set back by an hour.
        let hour = 3_600 * SECOND_US;
        let mut fixture = Fixture::with_clock(Clock::with_anchors(&[(0, WALL_US), (305_000, WALL_US - hour)]));
        fixture.chunker.mark(Mark::Active(at(0)));
        fixture.feed(600_000);
        fixture.chunker.mark(Mark::End(at(600_000)));
        fixture.feed(610_000);
        let delivered = fixture.delivered();
        assert_eq!(delivered.len(), 2);
        assert_eq!(delivered[0][30..], [(300, true), (310, false)]);
        assert_eq!(delivered[1][0], (310 - 3_600_000, true));
    }

    #[test]
    fn more_spans_than_fit_lose_their_gaps_and_nothing_else() {
        let mut fixture = Fixture::new();
        for span in 0..MAX_MARKS as i64 {
            fixture.chunker.mark(Mark::Active(at(span * 20)));
            fixture.chunker.mark(Mark::Idle(at(span * 20 + 10)));
        }
        assert!(fixture.chunker.marks.len() <= MAX_MARKS + 1);
        fixture.chunker.mark(Mark::End(at(SECOND_US / 2)));
        fixture.feed(SECOND_US / 2 + 1);
        assert!(fixture.delivered()[0].iter().filter(|s| s.1).count() >= 16);
    }
}
