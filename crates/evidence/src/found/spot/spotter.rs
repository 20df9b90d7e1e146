//! Goes from record to record and keeps what the rules say.

use std::sync::{Arc, Mutex, PoisonError};

use relatch_detect::{Interest, RuleIndex, RuleSet, Scanner, Sighted, Sightings};

use super::shape::{Kind, Kinds, Shape, find, habit_of};
use super::view::{Sight, View};
use crate::input::memo::Memo;

/// Spotters that are not in use: one is made for each thread and goes from file to file.
pub(crate) struct Spotters<'r> {
    set: &'r RuleSet,
    idle: Mutex<Vec<Spotter<'r>>>,
}

impl<'r> Spotters<'r> {
    /// None made yet.
    pub(crate) fn new(set: &'r RuleSet) -> Self {
        Spotters {
            set,
            idle: Mutex::default(),
        }
    }

    /// One that nobody else uses.
    pub(crate) fn lend(&self) -> Spotter<'r> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let one = { idle }.pop();
        one.unwrap_or_else(|| Spotter::new(self.set))
    }

    /// Takes one back, without what it found.
    pub(crate) fn give_back(&self, one: Spotter<'r>) {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        { idle }.push(one);
    }
}

/// Looks at records, one after the other.
pub(crate) struct Spotter<'r> {
    set: &'r RuleSet,
    scanner: Scanner<'r>,
    rules: Vec<RuleIndex>,
    kinds: Kinds,
    habits: Memo<Arc<str>>,
    /// How much to look at, by the number of the call. This and what follows is of one file.
    interests: Vec<Option<Interest>>,
    /// The kinds of callers, by the number of their text.
    callers: Vec<Option<Kind>>,
    /// What is known of events by their shape.
    shapes: Memo<Shape>,
    found: Sightings,
}

impl<'r> Spotter<'r> {
    fn new(set: &'r RuleSet) -> Self {
        Spotter {
            set,
            scanner: set.scanner(),
            rules: Vec::new(),
            kinds: Kinds::default(),
            habits: Memo::default(),
            interests: Vec::new(),
            callers: Vec::new(),
            shapes: Memo::default(),
            found: Sightings::default(),
        }
    }

    /// What was found in the file at hand. The next record is of another.
    pub(crate) fn found(&mut self) -> Sightings {
        self.interests.clear();
        self.kinds.next_file();
        self.callers.clear();
        self.shapes.clear();
        std::mem::take(&mut self.found)
    }

    /// Looks at a record.
    pub(crate) fn look(&mut self, sight: &Sight<'_>) {
        let interest = self.interest(sight);
        if interest == Interest::Nothing {
            return;
        }
        let Kind(kind) = self.kind(sight);
        if kind.is_some_and(|kind| self.remembers(sight, kind, interest)) {
            return;
        }
        let shape = self.look_anew(sight, interest);
        if let Some(shape) = shape.filter(|_| kind.is_some()) {
            self.shapes.keep(shape);
        }
    }

    /// Takes an event by its shape, if one like it came before.
    fn remembers(&mut self, sight: &Sight<'_>, kind: u32, interest: Interest) -> bool {
        let Some(shape) = find(&mut self.shapes, sight, kind, interest) else {
            return false;
        };
        if let Some(sighted) = &shape.sighted {
            self.found.add(sighted, sight.event);
            return true;
        }
        let view = View::new(sight, interest);
        let habit = match &shape.habit {
            Some(habit) => habit.clone(),
            None => habit_of(sight.record, &view, &mut self.habits),
        };
        let (rules, number) = (&shape.rules, sight.event);
        self.found.take(self.set, rules, &habit, number, &view);
        true
    }

    /// Holds the rules against an event. What others of its shape have in common with it; `None`
    /// where more than the shape decided.
    fn look_anew(&mut self, sight: &Sight<'_>, interest: Interest) -> Option<Shape> {
        let view = View::new(sight, interest);
        self.scanner.matches(&view, &mut self.rules);
        let is_told = !view.looked_beyond();
        let (mut habit, mut sighted) = (None, Some(Sighted::default()));
        if !self.rules.is_empty() {
            view.want_names();
            let words = habit_of(sight.record, &view, &mut self.habits);
            let all = self.found.sight(self.set, &self.rules, &words, &view);
            self.found.add(&all, sight.event);
            // The request tells the habit, and is part of the shape where whole records are.
            let has_request = interest == Interest::Record;
            sighted = (has_request && !view.looked_beyond()).then_some(all);
            habit = Some(words).filter(|_| has_request);
        }
        is_told.then(|| Shape {
            rules: self.rules.as_slice().into(),
            habit,
            sighted,
        })
    }

    fn interest(&mut self, sight: &Sight<'_>) -> Interest {
        let at = sight.call as usize;
        if let Some(Some(interest)) = self.interests.get(at) {
            return *interest;
        }
        let source = sight.record.event_source.get();
        let name = sight.record.event_name.get();
        let interest = if source.is_empty() || name.is_empty() {
            Interest::Record
        } else {
            self.scanner.interest(source.as_bytes(), name.as_bytes())
        };
        self.interests
            .resize(self.interests.len().max(at + 1), None);
        self.interests[at] = Some(interest);
        interest
    }

    fn kind(&mut self, sight: &Sight<'_>) -> Kind {
        let Some(at) = sight.caller.map(|caller| caller as usize) else {
            return Kind(None);
        };
        if let Some(Some(kind)) = self.callers.get(at) {
            return *kind;
        }
        let kind = self.kinds.kind(self.set, sight);
        self.callers.resize(self.callers.len().max(at + 1), None);
        self.callers[at] = Some(kind);
        kind
    }
}
