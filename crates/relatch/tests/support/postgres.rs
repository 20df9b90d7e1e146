//! A PostgreSQL server of our own on loopback, in a folder of its own.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// What no message may ever show.
pub(crate) const PASSWORD: &str = "CANARY-of-the-database";

pub(crate) struct Postgres {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
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

impl Postgres {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("temp dir").keep();
        std::fs::write(folder.join("password"), PASSWORD).expect("write");
        if is_root() {
            run(Command::new("chown").args(["-R", "postgres"]).arg(&folder));
        }
        let mut server = Self {
            programs: programs(),
            port: 0,
            _guard: guard(&folder),
            folder,
        };
        let password = server.folder.join("password");
        run(server
            .command("initdb")
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
            ]));
        let started = (0..5).any(|_| {
            server.port = free_port();
            server.try_run()
        });
        assert!(started, "{}", server.log());
        server
    }

    /// Its address, without the password.
    pub(crate) fn address(&self) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// The end without a warning: SIGKILL for the server itself.
    pub(crate) fn kill(&self) {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid")).expect("it runs");
        let pid = file.lines().next().expect("its process id");
        run(Command::new("kill").args(["-9", pid]));
        while Path::new("/proc").join(pid).join("exe").exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts it again after [`Postgres::kill`], when what is left of it is gone.
    pub(crate) fn run_again(&self) {
        let began = Instant::now();
        while !self.try_run() {
            assert!(began.elapsed() < Duration::from_mins(1), "{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
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
        let mut command = Command::new(if is_root() {
            Path::new("runuser")
        } else {
            &program
        });
        if is_root() {
            command.args(["-u", "postgres", "--"]).arg(&program);
        }
        command.arg("-D").arg(self.data());
        command
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn try_run(&self) -> bool {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''",
            self.port
        );
        let mut command = self.command("pg_ctl");
        command.args(["-w", "-t", "60", "-o", &options, "-l"]);
        let started = command.arg(self.folder.join("log")).arg("start").status();
        started.is_ok_and(|status| status.success())
    }
}

#[expect(clippy::zombie_processes, reason = "it ends after this process does")]
fn guard(folder: &Path) -> ChildStdin {
    let mut guard = Command::new("sh")
        .args(["-c", GUARD, "guard"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh");
    guard.stdin.take().expect("piped")
}

fn run(command: &mut Command) {
    let status = command.status().expect("run");
    assert!(status.success(), "{command:?}");
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").expect("proc").uid() == 0
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
