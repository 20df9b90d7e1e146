//! Some events of a log, side by side.

use crate::log::events::{Columns, NO_TIME};
use crate::log::store::at;
use crate::log::{Call, Fact, Log, Origin, Sym, Who};

/// The events of one credential, which are looked at again and again. They have numbers of their
/// own, from zero, in the order of time.
#[derive(Clone, Copy)]
pub(crate) struct Part<'l> {
    log: &'l Log,
    rows: &'l [u32],
    times: &'l [i64],
    whos: &'l [u32],
    calls: &'l [u32],
    origins: &'l [u32],
    details: &'l [u32],
}

impl<'l> Part<'l> {
    /// The events of a log whose rows these are, and whose columns stand at `range` of `columns`.
    pub(crate) fn new(
        log: &'l Log,
        rows: &'l [u32],
        columns: &'l Columns,
        range: std::ops::Range<usize>,
    ) -> Self {
        Part {
            log,
            rows,
            times: &columns.times[range.clone()],
            whos: &columns.whos[range.clone()],
            calls: &columns.calls[range.clone()],
            origins: &columns.origins[range.clone()],
            details: &columns.details[range],
        }
    }

    /// The numbers of its events.
    pub(crate) fn numbers(&self) -> std::ops::Range<u32> {
        0..u32::try_from(self.rows.len()).expect("no more than the log has")
    }

    /// Where its events are in the log.
    pub(crate) fn rows(&self) -> &'l [u32] {
        self.rows
    }

    /// When an event was, as [`Row::at`](crate::log::Row::at).
    pub(crate) fn at(&self, number: u32) -> i64 {
        at(self.times[number as usize])
    }

    /// When an event was, in milliseconds since 1970; `None` when that cannot be read.
    pub(crate) fn time(&self, number: u32) -> Option<i64> {
        Some(self.times[number as usize]).filter(|time| *time != NO_TIME)
    }

    /// The number of who made an event, as [`Log::who`].
    pub(crate) fn who_number(&self, number: u32) -> u32 {
        self.whos[number as usize]
    }

    /// Who made an event.
    pub(crate) fn who(&self, number: u32) -> &'l Who {
        &self.log.whos()[self.who_number(number) as usize]
    }

    /// The number of an event's call, as [`Log::call`].
    pub(crate) fn call_number(&self, number: u32) -> u32 {
        self.calls[number as usize]
    }

    /// What was called.
    pub(crate) fn call(&self, number: u32) -> &'l Call {
        &self.log.calls()[self.call_number(number) as usize]
    }

    /// The number of an event's origin, as [`Log::origin`].
    pub(crate) fn origin_number(&self, number: u32) -> u32 {
        self.origins[number as usize]
    }

    /// Where an event came from.
    pub(crate) fn origin(&self, number: u32) -> &'l Origin {
        &self.log.origins()[self.origin_number(number) as usize]
    }

    /// The source address of an event.
    pub(crate) fn address(&self, number: u32) -> Sym {
        self.origin(number).address
    }

    /// The facts of an event.
    pub(crate) fn facts(&self, number: u32) -> &'l [Fact] {
        self.log.facts_of(self.details[number as usize])
    }

    /// The text behind a number.
    pub(crate) fn text(&self, sym: Sym) -> &'l str {
        self.log.text(sym)
    }
}
