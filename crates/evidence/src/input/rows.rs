//! Turns parsed records into events of the log.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use sha2::{Digest, Sha256};

use crate::found::spot::{Sight, Spotter};
use crate::input::identities::{Identities, Known};
use crate::input::record::Record;
use crate::log::facts::{self, facts};
use crate::log::ids::join_id;
use crate::log::tables::Map;
use crate::log::{Call, EventId, Events, Flags, Origin, Parts, Texts};

/// The mark of a call made with a service credential.
static BEARER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("callWithBearerToken"));

/// Most requests whose facts are kept by their text.
const KEPT: usize = 8192;

/// Longest text of a request kept, in bytes.
const LONGEST: usize = 4096;

/// How an event was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Added {
    /// Its time could be read.
    pub(crate) timed: bool,
    /// Who called, what was asked and what was answered could be read.
    pub(crate) whole: bool,
}

/// Collects the events of one file.
#[derive(Default)]
pub(crate) struct Rows<'r> {
    pub(crate) events: Events,
    identities: Identities,
    /// Details by the text of the parts they are drawn from, which callers repeat.
    details: Map<Box<[u8]>, u32>,
    key: Vec<u8>,
    /// A request or an answer could not be read.
    unread: bool,
    /// Holds the detections against each record, if there are any.
    pub(crate) spotter: Option<Spotter<'r>>,
}

impl Rows<'_> {
    /// Adds a record. `bytes` are the record's own; they stand in for a missing id.
    pub(crate) fn add(&mut self, record: &Record<'_>, bytes: &[u8]) -> Added {
        let time = record.time();
        let id = event_id(record, bytes, &mut self.events.texts);
        let caller = self.identities.caller(record, &mut self.events);
        let parts = Parts {
            who: caller.who,
            call: self.call(record),
            origin: self.origin(record),
            detail: self.detail(record),
        };
        let number = self.events.push(id, time, parts);
        if let Some(spotter) = &mut self.spotter {
            spotter.look(&Sight {
                record,
                bytes,
                event: number,
                call: parts.call,
                origin: parts.origin,
                caller: caller.text,
                names: self.identities.names(caller),
                texts: &self.events.texts,
            });
        }
        let unread = std::mem::take(&mut self.unread);
        let nobody = std::mem::take(&mut self.identities.unread);
        Added {
            timed: time.is_some(),
            whole: !unread && !nobody,
        }
    }

    /// The `userIdentity` that bytes begin with, if it was read before.
    pub(crate) fn identity(&self, bytes: &[u8]) -> Option<Known> {
        self.identities.find(bytes)
    }

    fn call(&mut self, record: &Record<'_>) -> u32 {
        let texts = &mut self.events.texts;
        let call = Call {
            source: texts.put(record.event_source.get()),
            name: texts.put(record.event_name.get()),
            region: texts.put(record.aws_region.get()),
            error: texts.put(error(record)),
            recipient: texts.put(record.recipient_account_id.get()),
            flags: flags(record),
        };
        self.events.call(call)
    }

    fn origin(&mut self, record: &Record<'_>) -> u32 {
        let address = record.source_address.get();
        let origin = Origin {
            address: self.events.texts.put(address),
            agent: self.events.texts.put(record.user_agent.get()),
            service: is_service(address),
        };
        self.events.origin(origin)
    }

    fn detail(&mut self, record: &Record<'_>) -> u32 {
        let shared = join_id(record.shared_event_id.get());
        if !facts::may_tell(record) {
            return self.events.detail(shared, &[]);
        }
        self.key.clear();
        let parts = [
            Some(record.event_source.get()),
            Some(record.event_name.get()),
            Some(record.error_code.get()),
            Some(record.error_message.get()),
            record.request_parameters,
            record.response_elements,
            record.additional_event_data,
            record.resources,
        ];
        for part in parts {
            // No text of a record holds a raw zero byte.
            self.key
                .extend_from_slice(part.unwrap_or_default().as_bytes());
            self.key.push(0);
        }
        if shared.is_none()
            && let Some(known) = self.details.get(self.key.as_slice())
        {
            return *known;
        }
        let facts = facts(record, &mut self.events.texts);
        self.unread |= !is_readable(record);
        let detail = self.events.detail(shared, &facts);
        if shared.is_none() && self.key.len() <= LONGEST {
            if self.details.len() >= KEPT {
                self.details.clear();
            }
            self.details.insert(self.key.as_slice().into(), detail);
        }
        detail
    }
}

/// Whether what was asked and answered can be parsed.
fn is_readable(record: &Record<'_>) -> bool {
    let parts = [
        record.request_parameters,
        record.response_elements,
        record.additional_event_data,
        record.resources,
    ];
    parts.into_iter().flatten().all(|raw| {
        !is_extreme(raw.as_bytes()) || serde_json::from_str::<serde_json::Value>(raw).is_ok()
    })
}

/// Whether sound JSON may be nested too deep, or hold a number too large, to be parsed. What is
/// not so is spared a second parse.
fn is_extreme(raw: &[u8]) -> bool {
    let (mut opened, mut digits) = (0, 0);
    for (at, byte) in raw.iter().enumerate() {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'e' | b'E' if digits > 0 && is_large_exponent(&raw[at + 1..]) => return true,
            b'[' | b'{' => opened += 1,
            _ => digits = 0,
        }
        // The parser follows 128 levels; the largest number has 309 digits.
        if opened > 100 || digits > 300 {
            return true;
        }
    }
    false
}

/// Whether an exponent has three digits or more.
fn is_large_exponent(rest: &[u8]) -> bool {
    let digits = match rest {
        [b'+' | b'-', digits @ ..] => digits,
        digits => digits,
    };
    digits.len() >= 3 && digits[..3].iter().all(u8::is_ascii_digit)
}

fn event_id(record: &Record<'_>, bytes: &[u8], texts: &mut Texts) -> EventId {
    match record.event_id.get() {
        "" => {
            let hash = hex::encode(Sha256::digest(bytes));
            EventId::other(texts.put(&format!("no-id-{}", &hash[..32])))
        }
        id => EventId::new(id, texts),
    }
}

/// Whether an address is the name of a service, which then called on the identity's behalf.
fn is_service(address: &str) -> bool {
    address.ends_with(".amazonaws.com") || address == "AWS Internal"
}

/// The error code; a failed console login and a bare error message count as errors too.
fn error<'t>(record: &'t Record<'_>) -> &'t str {
    match (record.error_code.get(), record.error_message.get()) {
        ("", "") if record.event_name.get() == "ConsoleLogin" => {
            let failed = record
                .response_elements
                .is_some_and(|raw| raw.contains("Failure"));
            if failed { "Failure" } else { "" }
        }
        ("", "") => "",
        ("", _) => "Failure",
        (code, _) => code,
    }
}

fn flags(record: &Record<'_>) -> Flags {
    let bearer = [record.additional_event_data, record.request_parameters]
        .into_iter()
        .flatten()
        .any(|raw| BEARER.find(raw.as_bytes()).is_some());
    Flags {
        read_only: record.read_only.get() == "true",
        data: record.event_category.get() == "Data"
            || record.management_event.get() == "false"
            || is_object_call(record),
        bearer,
        insight: record.event_category.get() == "Insight",
    }
}

/// Old records do not tell their category; calls on single objects are always data events.
fn is_object_call(record: &Record<'_>) -> bool {
    record.event_source.get() == "s3.amazonaws.com"
        && matches!(
            record.event_name.get(),
            "GetObject"
                | "PutObject"
                | "DeleteObject"
                | "HeadObject"
                | "ListObjects"
                | "ListObjectsV2"
                | "CopyObject"
                | "DeleteObjects"
        )
}

/// Whether a text is an address a caller could have, not the name of a service.
pub(crate) fn is_caller_address(text: &str) -> bool {
    !text.is_empty() && !is_service(text)
}
