//! The company: who is in it and where everything stands.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use relatch_aws::Connection;
use relatch_contract::proxy::Proxy;
use relatch_secret::Secret;

use super::openai::OpenAi;
use super::peers::{self, Peer, REGION};
use super::services::Services;
use super::{Tool, Values};

/// An emulator that several companies share, each with an account of its own.
#[derive(Clone)]
pub(crate) struct Cloud {
    pub(super) peer: Arc<Peer>,
    next: Arc<AtomicU64>,
}

/// What a company is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    /// With a function and the keys that it lives on.
    pub(crate) function: bool,
    /// What reloads the services and asks them whether they are well.
    pub(crate) hooks: Hooks,
    /// How long a service may take to be well on a new value, in seconds.
    pub(crate) adopt_s: u32,
}

/// The hooks of the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hooks {
    /// Scripts that keep whatever they can see of us.
    Scripts,
    /// The services themselves.
    Services,
}

/// The company.
pub(crate) struct Company {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) setup: Setup,
    pub(crate) account: String,
    /// Between the tool and the cloud.
    pub(crate) wire: Proxy,
    /// Between the tool and OpenAI.
    pub(crate) openai_wire: Proxy,
    pub(crate) services: Services,
    pub(super) aws: Arc<Peer>,
    pub(super) root: Connection,
    pub(super) openai: OpenAi,
}

impl Cloud {
    pub(crate) async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            peer: Arc::new(peers::ministack().await),
            next: Arc::default(),
        }
    }

    /// The emulator takes twelve digits for the root key of the account with that number.
    fn account(&self) -> String {
        format!("{:012}", self.next.fetch_add(1, Ordering::SeqCst))
    }
}

impl Setup {
    /// Everything there is, with scripts.
    pub(crate) const WHOLE: Self = Self {
        function: true,
        hooks: Hooks::Scripts,
        adopt_s: 60,
    };

    /// Everything there is, with services that are asked.
    pub(crate) const LIVELY: Self = Self {
        hooks: Hooks::Services,
        ..Self::WHOLE
    };

    /// Three credentials.
    pub(crate) const SMALL: Self = Self {
        function: false,
        ..Self::LIVELY
    };
}

impl Company {
    /// A company with a cloud of its own.
    pub(crate) async fn start() -> Self {
        Self::found(&Cloud::start().await, Setup::WHOLE).await
    }

    /// A new company in this cloud; its first keys are in their places.
    pub(crate) async fn found(cloud: &Cloud, setup: Setup) -> Self {
        let folder = tempfile::tempdir().expect("temp dir");
        for name in ["tmp", "home", "work", "seen"] {
            std::fs::create_dir(folder.path().join(name)).expect("folder");
        }
        let aws = Arc::clone(&cloud.peer);
        let account = cloud.account();
        let key = Secret::from("test");
        let root = peers::connection_as(&aws.endpoint(), &account, &key, None).await;
        let openai = OpenAi::start(&folder.path().join("range")).await;
        let dotenv = folder.path().join("web.env");
        let company = Self {
            setup,
            wire: Proxy::start(&aws.endpoint()).await.expect("a proxy"),
            openai_wire: Proxy::start(&openai.base()).await.expect("a proxy"),
            services: Services::start(dotenv, &aws, &root, &openai).await,
            folder,
            account,
            aws,
            root,
            openai,
        };
        let values = company.mint().await;
        company.place(&values).await;
        company.services.reload_all().await;
        company.configure();
        company
    }

    /// The folder in which the tool is run.
    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// The tool, with what a person at the console would have in the environment.
    pub(crate) fn tool(&self) -> Tool {
        let home = self.folder.path();
        Tool::new(&self.work())
            .env("HOME", home.join("home"))
            .env("TMPDIR", home.join("tmp"))
            .env("USER", "ada")
            .env("AWS_ACCESS_KEY_ID", &self.account)
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", REGION)
            .env("AWS_ENDPOINT_URL", self.wire.url())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("OPENAI_ADMIN_KEY", self.openai.admin_key())
    }

    /// The IAM users, each with one access key.
    pub(crate) fn users(&self) -> &'static [&'static str] {
        if self.setup.function {
            &["web", "batch", "uploader"]
        } else {
            &["web", "batch"]
        }
    }

    /// The service accounts of OpenAI, each with one key.
    pub(crate) fn accounts(&self) -> &'static [&'static str] {
        if self.setup.function {
            &["chat", "summaries"]
        } else {
            &["chat"]
        }
    }

    /// How many credentials there are.
    pub(crate) fn credentials(&self) -> usize {
        self.users().len() + self.accounts().len()
    }

    pub(crate) fn dotenv(&self) -> PathBuf {
        self.folder.path().join("web.env")
    }

    /// The key that makes other keys of OpenAI.
    pub(crate) fn admin_key(&self) -> &str {
        self.openai.admin_key()
    }

    /// Whether the services had to do without, and how often they asked.
    pub(crate) fn assert_served(&self) -> u64 {
        let failed = self.services.failures();
        assert!(failed.is_empty(), "an outage: {failed:#?}");
        self.services.asked()
    }

    /// What the services run with is the old value from now on, as far as health goes.
    pub(crate) fn sicken(&self, old: &Values) {
        self.services.sicken(old);
    }
}
