//! The event history: management events of the last 90 days, one region at a time.

use std::time::Duration;

use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use relatch_case::{Fault, FaultKind};
use tokio::time::{Instant, sleep_until};

use crate::connection::Connection;
use crate::error::fault_of_read;

/// The service allows two requests a second for each account and region (CloudTrail API
/// reference, `LookupEvents`); a little less leaves room for others.
const PACE: Duration = Duration::from_millis(550);
/// Most events that one request brings.
const PAGE: i32 = 50;

/// By what events are looked up. The service takes one attribute at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupBy {
    /// The access key that signed.
    AccessKeyId(String),
    /// The user or session name.
    UserName(String),
    /// The name of the call.
    EventName(String),
    /// The service that was called.
    EventSource(String),
    /// The resource that was touched.
    ResourceName(String),
    /// The event itself.
    EventId(String),
}

/// A look-up under way, brought page by page.
#[derive(Debug)]
pub struct EventLookup {
    client: Client,
    attribute: LookupAttribute,
    region: String,
    start: Timestamp,
    end: Timestamp,
    place: Place,
    next_at: Instant,
    without_record: u64,
}

/// How far a look-up is.
#[derive(Debug)]
enum Place {
    Start,
    After(String),
    End,
}

impl EventLookup {
    /// Looks up the events of `region` between `start` and `end`.
    pub fn new(
        connection: &Connection,
        region: &str,
        by: &LookupBy,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<Self, Fault> {
        Ok(Self {
            client: Client::new(&connection.read_config(region)),
            attribute: by.attribute()?,
            region: region.to_string(),
            start,
            end,
            place: Place::Start,
            next_at: Instant::now(),
            without_record: 0,
        })
    }

    /// The next page of events, newest first, each as the JSON text of its record; `None`
    /// at the end. Waits so that the service's limit of requests is kept. After an error the
    /// same page can be asked for again.
    pub async fn next_page(&mut self) -> Result<Option<Vec<String>>, Fault> {
        let token = match &self.place {
            Place::End => return Ok(None),
            Place::Start => None,
            Place::After(token) => Some(token.clone()),
        };
        sleep_until(self.next_at).await;
        self.next_at = Instant::now() + PACE;
        let page = self
            .client
            .lookup_events()
            .lookup_attributes(self.attribute.clone())
            .start_time(moment(self.start))
            .end_time(moment(self.end))
            .max_results(PAGE)
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| self.in_region(fault_of_read(error)))?;
        let next = page.next_token.filter(|token| !token.is_empty());
        self.place = next.map_or(Place::End, Place::After);
        let events = page.events.unwrap_or_default();
        let all = events.len();
        let records: Vec<_> = events
            .into_iter()
            .filter_map(|e| e.cloud_trail_event)
            .collect();
        self.without_record += (all - records.len()) as u64;
        Ok(Some(records))
    }

    /// Events so far that came without their record and could not be taken in.
    pub fn without_record(&self) -> u64 {
        self.without_record
    }

    fn in_region(&self, fault: Fault) -> Fault {
        Fault::new(
            fault.kind,
            format!("event history of {}: {}", self.region, fault.detail),
        )
    }
}

impl LookupBy {
    fn attribute(&self) -> Result<LookupAttribute, Fault> {
        let (key, value) = match self {
            Self::AccessKeyId(value) => (LookupAttributeKey::AccessKeyId, value),
            Self::UserName(value) => (LookupAttributeKey::Username, value),
            Self::EventName(value) => (LookupAttributeKey::EventName, value),
            Self::EventSource(value) => (LookupAttributeKey::EventSource, value),
            Self::ResourceName(value) => (LookupAttributeKey::ResourceName, value),
            Self::EventId(value) => (LookupAttributeKey::EventId, value),
        };
        LookupAttribute::builder()
            .attribute_key(key)
            .attribute_value(value)
            .build()
            .map_err(|error| Fault::new(FaultKind::Invalid, error.to_string()))
    }
}

fn moment(at: Timestamp) -> DateTime {
    DateTime::from_secs(at.as_second())
}
