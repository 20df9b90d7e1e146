//! IAM users' access keys: the native issuer.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_sdk_iam::Client;
use aws_sdk_iam::types::StatusType;
use aws_sdk_sts::error::ProvideErrorMetadata;
use jiff::Timestamp;
use relatch_case::model::{IssuedKey, Liveness, Minting, Probe, ProbeKind, Sheet};
use relatch_case::{Fault, FaultKind, IssuerId, KeyId, Principal};
use relatch_issuers::{Issuer, KeyMaterial, MintRequest, Minted};
use relatch_secret::Secret;
use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::error::{fault, fault_of_read};

/// The inline policy that cuts a user off.
pub const CUT_POLICY: &str = "RelatchDenyAll";

/// Its text: nothing is allowed, whatever else is.
const CUT_DOCUMENT: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"RelatchTripwire","Effect":"Deny","Action":"*","Resource":"*"}]}"#;

/// A well-formed key that nobody has: it must be refused, or a refusal proves nothing.
const MADE_UP_ID: &str = "AKIARELATCHCONTROLQQ";

/// How ids of temporary credentials begin (IAM's table of unique identifiers).
const TEMPORARY: &str = "ASIA";

/// How long a control counts.
const CONTROL_LASTS: Duration = Duration::from_secs(20);

/// How many users are looked at at once.
const AT_ONCE: usize = 6;

/// The issuer of IAM access keys. Principals are `user/<name>`.
///
/// There is no condition key for an access key id, so an explicit deny (a cut) hits every key
/// of its user: the planner cuts only users of whom no key is in use.
#[derive(Debug)]
pub struct IamIssuer {
    id: IssuerId,
    sheet: Sheet,
    connection: Connection,
    read: Client,
    write: Client,
    /// When the control held last; kept for a short while, as probes come in bunches.
    control: Mutex<Option<Instant>>,
}

impl IamIssuer {
    /// The issuer `aws-iam` behind a connection.
    pub fn new(connection: Connection) -> Self {
        Self {
            id: IssuerId::from("aws-iam"),
            sheet: sheet(),
            read: Client::new(&connection.read_config("")),
            write: Client::new(&connection.write_config("")),
            connection,
            control: Mutex::new(None),
        }
    }

    /// Every user with its keys. Users whose keys, or whose keys' last use, could not be read
    /// are named with the reason; the latter are in both lists.
    pub async fn survey(
        &self,
    ) -> Result<(Vec<(Principal, Vec<IssuedKey>)>, Vec<(Principal, Fault)>), Fault> {
        let mut users = self.read.list_users().into_paginator().items().send();
        let (mut lists, mut unread) = (Vec::new(), Vec::new());
        let mut tasks = JoinSet::new();
        while let Some(user) = users.next().await {
            let principal =
                Principal::new(format!("user/{}", user.map_err(fault_of_read)?.user_name));
            if tasks.len() >= AT_ONCE {
                sort(tasks.join_next().await, &mut lists, &mut unread);
            }
            let client = self.read.clone();
            tasks.spawn(async move {
                let keys = keys_of(&client, &principal).await;
                (principal, keys)
            });
        }
        while let Some(result) = tasks.join_next().await {
            sort(Some(result), &mut lists, &mut unread);
        }
        lists.sort_by(|a, b| a.0.cmp(&b.0));
        unread.sort_by(|a: &(Principal, Fault), b| a.0.cmp(&b.0));
        Ok((lists, unread))
    }

    /// Presents a key once, without control.
    async fn present(&self, id: &str, secret: &Secret) -> (Liveness, String) {
        let sts = aws_sdk_sts::Client::new(&self.connection.as_key(id, secret));
        match sts.get_caller_identity().send().await {
            Ok(answer) => (
                Liveness::Alive,
                format!("200 {}", answer.arn.unwrap_or_default()),
            ),
            Err(error) => {
                let status = error.raw_response().map_or(0, |raw| raw.status().as_u16());
                match error
                    .as_service_error()
                    .and_then(ProvideErrorMetadata::code)
                {
                    Some(code) => (
                        liveness_of(code, status),
                        format!("refused: {status} {code}"),
                    ),
                    None => (Liveness::Unknown, "no definite answer".to_string()),
                }
            }
        }
    }

    /// Whether refusals mean something here: a made-up key is refused as definitely as a dead
    /// one, and our own credentials are not (whatever answers there may refuse everybody).
    async fn control(&self) -> Result<(), &'static str> {
        let held = *self.control.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_some_and(|at| at.elapsed() < CONTROL_LASTS) {
            return Ok(());
        }
        let made_up = Secret::from("RelatchControlRelatchControlRelatchContr");
        if self.present(MADE_UP_ID, &made_up).await.0 != Liveness::Dead {
            return Err("a made-up key is not refused like that");
        }
        if self.connection.identity_where_presented().await.is_err() {
            return Err("our own credentials are refused there as well");
        }
        *self.control.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(())
    }

    async fn set_status(
        &self,
        principal: &Principal,
        key: &KeyId,
        status: StatusType,
    ) -> Result<(), Fault> {
        self.write
            .update_access_key()
            .user_name(user(principal)?)
            .access_key_id(key.as_str())
            .status(status)
            .send()
            .await
            .map_err(fault)?;
        Ok(())
    }
}

#[async_trait]
impl Issuer for IamIssuer {
    fn id(&self) -> &IssuerId {
        &self.id
    }

    fn sheet(&self) -> &Sheet {
        &self.sheet
    }

    async fn list_all(&self) -> Result<Vec<(Principal, Vec<IssuedKey>)>, Fault> {
        let (lists, unread) = self.survey().await?;
        let listed = |principal: &Principal| lists.iter().any(|(known, _)| known == principal);
        match unread
            .iter()
            .find(|(user, fault)| !listed(user) || !is_final(fault))
        {
            None => Ok(lists),
            Some((principal, fault)) => Err(Fault::new(
                fault.kind,
                format!("{principal}: {}", fault.detail),
            )),
        }
    }

    async fn list(&self, principal: &Principal) -> Result<Vec<IssuedKey>, Fault> {
        let (keys, unread) = keys_of(&self.read, principal).await?;
        match unread {
            Some(fault) if !is_final(&fault) => Err(fault),
            Some(fault) => {
                tracing::warn!(%principal, %fault, "listed without last use");
                Ok(keys)
            }
            None => Ok(keys),
        }
    }

    async fn mint(&self, request: &MintRequest) -> Result<Minted, Fault> {
        let answer = self
            .write
            .create_access_key()
            .user_name(user(&request.principal)?)
            .send()
            .await
            .map_err(fault)?;
        let key = answer
            .access_key
            .ok_or_else(|| Fault::new(FaultKind::Ambiguous, "the answer names no key"))?;
        Ok(Minted {
            id: KeyId::new(key.access_key_id),
            secret: Secret::from(key.secret_access_key),
        })
    }

    async fn disable(&self, principal: &Principal, key: &KeyId) -> Result<(), Fault> {
        self.set_status(principal, key, StatusType::Inactive).await
    }

    async fn enable(&self, principal: &Principal, key: &KeyId) -> Result<(), Fault> {
        self.set_status(principal, key, StatusType::Active).await
    }

    async fn delete(&self, principal: &Principal, key: &KeyId) -> Result<(), Fault> {
        let deleted = self
            .write
            .delete_access_key()
            .user_name(user(principal)?)
            .access_key_id(key.as_str())
            .send()
            .await;
        gone_is_fine(deleted.map(|_| ()).map_err(fault))
    }

    async fn cut(&self, principal: &Principal) -> Result<(), Fault> {
        let put = self.write.put_user_policy().user_name(user(principal)?);
        put.policy_name(CUT_POLICY)
            .policy_document(CUT_DOCUMENT)
            .send()
            .await
            .map_err(|error| no_room(fault(error)))?;
        Ok(())
    }

    async fn uncut(&self, principal: &Principal) -> Result<(), Fault> {
        let deleted = self
            .write
            .delete_user_policy()
            .user_name(user(principal)?)
            .policy_name(CUT_POLICY)
            .send()
            .await;
        gone_is_fine(deleted.map(|_| ()).map_err(fault))
    }

    async fn last_used(&self, _: &Principal, key: &KeyId) -> Result<Option<Timestamp>, Fault> {
        last_used(&self.read, key.as_str()).await
    }

    async fn probe(&self, key: &KeyMaterial) -> Probe {
        let Some(id) = &key.id else {
            return unknown("an access key cannot be presented without its id");
        };
        if id.as_str().starts_with(TEMPORARY) {
            return unknown("a temporary key cannot be presented without its session token");
        }
        if !is_well_formed(id.as_str()) {
            return unknown("this is no id of an access key: was it cut short?");
        }
        let control = self.control().await;
        let (mut liveness, mut answer) = self.present(id.as_str(), &key.secret).await;
        if let Err(why) = control
            && liveness == Liveness::Dead
        {
            liveness = Liveness::Unknown;
            answer = format!("{answer}, but {why}");
        }
        Probe {
            liveness,
            answer: relatch_secret::redact::outside(&answer),
            control: control.is_ok(),
            how: ProbeKind::Presented,
        }
    }

    fn recognises(&self, _: &IssuedKey, _: &Secret) -> bool {
        // IAM shows no hint of a secret: keys are matched by their id.
        false
    }
}

/// What `sts:GetCallerIdentity` says of the key that signed it. It needs no permission, even
/// under an explicit deny, so only the key itself can be the reason of a refusal.
fn liveness_of(code: &str, status: u16) -> Liveness {
    match (code, status) {
        ("InvalidClientTokenId", 403) => Liveness::Dead,
        ("AccessDenied" | "AccessDeniedException", 403) => Liveness::Restricted,
        // SignatureDoesNotMatch: the key id lives, this secret is not its own.
        _ => Liveness::Unknown,
    }
}

/// Ids of users' keys: `AKIA` and at least 16 more capitals and digits (IAM's API reference
/// asks for 16 to 128 characters, all that AWS has handed out are 20 long). Any other text is
/// refused by STS just like a dead key.
fn is_well_formed(id: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    id.starts_with("AKIA") && (20..=128).contains(&id.len()) && id.bytes().all(valid)
}

fn sheet() -> Sheet {
    Sheet {
        minting: Minting::Program,
        named: false,
        lists: true,
        disables: true,
        deletes: true,
        cuts: true,
        last_used: true,
        slots: Some(2),
        propagation_s: 4,
    }
}

fn unknown(answer: &str) -> Probe {
    Probe {
        liveness: Liveness::Unknown,
        answer: answer.to_string(),
        control: false,
        how: ProbeKind::Presented,
    }
}

fn user(principal: &Principal) -> Result<&str, Fault> {
    principal.as_str().strip_prefix("user/").ok_or_else(|| {
        Fault::new(
            FaultKind::Invalid,
            format!("{principal} is no IAM user (user/<name>)"),
        )
    })
}

/// For policies a limit is about their size, not about keys.
pub(crate) fn no_room(fault: Fault) -> Fault {
    match fault.kind {
        FaultKind::SlotsFull => Fault {
            kind: FaultKind::Invalid,
            ..fault
        },
        _ => fault,
    }
}

pub(crate) fn gone_is_fine(result: Result<(), Fault>) -> Result<(), Fault> {
    match result {
        Err(fault) if fault.kind == FaultKind::NotFound => Ok(()),
        other => other,
    }
}

/// What asking again will not change: no permission, or the key is gone meanwhile.
fn is_final(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::Denied | FaultKind::NotFound)
}

/// The keys of a user, and why the last use of some could not be read.
async fn keys_of(client: &Client, principal: &Principal) -> Result<Keys, Fault> {
    let mut listed = client
        .list_access_keys()
        .user_name(user(principal)?)
        .into_paginator()
        .items()
        .send();
    let (mut keys, mut unread) = (Vec::new(), None);
    while let Some(key) = listed.next().await {
        let key = key.map_err(fault_of_read)?;
        let id = key.access_key_id.ok_or_else(|| {
            Fault::new(FaultKind::Unreachable, "the list has a key without an id")
        })?;
        let last_used = last_used(client, &id).await.unwrap_or_else(|fault| {
            unread = Some(fault);
            None
        });
        keys.push(IssuedKey {
            last_used,
            id: KeyId::new(id),
            name: None,
            hint: None,
            // A status of no known name may well work.
            active: !matches!(key.status, Some(StatusType::Inactive | StatusType::Expired)),
            created: key.create_date.and_then(timestamp),
        });
    }
    keys.sort_by(|a, b| a.id.cmp(&b.id));
    Ok((keys, unread))
}

async fn last_used(client: &Client, key: &str) -> Result<Option<Timestamp>, Fault> {
    let answer = client
        .get_access_key_last_used()
        .access_key_id(key)
        .send()
        .await
        .map_err(|error| {
            let fault = fault_of_read(error);
            Fault::new(fault.kind, format!("last use of {key}: {}", fault.detail))
        })?;
    Ok(answer
        .access_key_last_used
        .and_then(|used| used.last_used_date)
        .and_then(timestamp))
}

fn timestamp(at: aws_smithy_types::DateTime) -> Option<Timestamp> {
    Timestamp::new(at.secs(), i32::try_from(at.subsec_nanos()).ok()?).ok()
}

type Keys = (Vec<IssuedKey>, Option<Fault>);
type Surveyed = (Principal, Result<Keys, Fault>);

fn sort(
    result: Option<Result<Surveyed, tokio::task::JoinError>>,
    lists: &mut Vec<(Principal, Vec<IssuedKey>)>,
    unread: &mut Vec<(Principal, Fault)>,
) {
    match result {
        Some(Ok((principal, Ok((keys, fault))))) => {
            unread.extend(fault.map(|fault| (principal.clone(), fault)));
            lists.push((principal, keys));
        }
        Some(Ok((principal, Err(fault)))) => unread.push((principal, fault)),
        // A user must not get lost with a task that panicked; none is ever cancelled.
        Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unknown_token_is_dead() {
        assert_eq!(liveness_of("InvalidClientTokenId", 403), Liveness::Dead);
        assert_eq!(liveness_of("InvalidClientTokenId", 503), Liveness::Unknown);
        for code in [
            "SignatureDoesNotMatch",
            "ExpiredToken",
            "Throttling",
            "InternalFailure",
        ] {
            assert_eq!(liveness_of(code, 403), Liveness::Unknown, "{code}");
        }
        assert_eq!(liveness_of("AccessDenied", 403), Liveness::Restricted);
    }

    #[test]
    fn a_principal_that_is_no_user_is_refused() {
        assert_eq!(user(&Principal::from("user/a")).ok(), Some("a"));
        assert!(user(&Principal::from("role/a")).is_err());
    }
}
