//! What Sentry needs besides samples: ids, metadata, envelopes.

pub mod envelope;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use uuid::Uuid;

use self::envelope::EnvelopeHeader;

/// 32 lower-case hexadecimal digits: the id of a chunk, a session or an event.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id([u8; 32]);

impl Id {
    /// A new id, different from all others.
    pub fn random() -> Self {
        let mut digits = [0; 32];
        Uuid::new_v4().simple().encode_lower(&mut digits);
        Self(digits)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits")
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Id {
    type Err = NoId;

    fn from_str(text: &str) -> Result<Self, NoId> {
        let is_digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
        let digits: [u8; 32] = text.as_bytes().try_into().map_err(|_| NoId)?;
        if digits.iter().all(is_digit) { Ok(Self(digits)) } else { Err(NoId) }
    }
}

/// The error for text that is not an [`Id`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id has 32 lower-case hexadecimal digits")]
pub struct NoId;

/// The thread a profile was sampled on, as Sentry shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// `"0"` for the main thread, a worker's own id otherwise.
    pub id: String,
    /// `main` or `worker`, or what the embedder calls it.
    pub name: String,
}

impl Default for Thread {
    fn default() -> Self {
        Self { id: "0".to_owned(), name: "main".to_owned() }
    }
}

/// What Sentry shows of a profile besides its samples.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// One per chunk.
    pub chunk_id: Id,
    /// One per session; events link to it.
    pub profiler_id: Id,
    /// Sentry's platform; `node` by default. Sentry's quota depends on it.
    pub platform: String,
    /// Name of the SDK, such as `sentry.javascript.node`.
    pub sdk_name: String,
    /// Version of the SDK.
    pub sdk_version: String,
    /// The release that ran, left out when unset or empty.
    pub release: Option<String>,
    /// The environment it ran in, left out when unset or empty.
    pub environment: Option<String>,
    /// The thread that was sampled.
    pub thread: Thread,
    /// Debug ids by plain path of the file, for source maps.
    pub debug_ids: Arc<HashMap<String, String>>,
    /// V8's logging mode, `eager` or `lazy`.
    pub logging_mode: &'static str,
}

impl Default for Metadata {
    /// Defaults with new ids.
    fn default() -> Self {
        Self {
            chunk_id: Id::random(),
            profiler_id: Id::random(),
            platform: "node".to_owned(),
            sdk_name: "sentry.libsentry_profiler".to_owned(),
            sdk_version: env!("CARGO_PKG_VERSION").to_owned(),
            release: None,
            environment: None,
            thread: Thread::default(),
            debug_ids: Arc::default(),
            logging_mode: "eager",
        }
    }
}

impl Metadata {
    /// The header of an envelope that is sent now, without a DSN.
    pub fn envelope_header<'a>(&'a self, event_id: &'a Id) -> EnvelopeHeader<'a> {
        EnvelopeHeader {
            event_id: event_id.as_str(),
            sent_at: SystemTime::now(),
            sdk_name: &self.sdk_name,
            sdk_version: &self.sdk_version,
            dsn: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_32_digits_and_differ() {
        let (one, two) = (Id::random(), Id::random());
        assert_ne!(one, two);
        assert_eq!(one.as_str().parse(), Ok(one));
        assert_eq!(one.to_string().len(), 32);
        for wrong in ["", "0", &"0".repeat(33), &"g".repeat(32), &"A".repeat(32), &"ä".repeat(16)] {
            assert_eq!(wrong.parse::<Id>(), Err(NoId), "{wrong}");
        }
    }
}
