//! A connection to PostgreSQL for callers that do not wait with `await`: it lives on a thread
//! of its own, is made when it is needed and made again when it was lost.

use std::sync::mpsc;
use std::time::Duration;

use relatch_secret::Secret;
use tokio::runtime::Runtime;
use tokio_postgres::config::Host;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use crate::journal::JournalError;

/// How long one call to the server may take, unless said otherwise.
const LIMIT: Duration = Duration::from_secs(30);

/// Where a PostgreSQL database is and who we are there. Never shown with its password.
#[derive(Clone)]
pub struct PostgresConfig {
    config: tokio_postgres::Config,
    limit: Duration,
}

impl PostgresConfig {
    /// Reads `postgresql://user:password@host:port/database?…`, or the form `host=… user=…`.
    /// The connection is not encrypted: anything but loopback, a Unix socket or a private
    /// network wants a tunnel.
    pub fn parse(address: &str) -> Result<Self, JournalError> {
        // What the parser says may repeat a piece of the address, so it is not passed on.
        let mut config: tokio_postgres::Config =
            address.parse().map_err(|_| JournalError::Address)?;
        if config.get_application_name().is_none() {
            config.application_name("relatch");
        }
        Ok(Self {
            config,
            limit: LIMIT,
        })
    }

    /// The same with this password.
    pub fn with_password(mut self, password: &Secret) -> Self {
        self.config.password(password.expose());
        self
    }

    /// The same with at most `limit` (at least two seconds) for one call: for connecting, and
    /// for what is asked then. The default is 30 seconds.
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit.max(Duration::from_secs(2));
        self
    }

    /// The address without the password.
    pub fn address(&self) -> String {
        let user = self.config.get_user().unwrap_or_default();
        let database = self.config.get_dbname().unwrap_or(user);
        let ports = self.config.get_ports();
        let hosts: Vec<String> = self
            .config
            .get_hosts()
            .iter()
            .enumerate()
            .map(|(n, host)| {
                let port = ports.get(n).or(ports.first()).unwrap_or(&5432);
                match host {
                    Host::Tcp(name) => format!("{name}:{port}"),
                    #[cfg(unix)]
                    Host::Unix(path) => format!("{}:{port}", path.display()),
                }
            })
            .collect();
        format!("postgresql://{user}@{}/{database}", hosts.join(","))
    }

    fn bounded(&self) -> tokio_postgres::Config {
        let mut config = self.config.clone();
        config
            .connect_timeout(self.limit / 2)
            .keepalives(true)
            .keepalives_idle(self.limit)
            // The kernel counts in whole seconds.
            .keepalives_interval((self.limit / 6).max(Duration::from_secs(1)))
            .keepalives_retries(3)
            .tcp_user_timeout(self.limit);
        config
    }

    /// A server that is told to stop waiting before we do, and that ends a transaction which
    /// we left open sooner still: so that whether a lost commit happened is settled by the
    /// time we ask.
    fn session_limits(&self) -> String {
        let ms = self.limit.as_millis();
        format!(
            "SET statement_timeout = {}; SET lock_timeout = {}; \
             SET idle_in_transaction_session_timeout = {}",
            ms * 3 / 4,
            ms * 3 / 4,
            ms / 2
        )
    }
}

impl std::fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PostgresConfig({})", self.address())
    }
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The journal's own reasons.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The server's or the network's.
    #[error("the server failed")]
    Server(#[from] tokio_postgres::Error),
    /// No answer in time.
    #[error("no answer within {} seconds", .0.as_secs())]
    Slow(Duration),
    /// The thread of the connection is gone.
    #[error("the connection's thread ended")]
    Ended,
}

impl Failure {
    /// Whether the connection is of no more use; what was under way may have happened.
    pub(crate) fn is_lost(&self) -> bool {
        match self {
            Self::Journal(_) | Self::Ended => false,
            Self::Slow(_) => true,
            Self::Server(error) => match error.code() {
                Some(code) => ["57P", "08", "25P03"]
                    .iter()
                    .any(|class| code.code().starts_with(class)),
                None => error.is_closed() || std::error::Error::source(error).is_some_and(is_io),
            },
        }
    }

    pub(crate) fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Server(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION))
    }

    /// As the journal at `store` says it.
    pub(crate) fn told(self, store: String) -> JournalError {
        let advice = self.advice();
        let source: Box<dyn std::error::Error + Send + Sync> = match self {
            Self::Journal(error) => return error,
            Self::Server(error) => Box::new(error),
            other => Box::new(other),
        };
        JournalError::Store {
            store,
            advice,
            source,
        }
    }

    fn advice(&self) -> &'static str {
        let code = match self {
            Self::Server(error) => error.code().map_or("", SqlState::code),
            _ => "",
        };
        match code {
            _ if self.is_lost() => {
                "the connection was lost or cannot be made; check that the server runs and is \
                 reached from here, then run the command again"
            }
            "28P01" | "28000" => "check the user and the password",
            "3D000" => "there is no such database; make it with createdb, or correct the name",
            "42501" => "the user needs the right to make and use tables in this database",
            "53100" => "make room on the server's disk and run the command again",
            "57014" | "55P03" => {
                "the server took too long; see what else it is busy with, then run the command again"
            }
            _ => "remove the cause and run the command again; what was recorded is still there",
        }
    }
}

fn is_io(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<std::io::Error>()
}

/// The connection's thread, from outside.
#[derive(Debug)]
pub(crate) struct Remote {
    jobs: mpsc::Sender<Job>,
}

type Job = Box<dyn FnOnce(&mut Session) + Send>;

impl Remote {
    /// Starts the thread; connects when the first call is made.
    pub(crate) fn start(config: PostgresConfig) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (jobs, todo) = mpsc::channel::<Job>();
        std::thread::Builder::new()
            .name("relatch-postgres".to_string())
            .spawn(move || {
                let mut session = Session {
                    config,
                    runtime,
                    client: None,
                };
                while let Ok(job) = todo.recv() {
                    job(&mut session);
                }
                session.part();
            })?;
        Ok(Self { jobs })
    }

    /// Runs `job` on the connection's thread and waits for what it answers.
    pub(crate) fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Session) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        self.begin(job)?.wait()
    }

    /// Has `job` run on the connection's thread.
    pub(crate) fn begin<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Session) -> Result<T, Failure> + Send + 'static,
    ) -> Result<Answer<T>, Failure> {
        let (answer, answered) = mpsc::sync_channel(1);
        let job: Job = Box::new(move |session| {
            // Nobody waits any more for what is not needed any more.
            let _ = answer.send(job(session));
        });
        self.jobs.send(job).map_err(|_| Failure::Ended)?;
        Ok(Answer(answered))
    }
}

/// What a job is going to answer.
pub(crate) struct Answer<T>(mpsc::Receiver<Result<T, Failure>>);

impl<T> Answer<T> {
    /// Waits for it.
    pub(crate) fn wait(self) -> Result<T, Failure> {
        self.0.recv().unwrap_or(Err(Failure::Ended))
    }
}

/// The connection, on its thread.
pub(crate) struct Session {
    config: PostgresConfig,
    runtime: Runtime,
    client: Option<Client>,
}

impl Session {
    /// Whether there is a connection that is not known to be lost.
    pub(crate) fn is_connected(&self) -> bool {
        self.client.is_some()
    }

    /// How long one call may take.
    pub(crate) fn limit(&self) -> Duration {
        self.config.limit
    }

    /// Does `work` on the connection, making one if there is none.
    pub(crate) fn run<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Client) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.connect()?;
        let limit = self.config.limit;
        let Some(client) = self.client.as_mut() else {
            return Err(Failure::Ended);
        };
        let done = self
            .runtime
            .block_on(async { tokio::time::timeout(limit, work(client)).await })
            .unwrap_or(Err(Failure::Slow(limit)));
        if client.is_closed() || done.as_ref().is_err_and(Failure::is_lost) {
            self.client = None;
        }
        done
    }

    /// Does `work`, which may be done twice without harm, once more if the connection turns
    /// out to have been lost since it was last used.
    pub(crate) fn run_again<T>(
        &mut self,
        work: impl AsyncFn(&mut Client) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let was_connected = self.is_connected();
        match self.run(async |client| work(client).await) {
            Err(failure) if was_connected && failure.is_lost() => {
                self.run(async |client| work(client).await)
            }
            other => other,
        }
    }

    fn connect(&mut self) -> Result<(), Failure> {
        if self.client.is_some() {
            return Ok(());
        }
        let (config, limit) = (self.config.bounded(), self.config.limit);
        let settings = self.config.session_limits();
        let connecting = async {
            let (client, connection) = config.connect(NoTls).await?;
            // Its errors come back from the calls that wait for it.
            tokio::spawn(connection);
            client.batch_execute(&settings).await?;
            Ok::<_, Failure>(client)
        };
        let client = self
            .runtime
            .block_on(async { tokio::time::timeout(limit, connecting).await })
            .unwrap_or(Err(Failure::Slow(limit)))?;
        self.client = Some(client);
        Ok(())
    }

    /// Says good-bye, so that the server does not log a lost connection.
    fn part(mut self) {
        self.client = None;
        self.runtime
            .block_on(async { tokio::time::sleep(Duration::from_millis(20)).await });
    }
}
