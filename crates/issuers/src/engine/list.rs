//! Listing keys: walking scopes, following pages, reading items.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use relatch_case::model::IssuedKey;
use relatch_case::{Fault, FaultKind, KeyId, Principal};
use relatch_secret::redact::printable_text;
use serde_json::Value;

use super::call::{Caller, Effect};
use super::{hint, principal};
use crate::catalog::{
    Condition, Entry, ItemShape, List, Moment, Owner, Paging, PrincipalKind, Request, scalar,
};
use crate::template::Variables;

/// Most pages of one list; far beyond what any issuer allows.
const MOST_PAGES: usize = 10_000;

/// Keys by principal; with those that have none, and those whose keys are all gone.
pub(crate) type Listed = BTreeMap<Principal, Vec<IssuedKey>>;

/// Every principal with its keys.
pub(crate) async fn all(caller: &Caller, list: &List) -> Result<Listed, Fault> {
    let mut listed = Listed::new();
    for scope in scopes(caller, list).await? {
        principals(caller, list, &scope, &mut listed).await?;
        keys(caller, list, &scope, &mut listed).await?;
    }
    Ok(listed)
}

/// The keys of one principal.
pub(crate) async fn one(
    caller: &Caller,
    entry: &Entry,
    list: &List,
    wanted: &Principal,
) -> Result<Vec<IssuedKey>, Fault> {
    let unknown = || Fault::new(FaultKind::NotFound, format!("{}: no {wanted}", caller.name));
    let (kind, variables) = principal::kind_of(&entry.principals, wanted).ok_or_else(unknown)?;
    let mut listed = Listed::new();
    keys(caller, list, &variables, &mut listed).await?;
    if let Some(keys) = listed.remove(wanted) {
        return Ok(keys);
    }
    if exists(caller, list, kind, &variables, wanted).await? {
        Ok(Vec::new())
    } else {
        Err(unknown())
    }
}

/// Whether a principal without keys is one: it is named in the list of principals, or is of a
/// kind that this list does not name.
async fn exists(
    caller: &Caller,
    list: &List,
    kind: &PrincipalKind,
    scope: &Variables,
    wanted: &Principal,
) -> Result<bool, Fault> {
    if !kind.listed {
        return Ok(true);
    }
    let mut named = Listed::new();
    principals(caller, list, scope, &mut named).await?;
    Ok(named.contains_key(wanted))
}

async fn scopes(caller: &Caller, list: &List) -> Result<Vec<Variables>, Fault> {
    let Some(spec) = &list.scopes else {
        return Ok(vec![Variables::new()]);
    };
    let none = Variables::new();
    let items = pages(caller, &spec.request, &none, &spec.items, &spec.paging).await?;
    let read = |item: &Value| take(item, &spec.variables).ok_or_else(|| unreadable(caller, item));
    items.iter().map(read).collect()
}

async fn principals(
    caller: &Caller,
    list: &List,
    scope: &Variables,
    listed: &mut Listed,
) -> Result<(), Fault> {
    let Some(spec) = &list.principals else {
        return Ok(());
    };
    for item in pages(caller, &spec.request, scope, &spec.items, &spec.paging).await? {
        let owner = owner(std::slice::from_ref(&spec.owner), &item, scope);
        listed
            .entry(owner.ok_or_else(|| unreadable(caller, &item))?)
            .or_default();
    }
    Ok(())
}

async fn keys(
    caller: &Caller,
    list: &List,
    scope: &Variables,
    listed: &mut Listed,
) -> Result<(), Fault> {
    let spec = &list.keys;
    for item in pages(caller, &spec.request, scope, &spec.items, &spec.paging).await? {
        let owner = owner(&spec.owners, &item, scope).ok_or_else(|| unreadable(caller, &item))?;
        let keys = listed.entry(owner).or_default();
        if !is_gone(&spec.item, &item) {
            keys.push(read(&spec.item, &item).ok_or_else(|| unreadable(caller, &item))?);
        }
    }
    Ok(())
}

/// Follows a list to its end. A list that ends in the middle is a fault, never a short list.
async fn pages(
    caller: &Caller,
    request: &Request,
    variables: &Variables,
    at: &str,
    paging: &Paging,
) -> Result<Vec<Value>, Fault> {
    let mut items = Vec::new();
    let mut seen = BTreeSet::new();
    let mut request = request.clone();
    let mut variables = variables.clone();
    while seen.len() < MOST_PAGES {
        let (mut page, next) = page(caller, &request, &variables, at, paging).await?;
        items.append(&mut page);
        let Some(cursor) = next else { return Ok(items) };
        if !seen.insert(cursor.clone()) {
            break;
        }
        request
            .query
            .insert(paging.param.clone(), "{{ cursor }}".into());
        variables.insert("cursor".into(), cursor);
    }
    let detail = format!(
        "{}: a list goes in circles and cannot be read to its end",
        caller.name
    );
    Err(Fault::new(FaultKind::Invalid, detail))
}

/// One page, and where the next one starts.
async fn page(
    caller: &Caller,
    request: &Request,
    variables: &Variables,
    at: &str,
    paging: &Paging,
) -> Result<(Vec<Value>, Option<String>), Fault> {
    let answer = caller.call(request, variables, &[], Effect::Reads).await?;
    let misunderstood = |what| caller.misunderstood(&answer, Effect::Reads, what);
    if !answer.is_success() {
        let fault = caller.fault(&answer, &[], Effect::Reads);
        return Err(fault.unwrap_or_else(|| misunderstood("shows no list")));
    }
    let body = answer
        .json()
        .ok_or_else(|| misunderstood("shows no list"))?;
    let items = body.pointer(at).and_then(Value::as_array).cloned();
    let items = items.ok_or_else(|| misunderstood("shows no list"))?;
    let more = body.pointer(&paging.more).and_then(Value::as_bool);
    if more == Some(false) || (more.is_none() && items.is_empty()) {
        return Ok((items, None));
    }
    let told = body.pointer(&paging.cursor).and_then(scalar);
    let last = || {
        items
            .last()
            .and_then(|item| scalar(item.pointer(&paging.item_cursor)?))
    };
    let cursor = told.or_else(last);
    let cursor = cursor.ok_or_else(|| misunderstood("does not say where the list goes on"))?;
    Ok((items, Some(cursor)))
}

/// An item that cannot be read stops the list: a key that is left out may be the thief's.
fn unreadable(caller: &Caller, item: &Value) -> Fault {
    let names = item.as_object().map(|fields| {
        fields
            .keys()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ")
    });
    let shape = names.unwrap_or_else(|| "something else".into());
    let detail = format!(
        "{}: an item of a list cannot be read; it has {shape}",
        caller.name
    );
    Fault::new(FaultKind::Invalid, detail)
}

fn take(item: &Value, pointers: &BTreeMap<String, String>) -> Option<Variables> {
    let read = |(name, at): (&String, &String)| Some((name.clone(), scalar(item.pointer(at)?)?));
    pointers.iter().map(read).collect()
}

fn owner(owners: &[Owner], item: &Value, scope: &Variables) -> Option<Principal> {
    let owner = owners.iter().find(|owner| hold(&owner.when, item))?;
    let mut variables = scope.clone();
    variables.extend(take(item, &owner.variables)?);
    principal::spell(&owner.principal, &variables)
}

fn hold(conditions: &[Condition], item: &Value) -> bool {
    conditions
        .iter()
        .all(|condition| condition.holds(Some(item)))
}

fn is_gone(shape: &ItemShape, item: &Value) -> bool {
    !shape.gone.is_empty() && hold(&shape.gone, item)
}

fn read(shape: &ItemShape, item: &Value) -> Option<IssuedKey> {
    let text = |at: &Option<String>| at.as_ref().and_then(|at| item.pointer(at)?.as_str());
    let id = scalar(item.pointer(&shape.id)?).filter(|id| !id.is_empty())?;
    Some(IssuedKey {
        id: KeyId::new(id),
        name: text(&shape.name).map(printable_text),
        hint: text(&shape.hint).and_then(hint::keep),
        active: hold(&shape.active, item),
        created: moment(shape.created.as_ref(), item),
        last_used: moment(shape.last_used.as_ref(), item),
    })
}

fn moment(moment: Option<&Moment>, item: &Value) -> Option<Timestamp> {
    match moment? {
        Moment::UnixSeconds { pointer } => {
            Timestamp::from_second(item.pointer(pointer)?.as_i64()?).ok()
        }
        Moment::Rfc3339 { pointer } => item.pointer(pointer)?.as_str()?.parse().ok(),
    }
}
