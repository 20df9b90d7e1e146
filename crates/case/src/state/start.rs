//! Where the triages of a case began: what people gave, and what was proposed to them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use crate::KeyId;

/// What every triage of the case begins with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Start {
    /// Access keys that people gave.
    pub keys: BTreeSet<String>,
    /// Names that they gave, as ARN.
    pub arns: BTreeSet<String>,
    /// Addresses that they gave.
    pub addresses: BTreeSet<String>,
    /// The attack did not begin before; `None` if anybody gave a seed without saying so.
    pub since: Option<Timestamp>,
    /// The attack was over by then, likewise.
    pub until: Option<Timestamp>,
    /// Actors that were proposed. Later triages propose anew; that these were convicted once,
    /// and others through them, is not forgotten.
    pub proposed: BTreeSet<String>,
}

impl Start {
    /// Whether nobody gave a seed.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.arns.is_empty() && self.addresses.is_empty()
    }

    /// Adds where another triage began. The time becomes the one that holds all seeds.
    pub(super) fn add(&mut self, other: Self) {
        if !other.is_empty() {
            if self.is_empty() {
                (self.since, self.until) = (other.since, other.until);
            }
            self.since = self.since.min(other.since);
            self.until = self.until.zip(other.until).map(|(a, b)| a.max(b));
        }
        self.keys.extend(other.keys);
        self.arns.extend(other.arns);
        self.addresses.extend(other.addresses);
        self.proposed.extend(other.proposed);
    }

    /// Forgets an actor that was acquitted, with its keys and names.
    pub(super) fn forget(&mut self, actor: &str, keys: &[KeyId], arns: &[String]) {
        let keys = keys.iter().map(KeyId::as_str);
        let arns = arns.iter().map(String::as_str);
        for name in keys.chain(arns).chain([actor]) {
            self.keys.remove(name);
            self.arns.remove(name);
            self.addresses.remove(name);
            self.proposed.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(key: &str, since: Option<i64>, until: Option<i64>) -> Start {
        let at = |second| Timestamp::from_second(second).expect("a time");
        Start {
            keys: [key.to_string()].into(),
            since: since.map(at),
            until: until.map(at),
            ..Start::default()
        }
    }

    fn all(starts: &[Start]) -> Start {
        let mut all = Start::default();
        starts.iter().cloned().for_each(|start| all.add(start));
        all
    }

    #[test]
    fn the_time_holds_every_seed_that_was_given() {
        let proposed = Start {
            proposed: ["x".to_string()].into(),
            ..Start::default()
        };
        let window = |starts: &[Start]| {
            let all = all(starts);
            let second = |at: Option<Timestamp>| at.map(Timestamp::as_second);
            (second(all.since), second(all.until))
        };
        let (a, b) = (given("a", Some(5), Some(7)), given("b", Some(3), Some(6)));
        let open = given("c", None, None);
        assert_eq!(window(&[a.clone(), b.clone()]), (Some(3), Some(7)));
        assert_eq!(window(&[b.clone(), a.clone()]), (Some(3), Some(7)));
        assert_eq!(window(&[proposed, a.clone()]), (Some(5), Some(7)));
        assert_eq!(window(&[a.clone(), open.clone()]), (None, None));
        assert_eq!(window(&[open, a, b]), (None, None));
    }

    #[test]
    fn who_was_acquitted_is_no_start_any_more() {
        let mut start = all(&[given("AKIA1", None, None), given("AKIA2", None, None)]);
        start.arns.insert("user/ops".to_string());
        start.forget("user/ops", &["AKIA2".into()], &[]);
        assert_eq!(start.keys, ["AKIA1".to_string()].into());
        assert!(start.arns.is_empty());
    }
}
