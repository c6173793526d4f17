//! Moments on the two clocks. Each is a type of its own, so that they do not mix.

use std::ops::{Add, Sub};

use crate::platform;

/// A moment on the clock that V8 stamps samples with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Monotonic(i64);

/// A moment in Unix time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unix(i64);

macro_rules! moment {
    ($moment:ident, $visibility:vis) => {
        impl $moment {
            /// From microseconds.
            $visibility const fn from_us(us: i64) -> Self {
                Self(us)
            }

            /// In microseconds.
            $visibility const fn us(self) -> i64 {
                self.0
            }
        }

        /// So many microseconds later.
        impl Add<i64> for $moment {
            type Output = Self;

            fn add(self, us: i64) -> Self {
                Self(self.0.saturating_add(us))
            }
        }

        /// So many microseconds earlier.
        impl Sub<i64> for $moment {
            type Output = Self;

            fn sub(self, us: i64) -> Self {
                Self(self.0.saturating_sub(us))
            }
        }

        /// How many microseconds lie between them.
        impl Sub for $moment {
            type Output = i64;

            fn sub(self, earlier: Self) -> i64 {
                self.0.saturating_sub(earlier.0)
            }
        }
    };
}

moment!(Monotonic, pub(crate));
moment!(Unix, pub);

impl Monotonic {
    pub(crate) fn now() -> Self {
        Self(platform::monotonic_us())
    }
}

impl Unix {
    pub(crate) fn now() -> Self {
        Self(platform::wall_us())
    }
}
