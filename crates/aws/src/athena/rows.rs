//! The rows of an answer.

use aws_sdk_athena::Client;
use aws_sdk_athena::types::Row;
use relatch_case::{Fault, FaultKind};

use super::query::named;

/// Most rows of one page (Athena API reference, `GetQueryResults`).
const PAGE: i32 = 1000;

/// The rows of a query, brought page by page.
#[derive(Debug)]
pub struct AthenaRows {
    client: Client,
    id: String,
    columns: Vec<String>,
    place: Place,
}

/// Some rows of an answer; each has a value, or a null, for every column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowPage {
    /// The names of the columns, in order.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Option<String>>>,
}

/// How far the reading is.
#[derive(Debug)]
enum Place {
    Start,
    After(String),
    End,
}

impl AthenaRows {
    pub(super) fn new(client: Client, id: &str) -> Self {
        Self {
            client,
            id: id.to_string(),
            columns: Vec::new(),
            place: Place::Start,
        }
    }

    /// The next page, or `None` at the end. After an error the same page can be asked for again.
    pub async fn next_page(&mut self) -> Result<Option<RowPage>, Fault> {
        let token = match &self.place {
            Place::End => return Ok(None),
            Place::Start => None,
            Place::After(token) => Some(token.clone()),
        };
        let first = token.is_none();
        let answer = self
            .client
            .get_query_results()
            .query_execution_id(&self.id)
            .max_results(PAGE)
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| named("athena:GetQueryResults", error))?;
        let set = answer.result_set;
        if let Some(meta) = set.as_ref().and_then(|set| set.result_set_metadata()) {
            let names = meta.column_info().iter().map(|one| one.name().to_string());
            self.columns = names.collect();
        }
        let rows = set.and_then(|set| set.rows).unwrap_or_default();
        let page = self.page(rows, first)?;
        let next = answer.next_token.filter(|token| !token.is_empty());
        self.place = next.map_or(Place::End, Place::After);
        Ok(Some(page))
    }

    fn page(&self, rows: Vec<Row>, first: bool) -> Result<RowPage, Fault> {
        let values = |row: Row| -> Vec<Option<String>> {
            let data = row.data.unwrap_or_default();
            data.into_iter().map(|datum| datum.var_char_value).collect()
        };
        let mut rows: Vec<_> = rows.into_iter().map(values).collect();
        // The first row of an answer repeats the names of the columns.
        if first && rows.first().is_some_and(|row| self.is_head(row)) {
            rows.remove(0);
        }
        if let Some(row) = rows.iter().find(|row| row.len() != self.columns.len()) {
            let words = format!(
                "athena:GetQueryResults: a row of {} values for {} columns in query {}",
                row.len(),
                self.columns.len(),
                self.id
            );
            return Err(Fault::new(FaultKind::Invalid, words));
        }
        Ok(RowPage {
            columns: self.columns.clone(),
            rows,
        })
    }

    fn is_head(&self, row: &[Option<String>]) -> bool {
        let names = row.iter().map(Option::as_deref);
        names.eq(self.columns.iter().map(|name| Some(name.as_str())))
    }
}
