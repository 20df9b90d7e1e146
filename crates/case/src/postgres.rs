//! The journals of many cases in one PostgreSQL database: for a team.

use std::cell::Cell;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::CaseId;
use crate::chain::ChainError;
use crate::fact::Record;
use crate::journal::{self, BATCH, Draft, Head, Journal, JournalError, Lease};
use crate::postgres_queries::{
    acquire, chain, head, insert, locked_fence, make_case, number, rows_after, unsigned,
    was_written,
};
use crate::postgres_schema::migrate;
pub use crate::postgres_session::PostgresConfig;
use crate::postgres_session::{Answer, Failure, Remote, Session};
use crate::stored::{self, Rows};

/// How long to wait between two tries to find out whether an append happened.
const PAUSE: Duration = Duration::from_millis(200);

/// The journal of one case in a PostgreSQL database.
///
/// May be used within an async runtime: the connection has a thread of its own, and a call
/// blocks the calling thread as one to [`crate::sqlite::SqliteJournal`] does.
#[derive(Debug)]
pub struct PostgresJournal {
    case: CaseId,
    address: String,
    remote: Remote,
    doubt: Option<Doubt>,
}

/// An append of which we do not know whether it happened, because the answer was lost.
#[derive(Debug, Clone)]
pub(crate) struct Doubt {
    pub(crate) expected: u64,
    pub(crate) records: Vec<Record>,
}

impl Doubt {
    /// Whether it was an append of the same facts on the same number.
    fn is_of(&self, expected: u64, drafts: &[Draft]) -> bool {
        let same = |(record, draft): (&Record, &Draft)| {
            record.at == draft.at && record.by == draft.by && record.fact == draft.fact
        };
        self.expected == expected
            && self.records.len() == drafts.len()
            && self.records.iter().zip(drafts).all(same)
    }
}

impl PostgresJournal {
    /// Opens the journal of `case`, making it if there is none and bringing an older schema
    /// up to date.
    pub fn open(config: PostgresConfig, case: &CaseId) -> Result<Self, JournalError> {
        let address = config.address();
        let remote = start(config)?;
        let id = case.to_string();
        remote
            .call(move |session| {
                session.run_again(async |client| {
                    migrate(client).await?;
                    make_case(client, &id).await
                })
            })
            .map_err(|failure| failure.told(address.clone()))?;
        Ok(Self {
            case: case.clone(),
            address,
            remote,
            doubt: None,
        })
    }

    /// The cases of a database that have a journal with a fact in it, in order of their names.
    pub fn cases(config: PostgresConfig) -> Result<Vec<CaseId>, JournalError> {
        const CASES: &str = "SELECT case_id FROM head WHERE seq > 0 ORDER BY case_id COLLATE \"C\"";
        let address = config.address();
        let rows = start(config)?
            .call(|session| {
                session.run_again(async |client| {
                    migrate(client).await?;
                    Ok(client.query(CASES, &[]).await?)
                })
            })
            .map_err(|failure| failure.told(address.clone()))?;
        rows.iter()
            .map(|row| Ok(CaseId::new(row.try_get::<_, String>(0)?)))
            .collect::<Result<_, tokio_postgres::Error>>()
            .map_err(|error| Failure::from(error).told(address))
    }

    /// Asks something that changes nothing, or nothing when done twice.
    fn ask<T: Send + 'static>(
        &self,
        work: impl AsyncFn(&mut Client, &str) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, JournalError> {
        let case = self.case.to_string();
        self.remote
            .call(move |session| session.run_again(async |client| work(client, &case).await))
            .map_err(|failure| failure.told(self.address.clone()))
    }

    fn batch_after(&self, seq: u64) -> Result<Answer<Rows>, Failure> {
        let case = self.case.to_string();
        self.remote.begin(move |session| {
            session.run_again(async |client| rows_after(client, &case, seq, BATCH).await)
        })
    }

    fn rows_after(&self, seq: u64, limit: usize) -> Result<Rows, JournalError> {
        self.ask(async move |client, case| rows_after(client, case, seq, limit).await)
    }

    /// The fact to read on from.
    fn at(&self, seq: u64) -> Result<Head, JournalError> {
        if seq == 0 {
            return Ok(Head::genesis());
        }
        self.ask(async move |client, case| {
            const HASH: &str = "SELECT hash FROM facts WHERE case_id = $1 AND seq = $2";
            let row = client.query_opt(HASH, &[&case, &number(seq)]).await?;
            let Some(row) = row else {
                let last = head(client, case).await?.seq;
                return Err(chain(ChainError::Short { last, head: seq }));
            };
            let hash = row.try_get(0)?;
            Ok(Head { seq, hash })
        })
    }
}

impl Journal for PostgresJournal {
    fn head(&self) -> Result<Head, JournalError> {
        self.ask(async |client, case| head(client, case).await)
    }

    fn read_after(&self, seq: u64, limit: usize) -> Result<Vec<Record>, JournalError> {
        stored::check(&self.at(seq)?, &self.rows_after(seq, limit)?)
    }

    fn for_each_after(&self, seq: u64, each: &mut dyn FnMut(&Record)) -> Result<(), JournalError> {
        let after = self.at(seq)?;
        let mut asked: Option<Answer<Rows>> = None;
        // The next batch is asked for before this one is used, so that the server is not idle.
        let read = |after: &Head, rows: &mut Rows| {
            let answer = asked.take().map_or_else(|| self.batch_after(after.seq), Ok);
            *rows = answer
                .and_then(Answer::wait)
                .map_err(|failure| failure.told(self.address.clone()))?;
            if rows.len() == BATCH
                && let Some(last) = rows.last()
            {
                asked = self.batch_after(last.seq).ok();
            }
            Ok(())
        };
        stored::stream(after, read, each)
    }

    fn append(
        &mut self,
        expected: u64,
        lease: Option<&Lease>,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Record>, JournalError> {
        if lease.is_none() && drafts.iter().any(|draft| draft.fact.needs_lease()) {
            return Err(JournalError::NoLease);
        }
        let doubt = self.doubt.take();
        let append = Append {
            case: self.case.to_string(),
            expected,
            lease: lease.cloned(),
            doubt: doubt.filter(|doubt| doubt.is_of(expected, &drafts)),
            drafts,
        };
        let (done, doubt) = self
            .remote
            .call(move |session| Ok(append.carry_out(session)))
            .map_err(|failure| failure.told(self.address.clone()))?;
        self.doubt = doubt;
        done.map_err(|failure| match failure.told(self.address.clone()) {
            JournalError::Store { store, source, .. } if self.doubt.is_some() => {
                JournalError::Store {
                    store,
                    advice: "the connection was lost while facts were recorded, and whether they \
                             were is not known; when the server is back, run the command again: \
                             it reads the journal first",
                    source,
                }
            }
            told => told,
        })
    }

    fn acquire(&mut self, holder: &str, now: Timestamp, ttl_s: u32) -> Result<Lease, JournalError> {
        let (case, holder) = (self.case.to_string(), holder.to_string());
        let expires = journal::expiry(now, ttl_s);
        self.remote
            .call(move |session| {
                let was_connected = session.is_connected();
                let sent = Cell::new(false);
                let once = |session: &mut Session| {
                    session.run(async |client| {
                        acquire(client, &case, &holder, now, &expires, &sent).await
                    })
                };
                match once(session) {
                    // Not when it may have been taken: whether it was by us cannot be told.
                    Err(failure) if was_connected && failure.is_lost() && !sent.get() => {
                        once(session)
                    }
                    other => other,
                }
            })
            .map_err(|failure| failure.told(self.address.clone()))
    }

    fn must_hold(&self, lease: &Lease) -> Result<(), JournalError> {
        const FENCE: &str = "SELECT fence FROM lease WHERE case_id = $1";
        let current = self.ask(async |client, case| {
            let rows = client.query_typed(FENCE, &[(&case, Type::TEXT)]).await?;
            rows.first().map_or(Ok(0), |row| unsigned(row, 0))
        })?;
        journal::must_be_current(lease, current)
    }

    fn renew(&mut self, lease: &Lease, now: Timestamp, ttl_s: u32) -> Result<(), JournalError> {
        const RENEW: &str = "UPDATE lease SET expires = $3 WHERE case_id = $1 AND fence = $2";
        let (fence, expires) = (number(lease.fence), journal::expiry(now, ttl_s));
        let changed = self.ask(async move |client, case| {
            Ok(client.execute(RENEW, &[&case, &fence, &expires]).await?)
        })?;
        if changed == 1 {
            return Ok(());
        }
        self.must_hold(lease)
    }

    fn release(&mut self, lease: &Lease) -> Result<(), JournalError> {
        const RELEASE: &str = "UPDATE lease SET holder = '' WHERE case_id = $1 AND fence = $2";
        let fence = number(lease.fence);
        self.ask(async move |client, case| {
            client.execute(RELEASE, &[&case, &fence]).await?;
            Ok(())
        })
    }
}

/// An append under way.
struct Append {
    case: String,
    expected: u64,
    lease: Option<Lease>,
    drafts: Vec<Draft>,
    doubt: Option<Doubt>,
}

impl Append {
    /// Appends once. If the connection is lost, waits for another for a while, but tries
    /// again only what is known not to have happened.
    fn carry_out(mut self, session: &mut Session) -> (Result<Vec<Record>, Failure>, Option<Doubt>) {
        let began = Instant::now();
        loop {
            let was_connected = session.is_connected();
            let done = session.run(async |client| self.attempt(client).await);
            let again = match &done {
                Err(failure) if failure.is_lost() => {
                    was_connected || self.doubt.is_some() && began.elapsed() < session.limit()
                }
                _ => false,
            };
            if !again {
                return (done, self.doubt);
            }
            std::thread::sleep(PAUSE);
        }
    }

    async fn attempt(&mut self, client: &mut Client) -> Result<Vec<Record>, Failure> {
        let tx = client.transaction().await?;
        tx.batch_execute("SET LOCAL synchronous_commit = on")
            .await?;
        // From here on nobody else appends. An append of ours that we lost sight of has held
        // this lock: now that we have it, that one is over, one way or the other.
        let fence = locked_fence(&tx, &self.case).await?;
        let at = head(&tx, &self.case).await?;
        if let Some(doubt) = &self.doubt
            && was_written(&tx, &self.case, doubt).await?
        {
            return Ok(self.doubt.take().map_or(Vec::new(), |doubt| doubt.records));
        }
        self.doubt = None;
        self.may_append(&at, fence)?;
        let (records, texts) = stored::chained(&at, self.drafts.clone())?;
        match insert(&tx, &self.case, &records, &texts).await {
            Err(failure) if failure.is_unique_violation() => {
                let (expected, found) = (self.expected, self.expected + 1);
                return Err(JournalError::Moved { expected, found }.into());
            }
            other => other?,
        }
        self.doubt = Some(Doubt {
            expected: self.expected,
            records: records.clone(),
        });
        let committed = tx.commit().await.map_err(Failure::from);
        if !committed.as_ref().is_err_and(Failure::is_lost) {
            self.doubt = None;
        }
        committed.map(|()| records)
    }

    fn may_append(&self, at: &Head, current: u64) -> Result<(), JournalError> {
        if at.seq != self.expected {
            return Err(JournalError::Moved {
                expected: self.expected,
                found: at.seq,
            });
        }
        match &self.lease {
            Some(lease) => journal::must_be_current(lease, current),
            None => Ok(()),
        }
    }
}

fn start(config: PostgresConfig) -> Result<Remote, JournalError> {
    let address = config.address();
    Remote::start(config).map_err(|source| JournalError::Store {
        store: address,
        advice: "this machine gives no more threads or files; end something and run it again",
        source: Box::new(source),
    })
}
