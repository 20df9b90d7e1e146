//! From the syntax tree to leaves, with every byte accounted for.

use std::ops::Range;

use relatch_secret::Secret;
use yamlpath::{Component, Document, Feature, FeatureKind, QueryError, Route};

use super::scalar;
use crate::formats::FormatError;
use crate::formats::leaf::{Leaf, line_of, slot_of};

/// Longest text that is read: the time it takes grows faster than the text.
const LIMIT: usize = 256 * 1024;

/// Deepest nesting that is read.
const DEPTH: usize = 64;

/// All scalars of the text, in their order.
pub(super) fn parse(text: &str) -> Result<Vec<Leaf>, FormatError> {
    if is_empty(text) {
        return Ok(Vec::new());
    }
    if text.len() > LIMIT {
        return Err(unsupported(text, 0, "more than 256 KiB of YAML"));
    }
    let document = Document::new(text).map_err(|_| FormatError::Syntax {
        format: "YAML",
        line: 1,
        what: "somewhere from here on it cannot be read",
    })?;
    if document.has_anchors() {
        let at = text.find('&').unwrap_or(0);
        return Err(unsupported(
            text,
            at,
            "an anchor, or more than one in this file",
        ));
    }
    let mut walk = Walk {
        text,
        document: &document,
        route: Vec::new(),
        path: Vec::new(),
        leaves: Vec::new(),
        seen: Vec::new(),
    };
    walk.node()?;
    walk.account()?;
    walk.leaves.sort_by_key(|leaf| leaf.span.start);
    Ok(walk.leaves)
}

fn is_empty(text: &str) -> bool {
    text.lines()
        .map(str::trim)
        .all(|line| line.is_empty() || line.starts_with('#'))
}

fn unsupported(text: &str, at: usize, what: &'static str) -> FormatError {
    FormatError::Unsupported {
        line: line_of(text, at),
        what,
    }
}

struct Walk<'a> {
    text: &'a str,
    document: &'a Document,
    route: Vec<Component<'static>>,
    path: Vec<String>,
    leaves: Vec<Leaf>,
    /// Spans of the keys and scalars read so far.
    seen: Vec<Range<usize>>,
}

/// What stands at a route.
enum Found<'a> {
    Node(Feature<'a>),
    /// A key without a value.
    Nothing,
}

impl<'a> Walk<'a> {
    fn node(&mut self) -> Result<(), FormatError> {
        let Found::Node(feature) = self.query()? else {
            return Ok(());
        };
        if self.path.len() > DEPTH {
            return Err(self.refuse(&feature, "deep nesting"));
        }
        match self.kind(&feature)? {
            FeatureKind::Scalar => self.scalar(&feature),
            FeatureKind::BlockMapping => self.mapping(block_keys(self.text, &feature)),
            FeatureKind::FlowMapping => self.mapping(flow_keys(self.text, &feature)),
            FeatureKind::BlockSequence | FeatureKind::FlowSequence => self.sequence(&feature),
        }
    }

    fn query(&self) -> Result<Found<'a>, FormatError> {
        match self.document.query_exact(&Route::from(self.route.clone())) {
            Ok(Some(feature)) => Ok(Found::Node(feature)),
            Ok(None) => Ok(Found::Nothing),
            Err(_) => Err(unsupported(
                self.text,
                self.reached(),
                "a structure that is not understood",
            )),
        }
    }

    /// The last byte that was read, to name a line.
    fn reached(&self) -> usize {
        self.seen.last().map_or(0, |span| span.end)
    }

    fn refuse(&self, feature: &Feature<'_>, what: &'static str) -> FormatError {
        unsupported(self.text, feature.location.byte_span.0, what)
    }

    /// The kind of a node; asked only of nodes that have one.
    fn kind(&self, feature: &Feature<'_>) -> Result<FeatureKind, FormatError> {
        match self.document.extract(feature).chars().next() {
            Some('!' | '&' | '*') => Err(self.refuse(feature, "a tag, an anchor or an alias")),
            Some('#') | None => Err(self.refuse(feature, "a comment in an unusual place")),
            Some(_) => Ok(feature.kind()),
        }
    }

    fn scalar(&mut self, feature: &Feature<'_>) -> Result<(), FormatError> {
        let (start, end) = feature.location.byte_span;
        let end = if scalar::is_block(self.document.extract(feature)) {
            self.end_of_block(end)
        } else {
            start + self.document.extract(feature).trim_end().len()
        };
        let (span, written) = (start..end, &self.text[start..end]);
        if self.path.is_empty() {
            return Err(self.refuse(feature, "a single value and no structure"));
        }
        let decoded = scalar::decode(written)
            .ok_or_else(|| self.refuse(feature, "a scalar that is not understood"))?;
        let slot = slot_of(&self.path);
        if slot.0.is_empty() {
            return Err(self.refuse(feature, "an empty key at the top"));
        }
        self.seen.push(span.clone());
        let value = Secret::from(decoded.value.as_str());
        self.leaves.push(Leaf {
            slot,
            span,
            value,
            text: decoded.text,
        });
        Ok(())
    }

    /// A block's last line ends with its line break; the tree ends it at the last word.
    fn end_of_block(&self, end: usize) -> usize {
        let rest = &self.text[end..];
        let space = rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len();
        let line_break = usize::from(rest[space..].starts_with('\n'));
        let ended = self.text[..end].ends_with('\n');
        if ended { end } else { end + space + line_break }
    }

    fn sequence(&mut self, sequence: &Feature<'_>) -> Result<(), FormatError> {
        for index in 0usize.. {
            self.route.push(Component::Index(index));
            match self.document.query_exact(&Route::from(self.route.clone())) {
                Err(QueryError::ExhaustedList(..)) => {
                    self.route.pop();
                    break;
                }
                Err(_) => return Err(self.refuse(sequence, "an item that is not understood")),
                Ok(_) => {}
            }
            self.path.push(index.to_string());
            self.node()?;
            self.path.pop();
            self.route.pop();
        }
        Ok(())
    }

    fn mapping(&mut self, keys: Vec<Range<usize>>) -> Result<(), FormatError> {
        for span in keys {
            let Some(key) = scalar::key(&self.text[span.clone()]) else {
                continue;
            };
            self.route.push(Component::from(key.written.to_string()));
            match self
                .document
                .query_key_only(&Route::from(self.route.clone()))
            {
                Ok(found) if found.location.byte_span == (span.start, span.end) => {
                    self.seen.push(span);
                    self.path.push(key.name);
                    self.node()?;
                    self.path.pop();
                }
                Ok(_) => {
                    self.path.push(key.name);
                    let slot = slot_of(&self.path).0;
                    return Err(FormatError::Duplicate {
                        slot,
                        line: line_of(self.text, span.start),
                    });
                }
                // No key after all; if it is anything else, `account` finds it.
                Err(_) => {}
            }
            self.route.pop();
        }
        Ok(())
    }

    /// Checks that nothing but structure, comments and white space was left out.
    fn account(&mut self) -> Result<(), FormatError> {
        self.seen.sort_by_key(|span| span.start);
        let mut at = 0;
        for span in &self.seen {
            if span.start < at {
                return Err(unsupported(self.text, span.start, "overlapping nodes"));
            }
            self.only_structure(at..span.start)?;
            at = span.end;
        }
        self.only_structure(at..self.text.len())
    }

    fn only_structure(&self, gap: Range<usize>) -> Result<(), FormatError> {
        let mut at = gap.start;
        while at < gap.end {
            let rest = &self.text[at..gap.end];
            at += match rest.chars().next() {
                Some(' ' | '\t' | '\r' | '\n' | ':' | ',' | '[' | ']' | '{' | '}') => 1,
                Some('#') if self.document.offset_inside_comment(at) => {
                    rest.find('\n').unwrap_or(rest.len())
                }
                Some('-') if rest.starts_with("---") && self.is_document_start(at) => 3,
                Some('-') if !rest.starts_with("--") => 1,
                Some('\u{feff}') if at == 0 => 3,
                _ => {
                    return Err(unsupported(
                        self.text,
                        at,
                        "something that is not understood",
                    ));
                }
            };
        }
        Ok(())
    }

    /// One `---` may stand before everything else.
    fn is_document_start(&self, at: usize) -> bool {
        self.seen.first().is_some_and(|first| at < first.start)
            && is_empty(self.text[..at].trim_start_matches('\u{feff}'))
    }
}

/// Where the keys of a block mapping can stand: all in one column.
fn block_keys(text: &str, mapping: &Feature<'_>) -> Vec<Range<usize>> {
    let (start, end) = mapping.location.byte_span;
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let column = start - line_start;
    let mut keys: Vec<_> = key_span(text, start, end, false).into_iter().collect();
    for (at, _) in text[start..end].match_indices('\n') {
        let line = start + at + 1;
        let rest = &text[line..end];
        let indent = rest.len() - rest.trim_start_matches(' ').len();
        if indent == column {
            keys.extend(key_span(text, line + indent, end, false));
        }
    }
    keys
}

/// Where the keys of a flow mapping can stand: after its brace and its own commas.
fn flow_keys(text: &str, mapping: &Feature<'_>) -> Vec<Range<usize>> {
    let (start, end) = mapping.location.byte_span;
    let (mut keys, mut depth, mut at, mut before) = (Vec::new(), 0usize, start, '{');
    while at < end {
        let rest = &text[at..end];
        let Some(c) = rest.chars().next() else { break };
        let opens_key = match c {
            '{' | '[' => {
                depth += 1;
                depth == 1
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                false
            }
            // Within a word a quote is a letter.
            '"' | '\'' if "{[,:".contains(before) => {
                before = c;
                at += scalar::quoted_length(rest).unwrap_or(1);
                continue;
            }
            ',' => depth == 1,
            _ => false,
        };
        at += c.len_utf8();
        if !c.is_whitespace() {
            before = c;
        }
        if opens_key {
            let rest = &text[at..end];
            let key = at + rest.len() - rest.trim_start().len();
            keys.extend(key_span(text, key, end, true));
        }
    }
    keys
}

/// The key that begins at `start`, if one does: up to its colon.
fn key_span(text: &str, start: usize, end: usize, flow: bool) -> Option<Range<usize>> {
    let rest = &text[start..end];
    let line = rest.lines().next()?;
    if line.starts_with('#') || line.starts_with("- ") || line == "-" {
        return None;
    }
    if let Some(length) = scalar::quoted_length(rest) {
        return Some(start..start + length);
    }
    let ends = |at: usize| {
        let after = line[at + 1..].chars().next();
        after.is_none_or(|c| c.is_whitespace() || (flow && matches!(c, ',' | '}' | '[' | '{')))
    };
    let colon = line
        .match_indices(':')
        .map(|(at, _)| at)
        .find(|at| ends(*at))?;
    Some(start..start + line[..colon].trim_end().len())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
