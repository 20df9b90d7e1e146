//! The page's timeline: a chapter for each actor, blocks of one phase, items in time order.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::groups::phase_words;
use crate::moment::{Moment, Verdict};
use crate::timeline::fold::{Run, runs};
use crate::words::{clock, count, day, from_to, moment as when, span, thousands};

/// Silence of an actor that is shown, in seconds.
const GAP: i64 = 600;

/// Most events of one run that the page lists; the tables hold them all.
const LISTED: usize = 500;

/// Most items of a block that stands open; a longer one opens on demand.
const OPEN: usize = 60;

/// All that one actor did.
#[derive(Debug, Serialize)]
pub(super) struct Chapter {
    pub(super) anchor: String,
    actor: String,
    seen: String,
    events: String,
    uncertain: Option<String>,
    blocks: Vec<Block>,
}

/// Events of one phase, one after the other.
#[derive(Debug, Serialize)]
pub(super) struct Block {
    pub(super) anchor: String,
    phase: String,
    seen: String,
    events: String,
    /// Whether it is so long that it is closed at first.
    long: bool,
    items: Vec<Item>,
}

/// One item; exactly one field is there.
#[derive(Debug, Default, Serialize)]
struct Item {
    day: Option<String>,
    gap: Option<String>,
    event: Option<Row>,
    fold: Option<Fold>,
}

/// One event.
#[derive(Debug, Serialize)]
struct Row {
    anchor: String,
    iso: Option<String>,
    clock: String,
    name: String,
    service: String,
    uncertain: bool,
    error: Option<String>,
    reason: String,
    from: Option<From>,
    reads: Vec<String>,
    made: Vec<String>,
    techniques: Vec<String>,
    detections: Vec<String>,
    /// Where and with what, if that changed.
    place: Vec<String>,
    event_id: String,
}

/// The event that another follows from.
#[derive(Debug, Serialize)]
struct From {
    /// Where it stands on the page, if it does.
    anchor: Option<String>,
    label: String,
}

/// A run of equal calls.
#[derive(Debug, Serialize)]
struct Fold {
    head: Row,
    times: String,
    seen: String,
    what_read: Option<String>,
    rows: Vec<Row>,
    unlisted: Option<String>,
    /// Links to events that are not listed lead to where that is said.
    unlisted_anchors: Vec<String>,
}

/// Where each event stands on the page, and what it is called there.
pub(super) struct Anchors<'m> {
    by_id: BTreeMap<&'m str, (usize, &'m Moment)>,
}

impl<'m> Anchors<'m> {
    pub(super) fn new(ordered: &'m [Moment]) -> Anchors<'m> {
        let mut by_id = BTreeMap::new();
        for (number, moment) in ordered.iter().enumerate() {
            by_id
                .entry(moment.event_id.as_str())
                .or_insert((number, moment));
        }
        Anchors { by_id }
    }

    /// The anchor of an event; none if it is not on the page.
    pub(super) fn of(&self, event_id: &str) -> Option<String> {
        self.by_id.get(event_id).map(|(number, _)| anchor(*number))
    }

    fn from(&self, event_id: &str) -> From {
        let label = match self.by_id.get(event_id) {
            Some((_, moment)) => {
                format!("{} {}", when(moment.time), moment.service_and_name().1)
            }
            None => event_id.to_owned(),
        };
        From {
            anchor: self.of(event_id),
            label,
        }
    }
}

fn anchor(number: usize) -> String {
    format!("e{number}")
}

/// Builds the chapters of clean moments in order; actors come in the order of their first event.
pub(super) fn chapters(ordered: &[Moment], anchors: &Anchors<'_>) -> Vec<Chapter> {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut parts: Vec<Vec<(usize, &Moment)>> = Vec::new();
    for (number, moment) in ordered.iter().enumerate() {
        let part = *numbers.entry(&moment.actor).or_insert(parts.len());
        if part == parts.len() {
            parts.push(Vec::new());
        }
        parts[part].push((number, moment));
    }
    parts
        .iter()
        .enumerate()
        .map(|(number, events)| chapter(number, events, anchors))
        .collect()
}

fn chapter(number: usize, events: &[(usize, &Moment)], anchors: &Anchors<'_>) -> Chapter {
    let mut teller = Teller {
        anchors,
        last: None,
        place: [const { String::new() }; 4],
    };
    let mut blocks = Vec::new();
    for part in events.chunk_by(|(_, a), (_, b)| a.phase() == b.phase()) {
        let items = teller.items(part);
        blocks.push(Block {
            anchor: format!("a{number}b{}", blocks.len()),
            phase: phase_words(part[0].1.phase()).to_owned(),
            seen: seen(part),
            events: count(part.len(), "event", "events"),
            long: items.len() > OPEN,
            items,
        });
    }
    let uncertain = |(_, moment): &&(usize, &Moment)| moment.verdict == Verdict::Uncertain;
    let uncertain = events.iter().filter(uncertain).count();
    Chapter {
        anchor: format!("a{number}"),
        actor: events[0].1.actor.clone(),
        seen: seen(events),
        events: count(events.len(), "event", "events"),
        uncertain: (uncertain > 0).then(|| thousands(uncertain)),
        blocks,
    }
}

fn seen(events: &[(usize, &Moment)]) -> String {
    let times = || events.iter().filter_map(|(_, moment)| moment.time);
    from_to(times().min(), times().max())
}

/// Tells one actor's events, and remembers what was said.
struct Teller<'a, 'm> {
    anchors: &'a Anchors<'m>,
    last: Option<Timestamp>,
    place: [String; 4],
}

impl Teller<'_, '_> {
    fn items(&mut self, events: &[(usize, &Moment)]) -> Vec<Item> {
        let mut items = Vec::new();
        let mut said = None;
        for run in runs(events, GAP) {
            let (Run::One(part) | Run::Many(part)) = run;
            self.pause(part[0].1.time, &mut said, &mut items);
            items.push(match run {
                Run::One(_) => Item {
                    event: Some(self.row(part[0])),
                    ..Item::default()
                },
                Run::Many(_) => Item {
                    fold: Some(self.fold(part)),
                    ..Item::default()
                },
            });
            self.last = part[part.len() - 1].1.time.or(self.last);
        }
        items
    }

    /// Says that nothing happened for a while, and which day it is when that changed.
    fn pause(&self, now: Option<Timestamp>, said: &mut Option<String>, items: &mut Vec<Item>) {
        let gap = match (self.last, now) {
            (Some(last), Some(now)) => now.duration_since(last).as_secs(),
            _ => 0,
        };
        if gap >= GAP {
            items.push(Item {
                gap: Some(format!("{} nothing", span(gap))),
                ..Item::default()
            });
        }
        let today = now.map_or_else(|| "Time not known".to_owned(), day);
        if said.as_ref() != Some(&today) {
            items.push(Item {
                day: Some(today.clone()),
                ..Item::default()
            });
            *said = Some(today);
        }
    }

    fn row(&mut self, (number, moment): (usize, &Moment)) -> Row {
        let (service, name) = moment.service_and_name();
        Row {
            anchor: anchor(number),
            iso: moment.time.map(|time| time.to_string()),
            clock: moment.time.map_or_else(|| "–".to_owned(), clock),
            name: name.to_owned(),
            service: service.to_owned(),
            uncertain: moment.verdict == Verdict::Uncertain,
            error: moment.error.clone(),
            reason: moment.reason.clone(),
            from: moment.from.as_deref().map(|id| self.anchors.from(id)),
            reads: moment.reads.clone(),
            made: moment.made.clone(),
            techniques: moment.techniques.clone(),
            detections: moment.detections.clone(),
            place: self.changes(moment),
            event_id: moment.event_id.clone(),
        }
    }

    /// Address, client, region and account, those that differ from the event before.
    fn changes(&mut self, moment: &Moment) -> Vec<String> {
        let now = [
            ("from", &moment.address),
            ("with", &moment.client),
            ("in", &moment.region),
            ("account", &moment.account),
        ];
        let mut said = Vec::new();
        for (before, (word, text)) in self.place.iter_mut().zip(now) {
            if before != text {
                before.clone_from(text);
                let shown = if text.is_empty() { "not known" } else { text };
                said.push(format!("{word} {shown}"));
            }
        }
        said
    }

    fn fold(&mut self, part: &[(usize, &Moment)]) -> Fold {
        let head = self.row(part[0]);
        let mut read: Vec<&str> = part
            .iter()
            .flat_map(|(_, moment)| moment.reads.iter().map(String::as_str))
            .collect();
        read.sort_unstable();
        read.dedup();
        let times = |(_, moment): &(usize, &Moment)| moment.time;
        let (first, last) = (times(&part[0]), times(&part[part.len() - 1]));
        let unlisted = part.len().saturating_sub(LISTED);
        Fold {
            head,
            times: thousands(part.len()),
            seen: match (first, last) {
                (Some(first), Some(last)) if day(first) == day(last) => {
                    format!("{} to {}", clock(first), clock(last))
                }
                _ => from_to(first, last),
            },
            what_read: (!read.is_empty()).then(|| count(read.len(), "thing read", "things read")),
            rows: part.iter().take(LISTED).map(|at| self.row(*at)).collect(),
            unlisted: (unlisted > 0).then(|| thousands(unlisted)),
            unlisted_anchors: part
                .iter()
                .skip(LISTED)
                .map(|(at, _)| anchor(*at))
                .collect(),
        }
    }
}
