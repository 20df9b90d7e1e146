//! From the attacker's addresses to further credentials in his hand.

use std::collections::BTreeSet;

use crate::input::rows::is_caller_address;
use crate::log::Sym;
use crate::taint::attribution::Taint;
use crate::taint::links::{Doubt, Link, Mark};
use crate::taint::score::SUSPICIOUS;
use crate::taint::seeds::Seeding;

impl Seeding<'_> {
    /// Other credentials used from an address that nobody used before the attack.
    ///
    /// Address and client together tell; the address alone leaves it uncertain.
    pub(crate) fn pivot(&self, taint: &mut Taint<'_>) {
        let tainted = taint.tainted();
        let Some(start) = tainted.first().map(|row| self.log.at(*row)) else {
            return;
        };
        let early = self.log.numbers().take(20);
        if early
            .filter(|row| self.log.at(*row) < start - 3_600_000)
            .count()
            < 20
        {
            return;
        }
        let pairs: BTreeSet<(Sym, Sym)> = tainted
            .iter()
            .map(|row| self.log.row(*row))
            .filter(|row| !row.invoked_by.some())
            .map(|row| (row.address, row.agent))
            .collect();
        self.beside(&pairs, start, taint);
        let addresses: BTreeSet<Sym> = pairs
            .iter()
            .map(|(address, _)| *address)
            .filter(|address| is_caller_address(self.log.text(*address)))
            .collect();
        for address in addresses {
            let rows = self.index.by_address(address);
            let Some(first) = rows
                .iter()
                .copied()
                .find(|row| taint.mark(*row) == Mark::Tainted)
            else {
                continue;
            };
            if rows[0] < first {
                continue;
            }
            let others: Vec<u32> = rows
                .iter()
                .copied()
                .filter(|row| taint.mark(*row) != Mark::Tainted)
                .collect();
            for row in others {
                let event = &self.log.row(row);
                if pairs.contains(&(address, event.agent)) {
                    taint.taint(row, Link::Address, Some(first));
                } else {
                    taint.doubt(row, Doubt::Address, Some(first));
                }
            }
        }
    }

    /// Other credentials used from the attacker's address with his client, where others call too:
    /// his, if that part of their use looks like an attack and like another hand by itself.
    fn beside(&self, pairs: &BTreeSet<(Sym, Sym)>, start: i64, taint: &mut Taint<'_>) {
        for split in self.splits.values() {
            if !split.score.another_hand || split.score.points < SUSPICIOUS {
                continue;
            }
            for row in &split.thief {
                let event = self.log.row(*row);
                if event.at() >= start
                    && pairs.contains(&(event.address, event.agent))
                    && is_caller_address(self.log.text(event.address))
                {
                    let from = self.first_with(event.address, event.agent, taint);
                    taint.taint(*row, Link::Address, from);
                }
            }
        }
    }

    /// The attacker's first event from an address with a client.
    fn first_with(&self, address: Sym, agent: Sym, taint: &Taint<'_>) -> Option<u32> {
        let rows = self.index.by_address(address).into_iter();
        rows.filter(|row| taint.mark(*row) == Mark::Tainted)
            .find(|row| self.log.row(*row).agent == agent)
    }
}
