//! Commands that stand in for calls.

use std::path::{Path, PathBuf};

use relatch_case::FaultKind;
use relatch_case::model::Minting;
use relatch_issuers::{CatalogIssuer, Hooks, Issuer, MintRequest, SettingsError};

use crate::stub::{entry, issuer, settings, with_hooks};

const BASE: &str = "http://127.0.0.1:1/v1";

/// A shell script as a command.
fn script(folder: &Path, name: &str, text: &str) -> Vec<String> {
    let file: PathBuf = folder.join(name);
    std::fs::write(&file, text).expect("written");
    vec!["sh".into(), file.display().to_string()]
}

fn hooks(
    mint: Option<Vec<String>>,
    delete: Option<Vec<String>>,
    list: Option<Vec<String>>,
) -> Hooks {
    Hooks {
        mint,
        delete,
        list,
        pass_env: Vec::new(),
        timeout_s: 20,
    }
}

fn request() -> MintRequest {
    MintRequest {
        principal: "endpoint".into(),
        name: "new-1".into(),
        replaces: Some("old".into()),
    }
}

async fn mint_with(text: &str, timeout_s: u32) -> Result<String, FaultKind> {
    let folder = tempfile::tempdir().expect("a folder");
    let mint = script(folder.path(), "mint.sh", text);
    let hooks = Hooks {
        timeout_s,
        ..hooks(Some(mint), None, None)
    };
    let minted = with_hooks(BASE, hooks).mint(&request()).await;
    minted
        .map(|minted| minted.secret.expose_str().expect("text").to_string())
        .map_err(|f| f.kind)
}

#[tokio::test]
async fn a_hook_mints() {
    let folder = tempfile::tempdir().expect("a folder");
    let seen = folder.path().join("seen");
    let text = format!(
        "cat > '{0}'; env >> '{0}'; echo \"args: $*\" >> '{0}'\nprintf '{{\"id\":\"new-1\",\"value\":\"canary-hook\"}}'",
        seen.display()
    );
    let mint = script(folder.path(), "mint.sh", &text);
    let custom = with_hooks(BASE, hooks(Some(mint), None, None));
    let minted = custom.mint(&request()).await.expect("a key");
    assert_eq!(
        (minted.id.as_str(), minted.secret.expose()),
        ("new-1", &b"canary-hook"[..])
    );
    let seen = std::fs::read_to_string(seen).expect("what the hook saw");
    let line = r#"{"issuer":"openai-compatible","name":"new-1","principal":"endpoint","replaces":"old","verb":"mint"}"#;
    assert!(seen.starts_with(line), "{seen}");
    assert!(!seen.contains("CARGO") && seen.contains("PATH="), "{seen}");
}

#[tokio::test]
async fn exit_codes_say_what_happened() {
    assert_eq!(mint_with("exit 10", 20).await, Err(FaultKind::Invalid));
    assert_eq!(mint_with("exit 1", 20).await, Err(FaultKind::Ambiguous));
    assert_eq!(mint_with("kill -9 $$", 20).await, Err(FaultKind::Ambiguous));
    assert_eq!(
        mint_with("echo nonsense", 20).await,
        Err(FaultKind::Ambiguous)
    );
    assert_eq!(
        mint_with("echo '{\"id\":\"x\"}'", 20).await,
        Err(FaultKind::Ambiguous)
    );
    assert_eq!(
        mint_with("exec sleep 30", 1).await,
        Err(FaultKind::Ambiguous)
    );
    let none = vec!["/nowhere/at/all".to_string()];
    let fault = with_hooks(BASE, hooks(Some(none), None, None))
        .mint(&request())
        .await;
    assert_eq!(fault.expect_err("a fault").kind, FaultKind::Local);
}

#[tokio::test]
async fn hooks_list_and_delete() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys =
        r#"{"keys":[{"id":"a","name":"one","hint":"btk-l...wxyz"},{"id":"b","active":false}]}"#;
    let list = script(folder.path(), "list.sh", &format!("echo '{keys}'"));
    let delete = script(folder.path(), "delete.sh", "grep -q '\"key_id\":\"a\"'");
    let custom = with_hooks(BASE, hooks(None, Some(delete), Some(list)));
    let sheet = custom.sheet();
    assert!(sheet.lists && sheet.deletes && !sheet.disables && !sheet.named);
    assert!(matches!(sheet.minting, Minting::Person { .. }));
    let all = custom.list_all().await.expect("a list");
    assert_eq!((all.len(), all[0].0.as_str()), (1, "endpoint"));
    let keys = custom.list(&"endpoint".into()).await.expect("a list");
    assert_eq!(
        (keys.len(), keys[0].active, keys[1].active),
        (2, true, false)
    );
    custom
        .delete(&"endpoint".into(), &"a".into())
        .await
        .expect("deleted");
    let fault = custom
        .delete(&"endpoint".into(), &"b".into())
        .await
        .expect_err("exit 1");
    assert_eq!(fault.kind, FaultKind::Ambiguous);
    let fault = custom.list(&"elsewhere".into()).await.expect_err("unknown");
    assert_eq!(fault.kind, FaultKind::NotFound);
}

#[tokio::test]
async fn a_list_that_fails_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    for (text, kind) in [
        ("exit 1", FaultKind::Unreachable),
        ("echo '{\"keys\":[{}]}'", FaultKind::Invalid),
    ] {
        let list = script(folder.path(), "list.sh", text);
        let fault = with_hooks(BASE, hooks(None, None, Some(list)))
            .list_all()
            .await;
        assert_eq!(fault.expect_err("a fault").kind, kind);
    }
}

#[tokio::test]
async fn without_hooks_a_person_does_it() {
    let custom = issuer("openai-compatible", BASE);
    let sheet = custom.sheet();
    assert!(!sheet.lists && !sheet.deletes && matches!(sheet.minting, Minting::Person { .. }));
    for fault in [
        custom.mint(&request()).await.map(drop),
        custom.delete(&"endpoint".into(), &"a".into()).await,
        custom.list_all().await.map(drop),
    ] {
        assert_eq!(fault.expect_err("impossible").kind, FaultKind::Invalid);
    }
}

#[test]
fn hooks_must_fit_their_entry() {
    let with = |id: &str, hooks| {
        let settings = relatch_issuers::Settings {
            hooks: Some(hooks),
            ..settings(id, BASE)
        };
        CatalogIssuer::new(entry(id), settings)
    };
    let fault = with("openai", hooks(Some(vec!["x".into()]), None, None));
    assert!(matches!(fault, Err(SettingsError::Hooks { .. })));
    let fault = with("openai-compatible", hooks(None, Some(vec![]), None));
    assert!(
        fault
            .expect_err("no program")
            .to_string()
            .contains("`delete`")
    );
}
