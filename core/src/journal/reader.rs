//! Reads a journal as far as it was written.

use super::{BEAT, CPU, END, FRAMES, HEAD, HEAP, MAGIC, MAP, READINGS, SAMPLES, STACKS, VERSION};
use crate::columns::Reader;
use crate::profile::{Frame, FrameId, FrameKind, Point, Profile, ProfileBuilder, StackId};
use crate::time::Unix;

/// What a journal has.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// The host's JSON of its beginning.
    pub head: String,
    /// The host's JSON of its end; `None` if it was not closed, because the process ended before.
    pub end: Option<String>,
    /// What was recorded. It ends where the last write ended.
    pub profile: Profile,
    /// Files, and the source maps of what was compiled from them where it ran.
    pub source_maps: Vec<(String, String)>,
    /// Bytes at the file's end that are no whole record.
    pub torn_bytes: usize,
}

/// Why a file is no journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoJournal {
    /// It begins with something else.
    #[error("it is not a recording of this profiler")]
    Foreign,
    /// It ends before its head does.
    #[error("it was not recorded far enough to hold anything")]
    Empty,
    /// A later version wrote it.
    #[error("it was written by a later version of this profiler (format {0})")]
    Newer(u64),
}

/// Reads a journal: all of it, or what a process wrote before it was killed.
///
/// # Errors
/// [`NoJournal`]
pub fn read(bytes: &[u8]) -> Result<Recorded, NoJournal> {
    let records = bytes.strip_prefix(&MAGIC).ok_or(NoJournal::Foreign)?;
    let mut records = Records(records);
    let (kind, content) = records.next().ok_or(NoJournal::Empty)?;
    let mut head = Reader::new(content);
    let version = head.number().filter(|_| kind == HEAD).ok_or(NoJournal::Empty)?;
    if version > VERSION {
        return Err(NoJournal::Newer(version));
    }
    let mut journal = Partial::of_head(&mut head).ok_or(NoJournal::Empty)?;
    let mut rest = records.0.len();
    while let Some((kind, content)) = records.next() {
        if journal.record(kind, Reader::new(content)).is_none() {
            break;
        }
        rest = records.0.len();
    }
    Ok(journal.finish(rest))
}

/// The records that are whole.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.0.split_first_chunk()?;
        let (checksum, rest) = rest.split_first_chunk()?;
        let (content, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        if crc32fast::hash(content) != u32::from_le_bytes(*checksum) {
            return None;
        }
        self.0 = rest;
        let (&kind, content) = content.split_first()?;
        Some((kind, content))
    }
}

struct Partial {
    head: String,
    end: Option<String>,
    begin: Unix,
    interval_us: u32,
    builder: ProfileBuilder,
    frames: Vec<FrameId>,
    stacks: Vec<StackId>,
    source_maps: Vec<(String, String)>,
    last: Unix,
}

impl Partial {
    fn of_head(head: &mut Reader<'_>) -> Option<Self> {
        let begin = Unix::from_us(head.signed()?);
        Some(Self {
            begin,
            interval_us: head.small()?,
            head: head.text()?.to_owned(),
            end: None,
            builder: ProfileBuilder::new(),
            frames: vec![],
            stacks: vec![],
            source_maps: vec![],
            last: begin,
        })
    }

    /// Takes a record; `None` where it makes no sense. Kinds that later versions add are passed over.
    fn record(&mut self, kind: u8, mut content: Reader<'_>) -> Option<()> {
        match kind {
            FRAMES => {
                while !content.is_at_end() {
                    self.frame(&mut content)?;
                }
            }
            STACKS => {
                while !content.is_at_end() {
                    let parent = match content.number()? {
                        0 => None,
                        number => Some(*self.stacks.get(number as usize - 1)?),
                    };
                    let frame = *self.frames.get(content.number()? as usize)?;
                    self.stacks.push(self.builder.stack(parent, frame));
                }
            }
            SAMPLES => {
                let mut time = self.begin;
                while !content.is_at_end() {
                    time = time + content.signed()?;
                    let (stack, line) = (content.number()?, content.small()?);
                    match stack {
                        0 => self.builder.idle(time),
                        number => {
                            let stack = *self.stacks.get(number as usize - 1)?;
                            self.builder.sample_in_line(time, stack, line);
                        }
                    }
                    self.last = self.last.max(time);
                }
            }
            READINGS => {
                let mut time = self.begin;
                while !content.is_at_end() {
                    time = time + content.signed()?;
                    let (kind, value) = (content.number()?, content.number()? as f64);
                    let readings = self.builder.measurements_mut();
                    match kind {
                        CPU => readings.cpu_usage.push(Point { time, value: value / 100.0 }),
                        HEAP => readings.memory_footprint.push(Point { time, value }),
                        _ => {}
                    }
                }
            }
            BEAT => self.last = self.last.max(Unix::from_us(content.signed()?)),
            MAP => self.source_maps.push((content.text()?.to_owned(), content.text()?.to_owned())),
            END => self.end = Some(content.text()?.to_owned()),
            _ => {}
        }
        Some(())
    }

    fn frame(&mut self, content: &mut Reader<'_>) -> Option<()> {
        let (function, file) = (content.text()?.into(), content.text()?.into());
        let (line, column) = (content.small()?, content.small()?);
        let kind = match content.number()? {
            0 => FrameKind::Script,
            1 => FrameKind::Builtin,
            2 => FrameKind::Callback,
            3 => FrameKind::Internal,
            _ => FrameKind::Unresolved,
        };
        let in_app = content.number()? > 0;
        self.frames.push(self.builder.frame(&Frame { function, file, line, column, kind, in_app }));
        Some(())
    }

    fn finish(self, torn_bytes: usize) -> Recorded {
        let profile = self.builder.finish(self.begin, self.last, self.interval_us);
        Recorded { head: self.head, end: self.end, profile, source_maps: self.source_maps, torn_bytes }
    }
}
