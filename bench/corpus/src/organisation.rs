//! The made-up organisation: accounts, roles, users, secrets, addresses.

use crate::random::Dice;
use crate::spec::{START, Spec};
use crate::text::WORDS;

/// Regions, the home region first.
pub(crate) const REGIONS: [&str; 6] = [
    "eu-west-1",
    "us-east-1",
    "eu-central-1",
    "us-west-2",
    "ap-southeast-2",
    "sa-east-1",
];

/// A role.
#[derive(Debug, Clone)]
pub(crate) struct Role {
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) id: String,
}

impl Role {
    pub(crate) fn new(account: &str, name: &str, dice: &mut Dice) -> Self {
        Self {
            account: account.to_string(),
            name: name.to_string(),
            id: dice.id("AROA"),
        }
    }

    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:iam::{}:role/{}", self.account, self.name)
    }

    pub(crate) fn session_arn(&self, session: &str) -> String {
        format!(
            "arn:aws:sts::{}:assumed-role/{}/{session}",
            self.account, self.name
        )
    }
}

/// A user.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) key: String,
}

impl User {
    pub(crate) fn new(account: &str, name: &str, dice: &mut Dice) -> Self {
        Self {
            account: account.to_string(),
            name: name.to_string(),
            id: dice.id("AIDA"),
            key: dice.id("AKIA"),
        }
    }
}

/// A secret of Secrets Manager.
#[derive(Debug, Clone)]
pub(crate) struct Secret {
    pub(crate) account: String,
    pub(crate) region: &'static str,
    pub(crate) name: String,
    /// The six characters that are appended to the name.
    pub(crate) end: String,
    pub(crate) version: String,
    pub(crate) master: String,
}

impl Secret {
    pub(crate) fn arn(&self) -> String {
        let (region, account) = (self.region, &self.account);
        format!(
            "arn:aws:secretsmanager:{region}:{account}:secret:{}-{}",
            self.name, self.end
        )
    }
}

/// A parameter of the parameter store.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) account: String,
    pub(crate) region: &'static str,
    pub(crate) name: String,
    pub(crate) master: String,
}

impl Parameter {
    pub(crate) fn arn(&self) -> String {
        format!(
            "arn:aws:ssm:{}:{}:parameter{}",
            self.region, self.account, self.name
        )
    }
}

/// The whole organisation.
#[derive(Debug)]
pub(crate) struct Organisation {
    pub(crate) accounts: Vec<String>,
    pub(crate) regions: Vec<&'static str>,
    /// Where an account's machines leave to the outside.
    pub(crate) gateways: Vec<String>,
    /// Where people at the office do.
    pub(crate) office: String,
    /// The user whose key leaks.
    pub(crate) owner: User,
    /// Where the owner's machine is.
    pub(crate) owner_address: String,
    pub(crate) owner_agent: &'static str,
    /// Where the owner's machine is moved to, and when, if it is.
    pub(crate) owner_moves: Option<(i64, String)>,
    /// Somebody at the office uses the owner's key too, now and then.
    pub(crate) owner_at_office: bool,
    /// A role that the owner takes all the time.
    pub(crate) busy: Role,
    /// The session name that the owner uses for it.
    pub(crate) busy_session: String,
    /// Users with keys of their own.
    pub(crate) users: Vec<User>,
    /// Roles that can be taken one from the other; the last is in the second account.
    pub(crate) chain: Vec<Role>,
    /// A role whose trust the attacker may open.
    pub(crate) trusting: Role,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) parameters: Vec<Parameter>,
    /// The account of a company that watches.
    pub(crate) vendor: String,
}

/// The owner's client, by seed.
const OWNER_AGENTS: [&str; 4] = [
    "Boto3/1.34.84 md/Botocore#1.34.84 ua/2.0 os/linux#5.10.213 md/arch#x86_64 lang/python#3.11.8 md/pyimpl#CPython cfg/retry-mode#legacy Botocore/1.34.84",
    "aws-sdk-go-v2/1.26.1 os/linux lang/go#1.22.2 md/GOOS#linux md/GOARCH#amd64 api/secretsmanager#1.28.6",
    "aws-sdk-java/2.25.31 md/io#sync md/http#Apache ua/2.0 os/Linux#6.1.84 lang/java#21.0.2 md/OpenJDK_64-Bit_Server_VM#21.0.2+13-LTS",
    "aws-sdk-nodejs/2.1590.0 linux/v20.12.1 promise",
];

impl Organisation {
    /// The organisation of a spec.
    pub(crate) fn new(spec: &Spec) -> Self {
        let dice = &mut Dice::new(spec.seed, 1);
        let accounts: Vec<String> = (0..spec.accounts.max(2)).map(|_| dice.digits(12)).collect();
        let regions = REGIONS[..spec.regions.clamp(1, 6)].to_vec();
        let gateways: Vec<String> = (0..accounts.len())
            .map(|at| format!("198.18.{at}.{}", dice.below(200) + 9))
            .collect();
        let (prod, second) = (accounts[0].clone(), accounts[1].clone());
        let roles = ["build-agent", "release-admin", "data-reader"];
        let mut chain: Vec<Role> = roles
            .iter()
            .map(|name| Role::new(&prod, name, dice))
            .collect();
        chain.push(Role::new(&second, "shared-operations", dice));
        let names = ["svc-backup", "svc-mailer", "svc-metrics", "anna.berg"];
        let (span, moved) = (
            spec.end() - START,
            format!("198.18.65.{}", dice.below(200) + 9),
        );
        let owner_address = format!("198.18.64.{}", dice.below(200) + 9);
        Self {
            gateways,
            office: format!("198.19.7.{}", dice.below(200) + 9),
            owner: User::new(&prod, "svc-orders-sync", dice),
            owner_address,
            owner_agent: *dice.pick(&OWNER_AGENTS),
            owner_moves: (spec.seed % 3 == 1).then(|| (START + span * 64 / 100, moved)),
            owner_at_office: spec.seed.is_multiple_of(2),
            busy: Role::new(&prod, "orders-runtime", dice),
            busy_session: "orders-sync".to_string(),
            users: names
                .iter()
                .map(|name| User::new(&prod, name, dice))
                .collect(),
            chain,
            trusting: Role::new(&prod, "partner-export", dice),
            secrets: secrets(&accounts, &regions, dice),
            parameters: parameters(&accounts, &regions, dice),
            vendor: dice.digits(12),
            accounts,
            regions,
        }
    }

    /// Secrets of an account in its home region.
    pub(crate) fn secrets_of(&self, account: &str) -> Vec<&Secret> {
        self.secrets
            .iter()
            .filter(|secret| secret.account == account)
            .collect()
    }

    /// Parameters of an account.
    pub(crate) fn parameters_of(&self, account: &str) -> Vec<&Parameter> {
        self.parameters
            .iter()
            .filter(|parameter| parameter.account == account)
            .collect()
    }
}

fn secrets(accounts: &[String], regions: &[&'static str], dice: &mut Dice) -> Vec<Secret> {
    let mut secrets = Vec::new();
    for account in accounts {
        let master = format!("arn:aws:kms:{}:{account}:key/{}", regions[0], dice.uuid());
        for word in WORDS {
            let kind = *dice.pick(&["database", "api-key", "signing", "webhook"]);
            secrets.push(Secret {
                account: account.clone(),
                region: regions[0],
                name: format!("prod/{word}/{kind}"),
                end: dice.letters(6),
                version: dice.uuid(),
                master: master.clone(),
            });
        }
    }
    secrets
}

fn parameters(accounts: &[String], regions: &[&'static str], dice: &mut Dice) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    for account in accounts {
        let master = format!("arn:aws:kms:{}:{account}:key/{}", regions[0], dice.uuid());
        for word in WORDS {
            for what in ["password", "token"] {
                parameters.push(Parameter {
                    account: account.clone(),
                    region: regions[0],
                    name: format!("/prod/{word}/{what}"),
                    master: master.clone(),
                });
            }
        }
    }
    parameters
}
