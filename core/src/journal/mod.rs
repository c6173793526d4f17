//! A recording that is written to a file while it goes on, so that it outlives the process however that ends.
//!
//! A journal is a sequence of records, each of which is written whole by one call on the encoder's thread: the length
//! of what follows the checksum (four bytes, the lowest first), its CRC-32, its kind (a byte), and its content, in
//! the numbers of `columns`. The process may end in the middle of a record; [`read`] takes what came before.
//!
//! | Kind | Content |
//! |---|---|
//! | 1, head | version of this format, the beginning (Unix µs), the sampling interval (µs), the host's JSON |
//! | 2, frames | new ones: function, file, line, column, kind, whether it is the user's |
//! | 3, stacks | new ones: one more than the caller's number, the frame's number |
//! | 4, samples | each: µs since the one before (the first: since the beginning), one more than the stack's number, line |
//! | 5, readings | each: time as of samples, what was read (1 CPU, 2 heap), percent in hundredths or bytes |
//! | 6, beat | up to here, Unix µs, everything is written |
//! | 7, end | the host's JSON: the journal was closed |
//! | 8, map | a file, and the source map of what was compiled from it where it ran: JSON |
//!
//! Frames and stacks are numbered in the order in which they come.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use parking_lot::Mutex;

use self::writer::{Out, Writer};
use crate::error::Error;
use crate::recorder::Recorder;
use crate::stream::Mark;
use crate::time::Monotonic;

pub use self::reader::{NoJournal, Recorded, read};

/// The first bytes of a journal.
const MAGIC: [u8; 8] = *b"v8profj\n";
const VERSION: u64 = 1;

/// The kinds of records.
const HEAD: u8 = 1;
const FRAMES: u8 = 2;
const STACKS: u8 = 3;
const SAMPLES: u8 = 4;
const READINGS: u8 = 5;
const BEAT: u8 = 6;
const END: u8 = 7;
const MAP: u8 = 8;

/// What a reading is of.
const CPU: u64 = 1;
const HEAP: u64 = 2;

/// A journal that is being written. For use on the isolate's thread. Dropping it closes it.
pub struct Journal {
    recorder: Rc<Recorder>,
    consumer: u64,
    out: Arc<Mutex<Out>>,
}

impl Journal {
    /// Creates the file, readable by its owner only, and records into it. `head` is JSON that its reader gets back.
    pub(crate) fn start(recorder: &Rc<Recorder>, file: &Path, head: &str) -> Result<Self, Error> {
        recorder.check()?;
        let out = Out::create(file, recorder.stream.logger())
            .map_err(|error| Error::Journal { file: file.to_owned(), error })?;
        let out = Arc::new(Mutex::new(out));
        let from_us = recorder.hold()?;
        let interval_us = recorder.stream.interval_us;
        out.lock().head(recorder.stream.clock.wall(from_us), interval_us, head);
        let consumer = recorder.attach(Box::new(Writer::new(out.clone(), from_us, interval_us)));
        // Otherwise it would be known only after the first slice when that should have ended.
        recorder.stream.schedule();
        Ok(Self { recorder: recorder.clone(), consumer, out })
    }

    /// Asks for the source map of each file that is new since the last call, JSON: of what was compiled from it where it
    /// ran. Its reader cannot find that elsewhere.
    pub fn ask_for_maps(&self, map_of: &mut dyn FnMut(&str) -> Option<String>) {
        let files = self.out.lock().new_files();
        for file in files {
            if let Some(json) = map_of(&file) {
                self.out.lock().source_map(&file, &json);
            }
        }
    }

    /// Ends the recording and closes the file. `end` is JSON that its reader gets back.
    pub fn finish(&self, end: &str) {
        self.finish_with_maps(end, &mut |_| None);
    }

    /// As [`finish`](Self::finish), and asks for the maps of the files that are still new.
    pub fn finish_with_maps(&self, end: &str, map_of: &mut dyn FnMut(&str) -> Option<String>) {
        if self.out.lock().is_closed() || self.recorder.is_foreign() {
            return;
        }
        let now_us = Monotonic::now();
        self.recorder.mark(self.consumer, Mark::End(now_us));
        // Where the isolate is not entered any more, what was handed out by now is all there is.
        if self.recorder.check().is_ok() {
            self.recorder.release(now_us, 0);
            self.recorder.cut_now();
        }
        self.recorder.stream.drain();
        self.recorder.detach(self.consumer);
        if self.recorder.check().is_ok() {
            self.recorder.reclaim_all();
        }
        self.ask_for_maps(map_of);
        self.out.lock().close(end);
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.finish("null");
    }
}
