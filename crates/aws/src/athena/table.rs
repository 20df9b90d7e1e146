//! What a table says of itself.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use aws_sdk_athena::types::{Column, TableMetadata};
use relatch_case::{Fault, FaultKind};

/// The catalog of tables that name none.
const CATALOG: &str = "AwsDataCatalog";
/// How the days of the table that AWS documents are spelled.
const DAY: &str = "yyyy/MM/dd";

/// Where a table is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    /// The catalog.
    pub catalog: String,
    /// The database.
    pub database: String,
    /// The table.
    pub table: String,
}

impl FromStr for TableName {
    type Err = Fault;

    /// Reads `database.table` or `catalog.database.table`.
    fn from_str(text: &str) -> Result<Self, Fault> {
        let parts: Vec<&str> = text.split('.').collect();
        let (catalog, database, table) = match parts[..] {
            [database, table] => (CATALOG, database, table),
            [catalog, database, table] => (catalog, database, table),
            _ => ("", "", ""),
        };
        if [catalog, database, table].contains(&"") {
            let words = format!("{text} is no table like database.table");
            return Err(Fault::new(FaultKind::Invalid, words));
        }
        Ok(Self {
            catalog: catalog.to_string(),
            database: database.to_string(),
            table: table.to_string(),
        })
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.catalog != CATALOG {
            write!(f, "{}.", self.catalog)?;
        }
        write!(f, "{}.{}", self.database, self.table)
    }
}

/// The columns and partitions of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableShape {
    /// Columns and their types, in Hive's words and lower case.
    pub columns: BTreeMap<String, String>,
    /// The columns that the table is divided by, in order.
    pub partitions: Vec<String>,
    /// Properties of the table.
    pub parameters: BTreeMap<String, String>,
}

impl TableShape {
    pub(super) fn of(metadata: Option<TableMetadata>) -> Self {
        let Some(metadata) = metadata else {
            return Self::default();
        };
        let column = |column: &Column| {
            let kind = column.r#type().unwrap_or_default();
            (column.name().to_lowercase(), kind.to_lowercase())
        };
        let names = metadata.partition_keys().iter().map(|key| column(key).0);
        Self {
            columns: metadata.columns().iter().map(column).collect(),
            partitions: names.collect(),
            parameters: metadata
                .parameters
                .unwrap_or_default()
                .into_iter()
                .collect(),
        }
    }

    /// The partition column that holds the day as `2026/11/21`, where the table says so.
    pub fn day(&self) -> Option<&str> {
        let spelled = |name: &&String| {
            self.projection(name, "type") == Some("date")
                && self.projection(name, "format") == Some(DAY)
        };
        self.partitions
            .iter()
            .find(spelled)
            .map(std::string::String::as_str)
    }

    /// The days that the table covers, in its own words: `2026/01/01,NOW`.
    pub fn days(&self) -> Option<&str> {
        self.projection(self.day()?, "range")
    }

    fn projection(&self, column: &str, what: &str) -> Option<&str> {
        let found = self.parameters.get(&format!("projection.{column}.{what}"));
        found.map(std::string::String::as_str)
    }

    /// Whether the table has no place for a field such as `userIdentity.onBehalfOf.userId`. Of a
    /// table without columns nothing is known, and nothing is said to be missing.
    pub fn lacks(&self, field: &str) -> bool {
        if self.columns.is_empty() {
            return false;
        }
        let field = field.to_lowercase();
        let mut path = field.split('.');
        let first = path.next().unwrap_or_default();
        let Some(mut kind) = self.columns.get(first).map(String::as_str) else {
            return true;
        };
        for name in path {
            match inner(kind, name) {
                Some(found) => kind = found,
                None => return true,
            }
        }
        false
    }
}

/// The type of a member of a structure `struct<name:type,...>`.
fn inner<'t>(kind: &'t str, name: &str) -> Option<&'t str> {
    let members = kind.trim().strip_prefix("struct<")?.strip_suffix('>')?;
    let (mut depth, mut start) = (0_usize, 0);
    let ends = members.char_indices().filter_map(|(at, c)| {
        match c {
            '<' | '(' => depth += 1,
            '>' | ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => return Some(at),
            _ => {}
        }
        None
    });
    for end in ends.chain([members.len()]) {
        let (found, kind) = members[start..end].split_once(':')?;
        if found.trim() == name {
            return Some(kind);
        }
        start = (end + 1).min(members.len());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> TableShape {
        let text = |(a, b): (&str, &str)| (a.to_string(), b.to_string());
        TableShape {
            columns: [
                (
                    "useridentity",
                    "struct<type:string,sessioncontext:struct<attributes:struct<mfa:string>,\
                     wide:map<string,string>>,arn:string>",
                ),
                ("eventname", "string"),
            ]
            .map(text)
            .into(),
            partitions: vec!["account".into(), "day".into()],
            parameters: [
                ("projection.day.type", "date"),
                ("projection.day.format", "yyyy/MM/dd"),
                ("projection.day.range", "2026/01/01,NOW"),
                ("projection.account.type", "enum"),
            ]
            .map(text)
            .into(),
        }
    }

    #[test]
    fn names_are_read_and_shown() {
        let read = |text: &str| text.parse::<TableName>();
        assert_eq!(read("a.b").expect("a name").to_string(), "a.b");
        assert_eq!(read("c.a.b").expect("a name").to_string(), "c.a.b");
        assert_eq!(read("a.b").expect("a name").catalog, "AwsDataCatalog");
        for text in ["", "a", "a.", ".b", "a.b.c.d"] {
            assert_eq!(read(text).expect_err(text).kind, FaultKind::Invalid);
        }
    }

    #[test]
    fn a_table_says_what_it_lacks_and_where_its_days_are() {
        let shape = shape();
        assert_eq!(shape.day(), Some("day"));
        assert_eq!(shape.days(), Some("2026/01/01,NOW"));
        for there in [
            "eventName",
            "userIdentity.type",
            "userIdentity.arn",
            "userIdentity.sessionContext.attributes.mfa",
            "userIdentity.sessionContext.wide",
        ] {
            assert!(!shape.lacks(there), "{there}");
        }
        for lacking in [
            "tlsDetails.tlsVersion",
            "userIdentity.onBehalfOf.userId",
            "userIdentity.sessionContext.attributes.creationDate",
            "eventName.x",
        ] {
            assert!(shape.lacks(lacking), "{lacking}");
        }
        assert!(!TableShape::default().lacks("anything"));
        let mut other = shape.clone();
        other
            .parameters
            .insert("projection.day.format".into(), "yyyy-MM-dd".into());
        assert_eq!(other.day(), None);
    }
}
