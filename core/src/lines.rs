//! At which lines of a function samples were.

/// How many samples were at a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineTicks {
    /// From 1.
    pub(crate) line: u32,
    pub(crate) ticks: u32,
}

/// Deals the lines of a node out to its ticks: V8 counts how many ticks were at each, and does not say which. Any
/// stretch of them has about as many of each line as all have.
pub(crate) struct Lines {
    /// With how many of each were dealt out.
    lines: Vec<(LineTicks, u32)>,
    ticks: u32,
    dealt: u32,
}

impl Lines {
    pub(crate) fn new(mut lines: Vec<LineTicks>, hits: u32) -> Self {
        let known = lines.iter().map(|line| line.ticks).sum();
        if hits > known {
            lines.push(LineTicks { line: 0, ticks: hits - known });
        }
        Self { lines: lines.into_iter().map(|line| (line, 0)).collect(), ticks: hits.max(known), dealt: 0 }
    }

    /// The line that has been dealt out too rarely by most, 0 when unknown.
    pub(crate) fn next(&mut self) -> u32 {
        self.dealt += 1;
        let (dealt, ticks) = (i64::from(self.dealt), i64::from(self.ticks));
        let lacks = |(line, had): &(LineTicks, u32)| i64::from(line.ticks) * dealt - i64::from(*had) * ticks;
        // The first of several.
        let Some((line, had)) = self.lines.iter_mut().rev().max_by_key(|line| lacks(line)) else { return 0 };
        *had += 1;
        line.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_dealt_out_evenly() {
        let dealt = |lines: &[(u32, u32)], hits: u32| {
            let lines = lines.iter().map(|&(line, ticks)| LineTicks { line, ticks }).collect();
            let mut lines = Lines::new(lines, hits);
            (0..hits).map(|_| lines.next()).collect::<Vec<_>>()
        };
        assert_eq!(dealt(&[(3, 4), (5, 2)], 6), [3, 5, 3, 3, 5, 3]);
        assert_eq!(dealt(&[(3, 1), (5, 1)], 4), [0, 3, 5, 0], "of two V8 knows no line");
        assert_eq!(dealt(&[], 2), [0, 0]);
        assert_eq!(Lines::new(vec![], 0).next(), 0);
        let many = dealt(&[(1, 700), (2, 200), (3, 100)], 1_000);
        for (line, ticks) in [(1, 70), (2, 20), (3, 10)] {
            for stretch in many.chunks(100) {
                assert!(stretch.iter().filter(|&&at| at == line).count().abs_diff(ticks) <= 1);
            }
        }
    }
}
