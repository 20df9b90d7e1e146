//! How actions and gates are read. For serde a tag within the data means that all of it is held
//! twice, which in a plan of hundreds of thousands of steps is most of the time; one flat shape
//! with the names of all of them costs a fraction, and refuses whatever does not fit exactly.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use crate::model::{Container, Part, Slot};
use crate::plan::{Action, Gate};
use crate::{ConsumerId, StepId};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FlatAction {
    verb: Verb,
    container: Option<Container>,
    slot: Option<Slot>,
    name: Option<String>,
    person: Option<bool>,
    slots: Option<BTreeMap<String, FlatSlot>>,
    consumer: Option<ConsumerId>,
    consumers: Option<Vec<ConsumerId>>,
    quiet: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verb {
    Keep,
    Mint,
    Check,
    Write,
    Roll,
    Adopt,
    Settle,
    Observe,
    Announce,
    Cut,
    Disable,
    Prove,
    Delete,
    Sweep,
}

/// What stands under a name in `slots`: which half (a write), or slots of the place with that
/// name (an adoption).
enum FlatSlot {
    Part(Part),
    Slots(BTreeMap<Slot, Part>),
}

impl TryFrom<FlatAction> for Action {
    type Error = String;

    fn try_from(mut flat: FlatAction) -> Result<Self, String> {
        let action = match flat.verb {
            Verb::Keep => Self::Keep {
                container: there(flat.container.take(), "container")?,
                slot: there(flat.slot.take(), "slot")?,
            },
            Verb::Mint => Self::Mint {
                name: there(flat.name.take(), "name")?,
                person: there(flat.person.take(), "person")?,
            },
            Verb::Check => Self::Check,
            Verb::Write => Self::Write {
                container: there(flat.container.take(), "container")?,
                slots: parts(there(flat.slots.take(), "slots")?)?,
            },
            Verb::Roll => Self::Roll {
                consumer: there(flat.consumer.take(), "consumer")?,
            },
            Verb::Adopt => Self::Adopt {
                consumer: there(flat.consumer.take(), "consumer")?,
                slots: places(there(flat.slots.take(), "slots")?)?,
            },
            Verb::Settle => Self::Settle {
                consumers: there(flat.consumers.take(), "consumers")?,
            },
            Verb::Observe => Self::Observe {
                quiet: there(flat.quiet.take(), "quiet")?,
            },
            Verb::Announce => Self::Announce {
                consumers: there(flat.consumers.take(), "consumers")?,
            },
            Verb::Cut => Self::Cut,
            Verb::Disable => Self::Disable,
            Verb::Prove => Self::Prove,
            Verb::Delete => Self::Delete,
            Verb::Sweep => Self::Sweep,
        };
        match flat.left() {
            Some(name) => Err(format!(
                "a step that says `{}` has no `{name}`",
                action.verb()
            )),
            None => Ok(action),
        }
    }
}

impl FlatAction {
    /// What nobody took.
    fn left(&self) -> Option<&'static str> {
        let left = [
            (self.container.is_some(), "container"),
            (self.slot.is_some(), "slot"),
            (self.name.is_some(), "name"),
            (self.person.is_some(), "person"),
            (self.slots.is_some(), "slots"),
            (self.consumer.is_some(), "consumer"),
            (self.consumers.is_some(), "consumers"),
            (self.quiet.is_some(), "quiet"),
        ];
        left.iter().find(|(left, _)| *left).map(|(_, name)| *name)
    }
}

fn there<T>(value: Option<T>, name: &str) -> Result<T, String> {
    value.ok_or_else(|| format!("missing field `{name}`"))
}

fn parts(slots: BTreeMap<String, FlatSlot>) -> Result<BTreeMap<Slot, Part>, String> {
    let part = |(slot, what)| match what {
        FlatSlot::Part(part) => Ok((Slot(slot), part)),
        FlatSlot::Slots(_) => Err(format!("slot `{slot}`: expected which half to write")),
    };
    slots.into_iter().map(part).collect()
}

fn places(
    slots: BTreeMap<String, FlatSlot>,
) -> Result<BTreeMap<String, BTreeMap<Slot, Part>>, String> {
    let place = |(place, what)| match what {
        FlatSlot::Slots(slots) => Ok((place, slots)),
        FlatSlot::Part(_) => Err(format!("place `{place}`: expected its slots")),
    };
    slots.into_iter().map(place).collect()
}

impl<'de> Deserialize<'de> for FlatSlot {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(SlotVisitor)
    }
}

struct SlotVisitor;

impl<'de> Visitor<'de> for SlotVisitor {
    type Value = FlatSlot;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a half of a credential, or slots")
    }

    fn visit_str<E: Error>(self, part: &str) -> Result<FlatSlot, E> {
        Part::deserialize(StrDeserializer::new(part)).map(FlatSlot::Part)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FlatSlot, A::Error> {
        BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(FlatSlot::Slots)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FlatGate {
    gate: GateKind,
    step: Option<StepId>,
    seconds: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum GateKind {
    Approved,
    Contained,
    After,
}

impl TryFrom<FlatGate> for Gate {
    type Error = String;

    fn try_from(flat: FlatGate) -> Result<Self, String> {
        let alone = flat.step.is_none() && flat.seconds.is_none();
        match flat.gate {
            GateKind::Approved if alone => Ok(Self::Approved),
            GateKind::Contained if alone => Ok(Self::Contained),
            GateKind::After => Ok(Self::After {
                step: there(flat.step, "step")?,
                seconds: there(flat.seconds, "seconds")?,
            }),
            GateKind::Approved | GateKind::Contained => {
                Err("only the gate `after` has a step and seconds".to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIONS: [&str; 14] = [
        r#"{"container":{"kind":"ssm","name":"n","region":"r"},"slot":"a","verb":"keep"}"#,
        r#"{"name":"n","person":false,"verb":"mint"}"#,
        r#"{"verb":"check"}"#,
        r#"{"container":{"kind":"ssm","name":"n","region":"r"},"slots":{"a":"secret","b":"key_id"},"verb":"write"}"#,
        r#"{"consumer":"c","verb":"roll"}"#,
        r#"{"consumer":"c","slots":{"p":{"a":"secret"},"q":{}},"verb":"adopt"}"#,
        r#"{"consumers":["c","d"],"verb":"settle"}"#,
        r#"{"quiet":true,"verb":"observe"}"#,
        r#"{"consumers":[],"verb":"announce"}"#,
        r#"{"verb":"cut"}"#,
        r#"{"verb":"disable"}"#,
        r#"{"verb":"prove"}"#,
        r#"{"verb":"delete"}"#,
        r#"{"verb":"sweep"}"#,
    ];

    const GATES: [&str; 3] = [
        r#"{"gate":"approved"}"#,
        r#"{"gate":"contained"}"#,
        r#"{"gate":"after","seconds":7,"step":"s"}"#,
    ];

    fn action(text: &str) -> Result<Action, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    fn gate(text: &str) -> Result<Gate, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_was_written_is_read_again() {
        for text in ACTIONS {
            let read = action(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let again = crate::chain::canonical(&read).expect("canonical");
            assert_eq!(String::from_utf8_lossy(&again), text);
        }
        for text in GATES {
            let read = gate(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let again = crate::chain::canonical(&read).expect("canonical");
            assert_eq!(
                serde_json::from_slice::<serde_json::Value>(&again).expect("json"),
                serde_json::from_str::<serde_json::Value>(text).expect("json")
            );
        }
    }

    /// Each action with the data of each other: only its own fits.
    #[test]
    fn the_data_of_another_verb_is_refused() {
        let verb = |text: &str| action(text).map(|action| action.verb());
        for data in ACTIONS {
            let own = verb(data).expect("an action");
            for other in ACTIONS.map(|text| verb(text).expect("an action")) {
                let mixed = data.replace(&format!("\"{own}\""), &format!("\"{other}\""));
                let alike = shape(own) == shape(other);
                assert_eq!(verb(&mixed).is_ok(), alike, "{mixed}");
            }
        }
    }

    /// Verbs that are told by the same data.
    fn shape(verb: &str) -> &str {
        match verb {
            "announce" => "settle",
            "cut" | "disable" | "prove" | "delete" | "sweep" => "check",
            verb => verb,
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_name() {
        let refused = [
            (r#"{"newly":1,"verb":"check"}"#, "unknown field `newly`"),
            (
                r#"{"quiet":true,"verb":"check"}"#,
                "a step that says `check` has no `quiet`",
            ),
            (r#"{"verb":"roll"}"#, "missing field `consumer`"),
            (r#"{"consumer":"c"}"#, "missing field `verb`"),
            (r#"{"verb":"melt"}"#, "unknown variant `melt`"),
            (
                r#"{"container":{"kind":"ssm","name":"n","region":"r","newly":1},"slot":"a","verb":"keep"}"#,
                "unknown field `newly`",
            ),
            (
                r#"{"consumer":"c","slots":{"p":{"a":"both"}},"verb":"adopt"}"#,
                "unknown variant `both`",
            ),
            (
                r#"{"consumer":"c","slots":{"p":1},"verb":"adopt"}"#,
                "expected a half of a credential, or slots",
            ),
        ];
        for (text, why) in refused {
            let error = action(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
        for (text, why) in [
            (r#"{"gate":"approved","step":"s"}"#, "only the gate `after`"),
            (r#"{"gate":"after","step":"s"}"#, "missing field `seconds`"),
            (r#"{"gate":"open"}"#, "unknown variant `open`"),
        ] {
            let error = gate(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
