//! What a plan comes to: one row for each credential, counts, groups, how long it takes. A
//! plan of ten thousand credentials is read through these.

use std::collections::{BTreeMap, BTreeSet};

use relatch_case::model::{Container, ExposureLevel};
use relatch_case::plan::{Action, Mode, Plan, Step};
use relatch_case::{ConsumerId, CredentialId, IssuerId, KeyId, Principal, State};
use serde::Serialize;

use crate::estimate::{Duration, duration};
use crate::order::Severity;

/// One credential of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Which.
    pub credential: CredentialId,
    /// Its name for people.
    pub name: String,
    /// Its issuer; `None` for a blocked one of which nothing is known.
    pub issuer: Option<IssuerId>,
    /// Whom the issuer holds it for.
    pub principal: Option<Principal>,
    /// The key to be retired.
    pub old_key: Option<KeyId>,
    /// How it is dealt with; `None`: it is blocked.
    pub mode: Option<Mode>,
    /// How much harm it can do; `None` where the case is not at hand.
    pub severity: Option<Severity>,
    /// How sure it is that the thief has it; `None` where nothing says so.
    pub exposure: Option<ExposureLevel>,
    /// How many steps it takes.
    pub steps: usize,
    /// In how many waves its consumers get the new value.
    pub waves: u32,
    /// Steps that a person does.
    pub tasks: usize,
    /// The containers that hold it.
    pub containers: BTreeSet<Container>,
    /// Who reads those.
    pub consumers: BTreeSet<ConsumerId>,
    /// Consumers that stop working until they have the new value (hot).
    pub outage: BTreeSet<ConsumerId>,
    /// What must be dead before.
    pub after: Vec<CredentialId>,
    /// Why it is in scope and in this mode, or why it is blocked.
    pub why: String,
}

/// The whole plan in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Credentials that are rotated or retired.
    pub credentials: usize,
    /// Steps.
    pub steps: usize,
    /// Credentials by mode.
    pub by_mode: BTreeMap<String, usize>,
    /// Credentials by issuer.
    pub by_issuer: BTreeMap<String, usize>,
    /// Credentials by severity, worst first; empty where the case is not at hand.
    pub by_severity: Vec<(Severity, usize)>,
    /// Credentials by exposure.
    pub by_exposure: BTreeMap<String, usize>,
    /// Waves of all rotations together.
    pub waves: usize,
    /// Most waves of one rotation.
    pub most_waves: u32,
    /// Consumers for which an outage is announced.
    pub outage: BTreeSet<ConsumerId>,
    /// Steps that people do.
    pub tasks: usize,
    /// Credentials that are not rotated, by reason, the most frequent first.
    pub blocked: Vec<BlockedBy>,
    /// How long it takes.
    pub duration: Duration,
}

/// Credentials that are blocked by one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlockedBy {
    /// The reason, without what is peculiar to one credential.
    pub reason: String,
    /// What a person can do about it, for the first of them.
    pub advice: String,
    /// How many.
    pub count: usize,
    /// The first of them.
    pub example: CredentialId,
}

/// What credentials are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Issuer.
    Issuer,
    /// Principal of an issuer.
    Principal,
    /// Mode, or blocked.
    Mode,
    /// Severity.
    Severity,
    /// Container; a credential may be in several.
    Container,
    /// Consumer; a credential may be in several.
    Consumer,
    /// Exposure.
    Exposure,
}

/// Credentials that have something in common.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Group {
    /// What.
    pub key: String,
    /// How many, blocked ones included.
    pub credentials: usize,
    /// How many are rotated warm.
    pub warm: usize,
    /// How many are rotated hot.
    pub hot: usize,
    /// How many are retired.
    pub retire: usize,
    /// How many are blocked.
    pub blocked: usize,
    /// Their steps.
    pub steps: usize,
}

/// Which rows are wanted: of each list at least one must fit, and an empty list takes all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Issuers.
    pub issuers: Vec<String>,
    /// Modes.
    pub modes: Vec<Mode>,
    /// Severities.
    pub severities: Vec<Severity>,
    /// Ids, beginnings of ids, key ids or names.
    pub credentials: Vec<String>,
    /// Containers as they are displayed; one that ends in `*` is a prefix.
    pub containers: Vec<String>,
    /// Consumers; one that ends in `*` is a prefix.
    pub consumers: Vec<String>,
    /// Only what is blocked.
    pub blocked: bool,
}

/// The rows of a plan: rotations in their order, then what is blocked. `state` is that of the
/// plan's case, where it is at hand.
pub fn rows(plan: &Plan, state: Option<&State>) -> Vec<Row> {
    let rotations = plan.rotations.iter().map(|rotation| {
        let mut row = Row {
            issuer: Some(rotation.issuer.clone()),
            principal: Some(rotation.principal.clone()),
            old_key: Some(rotation.old_key.clone()),
            mode: Some(rotation.mode),
            ..Row::new(&rotation.credential, &rotation.name, &rotation.why)
        };
        let after = rotation.after.iter().map(|after| &after.credential);
        row.after.extend(after.cloned());
        for step in plan.steps_of(&rotation.credential) {
            row.count(step);
        }
        row
    });
    let blocked = plan
        .blocked
        .iter()
        .map(|b| Row::new(&b.credential, &b.name, &b.because));
    let mut rows: Vec<Row> = rotations.chain(blocked).collect();
    if let Some(state) = state {
        for row in &mut rows {
            row.learn(plan, state);
        }
    }
    rows
}

impl Row {
    fn new(credential: &CredentialId, name: &str, why: &str) -> Self {
        Self {
            credential: credential.clone(),
            name: name.to_string(),
            issuer: None,
            principal: None,
            old_key: None,
            mode: None,
            severity: None,
            exposure: None,
            steps: 0,
            waves: 0,
            tasks: 0,
            containers: BTreeSet::new(),
            consumers: BTreeSet::new(),
            outage: BTreeSet::new(),
            after: Vec::new(),
            why: why.to_string(),
        }
    }

    fn count(&mut self, step: &Step) {
        self.steps += 1;
        self.waves = self.waves.max(step.wave.unwrap_or(0));
        match &step.action {
            Action::Keep { container, .. } | Action::Write { container, .. } => {
                self.containers.insert(container.clone());
            }
            Action::Roll { consumer } | Action::Adopt { consumer, .. } => {
                self.consumers.insert(consumer.clone());
            }
            Action::Announce { consumers } => self.outage.extend(consumers.iter().cloned()),
            Action::Mint { person: true, .. } => self.tasks += 1,
            _ => {}
        }
    }

    /// Takes in what the case knows beyond the plan.
    fn learn(&mut self, plan: &Plan, state: &State) {
        let Some(credential) = state.credentials.get(&self.credential) else {
            return;
        };
        self.severity = Some(Severity::of(state, &plan.policy, credential));
        self.exposure = state.exposure_of(credential).map(|exposure| exposure.level);
        if self.mode.is_some() {
            return;
        }
        self.issuer = Some(credential.issuer.clone());
        self.principal.clone_from(&credential.principal);
        self.old_key.clone_from(&credential.key_id);
        for place in state.places_of(&self.credential) {
            self.containers.insert(place.container.clone());
            let readers = state.consumers_of(&place.container);
            self.consumers
                .extend(readers.map(|reader| reader.id.clone()));
        }
    }

    /// The reason why it is blocked without what is peculiar to it, and what can be done.
    fn reason(&self) -> (String, String) {
        let (reason, advice) = self.why.split_once(": ").unwrap_or((&self.why, ""));
        let reason = match &self.principal {
            Some(owner) => reason.replace(owner.as_str(), "its owner"),
            None => reason.to_string(),
        };
        (reason, advice.to_string())
    }
}

/// The word for a mode.
pub fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Warm => "warm",
        Mode::Hot => "hot",
        Mode::Retire => "retire",
    }
}

/// The word for an exposure.
pub fn exposure_word(exposure: Option<ExposureLevel>) -> &'static str {
    match exposure {
        Some(ExposureLevel::Read) => "read",
        Some(ExposureLevel::Readable) => "readable",
        Some(ExposureLevel::Reachable) => "reachable",
        None => "not known",
    }
}

/// Counts what a plan holds; `rows` are its own, all of them.
pub fn summarise(plan: &Plan, rows: &[Row]) -> Summary {
    let rotated: Vec<&Row> = rows.iter().filter(|row| row.mode.is_some()).collect();
    let mut severities: BTreeMap<Severity, usize> = BTreeMap::new();
    for severity in rotated.iter().filter_map(|row| row.severity) {
        *severities.entry(severity).or_default() += 1;
    }
    Summary {
        credentials: rotated.len(),
        steps: plan.steps.len(),
        by_mode: counts(&rotated, By::Mode),
        by_issuer: counts(&rotated, By::Issuer),
        by_severity: severities.into_iter().collect(),
        by_exposure: counts(&rotated, By::Exposure),
        waves: rotated.iter().map(|row| row.waves as usize).sum(),
        most_waves: rotated.iter().map(|row| row.waves).max().unwrap_or(0),
        outage: rotated
            .iter()
            .flat_map(|row| row.outage.iter().cloned())
            .collect(),
        tasks: rotated.iter().map(|row| row.tasks).sum(),
        blocked: blocked_by(rows),
        duration: duration(plan),
    }
}

fn counts(rows: &[&Row], by: By) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for key in rows.iter().flat_map(|row| keys(row, by)) {
        *counts.entry(key).or_default() += 1;
    }
    counts
}

fn blocked_by(rows: &[Row]) -> Vec<BlockedBy> {
    let mut reasons: BTreeMap<String, BlockedBy> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.mode.is_none()) {
        let (reason, advice) = row.reason();
        let known = reasons.entry(reason.clone()).or_insert(BlockedBy {
            reason,
            advice,
            count: 0,
            example: row.credential.clone(),
        });
        known.count += 1;
    }
    let mut reasons: Vec<BlockedBy> = reasons.into_values().collect();
    reasons.sort_by(|a, b| (b.count, &a.reason).cmp(&(a.count, &b.reason)));
    reasons
}

/// Groups rows; the largest group first.
pub fn group<'a>(rows: impl IntoIterator<Item = &'a Row>, by: By) -> Vec<Group> {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for row in rows {
        for key in keys(row, by) {
            let group = groups.entry(key.clone()).or_insert_with(|| Group {
                key,
                ..Group::default()
            });
            group.take(row);
        }
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by(|a, b| (b.credentials, &a.key).cmp(&(a.credentials, &b.key)));
    groups
}

impl Group {
    fn take(&mut self, row: &Row) {
        self.credentials += 1;
        self.steps += row.steps;
        let count = match row.mode {
            Some(Mode::Warm) => &mut self.warm,
            Some(Mode::Hot) => &mut self.hot,
            Some(Mode::Retire) => &mut self.retire,
            None => &mut self.blocked,
        };
        *count += 1;
    }
}

/// The groups that a row belongs to.
fn keys(row: &Row, by: By) -> Vec<String> {
    let or = |text: Option<String>| vec![text.unwrap_or_else(|| "not known".to_string())];
    let many = |texts: Vec<String>, none: &str| {
        if texts.is_empty() {
            vec![none.to_string()]
        } else {
            texts
        }
    };
    match by {
        By::Issuer => or(row.issuer.as_ref().map(ToString::to_string)),
        By::Principal => or(row.principal.as_ref().map(|principal| {
            let issuer = row.issuer.as_ref().map_or("", IssuerId::as_str);
            format!("{issuer} {principal}")
        })),
        By::Mode => vec![row.mode.map_or("blocked", mode_word).to_string()],
        By::Severity => or(row.severity.map(|severity| severity.name().to_string())),
        By::Exposure => vec![exposure_word(row.exposure).to_string()],
        By::Container => many(
            row.containers.iter().map(ToString::to_string).collect(),
            "no container",
        ),
        By::Consumer => many(
            row.consumers.iter().map(ToString::to_string).collect(),
            "no consumer",
        ),
    }
}

impl Filter {
    /// Whether it takes everything.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }

    /// Whether a row is wanted.
    pub fn takes(&self, row: &Row) -> bool {
        let issuer = row.issuer.as_ref().map(IssuerId::as_str);
        (!self.blocked || row.mode.is_none())
            && one_of(&self.issuers, |wanted| issuer == Some(wanted.as_str()))
            && one_of(&self.modes, |wanted| row.mode == Some(*wanted))
            && one_of(&self.severities, |wanted| row.severity == Some(*wanted))
            && one_of(&self.credentials, |wanted| is_called(row, wanted))
            && one_of(&self.containers, |wanted| {
                row.containers
                    .iter()
                    .any(|container| fits(wanted, &container.to_string()))
            })
            && one_of(&self.consumers, |wanted| {
                row.consumers
                    .iter()
                    .any(|consumer| fits(wanted, consumer.as_str()))
            })
    }
}

fn one_of<T>(wanted: &[T], fits: impl FnMut(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(fits)
}

fn is_called(row: &Row, wanted: &str) -> bool {
    let begins = wanted.starts_with("cred-") && row.credential.as_str().starts_with(wanted);
    begins
        || row.credential.as_str() == wanted
        || row.name == wanted
        || row
            .old_key
            .as_ref()
            .is_some_and(|key| key.as_str() == wanted)
}

fn fits(wanted: &str, name: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == wanted,
    }
}

/// How far a rotation's waves are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WaveProgress {
    /// Which credential.
    pub credential: CredentialId,
    /// Its name for people.
    pub name: String,
    /// Waves that are over.
    pub over: u32,
    /// All of its waves.
    pub of: u32,
    /// Consumers on the new value.
    pub adopted: usize,
    /// All of its consumers in waves.
    pub consumers: usize,
    /// The wave that failed, and why.
    pub failed: Option<(u32, String)>,
}

/// How far the waves are of the rotations that have begun one and are not through with all.
pub fn wave_progress(state: &State, plan: &Plan) -> Vec<WaveProgress> {
    plan.rotations
        .iter()
        .filter_map(|rotation| {
            let in_waves: Vec<&Step> = plan
                .steps_of(&rotation.credential)
                .filter(|step| step.wave.is_some())
                .collect();
            let of = in_waves.iter().filter_map(|step| step.wave).max()?;
            let begun = in_waves.iter().any(|s| state.steps.contains_key(&s.id));
            let first_open = in_waves
                .iter()
                .find(|step| !state.is_over(&step.id))?
                .wave?;
            let adopts = in_waves
                .iter()
                .filter(|step| matches!(step.action, Action::Adopt { .. }));
            let (adopted, consumers) = adopts.fold((0, 0), |(on, all), step| {
                (on + usize::from(state.is_over(&step.id)), all + 1)
            });
            begun.then(|| WaveProgress {
                credential: rotation.credential.clone(),
                name: rotation.name.clone(),
                over: first_open - 1,
                of,
                adopted,
                consumers,
                failed: state
                    .failed_waves
                    .get(&rotation.credential)
                    .map(|failed| (failed.wave, failed.because.clone())),
            })
        })
        .collect()
}
