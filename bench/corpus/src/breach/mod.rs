//! The breach: what the attacker does, told as records with the truth about each.

mod abuse;
mod machine;
mod plant;
mod read;
mod session;

use std::collections::{BTreeMap, BTreeSet};

use crate::call::Call;
use crate::identity::{Caller, Who};
use crate::json::Json;
use crate::organisation::Organisation;
use crate::random::Dice;
use crate::spec::{Breach, Part, START, Spec};
use crate::text::time;
use crate::truth::{Planted, SecretTruth, Truth};
use crate::workers::user_caller;

/// A record at its time.
pub(crate) struct Record {
    pub(crate) at: i64,
    pub(crate) account: String,
    pub(crate) region: &'static str,
    pub(crate) id: String,
    pub(crate) json: Vec<u8>,
}

/// A credential in the attacker's hand.
#[derive(Clone)]
struct Hand {
    caller: Caller,
    /// The events that tie it to him, any one of them; none for the leaked key.
    links: BTreeSet<String>,
    /// He calls himself; otherwise something that he planted does.
    own: bool,
}

/// A story while it is told.
pub(crate) struct Story<'o> {
    of: &'o Organisation,
    breach: Breach,
    dice: Dice,
    at: i64,
    key: Hand,
    /// Where he comes back from on the next day.
    second: (String, &'static str),
    /// The session with the most rights so far.
    strong: Hand,
    secrets: BTreeMap<(String, String), BTreeSet<String>>,
    tainted: Vec<(i64, String)>,
    pub(crate) records: Vec<Record>,
    pub(crate) truth: Truth,
}

/// A part and the telling of it.
type Deed<'o> = (Part, fn(&mut Story<'o>));

/// The attacker's clients, by seed; none is of the family of the owner's.
const AGENTS: [&str; 4] = [
    "aws-cli/2.15.30 Python/3.11.8 Windows/10 exe/AMD64 prompt/off command/sts.get-caller-identity",
    "aws-cli/2.17.3 md/awscrt#0.20.11 ua/2.0 os/linux#6.6.9-kali1-amd64 md/arch#x86_64 lang/python#3.11.9 md/pyimpl#CPython cfg/retry-mode#standard md/installer#exe md/prompt#off md/command#iam.list-users",
    "aws-cli/1.22.34 Python/3.10.12 Linux/6.2.0-39-generic botocore/1.23.34",
    "Boto3/1.34.10 md/Botocore#1.34.10 ua/2.0 os/windows#10 md/arch#amd64 lang/python#3.12.1 md/pyimpl#CPython cfg/retry-mode#legacy Botocore/1.34.10",
];

impl<'o> Story<'o> {
    /// Tells the whole story; the records are in the order of time.
    pub(crate) fn tell(spec: &Spec, of: &'o Organisation) -> Self {
        let mut dice = Dice::new(spec.seed, 2);
        let breach = spec.breach.clone();
        let told = breach.is_some();
        let breach = breach.unwrap_or(Breach {
            parts: BTreeSet::new(),
            same_address: false,
        });
        let span = spec.end() - START;
        let address = if breach.same_address {
            of.owner_address.clone()
        } else {
            format!("203.0.113.{}", dice.below(200) + 9)
        };
        let caller = user_caller(&of.owner).at(&address, AGENTS[dice.below(AGENTS.len())]);
        let key = Hand {
            caller,
            links: BTreeSet::new(),
            own: true,
        };
        let second = format!("198.51.100.{}", dice.below(200) + 9);
        let mut story = Self {
            of,
            at: START + span * 55 / 100 + dice.seconds(0, span / 20),
            second: (second, *dice.pick(&AGENTS)),
            strong: key.clone(),
            key,
            dice,
            secrets: BTreeMap::new(),
            tainted: Vec::new(),
            records: Vec::new(),
            truth: Truth {
                seed_key: of.owner.key.clone(),
                breach: told.then(|| breach.clone()),
                ..Truth::default()
            },
            breach,
        };
        if told {
            story.act(spec);
        }
        story.finish();
        story
    }

    fn act(&mut self, spec: &Spec) {
        self.look_around();
        self.take_secrets();
        let first: [Deed<'o>; 15] = [
            (Part::SessionToken, Self::session_token),
            (Part::Federation, Self::federation),
            (Part::RoleChain, Self::role_chain),
            (Part::BusyRole, Self::busy_role),
            (Part::BusySession, Self::busy_session),
            (Part::Console, Self::console),
            (Part::Configuration, Self::configuration),
            (Part::OnBehalf, Self::on_behalf),
            (Part::Bedrock, Self::bedrock),
            (Part::Function, Self::function),
            (Part::BearerToken, Self::bearer_token),
            (Part::StopLogging, Self::stop_logging),
            (Part::Instance, Self::instance),
            (Part::InstanceKey, Self::instance_key),
            (Part::Roaming, Self::roaming),
        ];
        self.parts(&first);
        let planted: [Deed<'o>; 5] = [
            (Part::NewUser, Self::new_user),
            (Part::BackdoorKey, Self::backdoor_key),
            (Part::LoginProfile, Self::login_profile),
            (Part::BackdoorRole, Self::backdoor_role),
            (Part::TrustEdit, Self::trust_edit),
        ];
        self.parts(&planted);
        debug_assert!(self.at < spec.end(), "the story is longer than the log");
    }

    fn parts(&mut self, of: &[Deed<'o>]) {
        for (part, act) in of {
            if self.breach.parts.contains(part) {
                self.pause(120, 900);
                act(self);
            }
        }
    }

    fn finish(&mut self) {
        self.records.sort_by_key(|record| record.at);
        self.tainted.sort();
        let show = |(at, _): &(i64, String)| time(*at);
        self.truth.first = self.tainted.first().map(show);
        self.truth.last = self.tainted.last().map(show);
        let tainted = std::mem::take(&mut self.tainted);
        self.truth.tainted_events = tainted.into_iter().map(|(_, id)| id).collect();
        let secrets = std::mem::take(&mut self.secrets).into_iter();
        self.truth.secrets_read = secrets
            .map(|((kind, id), event_ids)| SecretTruth {
                kind,
                id,
                event_ids,
            })
            .collect();
    }

    fn account(&self) -> &'o str {
        &self.of.accounts[0]
    }

    fn home(&self) -> &'static str {
        self.of.regions[0]
    }

    fn pause(&mut self, from: i64, to: i64) {
        self.at += self.dice.seconds(from, to);
    }

    /// The time of the next call.
    fn tick(&mut self) -> i64 {
        self.pause(2, 35);
        self.at
    }

    fn begin(&mut self, service: &'static str, name: &'static str) -> Call {
        Call::new(self.tick(), service, name, self.home(), self.account())
    }

    /// Writes a record that is the attacker's.
    fn make(&mut self, hand: &Hand, call: &Call) -> String {
        let id = self.record(&hand.caller, call);
        self.tainted.push((call.at, id.clone()));
        if !hand.links.is_empty() {
            self.truth.linked_by.insert(id.clone(), hand.links.clone());
        }
        let caller = &hand.caller;
        if caller.on_behalf.is_none() {
            if !caller.key.is_empty() {
                self.truth.keys.insert(caller.key.clone());
            }
            if matches!(caller.who, Who::Role { .. } | Who::Federated { .. }) {
                self.truth.sessions.insert(caller.arn());
            }
            if hand.own {
                let calls = self
                    .truth
                    .addresses
                    .entry(caller.address.clone())
                    .or_default();
                calls.insert(id.clone());
            }
        }
        id
    }

    fn record(&mut self, caller: &Caller, call: &Call) -> String {
        let id = self.dice.uuid();
        let mut json = Json::default();
        call.write(caller, &id, &mut json, &mut self.dice);
        self.records.push(Record {
            at: call.at,
            account: call.account.clone(),
            region: call.region,
            id: id.clone(),
            json: json.0,
        });
        id
    }

    /// What a service does because of the call `behind`.
    fn through(&mut self, hand: &Hand, host: &str, behind: &str, call: &Call) -> String {
        let caller = hand.caller.through(host, call.at, &mut self.dice);
        let links = BTreeSet::from([behind.to_string()]);
        self.make(
            &Hand {
                caller,
                links,
                own: false,
            },
            call,
        )
    }

    /// A call that asks for nothing in particular and reads.
    fn plain(&mut self, hand: &Hand, service: &'static str, name: &'static str) -> String {
        let call = self.begin(service, name);
        self.make(hand, &call)
    }

    fn refused(&mut self, hand: &Hand, service: &'static str, name: &'static str) {
        let call = self.begin(service, name).denied(&hand.caller);
        self.make(hand, &call);
    }

    fn has_read(&mut self, kind: &str, id: &str, event: &str) {
        let events = self
            .secrets
            .entry((kind.to_string(), id.to_string()))
            .or_default();
        events.insert(event.to_string());
    }

    fn has_planted(&mut self, kind: &str, id: &str, event: &str) {
        self.truth.planted.push(Planted {
            kind: kind.to_string(),
            id: id.to_string(),
            event_id: event.to_string(),
        });
    }
}

/// The events that a credential hangs on.
fn links(of: &[&str]) -> BTreeSet<String> {
    of.iter().map(ToString::to_string).collect()
}
