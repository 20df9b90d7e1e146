//! What the attacker leaves behind, and how he comes back with it.

use super::{Hand, Story, links};
use crate::calls::{self, Naming};
use crate::identity::{Caller, Who};
use crate::organisation::Role;
use crate::workers::user_caller;

/// The attacker's own account.
const OUTSIDE: &str = "999900001111";

impl Story<'_> {
    /// At the second place, an hour or several later.
    fn later(&mut self, caller: Caller, ids: &[&str]) -> Hand {
        self.pause(1_800, 5_400);
        let caller = caller.at(&self.second.0, self.second.1);
        Hand {
            caller,
            links: links(ids),
            own: true,
        }
    }

    fn create_user(&mut self, name: &str, user_id: &str) -> String {
        let (hand, account) = (self.strong.clone(), self.account());
        let call = self.begin("iam", "CreateUser").writing();
        let call = call
            .asking(|json| json.text("userName", name))
            .answered(|json| {
                json.member("user", |json| {
                    json.text("path", "/");
                    json.text("userName", name);
                    json.text("userId", user_id);
                    json.text("arn", &format!("arn:aws:iam::{account}:user/{name}"));
                });
            });
        let id = self.make(&hand, &call);
        self.has_planted("user", name, &id);
        id
    }

    fn attach(&mut self, name: &str, policy: &str) {
        let hand = self.strong.clone();
        let call = self
            .begin("iam", "AttachUserPolicy")
            .writing()
            .asking(|json| {
                json.text("userName", name);
                json.text("policyArn", &format!("arn:aws:iam::aws:policy/{policy}"));
            });
        self.make(&hand, &call);
    }

    fn create_key(&mut self, user: &str, key: &str) -> String {
        let hand = self.strong.clone();
        let call = self.begin("iam", "CreateAccessKey").writing();
        let call = call
            .asking(|json| json.text("userName", user))
            .answered(|json| {
                json.member("accessKey", |json| {
                    json.text("userName", user);
                    json.text("accessKeyId", key);
                    json.text("status", "Active");
                });
            });
        let id = self.make(&hand, &call);
        self.has_planted("access_key", key, &id);
        id
    }

    fn set_password(&mut self, user: &str) -> String {
        let hand = self.strong.clone();
        let call = self.begin("iam", "CreateLoginProfile").writing();
        let call = call.asking(|json| {
            json.text("userName", user);
            json.flag("passwordResetRequired", false);
        });
        let call = call.answered(|json| {
            json.member("loginProfile", |json| json.text("userName", user));
        });
        let id = self.make(&hand, &call);
        self.has_planted("login_profile", user, &id);
        id
    }

    pub(super) fn new_user(&mut self) {
        let (name, user_id) = (
            format!("svc-sync-{}", self.dice.digits(3)),
            self.dice.id("AIDA"),
        );
        let user = self.create_user(&name, &user_id);
        self.attach(&name, "AdministratorAccess");
        let password = self.set_password(&name);
        let key = self.dice.id("AKIA");
        let made = self.create_key(&name, &key);
        let who = Who::User { name, id: user_id };
        let caller = Caller::new(who, self.account(), &key, None);
        let hand = self.later(caller.clone(), &[&made, &user]);
        self.plain(&hand, "sts", "GetCallerIdentity");
        self.take_secret(&hand, 3, Naming::Name);
        self.pause(600, 1_200);
        let hand = self.later(caller, &[&password, &user]);
        let login = self.sign_in(&hand.caller, &[&password, &user]);
        self.click(&hand, &[&login, &user]);
    }

    pub(super) fn backdoor_key(&mut self) {
        let (user, key) = (self.of.users[0].clone(), self.dice.id("AKIA"));
        let made = self.create_key(&user.name, &key);
        let mut caller = user_caller(&user);
        caller = Caller::new(caller.who, &user.account, &key, None);
        let hand = self.later(caller, &[&made]);
        self.plain(&hand, "sts", "GetCallerIdentity");
        self.plain(&hand, "s3", "ListBuckets");
        self.take_secret(&hand, 15, Naming::Arn);
    }

    pub(super) fn login_profile(&mut self) {
        let user = self.of.users[1].clone();
        let password = self.set_password(&user.name);
        let hand = self.later(user_caller(&user), &[&password]);
        let login = self.sign_in(&hand.caller, &[&password]);
        self.click(&hand, &[&login]);
    }

    pub(super) fn backdoor_role(&mut self) {
        let role = Role::new(self.account(), "org-maintenance", &mut self.dice);
        let hand = self.strong.clone();
        let call = self.begin("iam", "CreateRole").writing();
        let call = call
            .asking(|json| {
                json.text("roleName", &role.name);
                json.text("assumeRolePolicyDocument", &trust());
            })
            .answered(|json| {
                json.member("role", |json| {
                    json.text("roleName", &role.name);
                    json.text("roleId", &role.id);
                    json.text("arn", &role.arn());
                });
            });
        let id = self.make(&hand, &call);
        self.has_planted("role", &role.name, &id);
        self.come_back(&role, &id);
    }

    pub(super) fn trust_edit(&mut self) {
        let (role, hand) = (self.of.trusting.clone(), self.strong.clone());
        let call = self
            .begin("iam", "UpdateAssumeRolePolicy")
            .writing()
            .asking(|json| {
                json.text("roleName", &role.name);
                json.text("policyDocument", &trust());
            });
        let id = self.make(&hand, &call);
        self.has_planted("trust_policy", &role.name, &id);
        self.come_back(&role, &id);
    }

    /// Takes a role from outside.
    fn come_back(&mut self, role: &Role, opened: &str) {
        let who = Who::Foreign {
            principal: self.dice.id("AIDA"),
        };
        let foreign = self.later(Caller::new(who, OUTSIDE, "", None), &[opened]);
        let (key, at, session) = (self.dice.id("ASIA"), self.tick(), "maintenance");
        let mut call = calls::assume(at, self.home(), role, session, &key, 3_600, &mut self.dice);
        call.shared = Some(self.dice.uuid());
        let id = self.make(&foreign, &call);
        let caller = calls::session(role, session, &key, at);
        let caller = caller.at(&self.second.0, self.second.1);
        let hand = Hand {
            caller,
            links: links(&[&id]),
            own: true,
        };
        self.plain(&hand, "sts", "GetCallerIdentity");
        let number = self.dice.below(20);
        self.take_secret(&hand, number, Naming::Name);
    }

    /// A user whose only credential is a bearer token for models.
    pub(super) fn bearer_token(&mut self) {
        let (name, user_id) = (
            format!("BedrockAPIKey-{}", self.dice.letters(4)),
            self.dice.id("AIDA"),
        );
        let user = self.create_user(&name, &user_id);
        self.attach(&name, "AmazonBedrockLimitedAccess");
        let (hand, credential) = (self.strong.clone(), self.dice.id("ACCA"));
        let call = self
            .begin("iam", "CreateServiceSpecificCredential")
            .writing();
        let call = call
            .asking(|json| {
                json.text("userName", &name);
                json.text("serviceName", "bedrock.amazonaws.com");
            })
            .answered(|json| {
                json.member("serviceSpecificCredential", |json| {
                    json.text("serviceSpecificCredentialId", &credential);
                    json.text("userName", &name);
                    json.text("serviceName", "bedrock.amazonaws.com");
                    json.text("status", "Active");
                });
            });
        let made = self.make(&hand, &call);
        self.has_planted("service_credential", &credential, &made);
        let who = Who::User { name, id: user_id };
        let caller = Caller::new(who, self.account(), "", None);
        let hand = self.later(caller, &[&made, &user]);
        for _ in 0..6 {
            let mut call = self.invoke(self.home());
            call.additional = Some(r#"{"callWithBearerToken":true}"#.to_string());
            self.make(&hand, &call);
        }
    }
}

fn trust() -> String {
    format!(
        "{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Effect\":\"Allow\",\"Principal\":{{\"AWS\":\"arn:aws:iam::{OUTSIDE}:root\"}},\"Action\":\"sts:AssumeRole\"}}]}}"
    )
}
