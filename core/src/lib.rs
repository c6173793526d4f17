//! Samples the JavaScript that a V8 isolate runs and hands out profiles that Sentry, Chrome DevTools, pprof and flame graphs
//! understand.

pub mod encode;
pub mod profile;

pub use profile::{Frame, FrameKind, Hotspot, Measurements, Point, Profile, ProfileBuilder, Sample, Stack, StackTotal};
