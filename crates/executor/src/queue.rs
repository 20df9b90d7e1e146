//! What is due and not begun, by the lane it has to go through, so that a step is found
//! without looking at the thousands that wait behind it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use relatch_case::plan::Plan;
use relatch_rotation::Agenda;

use crate::limits::lane;

/// Steps by position in the plan.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    lanes: BTreeMap<String, BTreeSet<usize>>,
    /// Looked at and not seen yet: looked at again at that time.
    asleep: BTreeMap<usize, Timestamp>,
    alarms: BTreeSet<(Timestamp, usize)>,
}

impl Queue {
    /// Takes over what the agenda says of a step.
    pub(crate) fn update(&mut self, plan: &Plan, agenda: &Agenda, at: usize) {
        let Some(step) = plan.steps.get(at) else {
            return;
        };
        let lane = self.lanes.entry(lane(plan, step)).or_default();
        if agenda.due(at).is_some() {
            if !self.asleep.contains_key(&at) {
                lane.insert(at);
            }
        } else {
            lane.remove(&at);
            self.awake(at);
        }
    }

    /// Lets a step sleep.
    pub(crate) fn sleep(&mut self, at: usize, until: Timestamp) {
        self.awake(at);
        for lane in self.lanes.values_mut() {
            lane.remove(&at);
        }
        self.asleep.insert(at, until);
        self.alarms.insert((until, at));
    }

    fn awake(&mut self, at: usize) {
        if let Some(until) = self.asleep.remove(&at) {
            self.alarms.remove(&(until, at));
        }
    }

    /// Whoever slept long enough is due again.
    pub(crate) fn wake(&mut self, plan: &Plan, agenda: &Agenda, now: Timestamp) {
        while let Some(&(until, at)) = self.alarms.first().filter(|(until, _)| *until <= now) {
            self.alarms.remove(&(until, at));
            self.asleep.remove(&at);
            self.update(plan, agenda, at);
        }
    }

    /// When the next one wakes up.
    pub(crate) fn next_alarm(&self) -> Option<Timestamp> {
        self.alarms.first().map(|(until, _)| *until)
    }

    /// Who sleeps, and until when.
    pub(crate) fn sleepers(&self) -> impl Iterator<Item = (usize, Timestamp)> {
        self.asleep.iter().map(|(at, until)| (*at, *until))
    }

    /// The lanes and what is due in each, first things first.
    pub(crate) fn lanes(&self) -> impl Iterator<Item = (&String, &BTreeSet<usize>)> {
        self.lanes.iter()
    }

    /// It was begun.
    pub(crate) fn begin(&mut self, lane: &str, at: usize) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.remove(&at);
        }
    }
}
