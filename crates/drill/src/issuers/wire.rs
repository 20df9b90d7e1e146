//! Small helpers that the fake issuers share.

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;

/// An answer with a JSON body.
pub(crate) fn reply(status: u16, body: Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(body)).into_response()
}

/// The bearer token of a request, or the empty string.
pub(crate) fn bearer(headers: &HeaderMap) -> &str {
    header(headers, "authorization")
        .strip_prefix("Bearer ")
        .unwrap_or_default()
}

/// A header as text, or the empty string.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// First and last characters of a key, as issuers show it in lists.
pub(crate) fn hint(value: &str, head: usize) -> String {
    let head = value.get(..head).unwrap_or_default();
    let tail = value.len().checked_sub(4).and_then(|at| value.get(at..));
    format!("{head}...{}", tail.unwrap_or_default())
}

/// Paging parameters of both issuers' lists.
#[derive(Debug, Deserialize)]
pub(crate) struct PageQuery {
    pub(crate) limit: Option<usize>,
    pub(crate) after: Option<String>,
    pub(crate) after_id: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) workspace_id: Option<String>,
}

/// One page of items with string ids, and whether more follow.
pub(crate) fn page(items: Vec<Value>, query: &PageQuery, default: usize) -> (Vec<Value>, bool) {
    let after = query.after.as_ref().or(query.after_id.as_ref());
    let start = after
        .and_then(|after| items.iter().position(|item| item["id"] == after.as_str()))
        .map_or(0, |at| at + 1);
    let limit = query.limit.unwrap_or(default).max(1);
    let more = items.len() > start + limit;
    (items.into_iter().skip(start).take(limit).collect(), more)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hints_show_both_ends() {
        assert_eq!(
            hint("sk-ant-api03-R2Dxxxxxxxxigaa", 16),
            "sk-ant-api03-R2D...igaa"
        );
    }

    #[test]
    fn pages_follow_each_other() {
        let items: Vec<Value> = ["a", "b", "c"].iter().map(|id| json!({"id": id})).collect();
        let query = |after: Option<&str>| PageQuery {
            limit: Some(2),
            after: after.map(str::to_owned),
            after_id: None,
            status: None,
            workspace_id: None,
        };
        let (first, more) = page(items.clone(), &query(None), 20);
        assert_eq!((first.len(), more), (2, true));
        let (second, more) = page(items, &query(Some("b")), 20);
        assert_eq!((second.len(), more), (1, false));
    }
}
