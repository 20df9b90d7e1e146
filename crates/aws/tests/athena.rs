//! Athena, against ministack, which runs the SQL in DuckDB: rows, pages, nulls, failures and
//! refusals are of queries that were really asked. Throttling, which it does not have, is put on
//! the wire before it. That our SQL means the same to Athena is shown elsewhere.

mod support;
mod wire;

use relatch_aws::{Athena, AthenaOptions, Connection, RowPage, TableName};
use relatch_case::FaultKind;
use relatch_contract::proxy::WireFault;
use relatch_contract::wire::{On, ProxyWire, Wire as _};
use wire::{Answer, Wire};

const OUTPUT: &str = "s3://answers/";

/// Athena with a place for its answers.
async fn ready(connection: &Connection) -> Athena {
    let config = connection.write_config("us-east-1");
    let config = aws_sdk_s3::config::Builder::from(&config)
        .force_path_style(true)
        .build();
    let owner = aws_sdk_s3::Client::from_conf(config);
    let made = owner.create_bucket().bucket("answers").send().await;
    made.expect("a bucket");
    athena(connection)
}

fn athena(connection: &Connection) -> Athena {
    let options = AthenaOptions {
        output: Some(OUTPUT.into()),
        ..AthenaOptions::default()
    };
    Athena::new(connection, "", options)
}

async fn all(athena: &Athena, sql: &str) -> Vec<RowPage> {
    let id = athena.start(sql).await.expect("started");
    let end = athena.finish(&id).await.expect("asked after");
    assert_eq!(end.outcome, Ok(()), "{sql}");
    let (mut rows, mut pages) = (athena.rows(&id), Vec::new());
    while let Some(page) = rows.next_page().await.expect("a page") {
        pages.push(page);
    }
    pages
}

#[tokio::test]
async fn every_row_of_every_page_comes_back_with_its_nulls() {
    let peer = support::ministack_with_sql().await;
    let athena = ready(&peer.connection().await).await;
    let sql = "SELECT CAST(n AS VARCHAR) AS \"eventID\", \
               CASE WHEN n % 2 = 0 THEN '' END AS \"userIdentity.arn\" \
               FROM (SELECT unnest(range(2500)) AS n) AS numbers ORDER BY n";
    let pages = all(&athena, sql).await;
    assert!(pages.len() >= 3, "{} pages", pages.len());
    let columns = ["eventID", "userIdentity.arn"];
    assert!(pages.iter().all(|page| page.columns == columns));
    let rows: Vec<_> = pages.into_iter().flat_map(|page| page.rows).collect();
    let wanted = (0..2500).map(|n| vec![Some(n.to_string()), (n % 2 == 0).then(String::new)]);
    assert_eq!(rows, wanted.collect::<Vec<_>>());
    assert!(
        all(&athena, "SELECT 1 AS a WHERE 1 = 2")
            .await
            .iter()
            .all(|page| page.rows.is_empty())
    );
}

#[tokio::test]
async fn a_query_that_fails_is_told_in_the_words_of_the_engine() {
    let peer = support::ministack_with_sql().await;
    let athena = ready(&peer.connection().await).await;
    let id = athena
        .start("SELECT nonsense FROM nowhere")
        .await
        .expect("started");
    let end = athena.finish(&id).await.expect("asked after");
    let fault = end.outcome.expect_err("failed");
    assert_eq!(fault.kind, FaultKind::Invalid);
    assert!(
        fault.detail.contains("nowhere") && fault.detail.contains(&id),
        "{fault}"
    );
    assert!(!end.cancelled);
}

#[tokio::test]
async fn no_place_for_answers_is_told_with_the_call() {
    let peer = support::ministack_with_sql().await;
    let athena = Athena::new(&peer.connection().await, "", AthenaOptions::default());
    let fault = athena.start("SELECT 1").await.expect_err("refused");
    assert_eq!(fault.kind, FaultKind::Invalid, "{fault}");
    let said = |word| fault.detail.contains(word);
    assert!(
        said("athena:StartQueryExecution") && said("output location"),
        "{fault}"
    );
}

#[tokio::test]
async fn who_may_not_is_told_what_is_missing() {
    let peer = support::ministack().await;
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
    let athena = athena(&peer.user("reader", policy).await);
    let fault = athena.start("SELECT 1").await.expect_err("refused");
    assert_eq!(fault.kind, FaultKind::Denied, "{fault}");
    assert!(
        fault.detail.contains("athena:StartQueryExecution"),
        "{fault}"
    );
}

#[tokio::test]
async fn throttled_calls_and_lost_answers_are_tried_again_and_start_one_query() {
    let peer = support::ministack_with_sql().await;
    let proxy = ProxyWire::to(&peer.endpoint(), |_| true).await;
    drop(ready(&peer.connection().await).await);
    let athena = athena(&peer.connection_through(&proxy.url()).await);
    let busy = r#"{"__type":"TooManyRequestsException","message":"Rate exceeded"}"#;
    for at in [0, 1, 3] {
        proxy.fail(On::Any(at), &WireFault::Status(400, busy.into()));
    }
    let pages = all(&athena, "SELECT 'x' AS a").await;
    assert_eq!(pages[0].rows, [[Some("x".to_string())]]);
    assert!(proxy.has_failed());
}

/// No emulator cancels by a limit on what may be read: this is the service's answer by its model.
#[tokio::test]
async fn a_query_cancelled_by_a_limit_is_told_with_what_it_read() {
    let said = r#"{"QueryExecution":{"QueryExecutionId":"q","Status":{"State":"CANCELLED",
        "StateChangeReason":"Bytes scanned limit was exceeded"},
        "Statistics":{"DataScannedInBytes":10485760}}}"#;
    let wire = Wire::new(vec![Answer::Status(200, said.into())]).await;
    let athena = athena(&support::connection_to(&wire.endpoint).await);
    let end = athena.finish("q").await.expect("asked after");
    assert_eq!((end.scanned_bytes, end.cancelled), (10_485_760, true));
    let fault = end.outcome.expect_err("no answer");
    assert!(fault.detail.contains("Bytes scanned limit"), "{fault}");
}

/// No emulator keeps the properties of a table: this is the service's answer by its model.
#[tokio::test]
async fn a_table_is_described_by_its_columns_and_properties() {
    let said = r#"{"TableMetadata":{"Name":"trail","PartitionKeys":[{"Name":"Day","Type":"string"}],
        "Columns":[{"Name":"eventname","Type":"string"},
                   {"Name":"useridentity","Type":"struct<type:string,arn:string>"}],
        "Parameters":{"projection.day.type":"date","projection.day.format":"yyyy/MM/dd",
                      "projection.day.range":"2026/01/01,NOW"}}}"#;
    let wire = Wire::new(vec![Answer::Status(200, said.into())]).await;
    let athena = athena(&support::connection_to(&wire.endpoint).await);
    let table: TableName = "audit.trail".parse().expect("a name");
    let shape = athena.describe(&table).await.expect("described");
    assert_eq!(
        (shape.day(), shape.days()),
        (Some("day"), Some("2026/01/01,NOW"))
    );
    assert!(!shape.lacks("eventName") && !shape.lacks("userIdentity.arn"));
    assert!(shape.lacks("eventID") && shape.lacks("userIdentity.type.x"));
}
