//! The tables of the PostgreSQL journals, and how they come about.

use tokio_postgres::{Client, Transaction};

use crate::journal::JournalError;
use crate::postgres_session::Failure;

/// Names the advisory lock under which migrations run; no meaning beyond being ours.
const LOCK: i64 = 0x0072_656c_6174_6368;

/// Forward-only schema changes; the number applied is in `relatch_schema`.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE facts (
        case_id TEXT NOT NULL,
        seq     BIGINT NOT NULL CHECK (seq > 0),
        at      TEXT NOT NULL,
        by      TEXT NOT NULL,
        prev    TEXT NOT NULL,
        hash    TEXT NOT NULL,
        fact    TEXT NOT NULL,
        PRIMARY KEY (case_id, seq)
    );
    -- The last fact once more: a chain does not show that its end is missing.
    CREATE TABLE head (
        case_id TEXT PRIMARY KEY,
        seq     BIGINT NOT NULL,
        hash    TEXT NOT NULL
    );
    CREATE TABLE lease (
        case_id TEXT PRIMARY KEY,
        fence   BIGINT NOT NULL,
        holder  TEXT NOT NULL,
        expires TEXT NOT NULL
    );
    CREATE FUNCTION relatch_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'facts are never changed and never removed'; END $$;
    CREATE TRIGGER facts_are_never_changed BEFORE UPDATE OR DELETE ON facts
        FOR EACH ROW EXECUTE FUNCTION relatch_refuse();
    CREATE TRIGGER facts_are_never_emptied BEFORE TRUNCATE ON facts
        FOR EACH STATEMENT EXECUTE FUNCTION relatch_refuse();
    CREATE TRIGGER the_head_never_goes_back BEFORE UPDATE ON head
        FOR EACH ROW WHEN (NEW.seq <= OLD.seq) EXECUTE FUNCTION relatch_refuse();
    CREATE TRIGGER the_head_is_never_removed BEFORE DELETE ON head
        FOR EACH ROW EXECUTE FUNCTION relatch_refuse();
    CREATE TRIGGER the_head_is_never_emptied BEFORE TRUNCATE ON head
        FOR EACH STATEMENT EXECUTE FUNCTION relatch_refuse();
"];

/// Brings the schema up to date, all of it or not at all, one process at a time.
pub(crate) async fn migrate(client: &mut Client) -> Result<(), Failure> {
    let tx = client.transaction().await?;
    tx.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .await?;
    let found = version(&tx).await?;
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(JournalError::Newer { found, known }.into());
    }
    for (migration, number) in MIGRATIONS.iter().zip(1_i64..).skip(found as usize) {
        tx.batch_execute(migration).await?;
        tx.execute("INSERT INTO relatch_schema VALUES ($1)", &[&number])
            .await?;
    }
    Ok(tx.commit().await?)
}

async fn version(tx: &Transaction<'_>) -> Result<u32, Failure> {
    // Asked first, as making a table that is there needs rights that reading does not.
    let made: bool = tx
        .query_one("SELECT to_regclass('relatch_schema') IS NOT NULL", &[])
        .await?
        .try_get(0)?;
    if !made {
        tx.batch_execute("CREATE TABLE relatch_schema (version BIGINT PRIMARY KEY)")
            .await?;
    }
    let found: i64 = tx
        .query_one("SELECT coalesce(max(version), 0) FROM relatch_schema", &[])
        .await?
        .try_get(0)?;
    Ok(u32::try_from(found).unwrap_or(u32::MAX))
}
