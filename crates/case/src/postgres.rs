//! The journals of many cases in one PostgreSQL database: for a team.

use std::cell::Cell;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row, Transaction};

use crate::CaseId;
use crate::chain::ChainError;
use crate::fact::Record;
use crate::journal::{self, BATCH, Draft, Head, Journal, JournalError, Lease};
use crate::postgres_schema::migrate;
pub use crate::postgres_session::PostgresConfig;
use crate::postgres_session::{Answer, Failure, Remote, Session};
use crate::stored::{self, Rows, Stored};

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
struct Doubt {
    expected: u64,
    records: Vec<Record>,
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
        let rows = |after: &Head| {
            let answer = asked.take().map_or_else(|| self.batch_after(after.seq), Ok);
            let rows = answer
                .and_then(Answer::wait)
                .map_err(|failure| failure.told(self.address.clone()))?;
            if rows.len() == BATCH
                && let Some(last) = rows.last()
            {
                asked = self.batch_after(last.seq).ok();
            }
            Ok(rows)
        };
        stored::stream(after, rows, each)
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
            fence: lease.map(|lease| lease.fence),
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

    fn renew(&mut self, lease: &Lease, now: Timestamp, ttl_s: u32) -> Result<(), JournalError> {
        const RENEW: &str = "UPDATE lease SET expires = $3 WHERE case_id = $1 AND fence = $2";
        let (ours, expires) = (lease.fence, journal::expiry(now, ttl_s));
        self.ask(async move |client, case| {
            let changed = client
                .execute(RENEW, &[&case, &number(ours), &expires])
                .await?;
            if changed == 1 {
                return Ok(());
            }
            let row = client
                .query_one("SELECT fence FROM lease WHERE case_id = $1", &[&case])
                .await?;
            let current = unsigned(&row, 0)?;
            Err(JournalError::Fenced { ours, current }.into())
        })
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
    fence: Option<u64>,
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
        match self.fence {
            Some(ours) if ours != current => Err(JournalError::Fenced { ours, current }),
            _ => Ok(()),
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

async fn make_case(client: &Client, case: &str) -> Result<(), Failure> {
    let genesis = Head::genesis().hash;
    client
        .execute(
            "INSERT INTO lease VALUES ($1, 0, '', '1970-01-01T00:00:00Z') ON CONFLICT DO NOTHING",
            &[&case],
        )
        .await?;
    // Only where there are no facts: a head that was lost is not made up.
    client
        .execute(
            "INSERT INTO head SELECT $1, 0, $2
             WHERE NOT EXISTS (SELECT 1 FROM facts WHERE case_id = $1) ON CONFLICT DO NOTHING",
            &[&case, &genesis],
        )
        .await?;
    Ok(())
}

/// The last fact, if it is the one that was last recorded.
async fn head(client: &impl tokio_postgres::GenericClient, case: &str) -> Result<Head, Failure> {
    const HEADS: &str = "SELECT
        (SELECT seq FROM facts WHERE case_id = $1 ORDER BY seq DESC LIMIT 1),
        (SELECT hash FROM facts WHERE case_id = $1 ORDER BY seq DESC LIMIT 1),
        (SELECT seq FROM head WHERE case_id = $1),
        (SELECT hash FROM head WHERE case_id = $1)";
    let row = client.query_typed(HEADS, &[(&case, Type::TEXT)]).await?;
    let found = row.first().map_or(Ok((None, None)), heads)?;
    let last = found.0.unwrap_or_else(Head::genesis);
    let recorded = found.1.unwrap_or_else(Head::genesis);
    Ok(last.must_be(&recorded).map_err(JournalError::from)?)
}

fn heads(row: &Row) -> Result<(Option<Head>, Option<Head>), Failure> {
    let head = |seq: usize| -> Result<_, Failure> {
        let pair: (Option<i64>, Option<String>) = (row.try_get(seq)?, row.try_get(seq + 1)?);
        Ok(match pair {
            (Some(seq), Some(hash)) => Some(Head {
                seq: seq.unsigned_abs(),
                hash,
            }),
            _ => None,
        })
    };
    Ok((head(0)?, head(2)?))
}

async fn rows_after(
    client: &mut Client,
    case: &str,
    seq: u64,
    limit: usize,
) -> Result<Rows, Failure> {
    const ROWS: &str = "SELECT seq, at, by, prev, hash, fact FROM facts
        WHERE case_id = $1 AND seq > $2 AND seq <= $3 ORDER BY seq";
    // A range without a LIMIT: numbers have no gaps, and a table that was never analysed is
    // not sorted from here to its end for each batch.
    let until = number(seq).saturating_add(i64::try_from(limit).unwrap_or(i64::MAX));
    // Asked before the facts: what others append meanwhile is no loss.
    let recorded = client
        .query_opt("SELECT seq FROM head WHERE case_id = $1", &[&case])
        .await?;
    let found = client.query(ROWS, &[&case, &number(seq), &until]).await?;
    let mut rows = Rows::default();
    for row in &found {
        rows.push(stored(row)?);
    }
    let recorded = recorded.map_or(Ok(0), |row| unsigned(&row, 0))?;
    let last = rows.last().map_or(seq, |row| row.seq);
    if rows.len() < limit && last < recorded {
        let head = recorded;
        return Err(chain(ChainError::Short { last, head }));
    }
    Ok(rows)
}

fn stored(row: &Row) -> Result<Stored<'_>, tokio_postgres::Error> {
    Ok(Stored {
        seq: row.try_get::<_, i64>(0)?.unsigned_abs(),
        at: row.try_get(1)?,
        by: row.try_get(2)?,
        prev: row.try_get(3)?,
        hash: row.try_get(4)?,
        fact: row.try_get(5)?,
    })
}

async fn locked_fence(tx: &Transaction<'_>, case: &str) -> Result<u64, Failure> {
    let row = tx
        .query_one(
            "SELECT fence FROM lease WHERE case_id = $1 FOR UPDATE",
            &[&case],
        )
        .await?;
    unsigned(&row, 0)
}

/// Whether all facts of `doubt` are there, each with the hash that we gave it. An append is
/// one transaction, so the last one stands for all; its hash covers the others.
async fn was_written(tx: &Transaction<'_>, case: &str, doubt: &Doubt) -> Result<bool, Failure> {
    let Some(last) = doubt.records.last() else {
        return Ok(true);
    };
    let found = tx
        .query_opt(
            "SELECT 1 FROM facts WHERE case_id = $1 AND seq = $2 AND hash = $3",
            &[&case, &number(last.seq), &last.hash],
        )
        .await?;
    Ok(found.is_some())
}

async fn insert(
    tx: &Transaction<'_>,
    case: &str,
    records: &[Record],
    texts: &[String],
) -> Result<(), Failure> {
    const INSERT: &str = "INSERT INTO facts SELECT $1, * FROM unnest(
        $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])";
    let Some(last) = records.last() else {
        return Ok(());
    };
    let seqs: Vec<i64> = records.iter().map(|record| number(record.seq)).collect();
    let ats: Vec<String> = records.iter().map(|record| record.at.to_string()).collect();
    let bys: Vec<&str> = records.iter().map(|record| record.by.as_str()).collect();
    let prevs: Vec<&str> = records.iter().map(|record| record.prev.as_str()).collect();
    let hashes: Vec<&str> = records.iter().map(|record| record.hash.as_str()).collect();
    tx.execute(INSERT, &[&case, &seqs, &ats, &bys, &prevs, &hashes, &texts])
        .await?;
    tx.execute(
        "UPDATE head SET seq = $2, hash = $3 WHERE case_id = $1",
        &[&case, &number(last.seq), &last.hash],
    )
    .await?;
    Ok(())
}

async fn acquire(
    client: &mut Client,
    case: &str,
    holder: &str,
    now: Timestamp,
    expires: &str,
    sent: &Cell<bool>,
) -> Result<Lease, Failure> {
    let tx = client.transaction().await?;
    let row = tx
        .query_one(
            "SELECT fence, holder, expires FROM lease WHERE case_id = $1 FOR UPDATE",
            &[&case],
        )
        .await?;
    let lapsed = journal::must_be_free(row.try_get(1)?, row.try_get(2)?, now)?;
    let lease = Lease {
        fence: unsigned(&row, 0)? + 1,
        holder: holder.to_string(),
        lapsed,
    };
    tx.execute(
        "UPDATE lease SET fence = $2, holder = $3, expires = $4 WHERE case_id = $1",
        &[&case, &number(lease.fence), &holder, &expires],
    )
    .await?;
    sent.set(true);
    tx.commit().await?;
    Ok(lease)
}

fn unsigned(row: &Row, column: usize) -> Result<u64, Failure> {
    Ok(row.try_get::<_, i64>(column)?.unsigned_abs())
}

/// A number as PostgreSQL keeps it. No journal has more facts than this holds.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn chain(error: ChainError) -> Failure {
    JournalError::from(error).into()
}
