//! Which measures answer what the evidence shows.

use std::collections::BTreeSet;

use jiff::Timestamp;
use relatch_case::State;
use serde::{Deserialize, Serialize};

use crate::arn::{self, Arn};
use crate::{Form, Measure, Role, lockout};

/// Measures with the reason for each, and what could not be answered by one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// To be taken, in this order.
    pub measures: Vec<Measure>,
    /// Rungs that are missing, and why.
    pub missing: Vec<String>,
}

/// Proposes measures for the convicted identities of `state`: the service control policy
/// where an organization can write one, the stolen and planted keys disabled, sessions of
/// roles that the thief used revoked. A user whom the thief acts as is denied everything only
/// if `deny_users` says so: a deny hits the rightful owner's keys as well.
pub fn propose(
    state: &State,
    scp: Option<(String, Form, Vec<String>)>,
    deny_users: bool,
    now: Timestamp,
) -> Proposal {
    let mut proposal = Proposal::default();
    outside_the_account(&mut proposal, state, scp);
    let keys = thief_keys(state);
    users(&mut proposal, state, &keys, deny_users);
    roles(&mut proposal, state, now);
    proposal
}

/// The strongest rung, and whom it misses.
fn outside_the_account(
    proposal: &mut Proposal,
    state: &State,
    scp: Option<(String, Form, Vec<String>)>,
) {
    let Some((target, form, allow)) = scp else {
        proposal.missing.push(
            "no service control policy: without the organization's management account the \
             thief can re-create access in the seconds before the other measures bind"
                .to_string(),
        );
        return;
    };
    let let_through: BTreeSet<&String> = arns(state)
        .filter(|arn| lockout::is_allowed(&allow, arn))
        .collect();
    for arn in let_through {
        proposal.missing.push(format!(
            "the list of responders lets the convicted {arn} through"
        ));
    }
    proposal.measures.push(Measure::Scp {
        target,
        form,
        allow,
    });
}

/// Keys are disabled and, if asked for, their users denied; whoever acted as a user without a
/// key of theirs is told.
fn users(
    proposal: &mut Proposal,
    state: &State,
    keys: &BTreeSet<(String, String)>,
    deny_users: bool,
) {
    let with_keys: BTreeSet<&str> = keys.iter().map(|(user, _)| user.as_str()).collect();
    let without_keys: BTreeSet<&str> = thief_users(state)
        .filter(|user| {
            !with_keys
                .iter()
                .any(|other| other.eq_ignore_ascii_case(user))
        })
        .collect();
    for user in &without_keys {
        if !deny_users {
            proposal.missing.push(format!(
                "user {user}: the thief acted as it without a key that is listed; deny the user \
                 and change its password"
            ));
        }
    }
    for user in with_keys.union(&without_keys) {
        if deny_users && has_other_keys_in_use(state, user, keys) {
            proposal.missing.push(format!(
                "user {user} is not denied everything: another key of it is active"
            ));
        } else if deny_users {
            proposal.measures.push(Measure::DenyUser {
                user: (*user).to_string(),
            });
        }
        let own = keys.iter().filter(|(owner, _)| owner == user);
        proposal
            .measures
            .extend(own.map(|(user, key)| Measure::DisableKey {
                user: user.clone(),
                key: key.clone(),
            }));
    }
    for key in unlisted_keys(state, keys) {
        proposal.missing.push(format!(
            "key {key}: no list of keys has it, so whose it is, and whether it works, is not known"
        ));
    }
    if arns(state).any(|arn| arn.ends_with(":root")) {
        proposal.missing.push(
            "the root user acted: nothing in the account binds it; change its password and \
             second factor, and delete its access keys"
                .to_string(),
        );
    }
}

/// Sessions of roles are revoked where a policy can be put on the role.
fn roles(proposal: &mut Proposal, state: &State, now: Timestamp) {
    for (account, role) in thief_roles(state) {
        if account_of(state).is_some_and(|own| own != account) {
            proposal.missing.push(format!(
                "sessions of role {role} in account {account}: it is not the case's account"
            ));
        } else if let Some(owner) = managed_by(&role) {
            proposal.missing.push(format!(
                "sessions of role {role}: it belongs to {owner} and takes no policy of ours"
            ));
        } else {
            proposal.measures.push(Measure::RevokeSessions {
                role: Role(role),
                issued_before: now,
            });
        }
    }
}

/// Who alone can change a role, by its reserved name.
fn managed_by(role: &str) -> Option<&'static str> {
    if role.starts_with("AWSReservedSSO_") {
        Some("IAM Identity Center (end the session there)")
    } else if role.starts_with("AWSServiceRoleFor") {
        Some("an AWS service")
    } else {
        None
    }
}

fn account_of(state: &State) -> Option<&str> {
    state.case.as_ref().and_then(|case| case.account.as_deref())
}

/// The names of everybody who was convicted.
fn arns(state: &State) -> impl Iterator<Item = &String> {
    state.actors.iter().flat_map(|actor| &actor.arns)
}

/// The users of the case's account whom the thief acted as.
fn thief_users(state: &State) -> impl Iterator<Item = &str> {
    let own = account_of(state);
    arns(state).filter_map(move |text| {
        let account = Arn::parse(text)?.account;
        own.is_none_or(|own| own == account)
            .then(|| arn::user(text))
            .flatten()
    })
}

/// The IAM users' keys that the thief used or made, with their users.
fn thief_keys(state: &State) -> BTreeSet<(String, String)> {
    state
        .keys
        .values()
        .flatten()
        .filter_map(|(principal, keys)| Some((principal.as_str().strip_prefix("user/")?, keys)))
        .flat_map(|(user, keys)| keys.iter().map(move |key| (user, key)))
        .filter(|(_, key)| state.is_used_by_thief(&key.id) || state.planted.contains_key(&key.id))
        .map(|(user, key)| (user.to_string(), key.id.to_string()))
        .collect()
}

/// Long-lived keys of the thief's that no list has; ids of theirs begin with `AKIA`.
fn unlisted_keys<'a>(state: &'a State, listed: &BTreeSet<(String, String)>) -> BTreeSet<&'a str> {
    let used = state.actors.iter().flat_map(|actor| &actor.keys);
    used.chain(state.planted.keys())
        .map(relatch_case::KeyId::as_str)
        .filter(|key| key.starts_with("AKIA") && !listed.iter().any(|(_, id)| id == key))
        .collect()
}

fn has_other_keys_in_use(state: &State, user: &str, keys: &BTreeSet<(String, String)>) -> bool {
    state
        .keys
        .values()
        .flatten()
        .filter(|(principal, _)| principal.as_str().strip_prefix("user/") == Some(user))
        .flat_map(|(_, listed)| listed)
        .any(|key| key.active && !keys.contains(&(user.to_string(), key.id.to_string())))
}

/// Accounts and names of the roles whose sessions are the thief's.
fn thief_roles(state: &State) -> BTreeSet<(String, String)> {
    arns(state)
        .filter_map(|text| {
            let role = arn::session_role(text)?;
            Some((Arn::parse(text)?.account.to_string(), role.to_string()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use relatch_case::model::IssuedKey;
    use relatch_case::state::Actor;
    use relatch_case::{IssuerId, KeyId, Principal};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn key(id: &str, active: bool) -> IssuedKey {
        IssuedKey {
            id: KeyId::from(id),
            name: None,
            hint: None,
            active,
            created: None,
            last_used: None,
        }
    }

    fn thief(keys: &[&str], arns: &[&str]) -> Actor {
        Actor {
            keys: keys.iter().map(|key| KeyId::from(*key)).collect(),
            arns: arns.iter().map(ToString::to_string).collect(),
            addresses: Vec::new(),
            first: None,
            last: None,
            why: Vec::new(),
        }
    }

    fn state(users: &[(&str, &[(&str, bool)])], actors: Vec<Actor>) -> State {
        let lists = users.iter().map(|(user, keys)| {
            let keys = keys.iter().map(|(id, active)| key(id, *active)).collect();
            (Principal::new(format!("user/{user}")), keys)
        });
        State {
            keys: [(IssuerId::from("aws-iam"), lists.collect())].into(),
            actors,
            ..State::default()
        }
    }

    fn ids(proposal: &Proposal) -> Vec<String> {
        proposal.measures.iter().map(Measure::id).collect()
    }

    #[test]
    fn without_an_organization_the_missing_rung_is_named() {
        let proposal = propose(&state(&[], vec![]), None, false, NOW);
        assert!(proposal.measures.is_empty());
        assert!(proposal.missing[0].starts_with("no service control policy"));
    }

    #[test]
    fn the_strongest_measure_comes_first_and_stolen_and_planted_keys_are_disabled() {
        let users: [(&str, &[(&str, bool)]); 3] = [
            ("app", &[("AKIASTOLEN", true), ("AKIAOTHER", true)]),
            ("backdoor", &[("AKIAPLANTED", true)]),
            ("bystander", &[("AKIABYSTANDER", true)]),
        ];
        let mut state = state(&users, vec![thief(&["AKIASTOLEN"], &[])]);
        state
            .planted
            .insert(KeyId::from("AKIAPLANTED"), "event".into());
        let scp = (
            "111122223333".to_string(),
            Form::DenyWrites,
            vec!["arn".to_string()],
        );
        let proposal = propose(&state, Some(scp), false, NOW);
        assert_eq!(
            ids(&proposal),
            [
                "scp/deny-writes/111122223333",
                "disable-key/app/AKIASTOLEN",
                "disable-key/backdoor/AKIAPLANTED"
            ]
        );
        assert!(proposal.missing.is_empty(), "{:?}", proposal.missing);
    }

    #[test]
    fn a_user_with_another_key_in_use_is_not_denied() {
        let users: [(&str, &[(&str, bool)]); 3] = [
            ("busy", &[("AKIAA", true), ("AKIAB", true)]),
            ("idle", &[("AKIAC", true), ("AKIAD", false)]),
            ("both", &[("AKIAE", true), ("AKIAF", true)]),
        ];
        let thief = thief(&["AKIAA", "AKIAC", "AKIAE", "AKIAF"], &[]);
        let denied = propose(&state(&users, vec![thief]), None, true, NOW);
        let denied: Vec<_> = ids(&denied)
            .into_iter()
            .filter(|id| id.starts_with("deny-user"))
            .collect();
        assert_eq!(denied, ["deny-user/both", "deny-user/idle"]);
    }

    #[test]
    fn a_key_that_no_list_has_is_told() {
        let proposal = propose(
            &state(&[], vec![thief(&["AKIAGONE", "ASIATEMP"], &[])]),
            None,
            false,
            NOW,
        );
        assert_eq!(proposal.missing.len(), 2);
        assert!(proposal.missing[1].starts_with("key AKIAGONE:"));
    }

    #[test]
    fn sessions_are_revoked_once_a_role_and_only_in_the_account_of_the_case() {
        let arns = [
            "arn:aws:sts::111122223333:assumed-role/app/one",
            "arn:aws:sts::111122223333:assumed-role/app/two",
            "arn:aws:sts::444455556666:assumed-role/app/three",
            "arn:aws:iam::111122223333:user/eve",
        ];
        let mut state = state(&[], vec![thief(&[], &arns)]);
        state.case = Some(relatch_case::state::CaseInfo {
            id: relatch_case::CaseId::from("case"),
            title: String::new(),
            account: Some("111122223333".into()),
            regions: Vec::new(),
            public_key: String::new(),
            recipient: String::new(),
            protection: serde_json::from_value("passphrase".into()).expect("a protection"),
            opened_at: NOW,
        });
        let proposal = propose(&state, None, false, NOW);
        assert_eq!(ids(&proposal), ["revoke-sessions/app"]);
        let elsewhere = proposal
            .missing
            .iter()
            .filter(|words| words.contains("444455556666"));
        assert_eq!(elsewhere.count(), 1, "{:?}", proposal.missing);
    }

    #[test]
    fn whoever_acted_without_a_listed_key_is_told_or_denied() {
        let arns = [
            "arn:aws:iam::111122223333:user/ops/eve",
            "arn:aws:iam::111122223333:root",
        ];
        let state = state(&[("eve", &[])], vec![thief(&[], &arns)]);
        let told = propose(&state, None, false, NOW);
        assert!(told.measures.is_empty());
        assert!(
            told.missing[1].starts_with("user eve:"),
            "{:?}",
            told.missing
        );
        assert!(
            told.missing[2].starts_with("the root user"),
            "{:?}",
            told.missing
        );
        let denied = propose(&state, None, true, NOW);
        assert_eq!(ids(&denied), ["deny-user/eve"]);
        assert_eq!(denied.missing.len(), 2);
    }

    #[test]
    fn a_user_that_is_spared_is_named() {
        let users: [(&str, &[(&str, bool)]); 1] = [("app", &[("AKIAA", true), ("AKIAB", true)])];
        let arns = ["arn:aws:iam::111122223333:user/app"];
        let proposal = propose(
            &state(&users, vec![thief(&["AKIAA"], &arns)]),
            None,
            true,
            NOW,
        );
        assert_eq!(ids(&proposal), ["disable-key/app/AKIAA"]);
        assert!(proposal.missing[1].starts_with("user app is not denied"));
    }

    #[test]
    fn a_thief_on_the_list_of_responders_is_told() {
        let arns = [
            "arn:aws:sts::111122223333:assumed-role/Admin/s",
            "arn:aws:iam::111122223333:user/eve",
        ];
        let state = state(&[], vec![thief(&[], &arns)]);
        let allow = vec!["arn:aws:iam::*:role/Admin*".to_string()];
        let proposal = propose(&state, Some(("1".into(), Form::DenyAll, allow)), true, NOW);
        let told = proposal
            .missing
            .iter()
            .filter(|words| words.contains("lets the convicted"));
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                "the list of responders lets the convicted arn:aws:sts::111122223333:assumed-role/Admin/s through"
            ]
        );
    }

    #[test]
    fn roles_that_take_no_policy_are_told() {
        let arns = [
            "arn:aws:sts::1:assumed-role/AWSReservedSSO_Admin_0a1b/alice",
            "arn:aws:sts::1:assumed-role/AWSServiceRoleForSupport/s",
        ];
        let proposal = propose(&state(&[], vec![thief(&[], &arns)]), None, false, NOW);
        assert!(proposal.measures.is_empty());
        assert!(proposal.missing[1].contains("Identity Center"));
        assert!(proposal.missing[2].contains("AWS service"));
    }
}
