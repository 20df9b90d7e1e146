//! `relatch inventory`: what there is, where it lives, who uses it.

use std::fmt::Write as _;

use clap::Args;
use relatch_case::model::{Container, ExposureLevel, Liveness};
use relatch_case::{Fact, FaultKind};
use relatch_inventory::declared;
use relatch_inventory::declared_dependency::{Known, dependencies};
use relatch_inventory::detect::detect;
use relatch_inventory::join::{IssuerKeys, JoinInput, Joined, join};
use relatch_inventory::{BlindSpot, Findings};
use relatch_issuers::KeyMaterial;
use serde::Serialize;

use crate::app::App;
use crate::error::{CommandError, Kind, OfKind};
use crate::output::{count, table};
use crate::workspace::OpenCase;
use crate::world::Outside;

/// Options of `inventory`.
#[derive(Debug, Args)]
pub(crate) struct InventoryArgs {}

#[derive(Debug, Serialize)]
struct Listed {
    credential: String,
    name: String,
    issuer: String,
    key: Option<String>,
    exposure: Option<relatch_case::model::ExposureLevel>,
    places: Vec<String>,
    consumers: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Inventory {
    credentials: Vec<Listed>,
    without_consumer: Vec<String>,
    blind_spots: Vec<relatch_case::state::BlindSpot>,
}

pub(crate) async fn run(app: &App, _: InventoryArgs) -> Result<(), CommandError> {
    let case = app.open_case()?;
    let outside = Outside::connect(app, &case).await?;
    let without_consumer = take(app, &case, &outside).await?;
    let inventory = case.ledger.with(|state| Inventory {
        credentials: state
            .credentials
            .values()
            .map(|c| listed(state, c))
            .collect(),
        without_consumer,
        blind_spots: state.blind_spots.clone(),
    });
    app.printer.result(&inventory, text);
    Ok(())
}

/// Takes the inventory and records it; returns the places that no known consumer reads.
pub(crate) async fn take(
    app: &App,
    case: &OpenCase,
    outside: &Outside,
) -> Result<Vec<String>, CommandError> {
    let mut findings = Findings::default();
    for source in outside.sources(app, case) {
        app.printer.note(&format!("looking at {}", source.name()));
        let found = source.find().await;
        findings.containers.extend(found.containers);
        findings.consumers.extend(found.consumers);
        findings.blind_spots.extend(found.blind_spots);
    }
    let declared = declared::consumers(&app.config.consumer).kind(Kind::Usage)?;
    let issuers = list_issuers(app, outside, &mut findings.blind_spots).await;
    let joined = join_all(app, outside, findings, declared, issuers).await?;
    let without_consumer = joined
        .without_consumer
        .iter()
        .map(ToString::to_string)
        .collect();
    let reachable = if case.ledger.with(|state| state.actors.is_empty()) {
        Vec::new()
    } else {
        reachable(&joined)
    };
    let known = Known {
        credentials: &joined.credentials,
        issuers: &joined.sheets,
        consumers: &joined.consumers,
    };
    let dependencies = dependencies(&app.config.dependency, known)
        .kind(Kind::Usage)
        .map_err(|error| error.hint("see [[dependency]] in relatch.toml; nothing was recorded"))?;
    let mut facts = joined.into_facts();
    facts.extend(dependencies);
    facts.extend(reachable);
    case.ledger.record(app.now(), facts)?;
    Ok(without_consumer)
}

/// Whatever stands in the account that was entered is reachable at least (requirement I1).
fn reachable(joined: &Joined) -> Vec<Fact> {
    let mut containers: Vec<Container> = joined
        .places
        .iter()
        .map(|place| place.container.clone())
        .filter(|container| container.kind != "file")
        .collect();
    containers.sort();
    containers.dedup();
    let exposed = |container| Fact::Exposed {
        container,
        level: ExposureLevel::Reachable,
        event_ids: Vec::new(),
    };
    containers.into_iter().map(exposed).collect()
}

/// Asks every issuer for its keys; one that cannot be asked is a blind spot.
async fn list_issuers(
    app: &App,
    outside: &Outside,
    blind_spots: &mut Vec<BlindSpot>,
) -> Vec<IssuerKeys> {
    let mut lists = Vec::new();
    for issuer in outside.world.issuers() {
        app.printer
            .note(&format!("listing the keys of {}", issuer.id()));
        let native = outside
            .aws
            .as_ref()
            .filter(|_| issuer.id().as_str() == "aws-iam");
        let listed = match native {
            Some(aws) => aws.iam.survey().await.map(|(lists, unread)| {
                for (principal, fault) in unread {
                    blind_spots.push(unlisted(&principal.to_string(), &fault.detail));
                }
                lists
            }),
            None => issuer.list_all().await,
        };
        let principals = match listed {
            Ok(principals) => Some(principals),
            Err(fault) => {
                if fault.kind != FaultKind::Invalid || issuer.sheet().lists {
                    blind_spots.push(unlisted(issuer.id().as_str(), &fault.detail));
                }
                None
            }
        };
        lists.push(IssuerKeys {
            issuer: issuer.id().clone(),
            sheet: issuer.sheet().clone(),
            principals,
        });
    }
    lists
}

fn unlisted(what: &str, why: &str) -> BlindSpot {
    BlindSpot {
        what: format!("the keys of {what}"),
        why: why.to_string(),
        hides: "keys that nobody knows of, the thief's among them".to_string(),
    }
}

async fn join_all(
    app: &App,
    outside: &Outside,
    findings: Findings,
    declared: Vec<relatch_case::model::Consumer>,
    issuers: Vec<IssuerKeys>,
) -> Result<Joined, CommandError> {
    let detected = detect(&findings.containers, &outside.detectors);
    let mut input = JoinInput {
        containers: findings
            .containers
            .iter()
            .map(|(container, _)| container.clone())
            .collect(),
        candidates: detected.candidates,
        issuers,
        observed: findings.consumers,
        declared,
        blind_spots: findings.blind_spots,
    };
    input.blind_spots.extend(detected.blind_spots);
    for undecided in detected.undecided {
        let fits = fitting(outside, &undecided).await;
        let (candidates, blind_spots) = undecided.settle(|id, secret| {
            fits.iter()
                .any(|(i, s)| i == id && s.expose() == secret.expose())
        });
        input.candidates.extend(candidates);
        input.blind_spots.extend(blind_spots);
    }
    let fingerprints = app.workspace.fingerprints()?;
    let world = &outside.world;
    let recognises = |issuer: &_, key: &_, secret: &_| {
        world
            .issuer(issuer)
            .is_ok_and(|issuer| issuer.recognises(key, secret))
    };
    Ok(join(input, &recognises, &fingerprints))
}

/// The pairs of an undecided group that the issuer accepts.
async fn fitting(
    outside: &Outside,
    undecided: &relatch_inventory::detect::Undecided,
) -> Vec<(relatch_case::KeyId, relatch_secret::Secret)> {
    let Ok(issuer) = outside.world.issuer(&undecided.issuer) else {
        return Vec::new();
    };
    let mut fits = Vec::new();
    for (id, _) in &undecided.ids {
        for half in &undecided.secrets {
            let key = KeyMaterial {
                id: Some(id.clone()),
                secret: half.value.clone(),
            };
            if matches!(
                issuer.probe(&key).await.liveness,
                Liveness::Alive | Liveness::Restricted
            ) {
                fits.push((id.clone(), half.value.clone()));
                break;
            }
        }
    }
    fits
}

fn listed(state: &relatch_case::State, c: &relatch_case::model::Credential) -> Listed {
    let mut consumers: Vec<String> = state
        .places_of(&c.id)
        .flat_map(|place| state.consumers_of(&place.container))
        .map(|consumer| consumer.id.to_string())
        .collect();
    consumers.sort();
    consumers.dedup();
    Listed {
        credential: c.id.to_string(),
        name: c.name.clone(),
        issuer: c.issuer.to_string(),
        key: c.key_id.as_ref().map(ToString::to_string),
        exposure: state.exposure_of(c).map(|exposure| exposure.level),
        places: state
            .places_of(&c.id)
            .map(|place| place.id.to_string())
            .collect(),
        consumers,
    }
}

fn text(inventory: &Inventory) -> String {
    let mut out = table(
        [
            "CREDENTIAL",
            "NAME",
            "ISSUER",
            "KEY",
            "EXPOSED",
            "PLACES",
            "CONSUMERS",
        ],
        inventory.credentials.iter().map(|c| {
            [
                c.credential.clone(),
                c.name.clone(),
                c.issuer.clone(),
                c.key.clone().unwrap_or_else(|| "not matched".to_string()),
                c.exposure
                    .map(|e| format!("{e:?}").to_lowercase())
                    .unwrap_or_default(),
                c.places.join(" "),
                c.consumers.join(" "),
            ]
        }),
    );
    let _ = write!(
        out,
        "\n\n{}",
        count(inventory.credentials.len(), "credential")
    );
    if !inventory.without_consumer.is_empty() {
        let _ = write!(
            out,
            "\n\n{} read by no consumer we know of (declare them in relatch.toml):\n  {}",
            count(inventory.without_consumer.len(), "place"),
            inventory.without_consumer.join("\n  ")
        );
    }
    if !inventory.blind_spots.is_empty() {
        let _ = write!(
            out,
            "\n\n{}:",
            count(inventory.blind_spots.len(), "blind spot")
        );
        for spot in &inventory.blind_spots {
            let line = format!("{}: {}; could hide {}", spot.what, spot.why, spot.hides);
            let _ = write!(out, "\n  {}", relatch_secret::redact::printable_text(&line));
        }
    }
    out
}

/// Records a probe of every credential whose value stands in a place.
pub(crate) async fn probe_all(
    app: &App,
    case: &OpenCase,
    outside: &Outside,
) -> Result<Vec<(String, relatch_case::model::Probe)>, CommandError> {
    use relatch_case::model::Part;
    let credentials = case.ledger.with(|state| {
        state
            .credentials
            .values()
            .filter_map(|c| {
                let place = state
                    .places_of(&c.id)
                    .find(|place| place.part == Part::Secret)?;
                Some((c.clone(), place.clone()))
            })
            .collect::<Vec<_>>()
    });
    let fingerprints = app.workspace.fingerprints()?;
    let mut probes = Vec::new();
    for (credential, place) in credentials {
        let Ok(issuer) = outside.world.issuer(&credential.issuer) else {
            continue;
        };
        let document = outside
            .world
            .store(&place.container)?
            .read(&place.container)
            .await?;
        let Some(value) = document.slots.get(&place.slot) else {
            continue;
        };
        if fingerprints.fingerprint(value) != place.fingerprint {
            app.printer.note(&format!(
                "{} has changed since the inventory: not probed",
                place.id
            ));
            continue;
        }
        let key = KeyMaterial {
            id: credential.key_id.clone(),
            secret: value.clone(),
        };
        let probe = issuer.probe(&key).await;
        let fact = Fact::Probed {
            credential: credential.id.clone(),
            probe: probe.clone(),
        };
        case.ledger.record(app.now(), vec![fact])?;
        probes.push((credential.name, probe));
    }
    Ok(probes)
}
