//! A call of a port: on its way, its effect, and the way back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use relatch_case::model::{Container, Slot};
use relatch_case::{ConsumerId, CredentialId, Fault, FaultKind, IssuerId, KeyId, Principal};
use std::collections::BTreeMap;

use super::{Inner, Model, Ms, Process, Text};
use crate::dice::Kind;

/// Longest from a request's being sent to its having acted, as the engine assumes it.
const LATEST_MS: Ms = 60_000;

/// What one process sees of the world.
#[derive(Clone)]
pub(crate) struct Port {
    pub(crate) model: Arc<Model>,
    pub(crate) process: Arc<Process>,
}

/// Something that changes the world, for the laws to look at.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Mint {
        principal: Principal,
        credential: Option<CredentialId>,
    },
    Disable(KeyId),
    Enable(KeyId),
    Delete(KeyId),
    Cut(IssuerId, Principal),
    Write(Container, BTreeMap<Slot, Text>),
    Roll(ConsumerId),
}

impl std::fmt::Display for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mint { principal, .. } => write!(f, "mint a key for {principal}"),
            Self::Disable(key) => write!(f, "disable {key}"),
            Self::Enable(key) => write!(f, "enable {key}"),
            Self::Delete(key) => write!(f, "delete {key}"),
            Self::Cut(_, principal) => write!(f, "cut {principal} off"),
            Self::Write(container, _) => write!(f, "write {container}"),
            Self::Roll(consumer) => write!(f, "roll {consumer}"),
        }
    }
}

/// How one call goes.
struct Way {
    there: Ms,
    back: Ms,
    trouble: Option<Trouble>,
}

enum Trouble {
    Refused(FaultKind),
    AnswerLost,
    RequestLost,
    /// The caller gives up before it lands.
    Late(Ms),
    /// It lands a second time.
    Twice(Ms),
}

impl Port {
    /// Asks something.
    pub(crate) async fn ask<T>(
        &self,
        service: &str,
        verb: &'static str,
        look: impl FnOnce(&mut Inner) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.process.go_on().await;
        let way = {
            let mut inner = self.model.lock();
            self.maybe_die(&mut inner, service);
            inner.way(service, verb, None)
        };
        tokio::time::sleep(Duration::from_millis(way.there)).await;
        let answer = match way.trouble {
            Some(Trouble::Refused(kind)) => Err(refused(kind)),
            Some(_) => Err(lost()),
            None => look(&mut self.model.lock()),
        };
        tokio::time::sleep(Duration::from_millis(way.back)).await;
        self.process.go_on().await;
        answer
    }

    /// Changes something. The request is sent at once; whatever becomes of its caller, it may
    /// have its effect.
    pub(crate) async fn act<T: Send + 'static>(
        &self,
        service: &str,
        act: Act,
        effect: impl Fn(&mut Inner) -> Result<T, Fault> + Send + Sync + 'static,
    ) -> Result<T, Fault> {
        if self.process.is_dead() {
            std::future::pending::<()>().await;
        }
        let answer: Arc<Mutex<Option<Result<T, Fault>>>> = Arc::default();
        let way = {
            let mut inner = self.model.lock();
            let way = inner.way(service, act.verb(), Some(&act));
            inner.begins(&self.process, &act);
            inner.tell(&self.process.name, || {
                format!("sends: {act}{}", way.words())
            });
            let (put, process) = (Arc::clone(&answer), Arc::clone(&self.process));
            let land = move |inner: &mut Inner| {
                let result = effect(inner);
                if result.is_ok() {
                    inner.tell("world", || format!("{act}: done"));
                    inner.landed(&process, &act);
                } else if let Err(fault) = &result {
                    inner.tell("world", || format!("{act}: {:?}", fault.kind));
                }
                *put.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            };
            let now = inner.now;
            match way.trouble {
                Some(Trouble::Refused(_) | Trouble::RequestLost) => {}
                Some(Trouble::Late(ms)) => inner.land(now + ms, land),
                Some(Trouble::Twice(ms)) => {
                    let land = Arc::new(land);
                    let again = Arc::clone(&land);
                    inner.land(now + way.there, move |inner| land(inner));
                    inner.land(now + ms, move |inner| again(inner));
                }
                None | Some(Trouble::AnswerLost) => inner.land(now + way.there, land),
            }
            self.maybe_die(&mut inner, service);
            way
        };
        tokio::time::sleep(Duration::from_millis(way.there + way.back)).await;
        drop(self.model.lock());
        self.process.go_on().await;
        match way.trouble {
            Some(Trouble::Refused(kind)) => Err(refused(kind)),
            Some(Trouble::AnswerLost | Trouble::RequestLost | Trouble::Late(_)) => Err(lost()),
            None | Some(Trouble::Twice(_)) => {
                let mut answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
                answer.take().unwrap_or_else(|| Err(lost()))
            }
        }
    }

    fn maybe_die(&self, inner: &mut Inner, service: &str) {
        if inner.dice.strike(Kind::CrashInCall, service).is_some() && !self.process.is_dead() {
            inner.tell(&self.process.name, || "is killed during a call".to_string());
            self.process.kill();
        }
    }
}

impl Act {
    fn verb(&self) -> &'static str {
        match self {
            Self::Mint { .. } => "mint",
            Self::Disable(_) => "disable",
            Self::Enable(_) => "enable",
            Self::Delete(_) => "delete",
            Self::Cut(..) => "cut",
            Self::Write(..) => "write",
            Self::Roll(_) => "roll",
        }
    }

    fn can_be_done_twice(&self) -> bool {
        matches!(
            self,
            Self::Disable(_) | Self::Delete(_) | Self::Cut(..) | Self::Roll(_)
        )
    }
}

impl Way {
    fn words(&self) -> String {
        match &self.trouble {
            None => String::new(),
            Some(Trouble::Refused(kind)) => format!(" [refused: {kind:?}]"),
            Some(Trouble::AnswerLost) => " [its answer will be lost]".to_string(),
            Some(Trouble::RequestLost) => " [it is lost on its way]".to_string(),
            Some(Trouble::Late(ms)) => format!(" [it will land after {ms} ms]"),
            Some(Trouble::Twice(ms)) => format!(" [and again after {ms} ms]"),
        }
    }
}

impl Inner {
    /// How a call of a service goes.
    fn way(&mut self, service: &str, verb: &'static str, act: Option<&Act>) -> Way {
        let site = format!("{service} {verb}");
        let mut luck = self.dice.draw(&site);
        let mut way = Way {
            there: luck.between(2, 120),
            back: luck.between(1, 80),
            trouble: self.refusal(service, &site),
        };
        if way.trouble.is_some() {
            return way;
        }
        if let Some(mut luck) = self.dice.strike(Kind::Slow, &site) {
            way.there += luck.between(1000, 20_000);
        }
        way.trouble = match act {
            Some(act) => self.mishap(&site, act),
            None => None,
        };
        if let Some(Trouble::Late(_)) = way.trouble {
            way.there = luck.between(1000, 15_000);
        }
        way
    }

    fn refusal(&mut self, service: &str, site: &str) -> Option<Trouble> {
        let now = self.now;
        if let Some(mut luck) = self.dice.strike(Kind::Outage, service) {
            let ms = luck.between(1000, 90_000);
            self.out_until.insert(service.to_string(), now + ms);
            self.tell("fault", || {
                format!("{service} cannot be reached for {ms} ms")
            });
        }
        if let Some(mut luck) = self.dice.strike(Kind::Throttled, service) {
            let ms = luck.between(500, 20_000);
            self.busy_until.insert(service.to_string(), now + ms);
        }
        let during = |times: &std::collections::BTreeMap<String, Ms>| {
            times.get(service).is_some_and(|until| now < *until)
        };
        if during(&self.out_until) {
            return Some(Trouble::Refused(FaultKind::Unreachable));
        }
        if during(&self.busy_until) {
            return Some(Trouble::Refused(FaultKind::Throttled));
        }
        let denied = self.dice.strike(Kind::Denied, site).is_some();
        denied.then_some(Trouble::Refused(FaultKind::Denied))
    }

    fn mishap(&mut self, site: &str, act: &Act) -> Option<Trouble> {
        if matches!(act, Act::Roll(_)) && self.dice.strike(Kind::RollFails, site).is_some() {
            return Some(Trouble::Refused(FaultKind::Invalid));
        }
        if self.dice.strike(Kind::AnswerLost, site).is_some() {
            return Some(Trouble::AnswerLost);
        }
        if self.dice.strike(Kind::RequestLost, site).is_some() {
            return Some(Trouble::RequestLost);
        }
        if let Some(mut luck) = self.dice.strike(Kind::ActsLate, site) {
            return Some(Trouble::Late(luck.between(15_100, LATEST_MS - 1)));
        }
        if act.can_be_done_twice()
            && let Some(mut luck) = self.dice.strike(Kind::Duplicate, site)
        {
            return Some(Trouble::Twice(luck.between(1000, LATEST_MS - 1)));
        }
        None
    }
}

fn refused(kind: FaultKind) -> Fault {
    Fault::new(kind, format!("refused as the dice say: {kind:?}"))
}

fn lost() -> Fault {
    Fault::new(FaultKind::Ambiguous, "the answer was lost")
}
