//! Calls that both ordinary callers and the attacker make.

use crate::call::{Call, credentials};
use crate::identity::{Caller, Who};
use crate::json::Json;
use crate::organisation::{Parameter, Role, Secret};
use crate::random::Dice;

/// `AssumeRole`; the answer announces `key`.
pub(crate) fn assume(
    at: i64,
    region: &'static str,
    role: &Role,
    session: &str,
    key: &str,
    life: i64,
    dice: &mut Dice,
) -> Call {
    let arn = role.arn();
    let call = Call::new(at, "sts", "AssumeRole", region, &role.account)
        .asking(|json| {
            json.text("roleArn", &arn);
            json.text("roleSessionName", session);
            json.raw("durationSeconds", &life.to_string());
        })
        .answered(|json| {
            credentials(json, key, at, life, dice);
            json.member("assumedRoleUser", |json| {
                json.text("assumedRoleId", &format!("{}:{session}", role.id));
                json.text("arn", &role.session_arn(session));
            });
        });
    resources(call, &[(&role.account, "AWS::IAM::Role", &arn)])
}

/// A session of a role.
pub(crate) fn session(role: &Role, session: &str, key: &str, at: i64) -> Caller {
    let who = Who::Role {
        name: role.name.clone(),
        id: role.id.clone(),
        session: session.to_string(),
    };
    Caller::new(who, &role.account, key, Some(at))
}

/// The same call with the things that it touched.
pub(crate) fn resources(mut call: Call, of: &[(&str, &str, &str)]) -> Call {
    let objects = of.iter().map(|(account, kind, arn)| {
        Json::object(|json| {
            json.text("accountId", account);
            json.text("type", kind);
            json.text("ARN", arn);
        })
    });
    call.resources = Some(format!("[{}]", objects.collect::<Vec<_>>().join(",")));
    call
}

/// How a secret is named in a request.
#[derive(Clone, Copy)]
pub(crate) enum Naming {
    Name,
    Arn,
    /// Without the six characters at its end.
    PartialArn,
}

/// `GetSecretValue`.
pub(crate) fn get_secret(at: i64, secret: &Secret, naming: Naming) -> Call {
    let arn = secret.arn();
    let id = match naming {
        Naming::Name => secret.name.as_str(),
        Naming::Arn => arn.as_str(),
        Naming::PartialArn => &arn[..arn.len() - 7],
    };
    Call::new(
        at,
        "secretsmanager",
        "GetSecretValue",
        secret.region,
        &secret.account,
    )
    .asking(|json| json.text("secretId", id))
}

/// The decryption behind a secret's read, to be made `through` its service.
pub(crate) fn decrypt_secret(at: i64, secret: &Secret) -> Call {
    let context = [
        ("SecretARN", secret.arn()),
        ("SecretVersionId", secret.version.clone()),
    ];
    decrypt(at, secret.region, &secret.account, &secret.master, &context)
}

/// The decryption behind a parameter's read.
pub(crate) fn decrypt_parameter(at: i64, parameter: &Parameter) -> Call {
    let context = [("PARAMETER_ARN", parameter.arn())];
    decrypt(
        at,
        parameter.region,
        &parameter.account,
        &parameter.master,
        &context,
    )
}

fn decrypt(
    at: i64,
    region: &'static str,
    account: &str,
    master: &str,
    context: &[(&str, String)],
) -> Call {
    let call = Call::new(at, "kms", "Decrypt", region, account).asking(|json| {
        json.text("encryptionAlgorithm", "SYMMETRIC_DEFAULT");
        json.member("encryptionContext", |json| {
            for (name, value) in context {
                json.text(name, value);
            }
        });
    });
    resources(call, &[(account, "AWS::KMS::Key", master)])
}
