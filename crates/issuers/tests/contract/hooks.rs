//! An endpoint of one's own whose keys commands make, list and remove.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use relatch_case::model::Probe;
use relatch_contract::issuer::{self, Harness, Subject};
use relatch_contract::proxy::{Deed, WireFault};
use relatch_contract::wire::{On, ProxyWire, Wire};
use relatch_issuers::{CatalogIssuer, Hooks, Issuer, KeyMaterial, MintRequest};
use tempfile::TempDir;

use crate::fake::{self, Fake};
use crate::services::{IMPATIENT, PATIENT, issuer};

/// Changes and lists go through commands, which fail by a file; probes go over a proxy.
struct Commands {
    folder: PathBuf,
    proxy: ProxyWire,
}

impl Commands {
    /// How a command fails that fails so. `None`: commands do not.
    fn word(fault: &WireFault) -> Option<&'static str> {
        Some(match fault {
            WireFault::Status(10, _) => "refuse",
            WireFault::Status(..) => "fail_before",
            WireFault::ResetBefore => "die_before",
            WireFault::HangBefore => "hang_before",
            WireFault::StatusAfter(_) => "fail_after",
            WireFault::ResetAfter => "die_after",
            WireFault::HangAfter => "hang_after",
            WireFault::Garbage => "garbage",
            WireFault::TruncatedBody => "half",
            WireFault::Latency(_) | WireFault::Drip => return None,
        })
    }

    fn sent(&self) -> Vec<String> {
        let sent = std::fs::read_to_string(self.folder.join("sent")).unwrap_or_default();
        sent.lines().map(str::to_string).collect()
    }
}

impl Wire for Commands {
    fn fail(&self, on: On, fault: &WireFault) {
        self.proxy.fail(on, fault);
        let whom = match on {
            On::Change(0) => "change",
            On::Any(0) => "any",
            // Only probes ask for more, and they are no commands.
            _ => return,
        };
        if let Some(word) = Self::word(fault) {
            std::fs::write(self.folder.join("fault"), format!("{whom} {word}\n")).expect("written");
        }
    }

    fn before_change(&self, _: Deed) -> bool {
        false
    }

    fn calm(&self) {
        self.proxy.calm();
        for name in ["fault", "met", "sent"] {
            let _ = std::fs::remove_file(self.folder.join(name));
        }
    }

    fn changes(&self) -> usize {
        self.sent().len()
    }

    fn repeated(&self) -> Vec<String> {
        let mut sent = self.sent();
        sent.sort();
        let again = sent.windows(2).filter(|pair| pair[0] == pair[1]);
        again.map(|pair| pair[0].clone()).collect()
    }

    fn has_failed(&self) -> bool {
        self.folder.join("met").exists() || self.proxy.has_failed()
    }

    fn before(&self) -> Vec<WireFault> {
        let exit = |code| WireFault::Status(code, String::new());
        vec![
            exit(10),
            exit(1),
            WireFault::ResetBefore,
            WireFault::HangBefore,
        ]
    }

    fn after(&self) -> Vec<WireFault> {
        let all = WireFault::after().into_iter();
        all.filter(|fault| *fault != WireFault::Drip).collect()
    }
}

struct Endpoint {
    fake: Fake,
    wire: Commands,
    under_test: CatalogIssuer,
    impatient: CatalogIssuer,
    _folder: TempDir,
}

fn hooks(folder: &Path, timeout_s: u32) -> Hooks {
    let script = folder.join("hook.sh").display().to_string();
    let command = Some(vec!["sh".to_string(), script]);
    Hooks {
        mint: command.clone(),
        delete: command.clone(),
        list: command,
        pass_env: Vec::new(),
        timeout_s,
    }
}

impl Endpoint {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        std::fs::create_dir(path.join("keys")).expect("a folder for keys");
        std::fs::write(path.join("hook.sh"), include_str!("hook.sh")).expect("written");
        let fake = Fake::start(fake::endpoint).await;
        fake.world().folder = Some(path.join("keys"));
        let proxy = ProxyWire::to(&fake.address, |_| false).await;
        let make = |total, seconds| {
            let hooks = Some(hooks(path, seconds));
            issuer("openai-compatible", &proxy.url(), total, hooks)
        };
        Self {
            under_test: make(PATIENT, 20),
            impatient: make(IMPATIENT, 1),
            wire: Commands {
                folder: path.to_path_buf(),
                proxy,
            },
            fake,
            _folder: folder,
        }
    }
}

#[async_trait]
impl Harness for Endpoint {
    fn under_test(&self) -> &dyn Issuer {
        &self.under_test
    }

    fn impatient(&self) -> &dyn Issuer {
        &self.impatient
    }

    /// The same commands: they fail only while a test says so.
    fn truth(&self) -> &dyn Issuer {
        &self.under_test
    }

    fn wire(&self) -> &dyn Wire {
        &self.wire
    }

    async fn fresh(&self) -> Subject {
        let request = MintRequest {
            principal: "endpoint".into(),
            name: "the old one".into(),
            replaces: None,
        };
        let minted = self.under_test.mint(&request).await.expect("a key");
        Subject {
            principal: request.principal,
            id: minted.id.clone(),
            key: KeyMaterial {
                id: Some(minted.id),
                secret: minted.secret,
            },
        }
    }

    async fn probe_without_control(&self, key: &KeyMaterial) -> Option<Probe> {
        let value = key.secret.expose_str().expect("text").to_string();
        {
            let mut world = self.fake.world();
            let (id, _) = world.mint("nobody", "refused");
            let refused = world.keys.get_mut(&id).expect("just made");
            (refused.value, refused.status) = (value, "archived");
            world.is_open = true;
        }
        let probe = self.under_test.probe(key).await;
        self.fake.world().is_open = false;
        Some(probe)
    }
}

#[tokio::test]
async fn commands_keep_their_contract() {
    issuer::suite(&Endpoint::new().await).await.assert_none();
}
