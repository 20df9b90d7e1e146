//! Those who make the ordinary traffic: each has an identity, a place, a client, and habits.

use std::io;

use crate::call::Call;
use crate::calls::{self, Naming};
use crate::generate::Log;
use crate::identity::{Caller, Who};
use crate::organisation::{Organisation, Parameter, Role, Secret, User};
use crate::text::{Here, fill};

/// A call that somebody makes as a habit.
pub(crate) struct Act {
    pub(crate) service: &'static str,
    pub(crate) name: &'static str,
    pub(crate) reads: bool,
    /// Templates; an empty one means null.
    pub(crate) request: &'static str,
    pub(crate) response: &'static str,
}

/// How a worker comes by its credentials.
pub(crate) enum Opens {
    /// A service takes the role for it and announces the key.
    Service(&'static str),
    /// A build takes the role with a token of its platform.
    Web,
    /// Another account takes the role; the record is shared.
    Outside,
    /// The owner of the key that leaks takes the role.
    Owner,
    /// Nothing tells of it.
    Unseen,
    /// A person signs in to the console.
    Console,
    /// It has a long-lived key.
    Key(User),
    /// It is a service in its own name.
    Itself(&'static str),
}

/// Somebody at work.
pub(crate) struct Worker {
    pub(crate) weight: usize,
    pub(crate) opens: Opens,
    pub(crate) role: Role,
    pub(crate) session: String,
    pub(crate) region: &'static str,
    pub(crate) word: &'static str,
    pub(crate) address: String,
    pub(crate) agent: String,
    /// How long a session lasts, in seconds.
    pub(crate) life: i64,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) parameters: Vec<Parameter>,
    /// How many of a hundred turns read a secret.
    pub(crate) reading: u32,
    pub(crate) acts: &'static [Act],
    /// Most calls in one turn.
    pub(crate) burst: usize,
    /// Works by day only.
    pub(crate) person: bool,
    /// Uses the key that leaks, or sessions opened by it.
    pub(crate) owner: bool,
    /// From when on it is elsewhere, and where.
    pub(crate) moves: Option<(i64, String)>,
    pub(crate) caller: Option<Caller>,
    pub(crate) until: i64,
}

impl Worker {
    /// Whether it works at this hour.
    pub(crate) fn is_at_work(&self, at: i64) -> bool {
        !self.person || (7..18).contains(&(at.rem_euclid(86_400) / 3_600))
    }

    /// One turn: a secret is read, or a few calls are made.
    pub(crate) fn act(&mut self, of: &Organisation, at: i64, log: &mut Log<'_>) -> io::Result<()> {
        if let Some((_, address)) = self.moves.take_if(|(when, _)| *when <= at) {
            self.address = address;
            self.caller = None;
        }
        let caller = self.caller(of, at, log)?;
        if log.dice.chance(self.reading) {
            self.read(&caller, at, log)
        } else {
            self.work(&caller, at, log)
        }
    }

    fn emit(&self, caller: &Caller, call: &Call, log: &mut Log<'_>) -> io::Result<String> {
        let id = log.emit(caller, call)?;
        if self.owner {
            log.truth.legit_same_key_events.insert(id.clone());
        }
        Ok(id)
    }

    fn caller(&mut self, of: &Organisation, at: i64, log: &mut Log<'_>) -> io::Result<Caller> {
        if let Some(caller) = self.caller.as_ref().filter(|_| at < self.until) {
            return Ok(caller.clone());
        }
        self.until = at + self.life;
        let key = log.dice.id("ASIA");
        let session = calls::session(&self.role, &self.session, &key, at);
        let session = session.at(&self.address, &self.agent);
        let maker = self.maker(of);
        let caller = match &self.opens {
            Opens::Key(user) => user_caller(user).at(&self.address, &self.agent),
            Opens::Itself(host) => Caller::service(host),
            Opens::Console => {
                let session = session.with_mfa();
                self.sign_in(&session, at, log)?;
                session.in_console(at, &self.agent, &mut log.dice)
            }
            _ => session,
        };
        if let Some(maker) = maker {
            let mut call = calls::assume(
                at,
                self.region,
                &self.role,
                &self.session,
                &key,
                self.life,
                &mut log.dice,
            );
            if matches!(self.opens, Opens::Service(_) | Opens::Outside) {
                call.shared = Some(log.dice.uuid());
            }
            if matches!(self.opens, Opens::Web) {
                call.name = "AssumeRoleWithWebIdentity";
            }
            self.emit(&maker, &call, log)?;
        }
        self.caller = Some(caller.clone());
        Ok(caller)
    }

    /// Who takes the role for this worker, where a record tells.
    fn maker(&self, of: &Organisation) -> Option<Caller> {
        match &self.opens {
            Opens::Service(host) => Some(Caller::service(host)),
            Opens::Owner => Some(user_caller(&of.owner).at(&self.address, &self.agent)),
            Opens::Outside => {
                let who = Who::Foreign {
                    principal: "AROAVENDORWATCHER234:watch".to_string(),
                };
                let caller = Caller::new(who, &of.vendor, "", None);
                Some(caller.at(&self.address, &self.agent))
            }
            Opens::Web => {
                let subject = format!("repo:example/{}:ref:refs/heads/main", self.word);
                let caller = Caller::new(Who::Web { subject }, "", "", None);
                Some(caller.at(&self.address, &self.agent))
            }
            _ => None,
        }
    }

    fn sign_in(&self, session: &Caller, at: i64, log: &mut Log<'_>) -> io::Result<()> {
        let mut caller = session.clone().at(&self.address, BROWSER);
        caller.key.clear();
        let call = Call::new(
            at,
            "signin",
            "ConsoleLogin",
            self.region,
            &self.role.account,
        )
        .writing()
        .answered(|json| json.text("ConsoleLogin", "Success"));
        self.emit(&caller, &call, log).map(drop)
    }

    fn read(&self, caller: &Caller, at: i64, log: &mut Log<'_>) -> io::Result<()> {
        if !self.parameters.is_empty() && (self.secrets.is_empty() || log.dice.chance(45)) {
            return self.read_parameters(caller, at, log);
        }
        let secret = log.dice.pick(&self.secrets).clone();
        let naming = *log.dice.pick(&[Naming::Name, Naming::Arn, Naming::Arn]);
        self.emit(caller, &calls::get_secret(at, &secret, naming), log)?;
        let service = caller.through("secretsmanager.amazonaws.com", at, &mut log.dice);
        self.emit(&service, &calls::decrypt_secret(at, &secret), log)
            .map(drop)
    }

    fn read_parameters(&self, caller: &Caller, at: i64, log: &mut Log<'_>) -> io::Result<()> {
        let parameter = log.dice.pick(&self.parameters).clone();
        let path = parameter
            .name
            .rsplit_once('/')
            .map_or("/", |(path, _)| path);
        let by_path = log.dice.chance(40);
        let name = if by_path {
            "GetParametersByPath"
        } else {
            "GetParameters"
        };
        let call =
            Call::new(at, "ssm", name, parameter.region, &parameter.account).asking(|json| {
                if by_path {
                    json.text("path", path);
                    json.flag("recursive", true);
                } else {
                    json.list("names", &[&parameter.name]);
                }
                json.flag("withDecryption", true);
            });
        self.emit(caller, &call, log)?;
        let service = caller.through("ssm.amazonaws.com", at, &mut log.dice);
        self.emit(&service, &calls::decrypt_parameter(at, &parameter), log)
            .map(drop)
    }

    fn work(&self, caller: &Caller, at: i64, log: &mut Log<'_>) -> io::Result<()> {
        let calls = 1 + log.dice.below(self.burst.max(1));
        for number in 0..calls {
            let act = log.dice.pick(self.acts);
            let later = i64::try_from(number).unwrap_or(0);
            let call = self.call(act, caller, at + later, log);
            self.emit(caller, &call, log)?;
        }
        Ok(())
    }

    fn call(&self, act: &'static Act, caller: &Caller, at: i64, log: &mut Log<'_>) -> Call {
        let account = if self.role.account.is_empty() {
            &caller.account
        } else {
            &self.role.account
        };
        let here = Here {
            account,
            region: self.region,
            word: self.word,
        };
        let mut call = Call::new(at, act.service, act.name, self.region, account);
        call.reads = act.reads;
        let mut text =
            |template: &str| (!template.is_empty()).then(|| fill(template, &here, &mut log.dice));
        call.request = text(act.request);
        call.response = text(act.response);
        if log.dice.chance(2) && !caller.arn().is_empty() {
            return call.denied(caller);
        }
        if log.dice.chance(1) {
            call.error = Some(("ThrottlingException", "Rate exceeded".to_string()));
            call.response = None;
        }
        call
    }
}

/// The client of people in the web console.
pub(crate) const BROWSER: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";

/// A user with a long-lived key.
pub(crate) fn user_caller(user: &User) -> Caller {
    let who = Who::User {
        name: user.name.clone(),
        id: user.id.clone(),
    };
    Caller::new(who, &user.account, &user.key, None)
}
