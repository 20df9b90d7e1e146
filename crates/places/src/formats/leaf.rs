//! What all formats share: a text is a list of leaves, and a change replaces their spans.

use std::collections::BTreeMap;
use std::ops::Range;

use relatch_case::model::Slot;
use relatch_secret::Secret;
use zeroize::Zeroizing;

use super::FormatError;

/// One scalar of a text.
pub(super) struct Leaf {
    /// Its name.
    pub(super) slot: Slot,
    /// The bytes it is written with, quotes included.
    pub(super) span: Range<usize>,
    /// What a reader of the format gets.
    pub(super) value: Secret,
    /// Whether it is text and so can hold a credential.
    pub(super) text: bool,
}

/// Reads all leaves of a text, in their order.
pub(super) type Parse = fn(&str) -> Result<Vec<Leaf>, FormatError>;

/// Writes a value (last argument) in the style of a leaf's present bytes (first argument), or
/// says why it cannot stand there.
pub(super) type Encode = fn(&str, &str) -> Result<Zeroizing<String>, &'static str>;

/// The slots of the leaves that are text. Where a slot stands twice the last one counts.
pub(super) fn slots(leaves: Vec<Leaf>) -> BTreeMap<Slot, Secret> {
    leaves
        .into_iter()
        .filter(|leaf| leaf.text)
        .map(|leaf| (leaf.slot, leaf.value))
        .collect()
}

/// Replaces the named leaves and checks that exactly they changed.
pub(super) fn replace(
    text: &str,
    changes: &BTreeMap<Slot, Secret>,
    parse: Parse,
    encode: Encode,
) -> Result<Zeroizing<String>, FormatError> {
    if changes.is_empty() {
        return Err(FormatError::NothingToChange);
    }
    let before = parse(text)?;
    let edits = edits(text, &before, changes, encode)?;
    let after = splice(text, &edits);
    let read_back = parse(&after).map_err(|_| FormatError::WouldDamage)?;
    if is_as_asked(&before, changes, &read_back) {
        Ok(after)
    } else {
        Err(FormatError::WouldDamage)
    }
}

type Edit = (Range<usize>, Zeroizing<String>);

fn edits(
    text: &str,
    leaves: &[Leaf],
    changes: &BTreeMap<Slot, Secret>,
    encode: Encode,
) -> Result<Vec<Edit>, FormatError> {
    let mut edits = Vec::with_capacity(changes.len());
    for (slot, value) in changes {
        let leaf = only_leaf(text, leaves, slot)?;
        let cannot = |why| FormatError::CannotHold {
            slot: name(slot),
            why,
        };
        let value = value
            .expose_str()
            .ok_or_else(|| cannot("it is not UTF-8 text"))?;
        // An unchanged value keeps its bytes whatever the style they are written in.
        if leaf.value.expose() != value.as_bytes() {
            let written = encode(&text[leaf.span.clone()], value).map_err(cannot)?;
            edits.push((leaf.span.clone(), written));
        }
    }
    edits.sort_by_key(|(span, _)| span.start);
    Ok(edits)
}

fn only_leaf<'a>(text: &str, leaves: &'a [Leaf], slot: &Slot) -> Result<&'a Leaf, FormatError> {
    let mut found = leaves.iter().filter(|leaf| leaf.text && leaf.slot == *slot);
    let first = found
        .next()
        .ok_or_else(|| FormatError::NoSuchSlot { slot: name(slot) })?;
    match found.next() {
        None => Ok(first),
        Some(again) => Err(FormatError::Duplicate {
            slot: name(slot),
            line: line_of(text, again.span.start),
        }),
    }
}

/// The text with every edit made. Room is made beforehand, so that no outgrown copy of the
/// text stays in memory.
fn splice(text: &str, edits: &[Edit]) -> Zeroizing<String> {
    let room = text.len() + edits.iter().map(|(_, new)| new.len()).sum::<usize>();
    let mut out = Zeroizing::new(String::with_capacity(room));
    let mut at = 0;
    for (span, new) in edits {
        out.push_str(&text[at..span.start]);
        out.push_str(new);
        at = span.end;
    }
    out.push_str(&text[at..]);
    out
}

fn is_as_asked(before: &[Leaf], changes: &BTreeMap<Slot, Secret>, after: &[Leaf]) -> bool {
    let same = |(old, new): (&Leaf, &Leaf)| {
        let expected = changes
            .get(&old.slot)
            .filter(|_| old.text)
            .unwrap_or(&old.value);
        old.slot == new.slot && old.text == new.text && new.value.expose() == expected.expose()
    };
    before.len() == after.len() && before.iter().zip(after).all(same)
}

/// The line of a byte, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

/// The slot of a path: parts escaped as in RFC 6901 and joined with `/`.
pub(super) fn slot_of(path: &[String]) -> Slot {
    Slot(
        path.iter()
            .map(|part| Slot::key(part).0)
            .collect::<Vec<_>>()
            .join("/"),
    )
}

fn name(slot: &Slot) -> String {
    if slot.0.is_empty() {
        "the whole".to_string()
    } else {
        slot.0.clone()
    }
}
