//! Where recordings come from: something that samples one isolate, and hands out what it recorded.
//!
//! A source is used on the isolate's thread alone. What it recorded goes to the encoder's thread to be captured, and
//! comes back to be reclaimed.

#[cfg(test)]
pub(crate) mod fake;

use std::marker::PhantomData;

use crate::error::Error;
use crate::slice::Slice;
use crate::time::Monotonic;

/// What is sampled so soon after a recording's start is the start itself.
pub(crate) const START_US: i64 = 2_000;

/// Proof that this is the isolate's thread and that its source was not disposed of.
#[derive(Clone, Copy)]
pub(crate) struct Home<'a>(PhantomData<(&'a (), *const ())>);

impl<'a> Home<'a> {
    /// For as long as the source is borrowed, which cannot leave the isolate's thread.
    pub(crate) fn of(_source: &'a dyn Source) -> Self {
        Self(PhantomData)
    }
}

/// Proof that moreover the isolate is entered.
#[derive(Clone, Copy)]
pub(crate) struct Entered<'a>(Home<'a>);

impl<'a> Entered<'a> {
    /// What every call that may run inside of the isolate asks for first.
    pub(crate) fn check(source: &'a dyn Source) -> Option<Self> {
        source.is_entered().then(|| Self(Home::of(source)))
    }
}

/// A running recording, as its source knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordingId(pub(crate) u32);

/// Samples one isolate. Not `Send`: it stays on the isolate's thread.
pub(crate) trait Source {
    /// Whether the isolate is entered, so that recordings can begin.
    fn is_entered(&self) -> bool;

    /// Begins a recording. Another one may run, which goes on.
    ///
    /// # Errors
    /// [`Error::StartRefused`], [`Error::StartFailed`].
    fn start(&self, entered: Entered<'_>) -> Result<RecordingId, Error>;

    /// Ends a recording; `None` when it is lost.
    fn stop(&self, id: RecordingId) -> Option<Box<dyn Raw>>;

    /// Bytes of the isolate's heap in use.
    fn heap_bytes(&self) -> u64;

    /// Functions of this file, and what they call, are left out of what is captured from now on.
    fn hide_file(&self, file: String);

    /// How other threads ask for the isolate's.
    fn interrupts(&self) -> Box<dyn Interrupts>;

    /// What it samples, for messages.
    fn version(&self) -> String;

    /// Frees it; nothing records, and everything was reclaimed.
    fn dispose(self: Box<Self>);
}

/// Asks for the isolate's thread, from any other.
pub(crate) trait Interrupts: Send {
    /// Has the isolate's thread serve a stream as soon as it runs JavaScript: see [`Serve`]. The source was not
    /// disposed of.
    fn request(&self, stream: u64);
}

/// Who is called when an interrupt comes, on the isolate's thread, perhaps long after it was of use.
pub(crate) trait Serve {
    fn serve(stream: u64);
}

/// A recording that has ended. Forgetting it leaks what it holds.
pub(crate) trait Raw: Send {
    /// When it sampled last before a moment.
    fn last_sample_us(&self, before_us: Monotonic) -> Option<Monotonic>;

    /// Copies everything out of it; takes as long as it is large, so it is not for the isolate's thread.
    ///
    /// # Errors
    /// What makes no sense in it: then the source is not what it was taken for.
    fn capture(&mut self, circumstances: &Circumstances) -> Result<Slice, String>;

    /// Frees it, on the isolate's thread.
    fn reclaim(self: Box<Self>, home: Home<'_>);
}

/// What is known of a recording besides itself.
#[derive(Clone, Debug)]
pub(crate) struct Circumstances {
    pub(crate) beginning: Beginning,
    /// Ticks of these stretches are left out, unless nothing ran.
    pub(crate) muted: Vec<(Monotonic, Monotonic)>,
    pub(crate) interval_us: u32,
}

/// How a recording began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// With a call of the host's, which was over at this time.
    HostCall(Monotonic),
    /// In an interrupt at a random moment: the sample that the source took there is the first tick.
    Tick,
    /// After all others had been stopped.
    Anew,
    /// While another one ran.
    Overlap,
}
