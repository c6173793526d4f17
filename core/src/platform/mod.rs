//! All that differs between operating systems, but for the table of V8's symbols.

pub(crate) mod clocks;
pub mod process;
pub(crate) mod threads;
