//! Making a key.

use relatch_case::{Fault, KeyId};
use relatch_secret::Secret;
use serde_json::Value;

use super::call::{Caller, Effect};
use crate::catalog::{Copy, MintSpec};
use crate::http::{Answer, Body};
use crate::port::{MintRequest, Minted};
use crate::template::Variables;

/// Makes a key, once. What the replaced key was limited to is read first.
pub(crate) async fn mint(
    caller: &Caller,
    spec: &MintSpec,
    request: &MintRequest,
    mut variables: Variables,
) -> Result<Minted, Fault> {
    variables.insert("name".into(), request.name.clone());
    let extra = match (&spec.copy, &request.replaces) {
        (Some(copy), Some(old)) => limits(caller, copy, old, &variables).await?,
        _ => Vec::new(),
    };
    let answer = caller
        .call(&spec.request, &variables, &extra, Effect::Changes)
        .await?;
    if !answer.is_success() {
        let fault = caller.fault(&answer, &spec.rules, Effect::Changes);
        let unsaid = || caller.misunderstood(&answer, Effect::Changes, "shows no key");
        return Err(fault.unwrap_or_else(unsaid));
    }
    let minted = answer
        .body
        .as_ref()
        .and_then(|body| take(body, &spec.id, &spec.value));
    minted.ok_or_else(|| caller.misunderstood(&answer, Effect::Changes, "shows no id and value"))
}

/// Takes id and value out of an answer. The answer is wiped when it is dropped.
pub(crate) fn take(body: &Body, id: &str, value: &str) -> Option<Minted> {
    let text = |at: &str| {
        body.json()
            .pointer(at)?
            .as_str()
            .filter(|text| !text.is_empty())
    };
    let (id, value) = (text(id)?, text(value)?);
    Some(Minted {
        id: KeyId::new(id),
        secret: Secret::new(value.as_bytes().to_vec()),
    })
}

/// What the old key is limited to. An old key that is gone already limits nothing: without a
/// new one the outage would go on, so it is made with the issuer's defaults, and said so.
async fn limits(
    caller: &Caller,
    copy: &Copy,
    old: &KeyId,
    variables: &Variables,
) -> Result<Vec<(String, Value)>, Fault> {
    let mut variables = variables.clone();
    variables.insert("key".into(), old.to_string());
    let answer = caller
        .call(&copy.request, &variables, &[], Effect::Reads)
        .await?;
    if answer.is_success() {
        return told(caller, copy, &answer);
    }
    if answer.status == 404 && answer.body.is_some() {
        tracing::warn!(issuer = %caller.name, key = %old, "the old key is gone: its limits cannot be copied");
        return Ok(Vec::new());
    }
    let unsaid = || caller.misunderstood(&answer, Effect::Reads, "the old key cannot be read");
    Err(caller
        .fault(&answer, &[], Effect::Reads)
        .unwrap_or_else(unsaid))
}

fn told(caller: &Caller, copy: &Copy, answer: &Answer) -> Result<Vec<(String, Value)>, Fault> {
    let Some(body) = answer.json() else {
        return Err(caller.misunderstood(answer, Effect::Reads, "the old key cannot be read"));
    };
    let field = |(name, at): (&String, &String)| {
        let value = body.pointer(at).filter(|value| !is_empty(value))?;
        Some((name.clone(), value.clone()))
    };
    Ok(copy.fields.iter().filter_map(field).collect())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
