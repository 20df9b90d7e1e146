//! Where the engines write the same thing in different ways.

/// Whose SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Amazon Athena, engine 3, and other Trino.
    Athena,
    /// DuckDB.
    DuckDb,
}

impl Dialect {
    /// Whether a regular expression is found in a text.
    pub(super) fn regex(self, column: &str, regex: &str) -> String {
        let name = match self {
            Self::Athena => "regexp_like",
            Self::DuckDb => "regexp_matches",
        };
        format!("{name}({column}, {})", quoted(regex))
    }

    /// Whether all of a text is ASCII: the engines turn other letters into lower case in ways of
    /// their own.
    pub(super) fn ascii(self, column: &str) -> String {
        format!("NOT {}", self.regex(column, r"[^\x00-\x7F]"))
    }

    /// The list of resources as JSON text.
    pub(super) fn resources(self, column: &str) -> String {
        match self {
            Self::Athena => format!(
                "json_format(CAST(transform({column}, r -> map(ARRAY['ARN', 'accountId', 'type'], \
                 ARRAY[r.arn, r.accountid, r.type])) AS JSON))"
            ),
            Self::DuckDb => format!(
                "CAST(to_json(list_transform({column}, lambda r: {{'ARN': r.arn, \
                 'accountId': r.accountid, 'type': r.type}})) AS VARCHAR)"
            ),
        }
    }

    /// A map of texts as JSON text.
    pub(super) fn map(self, column: &str) -> String {
        match self {
            Self::Athena => format!("json_format(CAST({column} AS JSON))"),
            Self::DuckDb => format!("CAST(to_json({column}) AS VARCHAR)"),
        }
    }
}

/// A text as a literal. Neither engine knows any escape but the doubled quote.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Literals with commas between them.
pub(super) fn list<'t>(texts: impl IntoIterator<Item = &'t String>) -> String {
    texts
        .into_iter()
        .map(|text| quoted(text))
        .collect::<Vec<_>>()
        .join(", ")
}
