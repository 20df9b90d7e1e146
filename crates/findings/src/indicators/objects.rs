//! The objects of a STIX bundle.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::about::About;
use crate::attack::{is_technique, tactic_slug, technique_name, technique_url};
use crate::indicators::indicator::{Indicator, Standing};
use crate::indicators::pattern::{observable, pattern};
use crate::uuid;
use crate::words::count;

/// TLP:AMBER, as STIX 2.1 defines it (section 7.2.1.4): id and content are fixed.
const AMBER: &str = "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82";

/// What is no part of a case was made once and for all.
const ONCE: &str = "2026-01-01T00:00:00.000Z";

/// Most events that the format can count.
const MOST: u64 = 999_999_999;

/// Makes the objects of one case.
pub(super) struct Maker<'a> {
    about: &'a About,
    identity: String,
    created: String,
    modified: String,
}

impl<'a> Maker<'a> {
    pub(super) fn new(about: &'a About) -> Maker<'a> {
        Maker {
            about,
            identity: format!("identity--{}", uuid::own(&["identity"])),
            created: time(about.opened_at),
            modified: time(about.made_at.max(about.opened_at)),
        }
    }

    fn id(&self, kind: &str, parts: &[&str]) -> String {
        let mut all = vec![kind, &self.about.case];
        all.extend(parts);
        format!("{kind}--{}", uuid::own(&all))
    }

    fn own_id(&self, kind: &str, indicator: &Indicator) -> String {
        self.id(kind, &[indicator.kind.word(), &indicator.value])
    }

    /// An object of the case, with what all of them have.
    fn object(&self, kind: &str, id: String, more: Value) -> Value {
        let mut object = json!({
            "type": kind,
            "spec_version": "2.1",
            "id": id,
            "created": self.created,
            "modified": self.modified,
            "created_by_ref": self.identity,
            "object_marking_refs": [AMBER],
        });
        add(&mut object, more);
        object
    }

    /// The indicator itself; none if it has no pattern.
    pub(super) fn indicator(&self, indicator: &Indicator) -> Option<Value> {
        let since = indicator.first.unwrap_or(self.about.opened_at);
        let phases: Vec<Value> = indicator
            .tactics
            .iter()
            .filter_map(|tactic| tactic_slug(tactic))
            .map(|slug| json!({"kill_chain_name": "mitre-attack", "phase_name": slug}))
            .collect();
        let (kind, confidence) = match indicator.standing {
            Standing::Attacker => ("malicious-activity", 90),
            Standing::Shared => ("anomalous-activity", 50),
            Standing::Uncertain => ("anomalous-activity", 30),
        };
        let mut more = json!({
            "name": format!("{} {}", indicator.kind.words(), indicator.value),
            "indicator_types": [kind],
            "confidence": confidence,
            "labels": [indicator.standing.word()],
            "pattern": pattern(indicator)?,
            "pattern_type": "stix",
            "pattern_version": "2.1",
            "valid_from": time(since),
        });
        if !indicator.note.is_empty() {
            add(&mut more, json!({ "description": indicator.note }));
        }
        if !phases.is_empty() {
            add(&mut more, json!({ "kill_chain_phases": phases }));
        }
        Some(self.object("indicator", self.own_id("indicator", indicator), more))
    }

    /// What hangs on an indicator: techniques, and what was observed.
    pub(super) fn around(&self, indicator: &Indicator) -> Vec<Value> {
        let mut objects = Vec::new();
        for technique in indicator.techniques.iter().filter(|id| is_technique(id)) {
            let known = attack_pattern(technique, &self.identity);
            let way = [indicator.kind.word(), &indicator.value, technique];
            objects.push(self.object(
                "relationship",
                self.id("relationship", &way),
                json!({
                    "relationship_type": "indicates",
                    "source_ref": self.own_id("indicator", indicator),
                    "target_ref": known["id"],
                }),
            ));
            objects.push(known);
        }
        if indicator.events > 0
            && let (Some(first), Some(last)) = (indicator.first, indicator.last)
        {
            self.seen(indicator, first, last, &mut objects);
        }
        objects
    }

    fn seen(&self, of: &Indicator, first: Timestamp, last: Timestamp, objects: &mut Vec<Value>) {
        let (first, last, times) = (time(first), time(last), of.events.min(MOST));
        let mut sighting = json!({
            "sighting_of_ref": self.own_id("indicator", of),
            "first_seen": first,
            "last_seen": last,
            "count": times,
        });
        if let Some(observable) = observable(of) {
            let id = self.own_id("observed-data", of);
            add(&mut sighting, json!({ "observed_data_refs": [id] }));
            objects.push(self.object(
                "observed-data",
                id,
                json!({
                    "first_observed": first,
                    "last_observed": last,
                    "number_observed": times,
                    "object_refs": [observable["id"]],
                }),
            ));
            objects.push(observable);
        }
        objects.push(self.object("sighting", self.own_id("sighting", of), sighting));
    }

    /// Who says all this.
    pub(super) fn identity(&self) -> Value {
        json!({
            "type": "identity",
            "spec_version": "2.1",
            "id": self.identity,
            "created": ONCE,
            "modified": ONCE,
            "name": "Relatch",
            "identity_class": "system",
        })
    }

    /// The marking that all objects of the case carry.
    pub(super) fn marking() -> Value {
        json!({
            "type": "marking-definition",
            "spec_version": "2.1",
            "id": AMBER,
            "created": "2017-01-20T00:00:00.000Z",
            "definition_type": "tlp",
            "name": "TLP:AMBER",
            "definition": { "tlp": "amber" },
        })
    }

    /// The report over all of it.
    pub(super) fn report(&self, told: &[String], untold: usize) -> Value {
        let description = if untold == 0 {
            "What the attacker used and made.".to_owned()
        } else {
            let count = count(untold, "indicator", "indicators");
            format!("What the attacker used and made. {count} without a STIX pattern are left out.")
        };
        self.object(
            "report",
            self.id("report", &[]),
            json!({
                "name": if self.about.title.is_empty() { &self.about.case } else { &self.about.title },
                "description": description,
                "report_types": ["indicator"],
                "published": self.modified,
                "object_refs": told,
            }),
        )
    }
}

fn attack_pattern(technique: &str, identity: &str) -> Value {
    json!({
        "type": "attack-pattern",
        "spec_version": "2.1",
        "id": format!("attack-pattern--{}", uuid::own(&["attack-pattern", technique])),
        "created": ONCE,
        "modified": ONCE,
        "created_by_ref": identity,
        "name": technique_name(technique),
        "external_references": [{
            "source_name": "mitre-attack",
            "external_id": technique,
            "url": technique_url(technique),
        }],
    })
}

/// Adds the fields of one object to another.
fn add(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}

/// A time as STIX writes it: UTC, to the millisecond.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
