//! Values and names that break quoting: stored exactly, or refused with nothing changed.

use relatch_case::FaultKind;
use relatch_case::model::{Container, Slot};
use relatch_secret::Secret;

use super::{Harness, quiet, slots, swap};
use crate::Findings;

/// Values that somebody will have one day.
fn values() -> Vec<Secret> {
    let long = "0123456789abcdef".repeat(60 * 1024 / 16);
    let texts = [
        "",
        " ",
        " leading and trailing ",
        "'",
        "\"",
        "\"\"\"",
        "'''",
        "\\",
        "ends in \\",
        "a\nb",
        "a\r\nb\r\n",
        "\n",
        "tab\there",
        "$HOME ${HOME} $(id) `id` %s {{x}} #{y}",
        "# no comment",
        "a # b",
        "a: b",
        "- a",
        "key=value=",
        "null",
        "true",
        "0123",
        "1e3",
        "[]",
        "{}",
        "{\"api_key\":\"x\"}",
        "&anchor *alias !tag | > @ %",
        "\u{e4}\u{f6}\u{fc} \u{1f512} \u{4e2d}",
        "\u{feff}bom",
        "\u{202e}turned",
        "\u{2028}\u{85}",
        "\u{7}\u{1b}[31m",
        "a\u{0}b",
        "-----BEGIN PRIVATE KEY-----\nMIIB+/=\n-----END PRIVATE KEY-----\n",
    ];
    let mut values: Vec<Secret> = texts.into_iter().map(Secret::from).collect();
    values.push(Secret::from(long));
    values.push(Secret::new(vec![0xff, 0x00, 0xfe]));
    values
}

pub(super) async fn check(
    harness: &dyn Harness,
    (part, parts): (usize, usize),
    findings: &mut Findings,
) {
    let (container, slot) = harness.fresh().await;
    for value in values().into_iter().skip(part).step_by(parts) {
        one(harness, &container, &slot, &value, findings).await;
    }
    let container = harness.nasty().await;
    let names: Vec<Slot> = slots(harness, &container).await.into_keys().collect();
    findings.check(!names.is_empty(), || {
        format!("{container}: nothing nasty in it")
    });
    for slot in names.into_iter().skip(part).step_by(parts) {
        one(harness, &container, &slot, &Secret::from("plain"), findings).await;
        one(
            harness,
            &container,
            &slot,
            &Secret::from("a \"'\\ b\nc"),
            findings,
        )
        .await;
    }
}

/// Writes one value to one slot and looks at all.
async fn one(
    harness: &dyn Harness,
    container: &Container,
    slot: &Slot,
    value: &Secret,
    findings: &mut Findings,
) {
    let about = format!("{container}, slot {slot:?}, value {}", shown(value));
    let (before, whole) = (
        slots(harness, container).await,
        harness.whole(container).await,
    );
    let outcome = swap(harness.under_test(), container, slot, value).await;
    quiet(&outcome, &about, findings);
    let after = match harness.truth().read(container).await {
        Ok(document) => document.slots,
        Err(fault) => return findings.check(false, || format!("{about}: unreadable: {fault}")),
    };
    if let Err(fault) = outcome {
        let kind = fault.kind;
        let allowed = kind == FaultKind::Invalid
            || (harness.may_refuse(value) && kind != FaultKind::Ambiguous);
        findings.check(allowed, || format!("{about}: refused as {kind:?}: {fault}"));
        let now = harness.whole(container).await;
        findings.check(now == whole, || {
            format!("{about}: refused, but changed: {now}")
        });
        return;
    }
    let exact = after
        .get(slot)
        .is_some_and(|now| now.expose() == value.expose());
    findings.check(exact, || format!("{about}: not what was stored"));
    let others = |of: Vec<(&Slot, &[u8])>| {
        let others = of.into_iter().filter(|(name, _)| *name != slot);
        others
            .map(|(name, value)| (name.clone(), value.to_vec()))
            .collect::<Vec<_>>()
    };
    let was = others(
        before
            .iter()
            .map(|(name, value)| (name, value.as_slice()))
            .collect(),
    );
    let is = others(
        after
            .iter()
            .map(|(name, value)| (name, value.expose()))
            .collect(),
    );
    findings.check(was == is, || format!("{about}: other slots changed"));
}

/// A value of this list, which is no secret.
fn shown(value: &Secret) -> String {
    let text = String::from_utf8_lossy(value.expose()).into_owned();
    format!("{:?}", text.chars().take(40).collect::<String>())
}
