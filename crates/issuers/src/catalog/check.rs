//! Whether an entry holds together.

use std::collections::BTreeSet;

use relatch_case::model::Liveness;

use super::entry::{Entry, Format, MintBy, Owner, Request};
use super::load::whole;
use super::made_up::fill;
use super::rule::{AnswerRule, Condition};
use crate::template::Templates;

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) key: String,
    pub(super) problem: String,
}

type Checked = Result<(), Problem>;

fn ensure(holds: bool, key: &str, problem: impl Into<String>) -> Checked {
    if holds {
        Ok(())
    } else {
        Err(Problem {
            key: key.into(),
            problem: problem.into(),
        })
    }
}

/// Checks everything that can be checked without asking anyone.
pub(super) fn check(entry: &Entry) -> Checked {
    entry.formats.iter().try_for_each(format)?;
    sheet(entry)?;
    probe(entry)?;
    owners(entry)?;
    rules(entry)?;
    pointers(entry)?;
    requests(entry)
}

fn format(format: &Format) -> Checked {
    let key = format!("formats.{}", format.kind);
    let pattern = whole(&format.pattern).map_err(|error| Problem {
        key: key.clone(),
        problem: format!("pattern: {error}"),
    })?;
    let made_up = fill(&format.made_up);
    let fits = made_up.is_some_and(|key| pattern.is_match(&key) && key.starts_with(&format.prefix));
    ensure(
        fits,
        &key,
        "made_up does not give a key that fits prefix and pattern",
    )
}

fn sheet(entry: &Entry) -> Checked {
    let spec = &entry.sheet;
    let pairs = [
        ("sheet.lists", spec.lists, entry.list.is_some()),
        (
            "sheet.disables",
            spec.disables,
            entry.disable.is_some() && entry.enable.is_some(),
        ),
        ("sheet.deletes", spec.deletes, entry.delete.is_some()),
        (
            "sheet.minting",
            spec.minting == MintBy::Program,
            entry.mint.is_some(),
        ),
    ];
    for (key, promised, described) in pairs {
        ensure(
            promised == described,
            key,
            "does not agree with the calls the file describes",
        )?;
    }
    let because = spec.minting != MintBy::Impossible || spec.because.is_some();
    ensure(
        because,
        "sheet.because",
        "is missing: say why no key can be made",
    )?;
    let told = entry
        .list
        .as_ref()
        .is_some_and(|list| list.keys.item.last_used.is_some());
    ensure(
        spec.last_used == told,
        "sheet.last_used",
        "does not agree with list.keys.item",
    )
}

fn probe(entry: &Entry) -> Checked {
    let safe = entry.probe.request.method == "GET";
    ensure(
        safe,
        "probe.request.method",
        "must be GET: a probe changes nothing",
    )?;
    let made_up = entry
        .probe
        .made_up
        .as_deref()
        .or(entry.formats.first().map(|f| f.made_up.as_str()));
    let control = made_up.is_some_and(|template| fill(template).is_some());
    ensure(
        control,
        "probe.made_up",
        "is needed where keys have no format",
    )?;
    for rule in &entry.probe.rules {
        let vague =
            rule.when.is_empty() || rule.status.iter().any(|s| s.matches(429) || s.matches(503));
        let wrong = rule.liveness == Liveness::Dead && vague;
        ensure(
            !wrong,
            "probe.rules",
            "calls a key dead by a status alone, or while throttled or broken",
        )?;
    }
    Ok(())
}

fn owners(entry: &Entry) -> Checked {
    let Some(list) = &entry.list else {
        return Ok(());
    };
    let known = |owner: &Owner| {
        entry
            .principals
            .iter()
            .any(|kind| kind.pattern == owner.principal)
    };
    let all = list
        .keys
        .owners
        .iter()
        .chain(list.principals.iter().map(|p| &p.owner));
    for owner in all {
        let problem = format!(
            "names `{}`, which is not among the principals",
            owner.principal
        );
        ensure(known(owner), "list", problem)?;
    }
    let last = list
        .keys
        .owners
        .last()
        .is_some_and(|owner| owner.when.is_empty());
    ensure(
        last,
        "list.keys.owners",
        "must end with one that always fits, so that no key is lost",
    )
}

fn rules(entry: &Entry) -> Checked {
    let mint = entry.mint.iter().flat_map(|mint| &mint.rules);
    let no_done = |rule: &AnswerRule| rule.means.fault().is_some();
    ensure(
        mint.chain(&entry.answers.rules).all(no_done),
        "rules",
        "may mean `done` only for a change",
    )?;
    let conditions = entry
        .probe
        .rules
        .iter()
        .flat_map(|rule| &rule.when)
        .chain(answer_conditions(entry));
    for condition in conditions {
        let says =
            condition.present || !condition.equals.is_empty() || !condition.contains.is_empty();
        ensure(says, &condition.pointer, "is a condition that says nothing")?;
    }
    Ok(())
}

fn answer_conditions(entry: &Entry) -> impl Iterator<Item = &Condition> {
    let changes = entry.changes().flat_map(|(_, change)| {
        let settled = change.settled.iter().flat_map(|settled| &settled.when);
        change
            .rules
            .iter()
            .flat_map(|rule| &rule.when)
            .chain(&change.expect)
            .chain(settled)
    });
    let mint = entry.mint.iter().flat_map(|mint| &mint.rules);
    let rules = mint.chain(&entry.answers.rules).flat_map(|rule| &rule.when);
    let keys = entry.list.iter().map(|list| &list.keys);
    let items = keys
        .clone()
        .flat_map(|keys| keys.item.active.iter().chain(&keys.item.gone));
    let owners = keys
        .flat_map(|keys| &keys.owners)
        .flat_map(|owner| &owner.when);
    changes.chain(rules).chain(items).chain(owners)
}

fn pointers(entry: &Entry) -> Checked {
    let mut all: Vec<&str> = entry
        .answers
        .codes
        .iter()
        .chain(&entry.answers.message)
        .map(String::as_str)
        .collect();
    all.extend(
        entry
            .probe
            .rules
            .iter()
            .flat_map(|rule| &rule.when)
            .map(|c| c.pointer.as_str()),
    );
    all.extend(answer_conditions(entry).map(|condition| condition.pointer.as_str()));
    if let Some(mint) = &entry.mint {
        all.extend([mint.id.as_str(), mint.value.as_str()]);
        all.extend(
            mint.copy
                .iter()
                .flat_map(|copy| copy.fields.values())
                .map(String::as_str),
        );
    }
    if let Some(list) = &entry.list {
        let scopes = list
            .scopes
            .iter()
            .flat_map(|s| s.variables.values().chain([&s.items]));
        let owners = list
            .keys
            .owners
            .iter()
            .flat_map(|owner| owner.variables.values());
        all.extend(
            scopes
                .chain(owners)
                .chain([&list.keys.items, &list.keys.item.id])
                .map(String::as_str),
        );
    }
    for pointer in all {
        let fits = pointer.is_empty() || pointer.starts_with('/');
        ensure(fits, pointer, "is no JSON pointer: it must begin with `/`")?;
    }
    Ok(())
}

fn requests(entry: &Entry) -> Checked {
    let templates = Templates::new();
    let known = variables(entry);
    for (key, request) in entry.requests() {
        let method = ["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&request.method.as_str());
        ensure(method, &format!("{key}.method"), "is no method")?;
        let whole = request.path.starts_with('/');
        ensure(whole, &format!("{key}.path"), "must begin with `/`")?;
        for source in sources(request) {
            let asked = templates.asked(&source).map_err(|error| Problem {
                key: key.clone(),
                problem: error.to_string(),
            })?;
            for name in asked {
                let problem = format!("asks for the variable `{name}`, which nothing gives");
                ensure(known.contains(&name), &key, problem)?;
            }
        }
    }
    Ok(())
}

fn variables(entry: &Entry) -> BTreeSet<String> {
    let mut known: BTreeSet<String> = entry.variables.keys().cloned().collect();
    known.extend(["name".to_string(), "key".to_string()]);
    for kind in &entry.principals {
        let parts = kind.pattern.split('/');
        known.extend(
            parts
                .filter_map(|p| p.strip_prefix('{')?.strip_suffix('}'))
                .map(Into::into),
        );
    }
    known
}

fn sources(request: &Request) -> Vec<String> {
    let mut all = vec![request.path.clone()];
    all.extend(request.query.values().cloned());
    if let Some(body) = &request.body {
        body.values().for_each(|value| leaves(value, &mut all));
    }
    all
}

fn leaves(value: &toml::Value, into: &mut Vec<String>) {
    match value {
        toml::Value::String(text) => into.push(text.clone()),
        toml::Value::Array(items) => items.iter().for_each(|item| leaves(item, into)),
        toml::Value::Table(table) => table.values().for_each(|item| leaves(item, into)),
        _ => {}
    }
}
