//! Holds all rules against one event after the other.

use std::ops::ControlFlow;

use crate::ast::{Known, Path};
use crate::compile::{Node, RuleSet};
use crate::event::{Event, Value};
use crate::index::{Bits, MOST_LENGTH, Table};
use crate::rule::RuleIndex;
use crate::test_eval::{holds, word};

/// Room for pairs of source and name, and for texts of each known field.
const PAIRS: usize = 8192;
const TEXTS: usize = 4096;
/// Up to so many matchers on a field are tried anew rather than looked up.
const FEW: usize = 4;

/// Finds the rules that events match. Remembers what it has seen, within bounds: make one for
/// each thread and keep it.
#[derive(Debug)]
pub struct Scanner<'r> {
    set: &'r RuleSet,
    paths: Vec<Path>,
    pairs: Table<Open>,
    texts: Vec<Table<Bits>>,
    few: [bool; Known::ALL.len()],
    everything: Box<[RuleIndex]>,
}

/// How much of an event has to be read before the rules can say whether they match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interest {
    /// Nothing more: no rule matches an event of this source and name.
    Nothing,
    /// The fields of [`Known`].
    Fields,
    /// The whole record.
    Record,
}

/// What a pair of source and name leaves open.
#[derive(Debug)]
struct Open {
    rules: Box<[RuleIndex]>,
    interest: Interest,
}

/// What is known of a field of the event at hand.
#[derive(Clone, Copy)]
enum Seen {
    NotYet,
    Absent,
    Text(usize),
    /// What the few tests on this field say.
    Few(u64),
    /// Several values, or none that is text: each test has to look itself.
    Other,
}

impl RuleSet {
    fn has_few(&self, known: Known) -> bool {
        let tests = self.by_field[known as usize]
            .iter()
            .map(|test| &self.tests[*test].test);
        tests.map(|test| test.matchers.len()).sum::<usize>() <= FEW
    }

    /// A scanner over these rules.
    pub fn scanner(&self) -> Scanner<'_> {
        let room = |known| Table::new(if self.has_few(known) { 1 } else { TEXTS });
        let count = u32::try_from(self.rules.len()).unwrap_or(u32::MAX);
        Scanner {
            set: self,
            paths: Known::ALL
                .into_iter()
                .map(|known| Path::new(known.text()))
                .collect(),
            pairs: Table::new(PAIRS),
            texts: Known::ALL.into_iter().map(room).collect(),
            few: Known::ALL.map(|known| self.has_few(known)),
            everything: (0..count).map(RuleIndex).collect(),
        }
    }
}

impl Scanner<'_> {
    /// How much of an event the rules want to see, by its source and name as they stand in the
    /// log, without quotes. Names that are not plain text get [`Interest::Record`].
    pub fn interest(&mut self, event_source: &[u8], event_name: &[u8]) -> Interest {
        let plain = |bytes| {
            std::str::from_utf8(bytes)
                .ok()
                .filter(|text| !text.contains('\\'))
        };
        let (Some(source), Some(name)) = (plain(event_source), plain(event_name)) else {
            return Interest::Record;
        };
        if source.len().max(name.len()) > MOST_LENGTH {
            return Interest::Record;
        }
        let Self { set, pairs, .. } = self;
        let place = pairs.place(source, name, || Open::new(set, source, name));
        pairs
            .get(place)
            .map_or(Interest::Record, |open| open.interest)
    }

    /// Puts the rules that the event matches into `hits`, in their order, in place of what was
    /// there.
    pub fn matches(&mut self, event: &dyn Event, hits: &mut Vec<RuleIndex>) {
        hits.clear();
        let pair = self.pair(event);
        let Self {
            set,
            paths,
            pairs,
            texts,
            few,
            everything,
        } = self;
        let candidates = pair
            .and_then(|place| pairs.get(place))
            .map_or(&*everything, |open| &open.rules);
        if candidates.is_empty() {
            return;
        }
        let mut look = Look {
            set,
            paths,
            texts,
            few,
            event,
            seen: [Seen::NotYet; Known::ALL.len()],
        };
        for index in candidates {
            if look.node(&set.nodes[index.0 as usize]) {
                hits.push(*index);
            }
        }
    }

    /// The place of the candidates for the event's source and name, if it has one of each.
    fn pair(&mut self, event: &dyn Event) -> Option<usize> {
        let Self {
            set, paths, pairs, ..
        } = self;
        let (mut sources, mut names, mut place) = (0, 0, None);
        event.visit(&paths[Known::EventSource as usize], &mut |source| {
            sources += 1;
            let Value::Text(source) = source else {
                return ControlFlow::Continue(());
            };
            event.visit(&paths[Known::EventName as usize], &mut |name| {
                names += 1;
                if let Value::Text(name) = name
                    && source.len().max(name.len()) <= MOST_LENGTH
                {
                    let make = || Open::new(set, &source, &name);
                    place = Some(pairs.place(&source, &name, make));
                }
                ControlFlow::Continue(())
            });
            ControlFlow::Continue(())
        });
        place.filter(|_| sources == 1 && names == 1)
    }
}

impl Open {
    fn new(set: &RuleSet, source: &str, name: &str) -> Self {
        let rules: Box<[RuleIndex]> = set.candidates(source, name).into();
        let interest = match rules.as_ref() {
            [] => Interest::Nothing,
            open if open
                .iter()
                .any(|rule| set.looks_beyond(*rule, source, name)) =>
            {
                Interest::Record
            }
            _ => Interest::Fields,
        };
        Self { rules, interest }
    }
}

/// The look at one event.
struct Look<'l, 'e> {
    set: &'l RuleSet,
    paths: &'l [Path],
    texts: &'l mut [Table<Bits>],
    few: &'l [bool; Known::ALL.len()],
    event: &'e dyn Event,
    seen: [Seen; Known::ALL.len()],
}

impl Look<'_, '_> {
    fn node(&mut self, node: &Node) -> bool {
        match node {
            Node::All(list) => list.iter().all(|node| self.node(node)),
            Node::Any(list) => list.iter().any(|node| self.node(node)),
            Node::Not(inner) => !self.node(inner),
            Node::Test(test) => self.test(*test),
            Node::Word(number) => word(&self.set.words[*number], self.event),
        }
    }

    fn test(&mut self, number: usize) -> bool {
        let shared = &self.set.tests[number];
        let Some((known, bit)) = shared.memo else {
            return holds(&shared.test, self.event);
        };
        let field = known as usize;
        if matches!(self.seen[field], Seen::NotYet) {
            self.seen[field] = self.see(known);
        }
        match self.seen[field] {
            Seen::Absent => self.set.when_absent[field].has(bit),
            Seen::Few(answers) => answers >> bit & 1 == 1,
            Seen::Text(place) => self.texts[field].get(place).is_some_and(|row| row.has(bit)),
            Seen::Other | Seen::NotYet => holds(&shared.test, self.event),
        }
    }

    fn see(&mut self, known: Known) -> Seen {
        let Self {
            set,
            paths,
            texts,
            few,
            event,
            ..
        } = self;
        let (mut count, mut seen) = (0, Seen::Absent);
        event.visit(&paths[known as usize], &mut |value| {
            count += 1;
            seen = match value {
                Value::Text(text) if count == 1 && few[known as usize] => {
                    Seen::Few(set.few(known, &text))
                }
                Value::Text(text) if count == 1 && text.len() <= MOST_LENGTH => {
                    let make = || set.row(known, &text);
                    Seen::Text(texts[known as usize].place(&text, "", make))
                }
                _ => Seen::Other,
            };
            ControlFlow::Continue(())
        });
        seen
    }
}
