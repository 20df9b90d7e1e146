//! ministack, started on a free loopback port and stopped with its owner.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use relatch_aws::{Connection, Options};
use relatch_secret::Secret;

use crate::{Error, output};

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// Stops the server when this process lets go of the pipe, even if it is killed.
const LEASH: &str = r#""$0" "$@" & server=$!; cat >/dev/null; kill "$server"; wait "$server""#;

/// Python runs this before the server. Its collector of garbage goes over all objects every few
/// hundred new ones: with 2,000 keys that is half of the server's time, and how often depends on
/// who asks how. Here it runs seldom, whoever asks.
const SELDOM: &str = "import gc; gc.set_threshold(200_000, 50, 1_000)\n";

/// A running server; dropping it stops it.
pub(crate) struct Peer {
    port: u16,
    leash: Child,
    folder: tempfile::TempDir,
}

impl Peer {
    /// Starts one.
    pub(crate) fn start() -> Result<Self, Error> {
        // Between choosing a port and binding it another program may take it: try again.
        for _ in 0..5 {
            let peer = Self::launch()?;
            if peer.wait()? {
                return Ok(peer);
            }
        }
        Err("ministack does not start".into())
    }

    fn launch() -> Result<Self, Error> {
        let folder = tempfile::tempdir()?;
        let log = File::create(folder.path().join("log"))?;
        let modules = folder.path().join("modules");
        std::fs::create_dir(&modules)?;
        std::fs::write(modules.join("sitecustomize.py"), SELDOM)?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let leash = Command::new("sh")
            .arg("-c")
            .arg(LEASH)
            .arg(program()?)
            .current_dir(folder.path())
            .env("TMPDIR", folder.path())
            .env("PYTHONUNBUFFERED", "1")
            .env("PYTHONPATH", modules)
            .env("AUTH", "true")
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Self {
            port,
            leash,
            folder,
        })
    }

    /// Waits until it answers; `false` if another program has its port.
    fn wait(&self) -> Result<bool, Error> {
        let deadline = Instant::now() + PATIENCE;
        let started = format!("Running on {}", self.endpoint());
        while Instant::now() < deadline {
            let log = std::fs::read_to_string(self.folder.path().join("log"))?;
            if log.contains(&started)
                && TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
            {
                return Ok(true);
            }
            if log.contains("in use") {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err("ministack does not answer".into())
    }

    /// Its base address.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Processor time that it has used.
    pub(crate) fn cpu(&self) -> Duration {
        let leash = self.leash.id();
        let children = std::fs::read_to_string(format!("/proc/{leash}/task/{leash}/children"));
        let children = children.unwrap_or_default();
        let server = children.split_whitespace().next();
        server.map(output::cpu_of).unwrap_or_default()
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.leash.stdin.take());
        let _ = self.leash.wait();
    }
}

fn program() -> Result<PathBuf, Error> {
    let root = std::env::var_os("RELATCH_PEERS");
    let root = root.map_or_else(|| PathBuf::from("/var/tmp/relatch-peers"), PathBuf::from);
    let program = root.join("ministack/bin/ministack");
    if program.exists() {
        return Ok(program);
    }
    let venv = root.join("ministack");
    Err(format!(
        "{} is missing: python3 -m venv {} and install ministack==1.5.33 there with its pip",
        program.display(),
        venv.display()
    )
    .into())
}

/// A connection as root.
pub(crate) async fn connection(endpoint: String) -> Connection {
    Connection::open(&Options {
        region: Some("us-east-1".into()),
        endpoint: Some(endpoint),
        credentials: Some(("test".into(), Secret::from("test"), None)),
        ..Options::default()
    })
    .await
}
