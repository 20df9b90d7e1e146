//! One finding for each actor and tactic.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use jiff::Timestamp;
use relatch_evidence::{Actor, Triage};
use serde_json::{Value, json};

use crate::about::About;
use crate::attack::{is_technique, tactic_id, technique_name, technique_url};
use crate::clean::clean;
use crate::groups::{Group, groups, phase_words};
use crate::moment::{Moment, Verdict, in_order};
use crate::ocsf::evidence::{evidence, observables, resources};
use crate::uuid;
use crate::words::{count, from_to};
use crate::write::{WriteError, canonical};

const VERSION: &str = "1.5.0";

/// Most events of one finding that are told one by one; `related_events_count` and `message`
/// count them all, and `unmapped` says how many are left out.
pub const MOST_EVIDENCES: usize = 200;

/// Writes findings as JSON lines, one for each actor and tactic, in the order of first events.
///
/// Ids follow from the case, the actor and the tactic, so a later export updates an earlier one.
/// Times are milliseconds since the epoch. Severity: critical where something was read or
/// planted, high for other events of the attacker, medium where all is uncertain.
///
/// # Errors
/// When the writer fails.
pub fn ocsf(
    triage: &Triage,
    moments: &[Moment],
    about: &About,
    out: &mut impl Write,
) -> Result<(), WriteError> {
    let ordered = in_order(moments);
    let about = about.clean();
    let arns = arns(&triage.actors);
    for group in groups(&ordered) {
        let arn = arns.get(group.actor).map_or("", String::as_str);
        canonical(&finding(&group, arn, &about), out)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// ARNs of actors, by their id.
fn arns(actors: &[Actor]) -> BTreeMap<String, String> {
    let arn = |actor: &Actor| Some((clean(&actor.id), clean(actor.arn.as_deref()?)));
    actors.iter().filter_map(arn).collect()
}

fn finding(group: &Group<'_>, arn: &str, about: &About) -> Value {
    let told = &group.moments[..group.moments.len().min(MOST_EVIDENCES)];
    let left = group.moments.len() - told.len();
    let (severity_id, severity) = severity(group);
    let (confidence_id, confidence) = confidence(group);
    let resources = resources(&group.moments);
    let mut finding = json!({
        "activity_id": 1,
        "activity_name": "Create",
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": 2004,
        "class_name": "Detection Finding",
        "type_uid": 200_401,
        "type_name": "Detection Finding: Create",
        "time": about.made_at.as_millisecond(),
        "timezone_offset": 0,
        "severity_id": severity_id,
        "severity": severity,
        "confidence_id": confidence_id,
        "confidence": confidence,
        "status_id": 1,
        "status": "New",
        "is_alert": true,
        "count": group.moments.len(),
        "message": message(group),
        "metadata": metadata(about),
        "cloud": cloud(&group.moments),
        "finding_info": info(group, about),
        "evidences": told.iter().map(|moment| evidence(moment, arn)).collect::<Vec<_>>(),
        "observables": observables(&group.moments),
        "unmapped": { "case": about.case, "evidences_left_out": left },
    });
    set_time(&mut finding, "start_time", group.first());
    set_time(&mut finding, "end_time", group.last());
    if !resources.is_empty() {
        finding["resources"] = Value::Array(resources);
    }
    finding
}

fn set_time(of: &mut Value, name: &str, at: Option<Timestamp>) {
    if let Some(at) = at {
        of[name] = at.as_millisecond().into();
    }
}

fn severity(group: &Group<'_>) -> (u8, &'static str) {
    let certain = || {
        let mine = |moment: &&&Moment| moment.verdict == Verdict::Attacker;
        group.moments.iter().filter(mine)
    };
    if certain().any(|m| m.error.is_none() && !(m.reads.is_empty() && m.made.is_empty())) {
        (5, "Critical")
    } else if certain().next().is_some() {
        (4, "High")
    } else {
        (3, "Medium")
    }
}

fn confidence(group: &Group<'_>) -> (u8, &'static str) {
    match group.uncertain() {
        0 => (3, "High"),
        some if some < group.moments.len() => (2, "Medium"),
        _ => (1, "Low"),
    }
}

fn message(group: &Group<'_>) -> String {
    let uncertain = match group.uncertain() {
        0 => String::new(),
        some => format!(", {} of them uncertain", crate::words::thousands(some)),
    };
    format!(
        "{} by {}: {}{uncertain}, {}",
        phase_words(group.tactic),
        group.actor,
        count(group.moments.len(), "event", "events"),
        from_to(group.first(), group.last())
    )
}

fn metadata(about: &About) -> Value {
    json!({
        "version": VERSION,
        "profiles": ["cloud"],
        "correlation_uid": about.case,
        "product": { "name": "Relatch", "vendor_name": "Relatch", "version": env!("CARGO_PKG_VERSION") },
    })
}

/// The cloud, with account and region where all events have the same.
fn cloud(moments: &[&Moment]) -> Value {
    let mut cloud = json!({ "provider": "AWS" });
    if let Some(account) = the_one(moments.iter().map(|m| m.account.as_str())) {
        cloud["account"] =
            json!({ "uid": account, "name": account, "type_id": 10, "type": "AWS Account" });
    }
    if let Some(region) = the_one(moments.iter().map(|m| m.region.as_str())) {
        cloud["region"] = region.into();
    }
    cloud
}

fn the_one<'t>(texts: impl Iterator<Item = &'t str>) -> Option<&'t str> {
    let all: BTreeSet<&str> = texts.collect();
    all.first()
        .copied()
        .filter(|text| all.len() == 1 && !text.is_empty())
}

fn info(group: &Group<'_>, about: &About) -> Value {
    let uid = uuid::own(&["ocsf", &about.case, group.actor, group.tactic]);
    let mut info = json!({
        "uid": uid,
        "title": format!("{}: {}", about.title, phase_words(group.tactic)),
        "desc": "Events tied to an attacker from seeds, step by step; each evidence tells why it is his.",
        "created_time": about.opened_at.as_millisecond(),
        "modified_time": about.made_at.as_millisecond(),
        "related_events_count": group.moments.len(),
        "data_sources": ["AWS CloudTrail"],
        "types": [phase_words(group.tactic)],
        "analytic": { "type_id": 2, "type": "Behavioral", "name": "Relatch attribution", "uid": "relatch-attribution" },
    });
    set_time(&mut info, "first_seen_time", group.first());
    set_time(&mut info, "last_seen_time", group.last());
    let attacks = attacks(group);
    if !attacks.is_empty() {
        info["attacks"] = Value::Array(attacks);
    }
    info
}

/// The techniques of the events under the group's tactic; the tactic alone if there is none.
fn attacks(group: &Group<'_>) -> Vec<Value> {
    let tactic = tactic_id(group.tactic).map(|id| {
        json!({ "uid": id, "name": group.tactic, "src_url": format!("https://attack.mitre.org/tactics/{id}/") })
    });
    let all = group.moments.iter().flat_map(|moment| &moment.techniques);
    let ids: BTreeSet<&str> = all
        .map(String::as_str)
        .filter(|id| is_technique(id))
        .collect();
    if ids.is_empty() {
        return tactic
            .map(|tactic| json!({ "tactic": tactic }))
            .into_iter()
            .collect();
    }
    ids.into_iter()
        .map(|id| attack(id, tactic.as_ref()))
        .collect()
}

fn attack(id: &str, tactic: Option<&Value>) -> Value {
    let named =
        |id: &str| json!({ "uid": id, "name": technique_name(id), "src_url": technique_url(id) });
    let mut attack = match id.split_once('.') {
        Some((main, _)) => json!({ "technique": named(main), "sub_technique": named(id) }),
        None => json!({ "technique": named(id) }),
    };
    if let Some(tactic) = tactic {
        attack["tactic"] = tactic.clone();
    }
    attack
}
