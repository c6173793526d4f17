//! Where recordings come from: something that samples one isolate and returns finished recordings.
//!
//! A source is used on the isolate's thread only. Its recordings go to the encoder's thread to be captured, and come
//! back to be reclaimed.

#[cfg(test)]
pub(crate) mod fake;

use std::marker::PhantomData;

use crate::error::Error;
use crate::slice::Slice;
use crate::time::Monotonic;

/// A sample this soon after a recording's start is one of the start itself.
pub(crate) const START_US: i64 = 2_000;

/// Proof that this is the isolate's thread and that its source was not disposed of.
#[derive(Clone, Copy)]
pub(crate) struct Home<'a>(PhantomData<(&'a (), *const ())>);

impl<'a> Home<'a> {
    /// Valid while the source is borrowed, which cannot leave the isolate's thread.
    pub(crate) fn of(_source: &'a dyn Source) -> Self {
        Self(PhantomData)
    }
}

/// Proof that the isolate is also entered.
#[derive(Clone, Copy)]
pub(crate) struct Entered<'a>(Home<'a>);

impl<'a> Entered<'a> {
    /// The first check of every call that needs the isolate entered.
    pub(crate) fn check(source: &'a dyn Source) -> Option<Self> {
        source.is_entered().then(|| Self(Home::of(source)))
    }
}

/// The source's id of a running recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordingId(pub(crate) u32);

/// Samples one isolate. Not `Send`: it stays on the isolate's thread.
pub(crate) trait Source {
    /// Whether the isolate is entered, so that recordings can start.
    fn is_entered(&self) -> bool;

    /// Starts a recording. Another one may be running and is not affected.
    ///
    /// # Errors
    /// [`Error::StartRefused`], [`Error::StartFailed`].
    fn start(&self, entered: Entered<'_>) -> Result<RecordingId, Error>;

    /// Stops a recording; `None` if it was lost.
    fn stop(&self, id: RecordingId) -> Option<Box<dyn Raw>>;

    /// Bytes of the isolate's heap in use.
    fn heap_bytes(&self) -> u64;

    /// Leaves functions of this file, and those that they call, out of what is captured from now on.
    fn hide_file(&self, file: String);

    /// Lets other threads interrupt the isolate's thread.
    fn interrupts(&self) -> Box<dyn Interrupts>;

    /// The name and version of what it samples, for messages.
    fn version(&self) -> String;

    /// Frees what it only needs to record, if it can make it again. Nothing records, and everything was reclaimed.
    fn give_back(&self);

    /// Frees it. Nothing records any more, and everything was reclaimed.
    fn dispose(self: Box<Self>);
}

/// Interrupts the isolate's thread from any other thread.
pub(crate) trait Interrupts: Send {
    /// Lets the isolate's thread serve a stream as soon as it runs JavaScript: see [`Serve`]. Must not be called
    /// after the source was disposed of.
    fn request(&self, stream: u64);
}

/// Called on the isolate's thread when an interrupt comes, perhaps long after it was needed.
pub(crate) trait Serve {
    fn serve(stream: u64);
}

/// A finished recording. Dropping it without [`Raw::reclaim`] leaks its memory.
pub(crate) trait Raw: Send {
    /// Its last sample before a moment.
    fn last_sample_us(&self, before_us: Monotonic) -> Option<Monotonic>;

    /// Copies everything out of it. The time grows with its size, so this does not run on the isolate's thread.
    ///
    /// # Errors
    /// What is inconsistent in it, which means that the source does not work as expected.
    fn capture(&mut self, circumstances: &Circumstances) -> Result<Slice, String>;

    /// Frees it, on the isolate's thread.
    fn reclaim(self: Box<Self>, home: Home<'_>);
}

/// What is known about a recording from outside.
#[derive(Clone, Debug)]
pub(crate) struct Circumstances {
    pub(crate) beginning: Beginning,
    /// Ticks in these periods are left out, unless nothing ran.
    pub(crate) muted: Vec<(Monotonic, Monotonic)>,
    pub(crate) interval_us: u32,
}

/// How a recording was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// In a call of the host, which returned at this time.
    HostCall(Monotonic),
    /// In an interrupt at a random moment; the sample that the source takes there is the first tick.
    Tick,
    /// After all other recordings were stopped.
    Anew,
    /// While another recording ran.
    Overlap,
}
