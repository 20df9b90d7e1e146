//! From one credential to the next.

use super::{Hand, Story, links};
use crate::call::{Call, credentials};
use crate::calls::{self, Naming};
use crate::identity::{Caller, Who};
use crate::organisation::Role;
use crate::workers::BROWSER;

/// The client of calls that the console makes.
const CONSOLE: &str = "AWS Internal";

impl Story<'_> {
    /// A session of the user himself.
    pub(super) fn session_token(&mut self) {
        let hand = self.key.clone();
        let (key, life) = (self.dice.id("ASIA"), 43_200);
        let call = self.begin("sts", "GetSessionToken");
        let call = call
            .asking(|json| json.raw("durationSeconds", "43200"))
            .answered(|json| credentials(json, &key, self.at, life, &mut self.dice));
        let id = self.make(&hand, &call);
        let user = &hand.caller;
        let caller = Caller::new(user.who.clone(), &user.account, &key, Some(call.at));
        let session = Hand {
            caller: caller.at(&user.address, &user.agent),
            links: links(&[&id]),
            own: true,
        };
        self.plain(&session, "sts", "GetCallerIdentity");
        self.plain(&session, "secretsmanager", "ListSecrets");
        self.take_secret(&session, 5, Naming::Name);
        self.take_secret(&session, 6, Naming::Arn);
        self.refused(&session, "iam", "CreateUser");
    }

    /// A session for somebody who does not exist.
    fn federate(&mut self) -> Hand {
        let hand = self.key.clone();
        let (key, name) = (self.dice.id("ASIA"), format!("sync{}", self.dice.digits(3)));
        let account = self.account();
        let call = self.begin("sts", "GetFederationToken").asking(|json| {
            json.text("name", &name);
            json.text(
                "policy",
                "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [{\"Effect\": \"Allow\", \"Action\": \"*\", \"Resource\": \"*\"}]\n}",
            );
        });
        let call = call.answered(|json| {
            credentials(json, &key, self.at, 43_200, &mut self.dice);
            json.member("federatedUser", |json| {
                json.text("federatedUserId", &format!("{account}:{name}"));
                json.text(
                    "arn",
                    &format!("arn:aws:sts::{account}:federated-user/{name}"),
                );
            });
        });
        let id = self.make(&hand, &call);
        let (by, by_id) = (self.of.owner.name.clone(), self.of.owner.id.clone());
        let who = Who::Federated { name, by, by_id };
        let caller = Caller::new(who, account, &key, Some(call.at));
        Hand {
            caller: caller.at(&hand.caller.address, &hand.caller.agent),
            links: links(&[&id]),
            own: true,
        }
    }

    pub(super) fn federation(&mut self) {
        let session = self.federate();
        self.plain(&session, "ec2", "DescribeInstances");
        self.plain(&session, "s3", "ListBuckets");
        self.take_secret(&session, 7, Naming::PartialArn);
    }

    /// Takes a role in the account of the hand.
    fn take(&mut self, hand: &Hand, role: &Role, session: &str) -> Hand {
        let (key, at) = (self.dice.id("ASIA"), self.tick());
        let call = calls::assume(at, self.home(), role, session, &key, 3_600, &mut self.dice);
        let id = self.make(hand, &call);
        session_of(hand, role, session, &key, at, &[&id])
    }

    /// Takes a role in another account: both accounts have a record, tied by its shared id.
    fn take_across(&mut self, hand: &Hand, role: &Role, session: &str) -> Hand {
        let (key, at) = (self.dice.id("ASIA"), self.tick());
        let mut call = calls::assume(at, self.home(), role, session, &key, 3_600, &mut self.dice);
        call.shared = Some(self.dice.uuid());
        let there = call.clone();
        call.account.clone_from(&hand.caller.account);
        let id = self.make(hand, &call);
        let principal = match &hand.caller.who {
            Who::Role { id, session, .. } => format!("{id}:{session}"),
            Who::User { id, .. } => id.clone(),
            _ => String::new(),
        };
        let who = Who::Foreign { principal };
        let caller = Caller::new(who, &hand.caller.account, "", None);
        let copy = Hand {
            caller: caller.at(&hand.caller.address, &hand.caller.agent),
            links: links(&[&id]),
            own: true,
        };
        let copy = self.make(&copy, &there);
        session_of(hand, role, session, &key, at, &[&id, &copy])
    }

    pub(super) fn role_chain(&mut self) {
        let mut hand = self.key.clone();
        let roles = &self.of.chain;
        let session = format!("ops-{}", self.dice.digits(4));
        for (depth, role) in roles[..roles.len() - 1].iter().enumerate() {
            hand = self.take(&hand, role, &session);
            self.plain(&hand, "sts", "GetCallerIdentity");
            self.take_secret(&hand, 8 + depth, Naming::Arn);
            if depth == 1 {
                self.strong = hand.clone();
            }
        }
        hand = self.take_across(&hand, &roles[roles.len() - 1], &session);
        let account = hand.caller.account.clone();
        for (service, name) in [
            ("sts", "GetCallerIdentity"),
            ("secretsmanager", "ListSecrets"),
        ] {
            let call = Call::new(self.tick(), service, name, self.home(), &account);
            self.make(&hand, &call);
        }
        self.take_secret(&hand, 1, Naming::Name);
        self.take_secret(&hand, 2, Naming::Arn);
    }

    pub(super) fn busy_role(&mut self) {
        let session = format!("botocore-session-{}", self.dice.digits(10));
        self.busy(&session);
    }

    pub(super) fn busy_session(&mut self) {
        let session = self.of.busy_session.clone();
        self.busy(&session);
    }

    fn busy(&mut self, session: &str) {
        let (key, role) = (self.key.clone(), self.of.busy.clone());
        let hand = self.take(&key, &role, session);
        self.plain(&hand, "sts", "GetCallerIdentity");
        self.take_secret(&hand, 0, Naming::Name);
        self.take_secret(&hand, 17, Naming::Arn);
        self.refused(&hand, "iam", "ListUsers");
    }

    /// From a session into the web console.
    pub(super) fn console(&mut self) {
        let hand = if self.breach.parts.contains(&crate::Part::Federation) {
            self.federate()
        } else {
            let (key, role) = (self.key.clone(), self.of.chain[2].clone());
            let session = format!("report-{}", self.dice.digits(4));
            self.take(&key, &role, &session)
        };
        let call = self.begin("signin", "GetSigninToken").writing();
        let call = call.answered(|json| json.text("GetSigninToken", "Success"));
        let mut browser = hand.clone();
        browser.caller.agent = BROWSER.to_string();
        let token = self.make(&browser, &call);
        let login = self.sign_in(&browser.caller, &[&token]);
        self.click(&hand, &[&token, &login]);
    }

    /// `ConsoleLogin`, whose record shows no key.
    pub(super) fn sign_in(&mut self, as_: &Caller, ids: &[&str]) -> String {
        let mut caller = Caller::new(as_.who.clone(), &as_.account, "", None);
        if matches!(as_.who, Who::Role { .. } | Who::Federated { .. }) {
            caller = Caller::new(as_.who.clone(), &as_.account, "", as_.made);
        }
        let caller = caller.at(&as_.address, BROWSER);
        let login = Hand {
            caller,
            links: links(ids),
            own: true,
        };
        let call = self.begin("signin", "ConsoleLogin").writing();
        let call = call.answered(|json| json.text("ConsoleLogin", "Success"));
        self.make(&login, &call)
    }

    /// Calls of the console, with keys that change and that nothing announces.
    pub(super) fn click(&mut self, hand: &Hand, ids: &[&str]) {
        let made = self.at;
        for names in [
            [
                ("ec2", "DescribeInstances"),
                ("ec2", "DescribeRegions"),
                ("rds", "DescribeDBClusters"),
            ],
            [
                ("s3", "ListBuckets"),
                ("secretsmanager", "ListSecrets"),
                ("iam", "ListRoles"),
            ],
        ] {
            let caller = hand.caller.in_console(made, CONSOLE, &mut self.dice);
            let page = Hand {
                caller,
                links: links(ids),
                own: true,
            };
            for (service, name) in names {
                self.plain(&page, service, name);
            }
            let number = self.dice.below(6) + 18;
            self.take_secret(&page, number, Naming::Arn);
            self.pause(60, 400);
        }
    }
}

/// A session of a role at the place of the hand that took it.
fn session_of(hand: &Hand, role: &Role, session: &str, key: &str, at: i64, ids: &[&str]) -> Hand {
    let caller = calls::session(role, session, key, at);
    Hand {
        caller: caller.at(&hand.caller.address, &hand.caller.agent),
        links: links(ids),
        own: true,
    }
}
