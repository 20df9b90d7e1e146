//! The events themselves: forty bytes each, a list for every column.

use relatch_shelf::List;

use crate::log::ids::EventId;
use crate::log::texts::Texts;

/// The time of an event whose own cannot be read: before all others.
pub(crate) const NO_TIME: i64 = i64::MIN;

/// Where an event is that was dropped, since another has its id.
const DROPPED: u32 = u32::MAX;

/// One event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    pub(crate) id: EventId,
    /// Milliseconds since 1970, or [`NO_TIME`].
    pub(crate) time: i64,
    /// Numbers of its parts.
    pub(crate) who: u32,
    pub(crate) call: u32,
    pub(crate) origin: u32,
    pub(crate) detail: u32,
}

/// The columns of events; what is looked at often lies apart from what is not.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    pub(crate) ids: List<EventId>,
    pub(crate) times: List<i64>,
    pub(crate) whos: List<u32>,
    pub(crate) calls: List<u32>,
    pub(crate) origins: List<u32>,
    pub(crate) details: List<u32>,
}

/// Where events are after sorting, by the number they had before.
pub(crate) struct Places(List<u32>);

impl Places {
    /// The row of an event; `None` for one that was dropped.
    pub(crate) fn get(&self, number: u32) -> Option<u32> {
        let row = self.0.get(number as usize).copied();
        row.filter(|row| *row != DROPPED)
    }
}

impl Columns {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Adds an event.
    pub(crate) fn push(&mut self, event: Event) {
        self.ids.push(event.id);
        self.times.push(event.time);
        self.whos.push(event.who);
        self.calls.push(event.call);
        self.origins.push(event.origin);
        self.details.push(event.detail);
    }

    /// An event by its number.
    #[inline]
    pub(crate) fn get(&self, number: usize) -> Event {
        Event {
            id: self.ids[number],
            time: self.times[number],
            who: self.whos[number],
            call: self.calls[number],
            origin: self.origins[number],
            detail: self.details[number],
        }
    }

    /// The columns of some events, in the order of `rows`; their ids are not among them.
    pub(crate) fn gathered(&self, rows: &[u32]) -> Columns {
        Columns {
            ids: List::default(),
            times: gathered(&self.times, rows.iter()),
            whos: gathered(&self.whos, rows.iter()),
            calls: gathered(&self.calls, rows.iter()),
            origins: gathered(&self.origins, rows.iter()),
            details: gathered(&self.details, rows.iter()),
        }
    }

    /// Sorts by time, then id, and drops all but the first of each id.
    pub(crate) fn sort(&mut self, texts: &Texts) -> Places {
        let mut places = self.repeated();
        let times = (0u32..)
            .zip(&self.times)
            .map(|(number, time)| (*time, number));
        let kept = times.filter(|(_, number)| places.0[*number as usize] != DROPPED);
        let mut order: List<(i64, u32)> = kept.collect();
        let text = |id: EventId| id.text().map(|text| texts.get(text));
        order.sort_unstable_by(|(a_time, a), (b_time, b)| {
            a_time.cmp(b_time).then_with(|| {
                let (a, b) = (self.ids[*a as usize], self.ids[*b as usize]);
                text(a).cmp(&text(b)).then(a.cmp(&b))
            })
        });
        for (row, (_, number)) in (0u32..).zip(&order) {
            places.0[*number as usize] = row;
        }
        let rows = || order.iter().map(|(_, number)| number);
        self.ids = gathered(&self.ids, rows());
        self.times = gathered(&self.times, rows());
        self.whos = gathered(&self.whos, rows());
        self.calls = gathered(&self.calls, rows());
        self.origins = gathered(&self.origins, rows());
        self.details = gathered(&self.details, rows());
        places
    }

    /// Marks as dropped whatever has an id that an earlier one has.
    fn repeated(&self) -> Places {
        let mut places = List::of(0, self.len());
        let mut by_id: List<(EventId, u32)> = self.ids.iter().copied().zip(0..).collect();
        by_id.sort_unstable();
        for same in by_id.chunk_by(|(a, _), (b, _)| a == b) {
            for (_, number) in &same[1..] {
                places[*number as usize] = DROPPED;
            }
        }
        Places(places)
    }
}

/// What stands in a column at some rows.
fn gathered<'r, T: Copy>(column: &[T], rows: impl Iterator<Item = &'r u32>) -> List<T> {
    rows.map(|row| column[*row as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_sorted_and_the_first_of_an_id_stays() {
        let mut texts = Texts::default();
        let mut columns = Columns::default();
        for (id, time, who) in [
            ("c", 5, 0),
            ("b", 5, 1),
            ("a", 9, 2),
            ("b", 1, 3),
            ("d", 2, 4),
        ] {
            columns.push(Event {
                id: EventId::new(id, &mut texts),
                time,
                who,
                call: 0,
                origin: 0,
                detail: 0,
            });
        }
        let places = columns.sort(&texts);
        assert_eq!(columns.whos.as_slice(), [4, 1, 0, 2]);
        assert_eq!(columns.times.as_slice(), [2, 5, 5, 9]);
        let rows: Vec<Option<u32>> = (0..6).map(|number| places.get(number)).collect();
        assert_eq!(rows, [Some(2), Some(1), Some(3), None, Some(0), None]);
    }
}
