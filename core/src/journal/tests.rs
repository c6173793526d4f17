use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::lifetime::Threads;
use crate::recorder::{RecorderOptions, Recorders};
use crate::source::fake::{Fake, FakeSource};
use crate::supply::testing;
use crate::{Profiler, Unix};

const INTERVAL_US: u32 = 1_000;

struct Fixture {
    profiler: Profiler,
    fake: Arc<Fake>,
    file: PathBuf,
}

impl Fixture {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("sentry-profiler-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let fake = Arc::<Fake>::default();
        let options = RecorderOptions {
            gives_back_after_us: None,
            interval_us: INTERVAL_US,
            wake: None,
            log: None,
            before_start: None,
            threads: Threads::new(testing::supply().0),
        };
        let recorder = Recorder::new(Box::new(FakeSource::new(&fake, INTERVAL_US)), options);
        Self { profiler: Profiler::of(recorder, 1_000), fake, file: std::env::temp_dir().join(name) }
    }

    fn start(&self) -> Journal {
        self.profiler.journal(&self.file, r#"{"name":"main"}"#).unwrap()
    }

    fn run_for_ms(&self, ms: i64) {
        let end_us = Monotonic::now() + ms * 1_000;
        while Monotonic::now() < end_us {
            self.fake.serve::<Recorders>();
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.file).unwrap()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

#[test]
fn a_journal_has_what_was_recorded() {
    let fixture = Fixture::new();
    let journal = fixture.start();
    let before = Unix::from_us(crate::platform::wall_us());
    fixture.run_for_ms(700);
    let mut asked = vec![];
    let mut map_of = |file: &str| {
        asked.push(file.to_owned());
        Some(format!("the map of {file}"))
    };
    journal.ask_for_maps(&mut map_of);
    journal.finish_with_maps(r#"{"code":3}"#, &mut map_of);
    let recorded = read(&fixture.bytes()).unwrap();
    assert_eq!((&*recorded.head, recorded.end.as_deref()), (r#"{"name":"main"}"#, Some(r#"{"code":3}"#)));
    assert_eq!(recorded.torn_bytes, 0);
    assert_eq!(asked, ["/app/work.js"], "each file once");
    assert_eq!(recorded.source_maps, [("/app/work.js".to_owned(), "the map of /app/work.js".to_owned())]);
    let profile = recorded.profile;
    assert_eq!(profile.interval_us(), INTERVAL_US);
    let ticked = profile.active_samples();
    assert!((350..=750).contains(&ticked), "{ticked} ticks in 700 ms");
    let (time_us, length_us) = (profile.hottest(1)[0].self_us, profile.end() - profile.start());
    assert!((600_000..800_000).contains(&time_us) && (690_000..900_000).contains(&length_us), "{time_us} {length_us}");
    assert!((profile.start() - before).abs() < 100_000);
    assert!(!profile.measurements().memory_footprint.is_empty());
    // It is closed once, and dropping it does nothing more.
    journal.finish("null");
    drop(journal);
    assert_eq!(read(&fixture.bytes()).unwrap().profile, profile);
}

#[cfg(unix)]
#[test]
fn only_its_owner_can_read_it_and_nothing_is_overwritten() {
    use std::os::unix::fs::PermissionsExt;

    let fixture = Fixture::new();
    fixture.start().finish("null");
    assert_eq!(fs::metadata(&fixture.file).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fixture.bytes();
    let error = fixture.profiler.journal(&fixture.file, "null").err().unwrap().to_string();
    assert!(error.starts_with(&format!("cannot write {}", fixture.file.display())), "{error}");
    assert_eq!(fixture.bytes(), before);
}

#[test]
fn what_a_killed_process_wrote_is_there() {
    let fixture = Fixture::new();
    let journal = fixture.start();
    fixture.run_for_ms(900);
    let bytes = fixture.bytes();
    let now = Unix::from_us(crate::platform::wall_us());
    let recorded = read(&bytes).unwrap();
    assert_eq!(recorded.end, None);
    assert!(now - recorded.profile.end() < 700_000, "the last {} µs are missing", now - recorded.profile.end());
    assert!(recorded.profile.active_samples() > 100);
    // The process may end anywhere in a write.
    let (mut most, mut torn) = (0, 0);
    for length in 0..=bytes.len() {
        let Ok(part) = read(&bytes[..length]) else {
            assert_eq!(most, 0, "{length} bytes have nothing");
            continue;
        };
        assert!(part.profile.samples().len() >= most);
        most = part.profile.samples().len();
        torn += usize::from(part.torn_bytes > 0);
    }
    assert_eq!(most, recorded.profile.samples().len());
    assert!(torn > 100);
    // A record that was changed ends it.
    for at in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x40;
        if let Ok(part) = read(&changed) {
            assert!(part.torn_bytes > 0 && part.profile.samples().len() <= most, "byte {at}");
        }
    }
    drop(journal);
    assert_eq!(read(&fixture.bytes()).unwrap().end.as_deref(), Some("null"));
}

#[test]
fn other_files_are_no_journals() {
    assert_eq!(read(b"{\"nodes\":[]}"), Err(NoJournal::Foreign));
    assert_eq!(read(b""), Err(NoJournal::Foreign));
    assert_eq!(read(&MAGIC), Err(NoJournal::Empty));
    let fixture = Fixture::new();
    fixture.start().finish("null");
    let mut bytes = fixture.bytes();
    // The version, in a record whose checksum is right.
    bytes[MAGIC.len() + 9] = 77;
    let length = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
    let checksum = crc32fast::hash(&bytes[16..16 + length]).to_le_bytes();
    bytes[12..16].copy_from_slice(&checksum);
    assert_eq!(read(&bytes), Err(NoJournal::Newer(77)));
}
