//! How long slices are.

/// The length of the first slice, and the minimum.
pub(super) const SLICE_MIN_US: i64 = 250_000;
/// Limits the tree of a program whose stacks become deep in the middle of a slice.
const SLICE_MAX_US: i64 = 2_000_000;
/// A tree of this many nodes is deleted in less than half a millisecond.
const SLICE_NODES: i64 = 2_000;
/// Short slices share fewer nodes, so deleting all of them takes longer. Programs whose stacks have more frames than
/// this on average get longer slices: deleting one takes a millisecond, and deleting all takes a quarter less time.
const DEEP_FRAMES: i64 = 90;
const DEEP_SLICE_NODES: i64 = 5_500;

/// The length of the next slice, from the last one's nodes, average frames and length: as long as a tree of the target
/// size takes, but at most twice as long as the last slice.
pub(super) fn next_slice_us(nodes: i64, frames: i64, length_us: i64) -> i64 {
    let target = if frames > DEEP_FRAMES { DEEP_SLICE_NODES } else { SLICE_NODES };
    let wanted = length_us.saturating_mul(target) / nodes.max(1);
    wanted.min(length_us.saturating_mul(2)).clamp(SLICE_MIN_US, SLICE_MAX_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_is_as_long_as_its_tree_may_be_large() {
        assert_eq!(next_slice_us(0, 0, 250_000), 500_000, "at most twice as long");
        assert_eq!(next_slice_us(10, 5, SLICE_MAX_US), SLICE_MAX_US);
        assert_eq!(next_slice_us(3_000, 80, 1_000_000), 666_666);
        assert_eq!(next_slice_us(2_000, 110, 400_000), 800_000, "deep");
        assert_eq!(next_slice_us(5_500, 110, 1_100_000), 1_100_000, "and it stays the same");
        assert_eq!(next_slice_us(30_000, 80, 1_000_000), SLICE_MIN_US, "each sample has its own stack");
    }
}
