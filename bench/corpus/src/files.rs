//! Delivers records in files, as a trail does, with the trouble that was asked for.

use std::collections::{BTreeSet, HashSet};
use std::io::{self, Write};
use std::ops::Range;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::json::Json;
use crate::organisation::Organisation;
use crate::random::Dice;
use crate::spec::{START, Spec};
use crate::text::{day, minute, time};

/// What takes the finished files: a path with `/` between its parts, and the bytes.
pub(crate) type Sink<'s> = dyn FnMut(String, Vec<u8>) -> io::Result<()> + 's;

/// How long an event may be late, in seconds.
const LATE: i64 = 40 * 60;

/// A file that is being filled.
#[derive(Default)]
struct Pending {
    json: Vec<u8>,
    spans: Vec<Range<usize>>,
    ids: Vec<String>,
}

/// What became of the events in the files.
#[derive(Default)]
pub(crate) struct Delivered {
    damaged: HashSet<String>,
    doubled: HashSet<String>,
    whole: HashSet<String>,
    pub(crate) damaged_files: Vec<String>,
    pub(crate) events: u64,
    pub(crate) written: u64,
    pub(crate) bytes: u64,
    pub(crate) files: u64,
}

impl Delivered {
    /// Events of which no whole copy is left.
    pub(crate) fn lost(&self) -> BTreeSet<String> {
        self.damaged.difference(&self.whole).cloned().collect()
    }
}

/// Files by account and region; a time slot has at least one of each.
pub(crate) struct Stream<'s> {
    spec: &'s Spec,
    accounts: Vec<String>,
    regions: Vec<&'static str>,
    sink: &'s mut Sink<'s>,
    dice: Dice,
    now: Vec<Pending>,
    next: Vec<Pending>,
    slot: i64,
    until: i64,
    limit: usize,
    pub(crate) delivered: Delivered,
}

impl<'s> Stream<'s> {
    pub(crate) fn new(spec: &'s Spec, of: &Organisation, sink: &'s mut Sink<'s>) -> Self {
        let pairs = of.accounts.len() * of.regions.len();
        let slots = (spec.files / (pairs * 2)).clamp(1, 100_000);
        let slot = (spec.end() - START) / i64::try_from(slots).unwrap_or(1);
        let events = usize::try_from(spec.events).unwrap_or(usize::MAX);
        let empty = || {
            std::iter::repeat_with(Pending::default)
                .take(pairs)
                .collect()
        };
        Self {
            spec,
            accounts: of.accounts.clone(),
            regions: of.regions.clone(),
            sink,
            dice: Dice::new(spec.seed, 3),
            now: empty(),
            next: empty(),
            slot,
            until: START + slot,
            limit: (events / spec.files.max(1) * 13 / 10).max(10),
            delivered: Delivered::default(),
        }
    }

    /// Takes a record in; records come roughly in the order of time.
    pub(crate) fn put(
        &mut self,
        at: i64,
        account: &str,
        region: &str,
        id: &str,
        json: &[u8],
    ) -> io::Result<()> {
        while at >= self.until {
            self.close_slot()?;
        }
        let account = self
            .accounts
            .iter()
            .position(|one| one == account)
            .unwrap_or(0);
        let region = self
            .regions
            .iter()
            .position(|one| *one == region)
            .unwrap_or(0);
        let pair = account * self.regions.len() + region;
        self.delivered.events += 1;
        let trouble = &self.spec.trouble;
        let twice = self.dice.chance(trouble.duplicates_percent);
        let late = trouble.late && self.until - at < LATE;
        if twice {
            self.delivered.doubled.insert(id.to_string());
        }
        for _ in 0..=u8::from(twice) {
            let later = late && self.dice.chance(50);
            let pending = if later {
                &mut self.next[pair]
            } else {
                &mut self.now[pair]
            };
            let start = pending.json.len();
            pending.json.extend_from_slice(json);
            pending.spans.push(start..pending.json.len());
            pending.ids.push(id.to_string());
        }
        if self.now[pair].spans.len() >= self.limit {
            self.close_file(pair, at)?;
        }
        Ok(())
    }

    /// Writes what is left.
    pub(crate) fn finish(mut self) -> io::Result<Delivered> {
        self.close_slot()?;
        self.close_slot()?;
        Ok(self.delivered)
    }

    fn close_slot(&mut self) -> io::Result<()> {
        let at = self.until;
        for pair in 0..self.now.len() {
            if !self.now[pair].spans.is_empty() {
                self.close_file(pair, at - 1)?;
            }
        }
        std::mem::swap(&mut self.now, &mut self.next);
        if self.spec.trouble.companions {
            self.companions(at - 1)?;
        }
        self.until += self.slot;
        Ok(())
    }

    fn path(&mut self, pair: usize, kind: &str, at: i64) -> String {
        let account = &self.accounts[pair / self.regions.len()];
        let region = self.regions[pair % self.regions.len()];
        let (day, minute) = (day(at), minute(at));
        let end = self.dice.letters(16);
        format!(
            "AWSLogs/{account}/{kind}/{region}/{day}/{account}_{kind}_{region}_{minute}_{end}.json.gz"
        )
    }

    fn close_file(&mut self, pair: usize, at: i64) -> io::Result<()> {
        let mut pending = std::mem::take(&mut self.now[pair]);
        if self.spec.trouble.shuffled {
            self.dice.shuffle(&mut pending.spans);
        }
        let path = self.path(pair, "CloudTrail", at);
        let mut text = Vec::with_capacity(pending.json.len() + pending.spans.len() + 16);
        text.extend_from_slice(b"{\"Records\":[");
        for (number, span) in pending.spans.iter().enumerate() {
            if number > 0 {
                text.push(b',');
            }
            text.extend_from_slice(&pending.json[span.clone()]);
        }
        text.extend_from_slice(b"]}");
        let mut packed = gzip(&text)?;
        let delivered = &mut self.delivered;
        delivered.files += 1;
        delivered.written += pending.spans.len() as u64;
        delivered.bytes += text.len() as u64;
        if is_damaged(self.spec, delivered.files) {
            damage(&mut packed, delivered.files, &mut self.dice);
            delivered.damaged.extend(pending.ids);
            delivered.damaged_files.push(path.clone());
        } else {
            let doubled = pending
                .ids
                .into_iter()
                .filter(|id| delivered.doubled.contains(id));
            delivered.whole.extend(doubled);
        }
        (self.sink)(path, packed)
    }

    /// A digest and an Insights file for each account.
    fn companions(&mut self, at: i64) -> io::Result<()> {
        for account in 0..self.accounts.len() {
            let pair = account * self.regions.len();
            let (id, name) = (self.dice.uuid(), self.accounts[account].clone());
            let digest = Json::object(|json| {
                json.text("awsAccountId", &name);
                json.text("digestEndTime", &time(at));
                json.text("digestS3Bucket", "organisation-trail");
                json.raw("logFiles", "[]");
            });
            let insight = Json::object(|json| {
                json.text("eventVersion", "1.08");
                json.text("eventTime", &time(at));
                json.text("eventID", &id);
                json.text("eventType", "AwsCloudTrailInsight");
                json.text("recipientAccountId", &name);
                json.text("eventCategory", "Insight");
                json.member("insightDetails", |json| {
                    json.text("state", "Start");
                    json.text("eventSource", "ssm.amazonaws.com");
                    json.text("eventName", "GetParameters");
                });
            });
            let path = self.path(pair, "CloudTrail-Digest", at);
            (self.sink)(path, gzip(digest.as_bytes())?)?;
            let path = self.path(pair, "CloudTrail-Insight", at);
            (self.sink)(
                path,
                gzip(format!("{{\"Records\":[{insight}]}}").as_bytes())?,
            )?;
        }
        Ok(())
    }
}

fn gzip(text: &[u8]) -> io::Result<Vec<u8>> {
    let room = Vec::with_capacity(text.len() / 6);
    let mut packer = GzEncoder::new(room, Compression::new(6));
    packer.write_all(text)?;
    packer.finish()
}

/// Every so-manieth file, from a place that the seed gives.
fn is_damaged(spec: &Spec, number: u64) -> bool {
    let percent = u64::from(spec.trouble.damaged_percent.min(50));
    percent > 0 && (number + spec.seed).is_multiple_of(100 / percent)
}

/// Cuts a file off, or spoils bytes in its middle.
fn damage(packed: &mut Vec<u8>, number: u64, dice: &mut Dice) {
    let size = packed.len();
    let at = size / 3 + dice.below((size / 3).max(1));
    if number.is_multiple_of(2) {
        packed.truncate(at);
    } else {
        let end = (at + 64).min(size);
        dice.spoil(&mut packed[at..end]);
    }
}
