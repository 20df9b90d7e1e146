//! Turns parsed records into events of the log.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use sha2::{Digest, Sha256};

use crate::found::spot::{Sight, Spotter};
use crate::input::identities::{Identities, Known};
use crate::input::memo::Memo;
use crate::input::record::Record;
use crate::log::facts::{self, facts};
use crate::log::ids::join_id;
use crate::log::{Call, EventId, Events, Flags, Origin, Parts, Sym, Texts};

/// The mark of a call made with a service credential.
static BEARER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("callWithBearerToken"));

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
    calls: Memo<[Sym; 5]>,
    origins: Memo<u32>,
    details: Memo<u32>,
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
        let texts = [
            record.event_source.get(),
            record.event_name.get(),
            record.aws_region.get(),
            error(record),
            record.recipient_account_id.get(),
        ];
        let numbers = self.calls.find(texts).copied().unwrap_or_else(|| {
            let numbers = texts.map(|text| self.events.texts.put(text));
            self.calls.keep(numbers);
            numbers
        });
        let [source, name, region, error, recipient] = numbers;
        self.events.call(Call {
            source,
            name,
            region,
            error,
            recipient,
            flags: flags(record),
        })
    }

    fn origin(&mut self, record: &Record<'_>) -> u32 {
        let (address, agent) = (record.source_address.get(), record.user_agent.get());
        let known = self.origins.find([address, agent]).copied();
        known.unwrap_or_else(|| {
            let origin = Origin {
                address: self.events.texts.put(address),
                agent: self.events.texts.put(agent),
                service: is_service(address),
            };
            let origin = self.events.origin(origin);
            self.origins.keep(origin);
            origin
        })
    }

    fn detail(&mut self, record: &Record<'_>) -> u32 {
        let shared = join_id(record.shared_event_id.get());
        if !facts::may_tell(record) {
            return self.events.detail(shared, &[]);
        }
        let known = self.details.find([
            record.event_source.get(),
            record.event_name.get(),
            record.error_code.get(),
            record.error_message.get(),
            record.request_parameters.unwrap_or_default(),
            record.response_elements.unwrap_or_default(),
            record.additional_event_data.unwrap_or_default(),
            record.resources.unwrap_or_default(),
        ]);
        if let Some(known) = known.filter(|_| shared.is_none()) {
            return *known;
        }
        let facts = facts(record, &mut self.events.texts);
        let is_readable = is_readable(record);
        self.unread |= !is_readable;
        let detail = self.events.detail(shared, &facts);
        if shared.is_none() && is_readable {
            self.details.keep(detail);
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
    let mut parts = parts.into_iter().flatten();
    // Sound JSON may still be nested too deep, or hold a number too large.
    record.is_sound || parts.all(|raw| serde_json::from_str::<serde_json::Value>(raw).is_ok())
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
