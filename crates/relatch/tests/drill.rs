//! The whole response on the practice range, by the real binary: the acceptance test.

use std::process::Command;

use serde_json::Value;

#[test]
fn the_drill_ends_clean_and_its_certificate_holds() {
    let folder = tempfile::tempdir().expect("temp dir");
    let out = folder.path().join("out");
    let drill = Command::new(env!("CARGO_BIN_EXE_relatch"))
        .args(["drill", "braintrust", "--yes", "--json", "--out"])
        .arg(&out)
        .output()
        .expect("the drill runs");
    let words = String::from_utf8_lossy(&drill.stderr);
    assert!(drill.status.success(), "{words}");
    let text = String::from_utf8(drill.stdout).expect("text");
    let last: Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
    let score = &last["score"];
    let credentials = score["credentials"].as_u64().expect("a number");
    assert!(credentials >= 40, "{score}");
    assert_eq!(
        score["old_keys_proven_dead"].as_u64(),
        Some(credentials),
        "{score}"
    );
    assert!(score["consumer_requests"].as_u64() > Some(500), "{score}");
    for none in [
        "consumer_failures",
        "keys_lost",
        "keys_orphaned",
        "attacker_calls_after_revocation",
    ] {
        assert_eq!(score[none].as_u64(), Some(0), "{none}: {score}");
    }
    for whole in ["scope_precision", "scope_recall"] {
        assert_eq!(score[whole].as_f64(), Some(1.0), "{whole}: {score}");
    }
    for time in [
        "seconds_to_contain",
        "seconds_to_scope",
        "seconds_to_all_dead",
    ] {
        assert!(score[time].as_f64() >= Some(0.0), "{time}: {score}");
    }
    let report = std::fs::read_to_string(out.join("report.html")).expect("a report");
    assert!(report.contains("</html>"));
    verify(&out.join("certificate.json"), true);
    let flipped = folder.path().join("flipped.json");
    let mut bytes = std::fs::read(out.join("certificate.json")).expect("a certificate");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&flipped, bytes).expect("write");
    verify(&flipped, false);
}

fn verify(certificate: &std::path::Path, holds: bool) {
    let verified = Command::new(env!("CARGO_BIN_EXE_relatch"))
        .arg("verify")
        .arg(certificate)
        .output()
        .expect("verify runs");
    let code = verified.status.code();
    assert_eq!(code, Some(if holds { 0 } else { 5 }));
}
