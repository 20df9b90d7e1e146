//! The events of each credential, side by side.

use rayon::prelude::*;
use relatch_shelf::List;

use crate::log::events::Columns;
use crate::log::tables::{Map, Set};
use crate::log::{IdentityKind, Log, Part, Who};
use crate::taint::actors::{Credential, Groups};

/// Events by credential, both in order.
///
/// Their columns are held a second time, in that order: whoever looks at a credential looks at all
/// of its events, again and again, and those of a log lie among everybody's.
pub(crate) struct ByCredential {
    credentials: List<Credential>,
    events: Groups,
    columns: Columns,
}

/// A caller whose credential depends on the single event.
const BY_EVENT: u32 = u32::MAX;

impl ByCredential {
    /// Reads the log, whose events these are by caller.
    pub(crate) fn new(log: &Log, by_who: &Groups) -> Self {
        let of = |row: u32| Credential::of(log, &log.row(row));
        // The credentials of callers that go by the event: few, for many events.
        let mut varying: Set<Credential> = Set::default();
        let whos = (0u32..).zip(log.whos());
        // Those of all other callers that made a call.
        let mut fixed: List<Option<Credential>> = List::default();
        for (number, who) in whos {
            let rows = by_who.get(number);
            let first = rows.first().filter(|_| !is_by_event(who));
            fixed.push(first.map(|row| of(*row)));
            if first.is_none() {
                varying.extend(rows.iter().map(|row| of(*row)));
            }
        }
        let mut credentials: List<Credential> = fixed.iter().flatten().copied().collect();
        credentials.extend(varying.iter().copied());
        credentials.sort_unstable();
        credentials.dedup();
        let number = |credential: &Credential| {
            let at = credentials.binary_search(credential);
            at.ok()
                .and_then(|at| u32::try_from(at).ok())
                .unwrap_or(BY_EVENT)
        };
        let by_event: Map<Credential, u32> =
            varying.iter().map(|one| (*one, number(one))).collect();
        let fixed: List<u32> = fixed
            .iter()
            .map(|one| one.as_ref().map_or(BY_EVENT, number))
            .collect();
        let events = Groups::new(log, credentials.len(), |row| {
            match fixed[log.who(row) as usize] {
                BY_EVENT => by_event[&of(row)],
                number => number,
            }
        });
        ByCredential {
            credentials,
            columns: log.columns_of(events.members()),
            events,
        }
    }

    /// The events of a credential; none if it is not in the log that this was made of.
    pub(crate) fn get<'l>(&'l self, log: &'l Log, credential: Credential) -> Option<Part<'l>> {
        let number = self.credentials.binary_search(&credential).ok()?;
        Some(self.at(log, number).1)
    }

    /// Every credential with its events, of which it has at least one.
    pub(crate) fn iter<'l>(&'l self, log: &'l Log) -> impl Iterator<Item = (Credential, Part<'l>)> {
        (0..self.credentials.len()).map(|number| self.at(log, number))
    }

    /// As [`ByCredential::iter`], on all cores.
    pub(crate) fn par_iter<'l>(
        &'l self,
        log: &'l Log,
    ) -> impl ParallelIterator<Item = (Credential, Part<'l>)> {
        let numbers = (0..self.credentials.len()).into_par_iter();
        numbers.map(|number| self.at(log, number))
    }

    fn at<'l>(&'l self, log: &'l Log, number: usize) -> (Credential, Part<'l>) {
        let group = u32::try_from(number).expect("no more credentials than events");
        let (rows, range) = (self.events.get(group), self.events.range(group));
        let part = Part::new(log, rows, &self.columns, range);
        (self.credentials[number], part)
    }
}

/// Whether a caller is whoever the single event says: a service, or nobody.
fn is_by_event(who: &Who) -> bool {
    let names = [who.arn, who.key, who.user, who.principal, who.account];
    who.kind == IdentityKind::Service || names.into_iter().all(|column| !column.some())
}
