//! The timeline as one page.

use std::io::Write;

use jiff::Timestamp;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};
use relatch_evidence::{Persistence, SecretRead, Triage, Verdict};
use serde::Serialize;

use crate::about::About;
use crate::clean::clean;
use crate::groups::{groups, phase_words};
use crate::moment::{self, Moment, in_order};
use crate::timeline::chapters::{Anchors, Chapter, chapters};
use crate::words::{self, count, from_to, span, thousands};
use crate::write::WriteError;

const NAME: &str = "timeline.html";
const PAGE: &str = include_str!("../templates/timeline.html");

/// Writes one page that needs nothing else: no script, no outside resource, everything escaped.
/// Times are UTC. Of a run of equal calls it lists the first 500 and counts the rest.
///
/// # Errors
/// When the writer fails.
pub fn html(
    triage: &Triage,
    moments: &[Moment],
    about: &About,
    out: &mut impl Write,
) -> Result<(), WriteError> {
    let ordered = in_order(moments);
    let page = Page::of(triage, &ordered, &about.clean());
    let environment = environment()?;
    let context = context! { p => Value::from(Serde(&page)) };
    environment
        .get_template(NAME)?
        .render_captured_to(context, out)?;
    Ok(())
}

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let mut syntax = SyntaxConfig::builder();
    syntax
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true);
    environment.set_syntax(syntax.build()?);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_template(NAME, PAGE)?;
    Ok(environment)
}

/// Everything that the page shows.
#[derive(Debug, Serialize)]
struct Page {
    title: String,
    case: String,
    made_at: String,
    found: bool,
    lead: String,
    figures: Vec<(&'static str, String)>,
    actors: Vec<ActorRow>,
    read: Vec<ReadRow>,
    refused: Vec<ReadRow>,
    handed_out: Vec<ReadRow>,
    planted: Vec<PlantedRow>,
    addresses: Vec<AddressRow>,
    phases: Vec<PhaseRow>,
    chapters: Vec<Chapter>,
    blind_spots: Vec<(String, String)>,
    problems: Vec<String>,
    /// Events that triage names and that were not handed in one by one.
    untold: Option<String>,
}

#[derive(Debug, Serialize)]
struct ActorRow {
    id: String,
    verdict: &'static str,
    seen: String,
    attackers: String,
    uncertain: String,
    why: Vec<String>,
    anchor: Option<String>,
}

#[derive(Debug, Serialize)]
struct ReadRow {
    id: String,
    kind: String,
    place: String,
    actor: String,
    events: String,
    anchor: Option<String>,
    notes: String,
}

#[derive(Debug, Serialize)]
struct PlantedRow {
    kind: String,
    id: String,
    detail: String,
    account: String,
    time: String,
    anchor: Option<String>,
    actor: String,
}

#[derive(Debug, Serialize)]
struct AddressRow {
    address: String,
    seen: String,
    events: String,
    clients: Vec<String>,
}

#[derive(Debug, Serialize)]
struct PhaseRow {
    actor: String,
    phase: String,
    seen: String,
    events: String,
    uncertain: bool,
    anchor: Option<String>,
}

impl Page {
    fn of(triage: &Triage, ordered: &[Moment], about: &About) -> Page {
        let anchors = Anchors::new(ordered);
        let reads = |reads: &[SecretRead]| reads.iter().map(|r| read_row(r, &anchors)).collect();
        Page {
            title: about.title.clone(),
            case: about.case.clone(),
            made_at: words::moment(Some(about.made_at)),
            found: !triage.tainted_events.is_empty(),
            lead: lead(triage),
            figures: figures(triage),
            actors: actors(triage, ordered, &anchors),
            read: reads(&triage.secrets_read),
            refused: reads(&triage.attempted_reads),
            handed_out: reads(&triage.issued_credentials),
            planted: triage
                .persistence
                .iter()
                .map(|planted| planted_row(planted, &anchors))
                .collect(),
            addresses: addresses(triage, ordered),
            phases: phases(ordered, &anchors),
            chapters: chapters(ordered, &anchors),
            blind_spots: triage
                .blind_spots
                .iter()
                .map(|spot| (clean(&spot.what), clean(&spot.hides)))
                .collect(),
            problems: triage
                .problems
                .iter()
                .map(|problem| clean(&format!("{}: {}", problem.file, problem.what)))
                .collect(),
            untold: untold(triage, ordered),
        }
    }
}

fn untold(triage: &Triage, ordered: &[Moment]) -> Option<String> {
    let named = triage.tainted_events.len() + triage.uncertain_events.len();
    let missing = named.saturating_sub(ordered.len());
    (missing > 0).then(|| count(missing, "event", "events"))
}

/// A time of a triage; none if it is not one.
pub(crate) fn time(text: Option<&str>) -> Option<Timestamp> {
    text.and_then(|text| text.parse().ok())
}

fn lead(triage: &Triage) -> String {
    let (first, last) = (time(triage.first.as_deref()), time(triage.last.as_deref()));
    let (Some(from), Some(to)) = (first, last) else {
        return "Nothing in the evidence was tied to an attacker. That is no proof of absence."
            .into();
    };
    let length = to.duration_since(from).as_secs();
    format!(
        "{} UTC, {} from the first call to the last that the evidence shows.",
        from_to(first, last),
        span(length)
    )
}

fn figures(triage: &Triage) -> Vec<(&'static str, String)> {
    let hands = triage.actors.iter().filter(|actor| actor.tainted > 0);
    vec![
        (
            "The attacker's events",
            thousands(triage.tainted_events.len()),
        ),
        ("Uncertain events", thousands(triage.uncertain_events.len())),
        ("Identities used", thousands(hands.count())),
        ("Addresses", thousands(triage.addresses.len())),
        ("Secrets read", thousands(triage.secrets_read.len())),
        ("Reads refused", thousands(triage.attempted_reads.len())),
        ("Things planted", thousands(triage.persistence.len())),
        ("Blind spots", thousands(triage.blind_spots.len())),
    ]
}

fn actors(triage: &Triage, ordered: &[Moment], anchors: &Anchors<'_>) -> Vec<ActorRow> {
    let involved = triage
        .actors
        .iter()
        .filter(|actor| actor.verdict != Verdict::Legitimate);
    let row = |actor: &relatch_evidence::Actor| {
        let id = clean(&actor.id);
        let first = ordered.iter().find(|moment| moment.actor == id);
        // Of one that both used, when the attacker did.
        let his = actor.attackers.as_ref();
        let (from, to) = his.map_or((&actor.first, &actor.last), |his| (&his.first, &his.last));
        ActorRow {
            verdict: match actor.verdict {
                Verdict::Attacker => "attacker",
                Verdict::Mixed => "mixed",
                Verdict::Uncertain | Verdict::Legitimate => "uncertain",
            },
            seen: from_to(time(from.as_deref()), time(to.as_deref())),
            attackers: count_of(actor.tainted),
            uncertain: count_of(actor.uncertain),
            why: actor.reasons.iter().map(|reason| clean(reason)).collect(),
            anchor: first.and_then(|moment| anchors.of(&moment.event_id)),
            id,
        }
    };
    involved.map(row).collect()
}

fn count_of(number: u64) -> String {
    thousands(usize::try_from(number).unwrap_or(usize::MAX))
}

fn read_row(read: &SecretRead, anchors: &Anchors<'_>) -> ReadRow {
    let first = read.event_ids.first();
    let place = [&read.account, &read.region];
    let place: Vec<String> = place
        .into_iter()
        .flatten()
        .map(|text| clean(text))
        .collect();
    let notes: Vec<String> = read
        .errors
        .iter()
        .chain(&read.notes)
        .map(|text| clean(text))
        .collect();
    ReadRow {
        id: clean(&read.id),
        kind: clean(&read.kind),
        place: place.join(" "),
        actor: clean(&read.actor),
        events: thousands(read.event_ids.len()),
        anchor: first.and_then(|id| anchors.of(&clean(id))),
        notes: notes.join(", "),
    }
}

fn planted_row(planted: &Persistence, anchors: &Anchors<'_>) -> PlantedRow {
    PlantedRow {
        kind: clean(&planted.kind.replace('_', " ")),
        id: clean(&planted.id),
        detail: clean(&planted.detail),
        account: planted.account.as_deref().map(clean).unwrap_or_default(),
        time: words::moment(time(planted.time.as_deref())),
        anchor: anchors.of(&clean(&planted.event_id)),
        actor: clean(&planted.actor),
    }
}

fn addresses(triage: &Triage, ordered: &[Moment]) -> Vec<AddressRow> {
    let row = |address: &String| {
        let address = clean(address);
        let from_here: Vec<&Moment> = ordered
            .iter()
            .filter(|m| m.address == address && m.verdict == moment::Verdict::Attacker)
            .collect();
        let times = || from_here.iter().filter_map(|m| m.time);
        let mut clients: Vec<String> = from_here.iter().map(|m| m.client.clone()).collect();
        clients.sort();
        clients.dedup();
        AddressRow {
            seen: from_to(times().min(), times().max()),
            events: thousands(from_here.len()),
            clients,
            address,
        }
    };
    triage.addresses.iter().map(row).collect()
}

fn phases(ordered: &[Moment], anchors: &Anchors<'_>) -> Vec<PhaseRow> {
    let rows = groups(ordered).into_iter().map(|group| PhaseRow {
        actor: group.actor.to_owned(),
        phase: phase_words(group.tactic).to_owned(),
        seen: from_to(group.first(), group.last()),
        events: thousands(group.moments.len()),
        uncertain: group.uncertain() == group.moments.len(),
        anchor: anchors.of(&group.moments[0].event_id),
    });
    rows.collect()
}
