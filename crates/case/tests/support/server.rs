//! A PostgreSQL server of our own on loopback, in a folder of its own.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use relatch_case::postgres::{PostgresConfig, PostgresJournal};
use tokio_postgres::NoTls;

use super::Store;

/// What no message may ever show.
pub(crate) const PASSWORD: &str = "c0rrect-h0rse";

pub(crate) struct Server {
    folder: PathBuf,
    programs: PathBuf,
    pub(crate) port: u16,
    /// When it closes, for whatever reason this process ends, the guard stops the server.
    _guard: ChildStdin,
}

/// Stops the server by its process id when standard input ends, and removes its folder.
const GUARD: &str = r#"
cat > /dev/null
pid=$(head -n 1 "$1/data/postmaster.pid" 2> /dev/null)
if [ -n "$pid" ]; then
    kill -INT "$pid"
    while kill -0 "$pid" 2> /dev/null; do sleep 0.1; done
fi
rm -rf "$1"
"#;

/// The server that the tests of one binary share.
pub(crate) fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(Server::start)
}

impl Server {
    pub(crate) fn start() -> Self {
        let programs = programs();
        let folder = tempfile::tempdir().expect("temp dir").keep();
        #[expect(clippy::zombie_processes, reason = "it ends after this process does")]
        let mut guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh");
        let mut server = Self {
            folder,
            programs,
            port: 0,
            _guard: guard.stdin.take().expect("piped"),
        };
        std::fs::write(server.folder.join("password"), PASSWORD).expect("write");
        if Self::is_root() {
            let owned = Command::new("chown")
                .args(["-R", "postgres"])
                .arg(&server.folder)
                .status();
            assert!(owned.is_ok_and(|status| status.success()), "chown");
        }
        let (data, password) = (server.data(), server.folder.join("password"));
        let made = server
            .command("initdb")
            .arg("-D")
            .arg(data)
            .arg("--pwfile")
            .arg(password)
            .args([
                "-U",
                "postgres",
                "-A",
                "scram-sha-256",
                "-E",
                "UTF8",
                "--locale=C",
            ])
            .output()
            .expect("initdb");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let started = (0..5).any(|_| {
            server.port = free_port();
            server.try_run()
        });
        assert!(started, "{}", server.log());
        server
    }

    fn is_root() -> bool {
        std::fs::metadata("/proc/self").expect("proc").uid() == 0
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// A program of PostgreSQL's, which refuse to run as root.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = if Self::is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    fn try_run(&self) -> bool {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''",
            self.port
        );
        self.command("pg_ctl")
            .args(["start", "-w", "-t", "60", "-D"])
            .arg(self.data())
            .arg("-l")
            .arg(self.folder.join("log"))
            .args(["-o", &options])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    /// Starts it again after [`Server::kill`], when what is left of it is gone.
    pub(crate) fn run_again(&self) {
        let began = Instant::now();
        while !self.try_run() {
            assert!(began.elapsed() < Duration::from_mins(1), "{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The end without a warning: SIGKILL for the server itself.
    pub(crate) fn kill(&self) {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid")).expect("it runs");
        let pid = file.lines().next().expect("its process id");
        let killed = Command::new("kill").args(["-9", pid]).status();
        assert!(killed.is_ok_and(|status| status.success()));
        while Path::new("/proc").join(pid).join("exe").exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn address(&self, database: &str) -> String {
        Self::address_through(self.port, database)
    }

    pub(crate) fn address_through(port: u16, database: &str) -> String {
        format!("postgresql://postgres:{PASSWORD}@127.0.0.1:{port}/{database}")
    }

    /// Runs SQL as the database's owner.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> Result<(), tokio_postgres::Error> {
        run_sql(&self.address(database), sql)
    }

    /// A database of its own, empty.
    pub(crate) fn database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::SeqCst));
        self.sql("postgres", &format!("CREATE DATABASE {name}"))
            .expect("create");
        name
    }

    /// A new store.
    pub(crate) fn store(&'static self) -> Store {
        let database = self.database();
        let address = self.address(&database);
        let (to_open, one, two, three) = (
            address.clone(),
            address.clone(),
            address.clone(),
            address.clone(),
        );
        Store {
            open: Box::new(move || {
                let config = PostgresConfig::parse(&to_open)?;
                Ok(Box::new(PostgresJournal::open(config, &"case-1".into())?))
            }),
            tamper: Box::new(move |sql| {
                let sql = format!("SET session_replication_role = replica; {sql}");
                run_sql(&one, &sql).expect("tamper");
            }),
            try_sql: Box::new(move |sql| run_sql(&two, sql).is_ok()),
            make_newer: Box::new(move || {
                run_sql(&three, "INSERT INTO relatch_schema VALUES (99)").expect("newer");
            }),
            address,
            folder: None,
        }
    }
}

fn run_sql(address: &str, sql: &str) -> Result<(), tokio_postgres::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("runtime");
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(address, NoTls).await?;
        tokio::spawn(connection);
        client.batch_execute(sql).await
    })
}

fn programs() -> PathBuf {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    versions.sort();
    versions.reverse();
    let path = std::env::var_os("PATH").unwrap_or_default();
    versions
        .into_iter()
        .chain(std::env::split_paths(&path))
        .find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists())
        .expect("PostgreSQL is not installed: apt-get install postgresql")
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("bind");
    listener.local_addr().expect("address").port()
}
