//! Indicators out of a triage and its events.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use jiff::Timestamp;
use relatch_evidence::{Actor, Persistence, Triage, Verdict as Whose};

use crate::clean::clean;
use crate::indicators::indicator::{Indicator, IndicatorKind, Standing};
use crate::moment::{Moment, Verdict};

/// Everything to look for: keys, addresses and clients of the events, and what the attacker
/// made that can act by itself. Sorted by kind and value, each once.
///
/// Addresses and clients come from the events, keys from the identities, so events that were not
/// handed in one by one add none. Addresses that are none (`AWS Internal`, names of services) are
/// left out: they belong to the cloud.
pub fn collect(triage: &Triage, moments: &[Moment]) -> Vec<Indicator> {
    let mut found = Found::default();
    found.made(triage);
    found.keys(triage, moments);
    found.addresses(triage, moments);
    found.clients(triage, moments);
    found.by_value.into_values().collect()
}

/// Why a text can be in no pattern.
const CHANGED: &str = "not as in the log: escapes or invisible signs were taken out, or it was cut";

/// What the events with one value have in common.
#[derive(Debug, Default)]
struct Tally {
    events: u64,
    attackers: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    tactics: BTreeSet<String>,
    techniques: BTreeSet<String>,
    changed: bool,
}

impl Tally {
    fn add(&mut self, moment: &Moment) {
        self.events += 1;
        self.attackers += u64::from(moment.verdict == Verdict::Attacker);
        if let Some(time) = moment.time {
            self.first = Some(self.first.map_or(time, |first| first.min(time)));
            self.last = Some(self.last.map_or(time, |last| last.max(time)));
        }
        self.tactics
            .extend(moment.tactics.iter().map(|text| clean(text)));
        self.techniques
            .extend(moment.techniques.iter().map(|text| clean(text)));
    }

    fn standing(&self, shared: bool) -> Standing {
        match (self.attackers, shared) {
            (0, _) => Standing::Uncertain,
            (_, true) => Standing::Shared,
            (_, false) => Standing::Attacker,
        }
    }

    fn indicator(self, kind: IndicatorKind, value: String, standing: Standing) -> Indicator {
        Indicator {
            kind,
            value,
            exact: !self.changed,
            standing,
            planted: false,
            events: self.events,
            first: self.first,
            last: self.last,
            tactics: self.tactics,
            techniques: self.techniques,
            note: String::new(),
        }
    }
}

/// Tallies events by one of their texts, which is cleaned; empty ones are left out.
fn tallies(moments: &[Moment], text: impl Fn(&Moment) -> &str) -> BTreeMap<String, Tally> {
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for moment in moments {
        let shown = clean(text(moment));
        if shown.trim().is_empty() {
            continue;
        }
        let changed = shown != text(moment);
        let tally = tallies.entry(shown).or_default();
        tally.add(moment);
        tally.changed |= changed;
    }
    tallies
}

/// Texts of identities that somebody else than the attacker is seen with. Of an identity that
/// both used, a text counts if it is the only one: then its owner used it as well.
fn of_others(triage: &Triage, texts: impl Fn(&Actor) -> &BTreeSet<String>) -> BTreeSet<String> {
    let others = triage.actors.iter().filter(|actor| match actor.verdict {
        Whose::Legitimate => true,
        Whose::Mixed => texts(actor).len() == 1,
        Whose::Attacker | Whose::Uncertain => false,
    });
    others.flat_map(&texts).map(|text| clean(text)).collect()
}

#[derive(Debug, Default)]
struct Found {
    by_value: BTreeMap<(IndicatorKind, String), Indicator>,
}

impl Found {
    fn put(&mut self, indicator: Indicator) {
        let key = (indicator.kind, indicator.value.clone());
        self.by_value.insert(key, indicator);
    }

    fn made(&mut self, triage: &Triage) {
        for planted in &triage.persistence {
            let Some(kind) = made_kind(&planted.kind) else {
                continue;
            };
            if !planted.id.is_empty() {
                self.put(made(kind, planted));
            }
        }
    }

    fn keys(&mut self, triage: &Triage, moments: &[Moment]) {
        let mut by_actor = tallies(moments, |moment| &moment.actor);
        for actor in &triage.actors {
            let standing = match actor.verdict {
                Whose::Attacker => Standing::Attacker,
                Whose::Mixed if actor.tainted > 0 => Standing::Shared,
                Whose::Mixed | Whose::Uncertain => Standing::Uncertain,
                Whose::Legitimate => continue,
            };
            let tally = by_actor.remove(&clean(&actor.id)).unwrap_or_default();
            // What only the owner used is no sign of the attacker.
            let his = actor.attackers.as_ref().map(|his| &his.access_keys);
            for key in his.unwrap_or(&actor.access_keys) {
                self.key(&clean(key), standing, &tally, actor);
            }
        }
        for key in &triage.created_keys {
            let key = clean(key);
            let place = (IndicatorKind::AccessKey, key.clone());
            let indicator = self.by_value.entry(place).or_insert_with(|| {
                Tally::default().indicator(IndicatorKind::AccessKey, key, Standing::Attacker)
            });
            indicator.planted = true;
        }
    }

    /// A key of an identity: one that is there keeps its surest standing.
    fn key(&mut self, key: &str, standing: Standing, tally: &Tally, actor: &Actor) {
        let mut indicator = Tally {
            tactics: tally.tactics.clone(),
            techniques: tally.techniques.clone(),
            ..*tally
        }
        .indicator(IndicatorKind::AccessKey, key.to_owned(), standing);
        indicator.exact = true;
        indicator.note = actor.arn.as_deref().map(clean).unwrap_or_default();
        if let Some(known) = self
            .by_value
            .get(&(IndicatorKind::AccessKey, key.to_owned()))
        {
            indicator.planted = known.planted;
            indicator.standing = known.standing.min(standing);
        }
        self.put(indicator);
    }

    fn addresses(&mut self, triage: &Triage, moments: &[Moment]) {
        let shared = of_others(triage, |actor| &actor.addresses);
        let own: BTreeSet<String> = triage.addresses.iter().map(|text| clean(text)).collect();
        for (address, tally) in tallies(moments, |moment| &moment.address) {
            if address.parse::<IpAddr>().is_err() {
                continue;
            }
            let of_workload = tally.attackers > 0 && !own.contains(&address);
            let of_others = shared.contains(&address);
            let standing = tally.standing(of_workload || of_others);
            let mut indicator = tally.indicator(IndicatorKind::Address, address, standing);
            indicator.note = match (of_workload, of_others) {
                (true, _) => "address of something that the attacker started".to_owned(),
                (false, true) => "others called from here too".to_owned(),
                (false, false) => String::new(),
            };
            self.put(indicator);
        }
    }

    fn clients(&mut self, triage: &Triage, moments: &[Moment]) {
        let shared = of_others(triage, |actor| &actor.clients);
        for (client, tally) in tallies(moments, |moment| &moment.client) {
            let of_others = shared.contains(&client);
            let standing = tally.standing(of_others);
            let mut indicator = tally.indicator(IndicatorKind::Client, client, standing);
            let note = match (indicator.exact, of_others) {
                (false, _) => CHANGED,
                (true, true) => "others use it too",
                (true, false) => "",
            };
            note.clone_into(&mut indicator.note);
            self.put(indicator);
        }
    }
}

/// What can act by itself, of all that can be planted.
fn made_kind(kind: &str) -> Option<IndicatorKind> {
    Some(match kind {
        "access_key" => IndicatorKind::AccessKey,
        "user" => IndicatorKind::User,
        "role" => IndicatorKind::Role,
        "service_credential" => IndicatorKind::ServiceCredential,
        "function" => IndicatorKind::Function,
        "instance" => IndicatorKind::Instance,
        _ => return None,
    })
}

fn made(kind: IndicatorKind, planted: &Persistence) -> Indicator {
    let time = planted.time.as_deref().and_then(|time| time.parse().ok());
    let value = clean(&planted.id);
    let tally = Tally {
        events: 1,
        first: time,
        last: time,
        changed: value != planted.id,
        ..Tally::default()
    };
    let account = planted.account.as_deref().unwrap_or("not known");
    let detail = clean(&planted.detail);
    let mut indicator = tally.indicator(kind, value, Standing::Attacker);
    indicator.planted = true;
    indicator.note = if detail.is_empty() {
        format!("made in account {}", clean(account))
    } else {
        format!("{detail}, made in account {}", clean(account))
    };
    indicator
}
