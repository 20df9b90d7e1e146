//! Signatures of the real `ssh-keygen` count, and only over the right plan.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use relatch_case::approval::{ApprovalError, NAMESPACE, message, verify};
use relatch_case::{CaseId, PlanHash};
use ssh_key::SshSig;

/// Kinds of keys that people have, as `ssh-keygen -t` and `-b` have them.
const KINDS: [(&str, &str); 4] = [
    ("ed25519", "256"),
    ("ecdsa", "256"),
    ("ecdsa", "384"),
    ("rsa", "2048"),
];

struct Keys {
    folder: tempfile::TempDir,
}

impl Keys {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("temp dir"),
        }
    }

    /// Makes a key; returns its file and its public half.
    fn make(&self, (kind, bits): (&str, &str)) -> (PathBuf, String) {
        let path = self.folder.path().join(format!("{kind}-{bits}"));
        let made = Command::new("ssh-keygen")
            .args([
                "-q", "-t", kind, "-b", bits, "-N", "", "-C", "a person", "-f",
            ])
            .arg(&path)
            .status()
            .expect("ssh-keygen");
        assert!(made.success());
        let public = std::fs::read_to_string(path.with_extension("pub")).expect("public half");
        (path, public)
    }
}

fn ssh_keygen(args: &[&str], input: &str) -> (bool, String) {
    let mut child = Command::new("ssh-keygen")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("ssh-keygen");
    child
        .stdin
        .take()
        .expect("input")
        .write_all(input.as_bytes())
        .expect("written");
    let output = child.wait_with_output().expect("ended");
    let text = String::from_utf8(output.stdout).expect("text");
    (output.status.success(), text)
}

fn sign(key: &Path, namespace: &str, text: &str) -> String {
    let key = key.to_str().expect("text");
    let (signed, signature) = ssh_keygen(&["-Y", "sign", "-q", "-n", namespace, "-f", key], text);
    assert!(signed);
    signature
}

fn case() -> CaseId {
    "case-1".into()
}

fn plan() -> PlanHash {
    PlanHash::new("ab".repeat(32))
}

#[test]
fn signatures_of_ssh_keygen_count() {
    let keys = Keys::new();
    for kind in KINDS {
        let (file, public) = keys.make(kind);
        let signature = sign(&file, NAMESPACE, &message(&case(), &plan()));
        verify(&case(), &plan(), &signature, &public).expect(kind.0);
        assert!(signature.len() < 4096, "{}", signature.len());
    }
}

#[test]
fn ssh_keygen_takes_our_message() {
    let keys = Keys::new();
    let (file, public) = keys.make(KINDS[0]);
    let text = message(&case(), &plan());
    let signature = keys.folder.path().join("signature");
    std::fs::write(&signature, sign(&file, NAMESPACE, &text)).expect("file");
    let signers = keys.folder.path().join("signers");
    std::fs::write(&signers, format!("alice {public}")).expect("file");
    let [signers, signature] = [&signers, &signature].map(|path| path.to_str().expect("text"));
    let args = [
        "-Y", "verify", "-f", signers, "-I", "alice", "-n", NAMESPACE, "-s", signature,
    ];
    assert!(ssh_keygen(&args, &text).0);
    assert!(!ssh_keygen(&args, &text.replace("case-1", "case-2")).0);
}

#[test]
fn nothing_else_counts() {
    let keys = Keys::new();
    let (file, public) = keys.make(KINDS[0]);
    let (_, other) = keys.make(KINDS[1]);
    let text = message(&case(), &plan());
    let good = sign(&file, NAMESPACE, &text);
    let wrong = |signature: &str, case: &CaseId, plan: &PlanHash, key: &str| {
        let error = verify(case, plan, signature, key).expect_err("it must not count");
        assert!(matches!(error, ApprovalError::Wrong(_)), "{error:?}");
    };
    wrong(&good, &case(), &PlanHash::new("cd".repeat(32)), &public);
    wrong(&good, &"case-2".into(), &plan(), &public);
    wrong(&good, &case(), &plan(), &other);
    wrong(&sign(&file, "git", &text), &case(), &plan(), &public);
    wrong(
        &sign(&file, NAMESPACE, text.trim()),
        &case(),
        &plan(),
        &public,
    );
}

#[test]
fn a_changed_byte_changes_nothing_that_counts() {
    let keys = Keys::new();
    let (file, public) = keys.make(KINDS[0]);
    let good = sign(&file, NAMESPACE, &message(&case(), &plan()));
    let lines: Vec<&str> = good.lines().collect();
    let body = lines[1..lines.len() - 1].join("");
    let whole: SshSig = good.parse().expect("a signature");
    for at in 0..body.trim_end_matches('=').len() {
        let mut bytes = body.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let body = String::from_utf8(bytes).expect("text");
        let wrapped: Vec<&str> = body
            .as_bytes()
            .chunks(70)
            .map(|line| std::str::from_utf8(line).expect("text"))
            .collect();
        let changed = format!(
            "{}\n{}\n{}\n",
            lines[0],
            wrapped.join("\n"),
            lines[lines.len() - 1]
        );
        // The version and the lengths around what is signed are signed by nobody, and the reader
        // is not strict with them; whatever
        // still counts must say the same with the same signature.
        if verify(&case(), &plan(), &changed, &public).is_ok() {
            let found: SshSig = changed.parse().expect("a signature");
            assert_eq!(found.signature_bytes(), whole.signature_bytes(), "{at}");
            assert_eq!(found.public_key(), whole.public_key(), "{at}");
            assert_eq!(found.namespace(), whole.namespace(), "{at}");
        }
    }
    for noise in [
        "",
        "-----BEGIN SSH SIGNATURE-----",
        "\u{0}",
        &good[..good.len() / 2],
    ] {
        let error = verify(&case(), &plan(), noise, &public).expect_err("noise");
        assert!(matches!(error, ApprovalError::Format(_)), "{error:?}");
    }
    let error = verify(&case(), &plan(), &good, "ssh-ed25519 AAAA").expect_err("no key");
    assert!(matches!(error, ApprovalError::Key(_)), "{error:?}");
}
