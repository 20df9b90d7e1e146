//! The catalog's files, and a user's own.

use std::error::Error;
use std::path::Path;

use relatch_case::IssuerId;
use relatch_issuers::{Catalog, CatalogIssuer, Settings, SettingsError};

use crate::stub::{entry, settings};

/// A small entry of a user's own.
const OWN: &str = r#"
id = "own"
name = "Own"
[sheet]
minting = "impossible"
because = "it is an example"
named = false
lists = false
disables = false
deletes = false
last_used = false
propagation_s = 0
[console]
address = "nowhere"
instructions = "nothing"
[address]
base_env = ["OWN_URL"]
[auth]
header = "x-own"
[variables]
tenant = "the number of the tenant"
[answers]
[probe]
request = { method = "GET", path = "/{{ tenant }}/me" }
made_up = "own-{20}"
[[probe.rules]]
status = ["401"]
when = [{ pointer = "/error", present = true }]
liveness = "dead"
answer = "refused"
"#;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    folder
}

/// The whole chain of words.
fn words(error: &dyn Error) -> String {
    let source = error.source().map(|source| format!(": {}", words(source)));
    format!("{error}{}", source.unwrap_or_default())
}

fn fault(text: &str) -> String {
    let folder = folder(&[("mine.toml", text)]);
    words(&Catalog::with_overrides(folder.path()).expect_err("a fault"))
}

#[test]
fn the_embedded_catalog_is_whole() {
    let catalog = Catalog::embedded().expect("the catalog");
    let ids: Vec<&str> = catalog.entries().map(|entry| entry.id.as_str()).collect();
    assert_eq!(ids, ["anthropic", "openai", "openai-compatible"]);
    let formats = catalog.formats();
    assert_eq!(formats.len(), 7);
    let admin: Vec<&str> = formats
        .iter()
        .filter(|f| f.mints_keys)
        .map(|f| f.env_vars[0].as_str())
        .collect();
    assert_eq!(admin, ["ANTHROPIC_ADMIN_KEY", "OPENAI_ADMIN_KEY"]);
}

#[test]
fn a_folder_adds_and_overrides() {
    let renamed = OWN.replace("id = \"own\"", "id = \"openai\"");
    let folder = folder(&[
        ("a.toml", OWN),
        ("b.toml", &renamed),
        ("notes.txt", "not toml"),
    ]);
    let catalog = Catalog::with_overrides(folder.path()).expect("a catalog");
    assert_eq!(catalog.entries().count(), 4);
    let id = IssuerId::from("openai");
    assert_eq!(
        catalog.get(&id).map(|entry| entry.name.as_str()),
        Some("Own")
    );
}

#[test]
fn faults_name_file_and_key() {
    let cases = [
        (
            OWN.replace("named = false", "nmaed = false"),
            vec!["mine.toml", "nmaed"],
        ),
        (OWN.replace("\"401\"", "\"4o1\""), vec!["mine.toml", "4o1"]),
        (
            OWN.replace("lists = false", "lists = true"),
            vec!["mine.toml", "sheet.lists"],
        ),
        (
            OWN.replace("tenant }}", "tenannt }}"),
            vec!["probe.request", "tenannt"],
        ),
        (
            OWN.replace("{{ tenant }}", "{{ tenant"),
            vec!["probe.request"],
        ),
        (
            OWN.replace("\"/error\"", "\"error\""),
            vec!["mine.toml", "`error`", "pointer"],
        ),
        (
            OWN.replace("\"GET\"", "\"POST\""),
            vec!["probe.request.method"],
        ),
        (
            OWN.replace("made_up = \"own-{20}\"", ""),
            vec!["probe.made_up"],
        ),
        (
            OWN.replace("because = \"it is an example\"", ""),
            vec!["sheet.because"],
        ),
        (
            OWN.replace("when = [{ pointer = \"/error\", present = true }]", ""),
            vec!["probe.rules"],
        ),
        (
            OWN.replace("present = true", "present = false"),
            vec!["says nothing"],
        ),
        ("not toml at all".to_string(), vec!["mine.toml"]),
    ];
    for (text, needed) in cases {
        let fault = fault(&text);
        for part in needed {
            assert!(fault.contains(part), "`{part}` is not in: {fault}");
        }
    }
    let twice = folder(&[("a.toml", OWN), ("b.toml", OWN)]);
    let fault = Catalog::with_overrides(twice.path()).expect_err("twice");
    assert!(
        fault.to_string().contains("b.toml") && fault.to_string().contains("own"),
        "{fault}"
    );
    let fault = Catalog::with_overrides(Path::new("/nowhere/at/all")).expect_err("no folder");
    assert!(fault.to_string().contains("/nowhere/at/all"));
}

#[test]
fn settings_must_fit() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let custom = entry("openai-compatible");
    let none = Settings {
        base_url: None,
        ..settings("vllm", "")
    };
    let fault = CatalogIssuer::new(custom.clone(), none).expect_err("no address");
    assert!(fault.to_string().contains("OPENAI_BASE_URL"), "{fault}");
    for wrong in [
        "",
        "ftp://x",
        "not an address",
        "http://user:canary@x",
        "http://x/?key=canary",
    ] {
        let fault = CatalogIssuer::new(custom.clone(), settings("vllm", wrong)).expect_err(wrong);
        assert!(matches!(fault, SettingsError::Address { .. }), "{wrong}");
        assert!(!fault.to_string().contains("canary"));
    }
    let folder = folder(&[("own.toml", OWN)]);
    let catalog = Catalog::with_overrides(folder.path()).expect("a catalog");
    let own = catalog.get(&"own".into()).expect("the entry").clone();
    let fault = CatalogIssuer::new(own, settings("own", "http://x")).expect_err("no tenant");
    assert!(
        fault.to_string().contains("the number of the tenant"),
        "{fault}"
    );
}
