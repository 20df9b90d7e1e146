//! What people decided of actors: now, by `--convict` and `--acquit`, and in earlier runs of the
//! case. Every word stands above what the log suggests, and the latest counts.

use std::collections::BTreeSet;

use relatch_case::fact::Judgement;
use relatch_case::{Fact, KeyId, State};
use relatch_evidence::{Options, Seeds, Source, Triage, TriageError, triage_sources};

use super::args::TriageArgs;
use super::start;
use crate::app::App;
use crate::error::{CommandError, Kind};
use crate::workspace::OpenCase;

/// The judgements of one run.
pub(super) struct Judgements {
    /// Those of this run, which are recorded with this reason.
    now: Vec<(String, Judgement)>,
    because: String,
    by: String,
}

impl Judgements {
    /// What this run was told. Refuses a word without a reason where it is recorded.
    pub(super) fn told(app: &App, args: &TriageArgs) -> Result<Self, CommandError> {
        let of = |actors: &[String], judgement| {
            let actors = actors.iter().cloned();
            actors.map(|actor| (actor, judgement)).collect::<Vec<_>>()
        };
        let mut now = of(&args.convicted, Judgement::Convicted);
        now.extend(of(&args.acquitted, Judgement::Acquitted));
        if args.record && !now.is_empty() && args.because.is_none() {
            let words = "a judgement that is recorded needs a reason: it stands in every report";
            return Err(CommandError::new(Kind::Usage, words.to_string())
                .hint("add --because 'what you know about it'"));
        }
        Ok(Self {
            now,
            because: args.because.clone().unwrap_or_default(),
            by: app.by.clone(),
        })
    }

    /// Adds what earlier runs of the case recorded, unless this run says otherwise.
    pub(super) fn remember(&self, app: &App, case: &OpenCase, seeds: &mut Seeds) {
        let earlier = case.ledger.with(|state| state.judgements.clone());
        for (actor, judged) in earlier {
            if self.now.iter().any(|(named, _)| *named == actor) {
                continue;
            }
            let (set, word) = match judged.judgement {
                Judgement::Convicted => (&mut seeds.convicted, "convicted"),
                Judgement::Acquitted => (&mut seeds.acquitted, "acquitted"),
            };
            app.printer.note(&format!(
                "{actor} stays {word}: {}, because {}",
                judged.by, judged.because
            ));
            set.insert(actor);
        }
    }

    /// The facts of this run's words. What an acquittal takes off the thief is found by asking
    /// without it and with it; `after` is the answer of this run.
    pub(super) fn facts(
        &self,
        app: &App,
        case: &OpenCase,
        sources: &[Source],
        options: &Options,
        after: &Triage,
    ) -> Result<Vec<Fact>, TriageError> {
        let mut cleared = Held::default();
        if self.acquits() {
            if case.ledger.with(|state| has_read_all(state, after)) {
                cleared = self.cleared(case, sources, &options.seeds, after)?;
            } else {
                cleared = self.themselves(after);
                app.printer.note(
                    "the journal holds evidence that this run did not read: the acquitted alone \
                     are taken off the thief; whoever else they led to stays convicted until \
                     triage runs on all of it",
                );
            }
        }
        Ok(self
            .now
            .iter()
            .map(|one| self.fact(one, &mut cleared))
            .collect())
    }

    /// What is no longer held for the thief's: what is reached from all that any run of the case
    /// ever began with, but only by way of the acquitted.
    fn cleared(
        &self,
        case: &OpenCase,
        sources: &[Source],
        seeds: &Seeds,
        after: &Triage,
    ) -> Result<Held, TriageError> {
        let start = case.ledger.with(|state| state.start.clone());
        let with = start::everything(&start, seeds, &after.seeds);
        let mut without = with.clone();
        for (actor, _) in &self.now {
            without.acquitted.remove(actor);
        }
        let held = |seeds| {
            let found = triage_sources(sources, &Options::with_seeds(seeds))?;
            Ok::<_, TriageError>(Held::by(&found))
        };
        Ok(held(without)?.without(&held(with)?))
    }

    /// The acquitted by name, and the keys of a session, without what this run still holds for
    /// the thief's. It needs no evidence but a person's word. The user behind a key is not among
    /// it: other keys of his may be the thief's.
    fn themselves(&self, after: &Triage) -> Held {
        let mut own = Held::default();
        for actor in self.acquitted() {
            // Root users and services have names of ours (`root:111122223333`), which nobody holds.
            if actor.starts_with("arn:") {
                own.arns.insert(actor.to_owned());
            } else if !actor.contains(':') {
                own.keys.insert(actor.to_owned());
            }
            for seen in after.actors.iter().filter(|seen| seen.id == actor) {
                own.keys.extend(seen.access_keys.iter().cloned());
            }
        }
        own.without(&Held::by(after))
    }

    fn acquitted(&self) -> impl Iterator<Item = &str> {
        let now = self.now.iter();
        let acquitted = now.filter(|(_, judgement)| *judgement == Judgement::Acquitted);
        acquitted.map(|(actor, _)| actor.as_str())
    }

    fn acquits(&self) -> bool {
        self.acquitted().next().is_some()
    }

    /// The first acquittal says what all of them took off together.
    fn fact(&self, (actor, judgement): &(String, Judgement), cleared: &mut Held) -> Fact {
        let cleared = match judgement {
            Judgement::Acquitted => std::mem::take(cleared),
            Judgement::Convicted => Held::default(),
        };
        Fact::ActorJudged {
            actor: actor.clone(),
            judgement: *judgement,
            because: self.because.clone(),
            by: self.by.clone(),
            clears_keys: cleared.keys.into_iter().map(KeyId::new).collect(),
            clears_arns: cleared.arns.into_iter().collect(),
        }
    }
}

/// Whether a run read all the evidence that the journal holds: only then does its silence about
/// somebody mean anything.
fn has_read_all(state: &State, triage: &Triage) -> bool {
    let read: BTreeSet<&str> = triage
        .files
        .iter()
        .map(|file| file.sha256.as_str())
        .collect();
    let mut evidence = state.evidence.iter();
    evidence.all(|file| read.contains(file.sha256.as_str()))
}

/// What is held for the thief's.
#[derive(Default)]
struct Held {
    keys: BTreeSet<String>,
    arns: BTreeSet<String>,
}

impl Held {
    fn by(triage: &Triage) -> Self {
        let mut held = Self {
            keys: triage.created_keys.iter().cloned().collect(),
            arns: BTreeSet::new(),
        };
        for actor in &triage.actors {
            let Some(his) = &actor.attackers else {
                continue;
            };
            held.keys.extend(his.access_keys.iter().cloned());
            held.arns.extend(actor.arn.iter().cloned());
        }
        held
    }

    fn without(mut self, other: &Self) -> Self {
        self.keys.retain(|key| !other.keys.contains(key));
        self.arns.retain(|arn| !other.arns.contains(arn));
        self
    }
}
