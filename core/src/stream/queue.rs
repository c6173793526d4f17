//! The queue from an isolate's thread to the thread that drains its stream.

use std::collections::VecDeque;

use crate::clock::Clock;
use crate::measurements::Reading;
use crate::slice::Slice;
use crate::source::{Circumstances, Raw};
use crate::time::Monotonic;

/// How many slices may wait for the encoder. Each holds memory of its source.
const MAX_QUEUED_SLICES: usize = 32;
/// How many starts and ends of a consumer's spans may wait. Beyond that, gaps between spans are dropped.
pub(crate) const MAX_MARKS: usize = 1 << 14;

/// A finished recording of the source.
pub(crate) struct FinishedSlice {
    pub(crate) raw: Box<dyn Raw>,
    /// The period that it covers. Samples outside it belong to its neighbours.
    pub(crate) from_us: Monotonic,
    pub(crate) to_us: Monotonic,
    pub(crate) circumstances: Circumstances,
    /// Nothing records after it.
    pub(crate) last: bool,
}

/// What changes a consumer's state, in time order, with monotonic times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Samples are wanted from here on.
    Active(Monotonic),
    /// Samples are not wanted from here on.
    Idle(Monotonic),
    /// Deliver what was collected up to here.
    Flush(Monotonic),
    /// Samples are not wanted from here on; deliver what was collected.
    End(Monotonic),
}

impl Mark {
    pub(crate) fn time_us(self) -> Monotonic {
        match self {
            Self::Active(at) | Self::Idle(at) | Self::Flush(at) | Self::End(at) => at,
        }
    }
}

/// Adds a mark in bounded memory.
pub(crate) fn push_mark(marks: &mut VecDeque<Mark>, mark: Mark) {
    // With this many spans between two slices, gaps rarely contain a sample, so drop the gap and save memory.
    if marks.len() >= MAX_MARKS && matches!((marks.back(), mark), (Some(Mark::Idle(_)), Mark::Active(_))) {
        marks.pop_back();
    } else {
        marks.push_back(mark);
    }
}

/// The next part of the stream for a consumer, up to `to_us`.
pub(crate) struct Input<'a> {
    /// The samples of this part, and possibly others of the same recording.
    pub(crate) slice: &'a Slice,
    pub(crate) from_us: Monotonic,
    pub(crate) to_us: Monotonic,
    /// Nothing records after it, for now.
    pub(crate) last: bool,
    /// The readings before `to_us`, in time order.
    pub(crate) readings: &'a [Reading],
    pub(crate) clock: &'a Clock,
}

/// Takes samples from the stream, on the thread that drains it.
pub(crate) trait Consumer: Send {
    fn mark(&mut self, mark: Mark);
    fn input(&mut self, input: &Input<'_>);
    /// Whether it wants nothing more.
    fn is_done(&self) -> bool;
    /// When a slice must end, so that samples can be delivered on time.
    fn boundary_us(&self) -> Option<Monotonic> {
        None
    }
}

pub(crate) enum Event {
    Attach(u64, Box<dyn Consumer>),
    Detach(u64),
    Slice(FinishedSlice),
    /// Nothing recorded up to here.
    Quiet(Monotonic),
    /// Every consumer must deliver what it has.
    EndAll(Monotonic),
}

/// Events and marks that wait to be drained.
#[derive(Default)]
pub(super) struct Queue {
    events: VecDeque<Event>,
    slices: usize,
    /// The marks of each consumer that were not passed on to it yet. Separate from the events, because consumers use
    /// a mark's time, and because marks can be joined here.
    marks: Vec<(u64, VecDeque<Mark>)>,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.marks.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.events.len() + self.marks.iter().map(|(_, marks)| marks.len()).sum::<usize>()
    }

    /// Adds an event. If too many slices wait, drops the oldest one and returns its recording.
    pub(super) fn push(&mut self, event: Event) -> Option<Box<dyn Raw>> {
        let mut dropped = None;
        match event {
            Event::Slice(_) => {
                self.slices += 1;
                dropped = if self.slices > MAX_QUEUED_SLICES { self.drop_oldest_slice() } else { None };
            }
            // It replaces the one before.
            Event::Quiet(_) if matches!(self.events.back(), Some(Event::Quiet(_))) => drop(self.events.pop_back()),
            _ => {}
        }
        self.events.push_back(event);
        dropped
    }

    /// Keeps the time of the dropped slice as an event.
    fn drop_oldest_slice(&mut self) -> Option<Box<dyn Raw>> {
        let at = self.events.iter().position(|event| matches!(event, Event::Slice(_)))?;
        let Some(Event::Slice(slice)) = self.events.remove(at) else { return None };
        let before = at.checked_sub(1).and_then(|before| self.events.get_mut(before));
        match before {
            Some(Event::Quiet(to_us)) => *to_us = slice.to_us,
            _ => self.events.insert(at, Event::Quiet(slice.to_us)),
        }
        self.slices -= 1;
        Some(slice.raw)
    }

    pub(super) fn mark(&mut self, consumer: u64, mark: Mark) {
        match self.marks.iter_mut().find(|(id, _)| *id == consumer) {
            Some((_, marks)) => push_mark(marks, mark),
            None => self.marks.push((consumer, VecDeque::from([mark]))),
        }
    }

    /// The next event, and the marks of the known consumers. Marks of a consumer that is still to be attached wait until
    /// no event is left.
    pub(super) fn next(&mut self, is_known: impl Fn(u64) -> bool) -> (Option<Event>, Vec<(u64, VecDeque<Mark>)>) {
        let event = self.events.pop_front();
        if let Some(Event::Slice(_)) = event {
            self.slices -= 1;
        }
        let marks = std::mem::take(&mut self.marks).into_iter();
        let (known, unknown) = marks.partition(|(id, _)| event.is_none() || is_known(*id));
        self.marks = unknown;
        (event, known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(us: i64) -> Monotonic {
        Monotonic::from_us(us)
    }

    #[test]
    fn marks_that_wait_are_joined_and_the_last_state_is_right() {
        let mut marks = VecDeque::new();
        for span in 0..1_000_000 {
            push_mark(&mut marks, Mark::Active(at(span * 2)));
            push_mark(&mut marks, Mark::Idle(at(span * 2 + 1)));
        }
        assert!(marks.len() <= MAX_MARKS + 1, "{}", marks.len());
        assert_eq!(marks.back(), Some(&Mark::Idle(at(1_999_999))));
        assert!(marks.iter().map(|mark| mark.time_us()).is_sorted());
        let active = |mark: &Mark| matches!(mark, Mark::Active(_));
        assert!(marks.iter().zip(marks.iter().skip(1)).all(|(one, two)| active(one) != active(two)));
    }
}
