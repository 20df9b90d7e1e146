//! The statement that makes the table, for those who have none: partitions are computed from
//! their names, so that nothing has to be loaded and only asked days are read.

use super::columns::{Kind, columns};
use super::query::SqlError;

/// Where a trail writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    /// `database.table` to make.
    pub table: String,
    /// The bucket.
    pub bucket: String,
    /// The prefix in the bucket, or empty.
    pub prefix: String,
    /// The organization's id for its trail, such as `o-abc123`, or empty.
    pub organization: String,
    /// Account ids.
    pub accounts: Vec<String>,
    /// Regions.
    pub regions: Vec<String>,
    /// The first day of the trail, as `2026/11/21`.
    pub first_day: String,
}

/// A structure while the columns are put together, in their order.
enum Node {
    Leaf(Kind),
    Inner(Vec<(String, Node)>),
}

/// The statement, for Athena. Its partition columns are `account`, `region` and `day`.
pub fn ddl(trail: &Trail) -> Result<String, SqlError> {
    check(trail)?;
    let prefix = trail.prefix.trim_matches('/');
    let parts = [
        trail.bucket.as_str(),
        prefix,
        "AWSLogs",
        trail.organization.as_str(),
    ];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let location = format!("s3://{}", parts.join("/"));
    let table = trail
        .table
        .split('.')
        .map(|part| format!("`{part}`"))
        .collect::<Vec<_>>();
    let fields: Vec<String> = tree()
        .iter()
        .map(|(name, node)| format!("    `{name}` {}", spelled(node)))
        .collect();
    Ok(format!(
        "CREATE EXTERNAL TABLE IF NOT EXISTS {table} (
{fields})
PARTITIONED BY (`account` STRING, `region` STRING, `day` STRING)
ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'
STORED AS INPUTFORMAT 'com.amazon.emr.cloudtrail.CloudTrailInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION '{location}/'
TBLPROPERTIES (
    'projection.enabled'='true',
    'projection.account.type'='enum',
    'projection.account.values'='{accounts}',
    'projection.region.type'='enum',
    'projection.region.values'='{regions}',
    'projection.day.type'='date',
    'projection.day.format'='yyyy/MM/dd',
    'projection.day.interval'='1',
    'projection.day.interval.unit'='DAYS',
    'projection.day.range'='{first},NOW',
    'storage.location.template'='{location}/${{account}}/CloudTrail/${{region}}/${{day}}')",
        table = table.join("."),
        fields = fields.join(",\n"),
        accounts = trail.accounts.join(","),
        regions = trail.regions.join(","),
        first = trail.first_day,
    ))
}

fn check(trail: &Trail) -> Result<(), SqlError> {
    let made_of = |text: &str, more: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    let all = |values: &[String], more: &str| {
        !values.is_empty() && values.iter().all(|value| made_of(value, more))
    };
    let Trail {
        table,
        bucket,
        prefix,
        organization,
        accounts,
        regions,
        first_day,
    } = trail;
    let day: Vec<&str> = first_day.split('/').collect();
    let day = [4, 2, 2] == *day.iter().map(|part| part.len()).collect::<Vec<_>>()
        && day
            .iter()
            .all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    let optional = |text: &String, more| text.is_empty() || made_of(text, more);
    let checks = [
        (
            table.split('.').all(|part| made_of(part, "_")),
            "the name of a table",
            table.clone(),
        ),
        (
            made_of(bucket, ".-_"),
            "the name of a bucket",
            bucket.clone(),
        ),
        (
            optional(prefix, "!-_.*()/"),
            "a prefix in a bucket",
            prefix.clone(),
        ),
        (
            optional(organization, "-"),
            "an organization's id",
            organization.clone(),
        ),
        (
            all(accounts, ""),
            "a list of account ids",
            accounts.join(","),
        ),
        (all(regions, "-"), "a list of regions", regions.join(",")),
        (day, "a day such as 2026/11/21", first_day.clone()),
    ];
    match checks.into_iter().find(|(fine, _, _)| !fine) {
        None => Ok(()),
        Some((_, what, value)) => Err(SqlError::Value { what, value }),
    }
}

fn tree() -> Vec<(String, Node)> {
    let mut tree = Vec::new();
    for (field, kind) in columns() {
        let field = field.to_lowercase();
        plant(&mut tree, &field.split('.').collect::<Vec<_>>(), kind);
    }
    tree
}

fn plant(level: &mut Vec<(String, Node)>, path: &[&str], kind: Kind) {
    let [name, rest @ ..] = path else { return };
    if rest.is_empty() {
        level.push(((*name).to_owned(), Node::Leaf(kind)));
        return;
    }
    let at = level
        .iter()
        .position(|(there, _)| there == name)
        .unwrap_or_else(|| {
            level.push(((*name).to_owned(), Node::Inner(Vec::new())));
            level.len() - 1
        });
    if let Node::Inner(inner) = &mut level[at].1 {
        plant(inner, rest, kind);
    }
}

fn spelled(node: &Node) -> String {
    match node {
        Node::Leaf(Kind::Text | Kind::Json) => "STRING".to_owned(),
        Node::Leaf(Kind::Map) => "map<string,string>".to_owned(),
        Node::Leaf(Kind::Resources) => {
            "array<struct<arn:string,accountid:string,type:string>>".to_owned()
        }
        Node::Inner(inner) => {
            let one =
                |(name, node): &(String, Node)| format!("{name}:{}", spelled(node).to_lowercase());
            format!(
                "struct<{}>",
                inner.iter().map(one).collect::<Vec<_>>().join(",")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trail() -> Trail {
        Trail {
            table: "audit.cloudtrail".to_owned(),
            bucket: "logs".to_owned(),
            prefix: "org/".to_owned(),
            organization: "o-abc123".to_owned(),
            accounts: vec!["111122223333".to_owned(), "444455556666".to_owned()],
            regions: vec!["eu-west-1".to_owned()],
            first_day: "2026/01/01".to_owned(),
        }
    }

    #[test]
    fn every_column_and_the_place_of_the_files() {
        let sql = ddl(&trail()).expect("a statement");
        assert!(
            sql.contains("LOCATION 's3://logs/org/AWSLogs/o-abc123/'"),
            "{sql}"
        );
        let template = "'s3://logs/org/AWSLogs/o-abc123/${account}/CloudTrail/${region}/${day}'";
        assert!(sql.contains(template), "{sql}");
        assert!(
            sql.contains("onbehalfof:struct<userid:string,identitystorearn:string>"),
            "{sql}"
        );
        assert!(sql.contains("'111122223333,444455556666'"), "{sql}");
        for (field, _) in columns() {
            let last = field.to_lowercase();
            assert!(
                sql.contains(last.rsplit('.').next().expect("a name")),
                "{field}"
            );
        }
    }

    #[test]
    fn names_with_quotes_are_refused() {
        let faulty: [fn(&mut Trail); 7] = [
            |trail| "a`b".clone_into(&mut trail.table),
            |trail| "a'b".clone_into(&mut trail.bucket),
            |trail| "a'b".clone_into(&mut trail.prefix),
            |trail| "o-'".clone_into(&mut trail.organization),
            |trail| trail.accounts.clear(),
            |trail| trail.regions.push("x'".to_owned()),
            |trail| "2026-01-01".clone_into(&mut trail.first_day),
        ];
        for break_it in faulty {
            let mut trail = trail();
            break_it(&mut trail);
            ddl(&trail).expect_err("refused");
        }
    }
}
