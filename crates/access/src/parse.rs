//! Reading policies. Whatever is not understood makes the whole policy unreadable, with a
//! reason; nothing in it is passed over.
//!
//! Facts: IAM User Guide, "Grammar of the IAM JSON policy language".

use std::borrow::Cow;

use crate::condition::Condition;
use crate::node::Node;
use crate::pattern::{Pattern, Reading};
use crate::policy::{Only, Policy, Statement};
use crate::principal::Principals;

/// The largest policy that is read, in bytes. The largest that AWS takes has 32 KiB.
pub(crate) const MOST_BYTES: usize = 256 * 1024;
/// The most texts (actions, resources, principals, values) in one policy.
const MOST_TEXTS: usize = 20_000;

/// On what a policy hangs: this decides which elements it must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// On an identity or an account: no `Principal`, always `Resource`.
    Identity,
    /// On a resource: always `Principal`.
    Resource,
    /// A resource control policy: `Principal` is `*`.
    ResourceControl,
}

/// Reads a policy: an object, or its text, plain or URL-encoded as IAM returns it.
pub(crate) fn policy(name: impl Into<String>, document: &Node, shape: Shape) -> Policy {
    let statements = match document {
        Node::Text(text) => statements_of_text(text, shape),
        tree => statements(tree, shape),
    };
    Policy {
        name: name.into(),
        statements,
    }
}

/// Reads a policy from its text.
pub(crate) fn policy_text(name: impl Into<String>, text: &str, shape: Shape) -> Policy {
    Policy {
        name: name.into(),
        statements: statements_of_text(text, shape),
    }
}

fn statements_of_text(text: &str, shape: Shape) -> Result<Vec<Statement>, String> {
    if text.len() > MOST_BYTES {
        return Err(format!("has {} bytes, more than {MOST_BYTES}", text.len()));
    }
    let plain = if text.trim_start().starts_with('{') {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(url_decoded(text)?)
    };
    let tree: Node = serde_json::from_str(&plain).map_err(|e| format!("is not JSON: {e}"))?;
    statements(&tree, shape)
}

fn url_decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digit = |at: usize| after.get(at).and_then(|b| char::from(*b).to_digit(16));
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            return Err("has a broken URL encoding".to_owned());
        };
        bytes.push(u8::try_from(high * 16 + low).map_err(|e| e.to_string())?);
        rest = &after[2..];
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

fn statements(tree: &Node, shape: Shape) -> Result<Vec<Statement>, String> {
    let mut texts = 0;
    count(tree, &mut texts);
    if texts > MOST_TEXTS {
        return Err(format!("has more than {MOST_TEXTS} entries"));
    }
    let fields = object(tree, "the policy", &["Version", "Id", "Statement"])?;
    // Without a version, variables are plain text: the older language.
    let variables = match find(fields, "Version") {
        None => false,
        Some(Node::Text(version)) if version == "2008-10-17" => false,
        Some(Node::Text(version)) if version == "2012-10-17" => true,
        Some(_) => return Err("has an unknown Version".to_owned()),
    };
    match find(fields, "Statement") {
        Some(Node::List(list)) => list
            .iter()
            .enumerate()
            .map(|(at, node)| statement(at, node, shape, variables))
            .collect(),
        Some(one @ Node::Map(_)) => Ok(vec![statement(0, one, shape, variables)?]),
        Some(other) => Err(format!("its Statement is {}", other.kind())),
        None => Err("has no Statement".to_owned()),
    }
}

fn count(node: &Node, texts: &mut usize) {
    *texts += 1;
    match node {
        Node::List(list) => list.iter().for_each(|node| count(node, texts)),
        Node::Map(pairs) => pairs.iter().for_each(|(_, node)| count(node, texts)),
        Node::Null | Node::Text(_) => {}
    }
}

const ELEMENTS: &[&str] = &[
    "Sid",
    "Effect",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Principal",
    "NotPrincipal",
    "Condition",
];

fn statement(at: usize, node: &Node, shape: Shape, variables: bool) -> Result<Statement, String> {
    let about = |why: String| format!("statement #{at}: {why}");
    let fields = object(node, "it", ELEMENTS).map_err(about)?;
    let id = match find(fields, "Sid") {
        Some(Node::Text(sid)) if !sid.is_empty() => sid.clone(),
        None | Some(Node::Text(_)) => format!("#{at}"),
        Some(other) => return Err(about(format!("its Sid is {}", other.kind()))),
    };
    let denies = match find(fields, "Effect") {
        Some(Node::Text(effect)) if effect == "Allow" => false,
        Some(Node::Text(effect)) if effect == "Deny" => true,
        _ => return Err(about("its Effect is neither Allow nor Deny".to_owned())),
    };
    let actions = only(fields, "Action", "NotAction", |node| {
        Ok(texts(node)?.into_iter().map(Pattern::action).collect())
    })
    .map_err(about)?
    .ok_or_else(|| about("it has no Action".to_owned()))?;
    let reading = Reading {
        variables,
        wildcards: true,
    };
    let resources = only(fields, "Resource", "NotResource", |node| {
        let texts = texts(node)?.into_iter();
        Ok(texts.map(|text| Pattern::parse(text, reading)).collect())
    })
    .map_err(about)?;
    let principals = only(fields, "Principal", "NotPrincipal", principals).map_err(about)?;
    shaped(shape, resources.is_some(), principals.is_some()).map_err(about)?;
    let conditions = match find(fields, "Condition") {
        Some(node) => conditions(node, variables).map_err(about)?,
        None => Vec::new(),
    };
    Ok(Statement {
        id,
        denies,
        actions,
        resources,
        principals,
        conditions,
    })
}

fn shaped(shape: Shape, resources: bool, principals: bool) -> Result<(), String> {
    match shape {
        Shape::Identity if principals => Err("it has a Principal".to_owned()),
        Shape::Identity if !resources => Err("it has no Resource".to_owned()),
        Shape::Resource | Shape::ResourceControl if !principals => {
            Err("it has no Principal".to_owned())
        }
        _ => Ok(()),
    }
}

fn principals(node: &Node) -> Result<Principals, String> {
    let mut principals = Principals::default();
    let groups = match node {
        Node::Text(all) if all == "*" => {
            principals.aws.push("*".to_owned());
            return Ok(principals);
        }
        Node::Map(groups) => groups,
        other => return Err(format!("its Principal is {}", other.kind())),
    };
    unrepeated(groups)?;
    for (kind, node) in groups {
        let listed = texts(node)?.into_iter().map(str::to_owned);
        match kind.as_str() {
            "AWS" | "*" => principals.aws.extend(listed),
            "CanonicalUser" => principals.canonical |= listed.count() > 0,
            // Services and people from outside are no principals that are asked for here.
            "Service" | "Federated" => {}
            other => return Err(format!("its Principal has the unknown kind {other:?}")),
        }
    }
    Ok(principals)
}

fn conditions(node: &Node, variables: bool) -> Result<Vec<Condition>, String> {
    let Node::Map(operators) = node else {
        return Err(format!("its Condition is {}", node.kind()));
    };
    unrepeated(operators)?;
    let mut conditions = Vec::new();
    for (operator, keys) in operators {
        let Node::Map(keys) = keys else {
            return Err(format!("its condition {operator} is {}", keys.kind()));
        };
        unrepeated(keys)?;
        for (key, values) in keys {
            conditions.push(Condition::new(operator, key, &texts(values)?, variables)?);
        }
    }
    Ok(conditions)
}

/// One of an element and its negation; both is an error.
fn only<T>(
    fields: &[(String, Node)],
    element: &str,
    negation: &str,
    read: impl Fn(&Node) -> Result<T, String>,
) -> Result<Option<Only<T>>, String> {
    match (find(fields, element), find(fields, negation)) {
        (Some(_), Some(_)) => Err(format!("it has both {element} and {negation}")),
        (Some(node), None) => Ok(Some(Only::In(read(node)?))),
        (None, Some(node)) => Ok(Some(Only::NotIn(read(node)?))),
        (None, None) => Ok(None),
    }
}

fn object<'a>(node: &'a Node, what: &str, known: &[&str]) -> Result<&'a [(String, Node)], String> {
    let Node::Map(fields) = node else {
        return Err(format!("{what} is {}", node.kind()));
    };
    unrepeated(fields)?;
    match fields.iter().find(|(name, _)| !known.contains(&&**name)) {
        Some((name, _)) => Err(format!("{what} has the unknown element {name:?}")),
        None => Ok(fields),
    }
}

fn unrepeated(fields: &[(String, Node)]) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    match fields.iter().find(|(name, _)| !seen.insert(name)) {
        Some((name, _)) => Err(format!("has {name:?} twice in one object")),
        None => Ok(()),
    }
}

fn find<'a>(fields: &'a [(String, Node)], name: &str) -> Option<&'a Node> {
    fields.iter().find(|(n, _)| n == name).map(|(_, node)| node)
}

fn texts(node: &Node) -> Result<Vec<&str>, String> {
    let text = |node: &'_ Node| -> Result<(), String> {
        match node {
            Node::Text(_) => Ok(()),
            other => Err(format!("has {} where a text belongs", other.kind())),
        }
    };
    let list = match node {
        Node::List(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    list.iter().try_for_each(text)?;
    Ok(list
        .iter()
        .filter_map(|node| match node {
            Node::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect())
}
