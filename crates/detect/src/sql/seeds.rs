//! What is known of a thief, as conditions.

use std::collections::BTreeSet;

use super::dialect::{Dialect, list, quoted};

/// What to look for beside the rules. Each round of following the taint adds to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seeds {
    /// Access key ids: who used them, and every record whose request or answer names them.
    pub access_keys: BTreeSet<String>,
    /// Source addresses, as the log spells them.
    pub addresses: BTreeSet<String>,
    /// User agents, whole and in this case.
    pub user_agents: BTreeSet<String>,
    /// ARNs or principal ids of users, roles and sessions. A role stands for all its sessions.
    pub principals: BTreeSet<String>,
    /// Source identities.
    pub source_identities: BTreeSet<String>,
    /// Ids of events, also shared ones.
    pub events: BTreeSet<String>,
}

/// Fields that hold a principal's ARN or id.
const PRINCIPALS: [&str; 4] = [
    "useridentity.arn",
    "useridentity.principalid",
    "useridentity.sessioncontext.sessionissuer.arn",
    "useridentity.sessioncontext.sessionissuer.principalid",
];
/// So many values stand in one condition.
const CHUNK: usize = 500;

impl Seeds {
    /// Conditions of which one must hold. Keys that are not made of capitals and digits are no
    /// keys and name nothing.
    pub(super) fn conditions(&self, dialect: Dialect) -> Vec<String> {
        let mut all = Vec::new();
        let key = |key: &&String| {
            key.bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        };
        let keys: Vec<&String> = self.access_keys.iter().filter(key).collect();
        for some in keys.chunks(CHUNK) {
            all.push(format!(
                "useridentity.accesskeyid IN ({})",
                list(some.iter().copied())
            ));
            let either = some
                .iter()
                .map(|key| key.as_str())
                .collect::<Vec<_>>()
                .join("|");
            all.push(dialect.regex("requestparameters", &either));
            all.push(dialect.regex("responseelements", &either));
        }
        equal(&mut all, "sourceipaddress", &self.addresses);
        equal(&mut all, "useragent", &self.user_agents);
        for column in PRINCIPALS {
            equal(&mut all, column, &self.principals);
        }
        // A session's principal id is the role's with a name behind it.
        for role in self.principals.iter().filter(|one| one.starts_with("AROA")) {
            let start = quoted(&format!("{}:", role.split(':').next().unwrap_or_default()));
            all.push(format!("strpos(useridentity.principalid, {start}) = 1"));
        }
        equal(
            &mut all,
            "useridentity.sessioncontext.sourceidentity",
            &self.source_identities,
        );
        equal(&mut all, "eventid", &self.events);
        equal(&mut all, "sharedeventid", &self.events);
        all
    }
}

fn equal(all: &mut Vec<String>, column: &str, values: &BTreeSet<String>) {
    let values: Vec<&String> = values.iter().collect();
    let some = values.chunks(CHUNK);
    all.extend(some.map(|some| format!("{column} IN ({})", list(some.iter().copied()))));
}
