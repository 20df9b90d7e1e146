//! What people decided of actors: now, by `--convict` and `--acquit`, and in earlier runs of the
//! case. Every word stands above what the log suggests, and the latest counts.

use std::collections::BTreeSet;

use relatch_case::fact::Judgement;
use relatch_case::{Fact, KeyId, State};
use relatch_evidence::{
    Actor, Options, Seeds, Source, Triage, TriageError, Verdict, triage_sources,
};

use super::args::TriageArgs;
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
    /// once more without it; `after` is the answer with it.
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
                let before = triage_sources(sources, &self.without_acquittals(options))?;
                let lost = Held::by(&before).without(&Held::by(after));
                cleared = self.cleared(lost, &before);
            } else {
                app.printer.note(
                    "the journal holds evidence that this run did not read: whoever it convicted \
                     stays so; run triage on all of it to take the acquitted off",
                );
            }
        }
        Ok(self
            .now
            .iter()
            .map(|one| self.fact(one, &mut cleared))
            .collect())
    }

    /// Of what is no longer held for the thief's: the acquitted themselves, and keys that were
    /// made and that nobody convicted was seen to use. Others stay until they are acquitted by
    /// name: an earlier run may have been told of them, and the journal does not say.
    fn cleared(&self, lost: Held, before: &Triage) -> Held {
        let actors = before.actors.iter();
        let used: BTreeSet<&String> = actors.flat_map(|actor| &actor.access_keys).collect();
        let named = |actor: &&Actor| {
            let acquitted = |name: &str| {
                let mut now = self.now.iter();
                now.any(|(one, word)| *word == Judgement::Acquitted && one == name)
            };
            let is_arn = actor.arn.as_deref().is_some_and(acquitted);
            is_arn || acquitted(&actor.id) || actor.access_keys.iter().any(|key| acquitted(key))
        };
        let mut own = Held::default();
        for actor in before.actors.iter().filter(named) {
            own.keys.extend(actor.access_keys.iter().cloned());
            own.arns.extend(actor.arn.iter().cloned());
        }
        let is_made = |key: &String| before.created_keys.contains(key) && !used.contains(key);
        Held {
            keys: lost
                .keys
                .into_iter()
                .filter(|key| own.keys.contains(key) || is_made(key))
                .collect(),
            arns: lost.arns.intersection(&own.arns).cloned().collect(),
        }
    }

    fn acquits(&self) -> bool {
        let mut now = self.now.iter();
        now.any(|(_, judgement)| *judgement == Judgement::Acquitted)
    }

    fn without_acquittals(&self, options: &Options) -> Options {
        let mut seeds = options.seeds.clone();
        for (actor, _) in &self.now {
            seeds.acquitted.remove(actor);
        }
        Options::with_seeds(seeds)
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
        let actors = triage.actors.iter();
        let his =
            actors.filter(|actor| matches!(actor.verdict, Verdict::Attacker | Verdict::Mixed));
        let mut held = Self {
            keys: triage.created_keys.iter().cloned().collect(),
            arns: BTreeSet::new(),
        };
        for actor in his {
            held.keys.extend(actor.access_keys.iter().cloned());
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
