//! What is asked of PostgreSQL, statement by statement.

use std::cell::Cell;

use jiff::Timestamp;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row, Transaction};

use crate::chain::ChainError;
use crate::fact::Record;
use crate::journal::{self, Head, JournalError, Lease};
use crate::postgres::Doubt;
use crate::postgres_session::Failure;
use crate::stored::{Rows, Stored};

pub(crate) async fn make_case(client: &Client, case: &str) -> Result<(), Failure> {
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
pub(crate) async fn head(
    client: &impl tokio_postgres::GenericClient,
    case: &str,
) -> Result<Head, Failure> {
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

pub(crate) async fn rows_after(
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

pub(crate) async fn locked_fence(tx: &Transaction<'_>, case: &str) -> Result<u64, Failure> {
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
pub(crate) async fn was_written(
    tx: &Transaction<'_>,
    case: &str,
    doubt: &Doubt,
) -> Result<bool, Failure> {
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

pub(crate) async fn insert(
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

pub(crate) async fn acquire(
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

pub(crate) fn unsigned(row: &Row, column: usize) -> Result<u64, Failure> {
    Ok(row.try_get::<_, i64>(column)?.unsigned_abs())
}

/// A number as PostgreSQL keeps it. No journal has more facts than this holds.
pub(crate) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn chain(error: ChainError) -> Failure {
    JournalError::from(error).into()
}
