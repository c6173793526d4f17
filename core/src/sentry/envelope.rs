//! The envelope in which a chunk travels to Sentry.

use std::time::{Duration, SystemTime};

use serde::Serialize;

/// The envelope's own header.
#[derive(Clone, Copy, Debug)]
pub struct EnvelopeHeader<'a> {
    /// 32 lower-case hexadecimal digits.
    pub event_id: &'a str,
    /// When it is sent.
    pub sent_at: SystemTime,
    /// Name of the SDK, such as `sentry.javascript.node`.
    pub sdk_name: &'a str,
    /// Version of the SDK.
    pub sdk_version: &'a str,
    /// The destination; only needed if the HTTP request does not have it.
    pub dsn: Option<&'a str>,
}

/// An envelope with one `profile_chunk` item, ready to POST; `platform` must be the one in the payload.
pub fn envelope(header: &EnvelopeHeader<'_>, platform: &str, payload: &[u8]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Header<'a> {
        event_id: &'a str,
        sent_at: String,
        sdk: Sdk<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        dsn: Option<&'a str>,
    }
    #[derive(Serialize)]
    struct Sdk<'a> {
        name: &'a str,
        version: &'a str,
    }
    #[derive(Serialize)]
    struct Item<'a> {
        r#type: &'a str,
        platform: &'a str,
        length: usize,
    }

    let mut bytes = Vec::with_capacity(payload.len() + 512);
    let header = Header {
        event_id: header.event_id,
        sent_at: rfc3339(header.sent_at),
        sdk: Sdk { name: header.sdk_name, version: header.sdk_version },
        dsn: header.dsn,
    };
    write_line(&mut bytes, &header);
    write_line(&mut bytes, &Item { r#type: "profile_chunk", platform, length: payload.len() });
    bytes.extend_from_slice(payload);
    bytes.push(b'\n');
    bytes
}

fn write_line(bytes: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(&mut *bytes, value).expect("string keys into memory cannot fail");
    bytes.push(b'\n');
}

/// In UTC with milliseconds, as `Date.prototype.toISOString` writes it.
fn rfc3339(time: SystemTime) -> String {
    // The format has four digits for the year, and a wrong clock must not make this fail.
    const LAST_SECOND: Duration = Duration::from_secs(253_402_300_799);
    let time = time.clamp(SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + LAST_SECOND);
    humantime::format_rfc3339_millis(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_time_can_be_written() {
        for (time, text) in [
            (SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123), "2023-11-14T22:13:20.123Z"),
            (SystemTime::UNIX_EPOCH - Duration::from_secs(1), "1970-01-01T00:00:00.000Z"),
            (SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 39), "9999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(rfc3339(time), text);
        }
    }
}
