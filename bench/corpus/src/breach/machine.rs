//! Machines that the attacker starts, and one that he takes over; his key at further places.

use super::{Hand, Story, links};
use crate::call::Call;
use crate::calls::{self, Naming};
use crate::identity::Caller;
use crate::organisation::Role;

const RUNTIME: &str = "Boto3/1.34.145 md/Botocore#1.34.145 ua/2.0 os/linux#5.10.219-229.866.amzn2.x86_64 md/arch#x86_64 lang/python#3.12.4 md/pyimpl#CPython exec-env/AWS_Lambda_python3.12 cfg/retry-mode#legacy Botocore/1.34.145";

impl Story<'_> {
    /// A function that reads secrets by itself.
    pub(super) fn function(&mut self) {
        let (hand, name) = (self.strong.clone(), "log-rotation-helper");
        let role = Role::new(self.account(), "export-runtime", &mut self.dice);
        let arn = format!(
            "arn:aws:lambda:{}:{}:function:{name}",
            self.home(),
            self.account()
        );
        let call = self.begin("lambda", "CreateFunction20150331").writing();
        let call = call
            .asking(|json| {
                json.text("functionName", name);
                json.text("runtime", "python3.12");
                json.text("role", &role.arn());
                json.text("handler", "index.handler");
            })
            .answered(|json| {
                json.text("functionName", name);
                json.text("functionArn", &arn);
                json.text("role", &role.arn());
            });
        let id = self.make(&hand, &call);
        self.has_planted("function", name, &id);
        self.pause(60, 300);
        let (key, at) = (self.dice.id("ASIA"), self.tick());
        let started = calls::assume(at, self.home(), &role, name, &key, 43_200, &mut self.dice);
        let started = self.record(&Caller::service("lambda.amazonaws.com"), &started);
        self.truth.either.insert(started);
        let caller = calls::session(&role, name, &key, at).at(&self.of.gateways[0], RUNTIME);
        let hand = Hand {
            caller,
            links: links(&[&id]),
            own: false,
        };
        for number in [18, 19, 20] {
            self.take_secret(&hand, number, Naming::Arn);
        }
    }

    /// An instance with a role.
    pub(super) fn instance(&mut self) {
        let (hand, name) = (self.strong.clone(), format!("i-{}", self.dice.hex(17)));
        let role = Role::new(self.account(), "batch-runtime", &mut self.dice);
        let call = self.begin("ec2", "RunInstances").writing();
        let call = call
            .asking(|json| {
                json.text("instanceType", "g5.xlarge");
                json.member("iamInstanceProfile", |json| {
                    json.text("name", "batch-runtime");
                });
            })
            .answered(|json| {
                json.member("instancesSet", |json| {
                    json.raw("items", &format!("[{{\"instanceId\":\"{name}\"}}]"));
                });
            });
        let id = self.make(&hand, &call);
        self.has_planted("instance", &name, &id);
        self.pause(60, 300);
        let (key, at) = (self.dice.id("ASIA"), self.tick());
        let started = calls::assume(at, self.home(), &role, &name, &key, 21_600, &mut self.dice);
        let started = self.record(&Caller::service("ec2.amazonaws.com"), &started);
        self.truth.either.insert(started);
        let caller = calls::session(&role, &name, &key, at).at("198.18.77.8", GO);
        let hand = Hand {
            caller,
            links: links(&[&id]),
            own: false,
        };
        self.plain(&hand, "sts", "GetCallerIdentity");
        for number in [21, 22] {
            self.take_secret(&hand, number, Naming::Name);
        }
    }

    /// The credentials of an instance that goes on using them.
    pub(super) fn instance_key(&mut self) {
        let name = format!("i-{}", self.dice.hex(17));
        let role = Role::new(self.account(), "search-instance", &mut self.dice);
        let (key, made) = (self.dice.id("ASIA"), self.at - 7_000);
        let opened = calls::assume(
            made,
            self.home(),
            &role,
            &name,
            &key,
            21_600,
            &mut self.dice,
        );
        self.record(&Caller::service("ec2.amazonaws.com"), &opened);
        let session = calls::session(&role, &name, &key, made);
        let rightful = session.clone().at(&self.of.gateways[0], GO);
        for number in 0..12 {
            let at = made + 30 + number * 1_100;
            let call = Call::new(at, "sqs", "GetQueueAttributes", self.home(), self.account());
            self.record(&rightful, &call);
        }
        let hand = self.strong.clone();
        let call = self.begin("ssm", "SendCommand").writing().asking(|json| {
            json.text("documentName", "AWS-RunShellScript");
            json.list("instanceIds", &[&name]);
        });
        let id = self.make(&hand, &call);
        let place = &self.key.caller;
        let caller = session.at(&place.address, &place.agent);
        let stolen = Hand {
            caller,
            links: links(&[&id]),
            own: true,
        };
        self.plain(&stolen, "sts", "GetCallerIdentity");
        self.plain(&stolen, "secretsmanager", "ListSecrets");
        self.take_secret(&stolen, 2, Naming::Name);
        self.take_secret(&stolen, 23, Naming::Name);
    }

    /// The leaked key at further places, before and after.
    pub(super) fn roaming(&mut self) {
        let now = self.at;
        let mut hand = self.key.clone();
        self.at -= 86_400;
        hand.caller = hand.caller.at("203.0.113.251", "python-requests/2.31.0");
        self.plain(&hand, "sts", "GetCallerIdentity");
        self.at = now;
        hand.caller = hand.caller.at("203.0.113.252", "axios/1.7.4");
        self.plain(&hand, "sts", "GetCallerIdentity");
        self.plain(&hand, "secretsmanager", "ListSecrets");
        self.take_secret(&hand, 10, Naming::Name);
        hand.caller = hand.caller.at("203.0.113.253", self.of.owner_agent);
        self.plain(&hand, "secretsmanager", "ListSecrets");
        for number in 11..16 {
            self.take_secret(&hand, number, Naming::Name);
        }
    }
}

const GO: &str =
    "aws-sdk-go-v2/1.30.3 os/linux lang/go#1.22.5 md/GOOS#linux md/GOARCH#amd64 api/sqs#1.34.3";
