//! Which rules there are.

use std::collections::BTreeSet;

use relatch_evidence::Triage;

use crate::about::About;
use crate::clean::clean;
use crate::indicators::{Indicator, IndicatorKind, Standing, collect};
use crate::moment::Moment;
use crate::sigma::rule::{Draft, Rule};
use crate::uuid;
use crate::words::count;

/// Most values of one rule; more go into further rules.
const MOST: usize = 100;

const USE: &[&str] = &[
    "attack.initial-access",
    "attack.persistence",
    "attack.t1078.004",
];
const PLANTED: &[&str] = &["attack.persistence", "attack.t1136.003", "attack.t1078.004"];

/// Rules on retired access key ids (any call with one, also one that fails), on keys, users and
/// roles that the attacker made, and on addresses and clients that only he is seen with.
///
/// What others use as well (a shared address, a common client), what is uncertain and what is
/// not as the log has it becomes no rule; the description of the rule counts what was left out.
/// Retired keys that are also planted stand in both rules. No more than 100 values stand in one
/// rule; more make further rules, so that no reader's limit is met.
pub fn rules(
    triage: &Triage,
    moments: &[Moment],
    about: &About,
    retired: &BTreeSet<String>,
) -> Vec<Rule> {
    let writer = Writer {
        about: about.clean(),
        indicators: collect(triage, moments),
    };
    let mut rules = writer.retired(retired);
    rules.extend(writer.planted_keys());
    rules.extend(writer.planted_identities());
    rules.extend(writer.addresses());
    rules.extend(writer.clients());
    rules
}

/// What all parts of a rule have in common.
struct Kind<'a> {
    /// For the id and the name of the file.
    name: &'a str,
    title: &'a str,
    description: String,
    tags: &'a [&'a str],
    field: &'a str,
    false_positive: &'a str,
    level: &'a str,
}

struct Writer {
    about: About,
    indicators: Vec<Indicator>,
}

impl Writer {
    fn retired(&self, retired: &BTreeSet<String>) -> Vec<Rule> {
        let keys = retired.iter().map(|key| clean(key));
        let keys: Vec<String> = keys.filter(|key| !key.is_empty()).collect();
        self.rule(
            &Kind {
                name: "retired_keys",
                title: "Retired access key used",
                description: "A call with an access key that was retired after a breach, whether it failed or not. \
                              A deleted or inactive key leaves a record only where the service writes one."
                    .into(),
                tags: USE,
                field: "userIdentity.accessKeyId",
                false_positive: "A consumer that was not moved to its new key",
                level: "high",
            },
            keys,
        )
    }

    fn planted_keys(&self) -> Vec<Rule> {
        let planted = |of: &&Indicator| of.kind == IndicatorKind::AccessKey && of.planted;
        let (keys, left) = values(self.indicators.iter().filter(planted));
        self.rule(
            &Kind {
                name: "planted_keys",
                title: "Access key that an attacker made used",
                description: told("A call with an access key that the attacker made.", left),
                tags: PLANTED,
                field: "userIdentity.accessKeyId",
                false_positive: "None known",
                level: "critical",
            },
            keys,
        )
    }

    fn planted_identities(&self) -> Vec<Rule> {
        let of = |kind| {
            let made = |of: &&Indicator| of.kind == kind;
            values(self.indicators.iter().filter(made))
        };
        let (users, left) = of(IndicatorKind::User);
        let mut rules = self.rule(
            &Kind {
                name: "planted_users",
                title: "User that an attacker made acts",
                description: told("A call by a user that the attacker made.", left),
                tags: PLANTED,
                field: "userIdentity.userName",
                false_positive: "A user of the same name in another account",
                level: "high",
            },
            users,
        );
        let (roles, left) = of(IndicatorKind::Role);
        rules.extend(self.rule(
            &Kind {
                name: "planted_roles",
                title: "Role that an attacker made acts",
                description: told(
                    "A call by a session of a role that the attacker made.",
                    left,
                ),
                tags: PLANTED,
                field: "userIdentity.sessionContext.sessionIssuer.userName",
                false_positive: "A role of the same name in another account",
                level: "high",
            },
            roles,
        ));
        rules
    }

    fn addresses(&self) -> Vec<Rule> {
        let (addresses, left) = values(self.of(IndicatorKind::Address));
        self.rule(
            &Kind {
                name: "addresses",
                title: "Call from the address of an attacker",
                description: told(
                    "A call from an address that only the attacker was seen at.",
                    left,
                ),
                tags: USE,
                field: "sourceIPAddress",
                false_positive: "Addresses change hands: later calls may be somebody else's",
                level: "high",
            },
            addresses,
        )
    }

    fn clients(&self) -> Vec<Rule> {
        let (clients, left) = values(self.of(IndicatorKind::Client));
        self.rule(
            &Kind {
                name: "clients",
                title: "Call with the client of an attacker",
                description: told(
                    "A call with a user agent that only the attacker was seen with.",
                    left,
                ),
                tags: USE,
                field: "userAgent",
                false_positive: "Somebody else who has the same version on the same system",
                level: "medium",
            },
            clients,
        )
    }

    fn of(&self, kind: IndicatorKind) -> impl Iterator<Item = &Indicator> {
        self.indicators.iter().filter(move |of| of.kind == kind)
    }

    /// One rule for each part of the values; none without values.
    fn rule(&self, kind: &Kind<'_>, values: Vec<String>) -> Vec<Rule> {
        let parts = values.chunks(MOST);
        let all = parts.len();
        parts
            .enumerate()
            .map(|(at, part)| self.part(kind, part, at + 1, all))
            .collect()
    }

    fn part(&self, kind: &Kind<'_>, values: &[String], number: usize, all: usize) -> Rule {
        let (id_part, suffix) = (number.to_string(), format!("_{number}"));
        let id = uuid::own(&["sigma", &self.about.case, kind.name, &id_part]);
        let title = match all {
            1 => kind.title.to_owned(),
            _ => format!("{} ({number} of {all})", kind.title),
        };
        let draft = Draft {
            id: id.clone(),
            title: title.clone(),
            description: format!("{} Case {}.", kind.description, self.about.case),
            made_at: self.about.made_at,
            tags: kind.tags,
            field: kind.field,
            values,
            false_positive: kind.false_positive,
            level: kind.level,
        };
        let suffix = if all == 1 { "" } else { &suffix };
        Rule {
            yaml: draft.yaml(),
            id,
            title,
            file_name: format!("relatch_{}{suffix}.yml", kind.name),
        }
    }
}

/// The values that a rule can stand on, and how many there are beside them.
fn values<'i>(indicators: impl Iterator<Item = &'i Indicator>) -> (Vec<String>, usize) {
    let fit = |of: &&Indicator| of.exact && (of.planted || of.standing == Standing::Attacker);
    let (fit, unfit): (Vec<_>, Vec<_>) = indicators.partition(fit);
    (fit.iter().map(|of| of.value.clone()).collect(), unfit.len())
}

fn told(what: &str, left: usize) -> String {
    match left {
        0 => what.to_owned(),
        _ => format!(
            "{what} {} that others use too, that are uncertain, or that cannot be matched are left out.",
            count(left, "more", "more")
        ),
    }
}
