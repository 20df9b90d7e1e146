//! Real servers to test against: ministack and moto, started for one test on a free loopback
//! port and stopped with it.
//!
//! They are looked for under `RELATCH_PEERS` (default `/var/tmp/relatch-peers`) and installed
//! there if they are missing.

#![allow(dead_code, reason = "each test file uses another part of this")]

mod install;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use relatch_aws::{Connection, Options};
use relatch_secret::Secret;

/// The region of every connection made here.
pub(crate) const REGION: &str = "us-east-1";

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// Stops the server when the test lets go of the pipe, even if the test itself is killed.
const LEASH: &str = r#""$0" "$@" & server=$!; cat >/dev/null; kill "$server"
(sleep 5; kill -9 "$server") 2>/dev/null & hard=$!; wait "$server"; kill "$hard""#;

/// A running server. Dropping it stops it; if the test failed, the end of its log is printed.
pub(crate) struct Peer {
    name: &'static str,
    port: u16,
    leash: Child,
    folder: tempfile::TempDir,
}

/// ministack: refuses dead keys and denied calls as AWS does. Root is `test`/`test`.
pub(crate) async fn ministack() -> Peer {
    Peer::start("ministack", install::ministack(), |server, port| {
        server
            .env("AUTH", "true")
            .env("BIND_HOST", "127.0.0.1")
            .env("LAMBDA_EXECUTOR", "local")
            .env("CLOUDTRAIL_RECORDING", "1");
        server.env("GATEWAY_PORT", port.to_string());
    })
    .await
}

/// ministack with an SQL engine: its Athena runs what it is asked, in DuckDB.
pub(crate) async fn ministack_with_sql() -> Peer {
    with_sql(&[]).await
}

/// The same with a folder of Python modules, of which `sitecustomize` is run before the server.
pub(crate) async fn ministack_with_sql_and(modules: &Path) -> Peer {
    with_sql(&[modules]).await
}

async fn with_sql(modules: &[&Path]) -> Peer {
    let engine = install::sql();
    let modules = modules.iter().copied().chain([engine.as_path()]);
    let modules = std::env::join_paths(modules).expect("no colon in them");
    Peer::start("ministack", install::ministack(), |server, port| {
        server
            .env("AUTH", "true")
            .env("BIND_HOST", "127.0.0.1")
            .env("PYTHONPATH", &modules)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("ATHENA_ENGINE", "duckdb");
        server.env("GATEWAY_PORT", port.to_string());
    })
    .await
}

/// moto: has Organizations and the cap of two keys; refuses nobody anything.
pub(crate) async fn moto() -> Peer {
    Peer::start("moto", install::moto(), |server, port| {
        server.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
    })
    .await
}

/// A connection as root to an address of ours.
pub(crate) async fn connection_to(endpoint: &str) -> Connection {
    connection_as(endpoint, "test", &Secret::from("test"), None).await
}

/// A connection with given credentials to an address of ours.
pub(crate) async fn connection_as(
    endpoint: &str,
    id: &str,
    secret: &Secret,
    token: Option<Secret>,
) -> Connection {
    Connection::open(&Options {
        region: Some(REGION.into()),
        endpoint: Some(endpoint.into()),
        credentials: Some((id.into(), secret.clone(), token)),
        ..Options::default()
    })
    .await
}

impl Peer {
    async fn start(
        name: &'static str,
        program: PathBuf,
        configure: impl Fn(&mut Command, u16),
    ) -> Self {
        // Between choosing a port and binding it another program may take it: try again.
        for _ in 0..5 {
            let mut peer = Self::launch(name, &program, &configure);
            if peer.wait().await {
                return peer;
            }
        }
        panic!("{name} does not start");
    }

    fn launch(name: &'static str, program: &Path, configure: impl Fn(&mut Command, u16)) -> Self {
        let folder = tempfile::tempdir().expect("temp dir");
        let log = File::create(folder.path().join("log")).expect("log");
        let port = free_port();
        let mut server = Command::new("sh");
        server
            .arg("-c")
            .arg(LEASH)
            .arg(program)
            .current_dir(folder.path());
        server
            .env("TMPDIR", folder.path())
            .env("PYTHONUNBUFFERED", "1");
        configure(&mut server, port);
        let leash = server
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("log"))
            .stderr(log)
            .spawn()
            .expect("sh");
        Self {
            name,
            port,
            leash,
            folder,
        }
    }

    /// Waits until it answers; `false` if it ended instead.
    async fn wait(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        // Its own log has to say so: another program may have taken the port.
        let started = format!("Running on {}", self.endpoint());
        while Instant::now() < deadline {
            if self.tail().contains(&started) && answers(self.port) {
                return true;
            }
            if self.tail().contains("in use") {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{} does not answer:\n{}", self.name, self.tail());
    }

    /// Its base address.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A connection as root.
    pub(crate) async fn connection(&self) -> Connection {
        connection_to(&self.endpoint()).await
    }

    /// A connection as root through another address, such as a proxy's.
    pub(crate) async fn connection_through(&self, endpoint: &str) -> Connection {
        connection_to(endpoint).await
    }

    /// A connection with a key of this server.
    pub(crate) async fn connection_as(&self, id: &str, secret: &Secret) -> Connection {
        connection_as(&self.endpoint(), id, secret, None).await
    }

    /// A new user with one inline policy, and a connection with a key of it.
    pub(crate) async fn user(&self, name: &str, policy: &str) -> Connection {
        let iam = aws_sdk_iam::Client::new(&self.connection().await.write_config(""));
        iam.create_user()
            .user_name(name)
            .send()
            .await
            .expect("user");
        let put = iam
            .put_user_policy()
            .user_name(name)
            .policy_name("own")
            .policy_document(policy);
        put.send().await.expect("policy");
        let key = iam
            .create_access_key()
            .user_name(name)
            .send()
            .await
            .expect("key");
        let key = key.access_key.expect("a key");
        self.connection_as(&key.access_key_id, &Secret::from(key.secret_access_key))
            .await
    }

    fn tail(&self) -> String {
        let log = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(4_000)..]).into_owned()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.leash.stdin.take());
        let _ = self.leash.wait();
        if std::thread::panicking() {
            let _ = writeln!(
                std::io::stderr(),
                "--- end of the log of {}\n{}",
                self.name,
                self.tail()
            );
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Whether an HTTP server answers at all.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return false;
    };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let request = "GET /moto-api/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut first = [0u8; 5];
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read_exact(&mut first).is_ok()
        && &first == b"HTTP/"
}
