//! Which boxes a flame graph has, and where.

use std::cmp::Reverse;

use crate::{Profile, StackId};

/// What keeps a picture small.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// A call that took less than this part of the whole is too narrow to be seen.
    pub parts: u64,
    /// How many calls have boxes at most; where more are wide enough, the shortest of them have none.
    pub most: usize,
}

impl Limits {
    pub const USUAL: Self = Self { parts: 2_000, most: 5_000 };

    /// How long the shortest call takes that has a box.
    fn shortest_us(self, total_us: &[u64], whole_us: u64) -> u64 {
        let seen_us = whole_us.div_ceil(self.parts).max(1);
        let mut seen: Vec<u64> = total_us.iter().copied().filter(|&us| us >= seen_us).collect();
        if seen.len() <= self.most {
            return seen_us;
        }
        let (_, &mut longest_without, _) = seen.select_nth_unstable_by_key(self.most, |&us| Reverse(us));
        longest_without + 1
    }
}

/// What a box stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Everything,
    Call(StackId),
    /// So many calls of one caller that are too short for boxes of their own.
    Merged(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub what: What,
    /// Distance from the left edge: a microsecond is as wide everywhere.
    pub left_us: u64,
    pub width_us: u64,
    pub self_us: u64,
    /// 0 for everything.
    pub depth: u32,
}

/// The boxes, each before what it calls, and of what one function calls the longest first.
pub(super) struct Layout {
    pub boxes: Vec<Placed>,
    pub rows: u32,
    /// By stack.
    pub self_us: Vec<u64>,
    pub whole_us: u64,
    pub samples: u64,
    /// Shorter calls have no box of their own.
    pub shortest_us: u64,
    /// Whether there are such calls.
    pub is_cut: bool,
}

/// The calls of one caller that have no boxes.
#[derive(Clone, Copy, Default)]
struct Rest {
    us: u64,
    calls: u32,
}

impl Layout {
    pub fn new(profile: &Profile, limits: Limits) -> Self {
        let stacks = profile.stacks();
        let mut self_us = vec![0; stacks.len()];
        let mut samples = 0;
        for total in profile.stack_totals() {
            self_us[total.stack.index()] = total.time_us;
            samples += total.samples;
        }
        let mut total_us = self_us.clone();
        let mut whole_us = 0;
        // Parents stand before their children: one pass from the end reaches every ancestor.
        for (at, stack) in stacks.iter().enumerate().rev() {
            match stack.parent {
                Some(parent) => total_us[parent.index()] += total_us[at],
                None => whole_us += total_us[at],
            }
        }
        let shortest_us = limits.shortest_us(&total_us, whole_us);

        // By caller, with everything as the caller of the outermost.
        let caller = |at: usize| stacks[at].parent.map_or(0, |parent| parent.index() + 1);
        let mut rests = vec![Rest::default(); stacks.len() + 1];
        let mut calls: Vec<usize> = Vec::new();
        for (at, &us) in total_us.iter().enumerate() {
            if us >= shortest_us {
                calls.push(at);
            } else if us > 0 {
                let rest = &mut rests[caller(at)];
                rest.us += us;
                rest.calls += 1;
            }
        }
        calls.sort_unstable_by_key(|&at| (caller(at), Reverse(total_us[at]), at));

        let everything = Placed { what: What::Everything, left_us: 0, width_us: whole_us, self_us: 0, depth: 0 };
        let (mut boxes, mut rows, mut is_cut) = (Vec::with_capacity(calls.len() * 5 / 4), 0, false);
        let mut pending = if whole_us > 0 { vec![everything] } else { Vec::new() };
        while let Some(placed) = pending.pop() {
            boxes.push(placed);
            rows = rows.max(placed.depth + 1);
            let number = match placed.what {
                What::Everything => 0,
                What::Call(stack) => stack.index() + 1,
                What::Merged(_) => continue,
            };
            let (first, mut left_us, depth) = (pending.len(), placed.left_us, placed.depth + 1);
            let callees = &calls[calls.partition_point(|&at| caller(at) < number)..];
            for &at in callees.iter().take_while(|&&at| caller(at) == number) {
                let what = What::Call(StackId::at(at));
                pending.push(Placed { what, left_us, width_us: total_us[at], self_us: self_us[at], depth });
                left_us += total_us[at];
            }
            let Rest { us, calls } = rests[number];
            is_cut |= us > 0;
            if us >= shortest_us {
                pending.push(Placed { what: What::Merged(calls), left_us, width_us: us, self_us: 0, depth });
            }
            // What is pushed last comes next.
            pending[first..].reverse();
        }
        Self { boxes, rows, self_us, whole_us, samples, shortest_us, is_cut }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Frame, FrameKind, ProfileBuilder, Unix};

    /// `main` calls functions that take so many microseconds each; before it runs another for 100.
    fn profile(times_us: &[i64]) -> Profile {
        let mut builder = ProfileBuilder::new();
        let mut frame = |name: &str| {
            let (function, kind) = (name.into(), FrameKind::Script);
            builder.frame(&Frame { function, file: "/a.js".into(), line: 1, column: 1, kind, in_app: true })
        };
        let (other, main) = (frame("other"), frame("main"));
        let called: Vec<_> = (0..times_us.len()).map(|n| frame(&format!("f{n}"))).collect();
        let (other, main) = (builder.stack(None, other), builder.stack(None, main));
        builder.sample(Unix::from_us(0), Some(other));
        let mut time = Unix::from_us(100);
        for (&us, frame) in times_us.iter().zip(called) {
            let stack = builder.stack(Some(main), frame);
            builder.sample(time, Some(stack));
            time = time + us;
        }
        builder.sample(time, None);
        builder.finish(Unix::from_us(0), time, 10)
    }

    fn drawn(layout: &Layout) -> Vec<(What, u64, u64, u32)> {
        layout.boxes.iter().map(|b| (b.what, b.left_us, b.width_us, b.depth)).collect()
    }

    #[test]
    fn the_longest_comes_first_and_what_is_short_is_merged() {
        let call = |at| What::Call(StackId::at(at));
        let profile = profile(&[300, 30, 500, 40, 30]);
        let whole = Layout::new(&profile, Limits::USUAL);
        assert_eq!(
            drawn(&whole),
            [
                (What::Everything, 0, 1000, 0),
                (call(1), 0, 900, 1),
                (call(4), 0, 500, 2),
                (call(2), 500, 300, 2),
                (call(5), 800, 40, 2),
                (call(3), 840, 30, 2),
                (call(6), 870, 30, 2),
                (call(0), 900, 100, 1),
            ]
        );
        assert!(!whole.is_cut);
        assert_eq!((whole.rows, whole.whole_us, whole.samples, whole.shortest_us), (3, 1000, 6, 1));
        assert_eq!(whole.boxes[1].self_us, 0);
        assert_eq!(whole.boxes[2].self_us, 500);

        let merged = Layout::new(&profile, Limits { parts: 20, most: 9 });
        let start =
            [(What::Everything, 0, 1000, 0), (call(1), 0, 900, 1), (call(4), 0, 500, 2), (call(2), 500, 300, 2)];
        assert_eq!(drawn(&merged)[..4], start);
        assert_eq!(drawn(&merged)[4..], [(What::Merged(3), 800, 100, 2), (call(0), 900, 100, 1)]);
        assert!(merged.is_cut);

        // Together they are too short as well.
        let left_out = Layout::new(&profile, Limits { parts: 9, most: 9 });
        assert_eq!(drawn(&left_out), start);
        assert!(left_out.is_cut);
    }

    #[test]
    fn there_are_never_more_boxes_than_most_calls_and_what_is_merged() {
        let times: Vec<i64> = (1..=500).collect();
        let profile = profile(&times);
        for most in [1, 2, 10, 100, 501] {
            let layout = Layout::new(&profile, Limits { parts: u64::MAX, most });
            let calls = layout.boxes.iter().filter(|b| matches!(b.what, What::Call(_))).count();
            // `other` and one of the functions take the same time.
            assert!(calls <= most && calls + 2 >= most, "{calls} of {most}");
            assert!(layout.is_cut);
        }
        assert!(!Layout::new(&profile, Limits { parts: u64::MAX, most: 502 }).is_cut);
    }

    #[test]
    fn where_nothing_ran_there_is_no_box() {
        let profile = ProfileBuilder::new().finish(Unix::from_us(0), Unix::from_us(9), 10);
        let layout = Layout::new(&profile, Limits::USUAL);
        assert_eq!((layout.boxes.len(), layout.rows, layout.whole_us, layout.is_cut), (0, 0, 0, false));
    }
}
