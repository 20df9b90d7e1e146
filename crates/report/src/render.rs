//! The report as HTML, Markdown and JSON.

use jiff::Timestamp;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, UndefinedBehavior, context};

use crate::report::Report;
use crate::words;

const HTML_NAME: &str = "report.html";
const MARKDOWN_NAME: &str = "report.md";
const HTML: &str = include_str!("templates/report.html");
const MARKDOWN: &str = include_str!("templates/report.md");

/// A report that cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A template failed, which is a defect of this program.
    #[error("the report cannot be rendered")]
    Template(#[from] Error),
    /// It has no JSON form.
    #[error("the report cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

impl Report {
    /// One page that needs nothing else: no script, no outside resource, everything escaped.
    pub fn html(&self) -> Result<String, RenderError> {
        self.render(HTML_NAME)
    }

    /// The same as Markdown, everything escaped.
    pub fn markdown(&self) -> Result<String, RenderError> {
        self.render(MARKDOWN_NAME)
    }

    /// The same as data.
    pub fn json(&self) -> Result<String, RenderError> {
        Ok(serde_json::to_string_pretty(self)?)
    }

    fn render(&self, template: &str) -> Result<String, RenderError> {
        let environment = environment()?;
        let words = Words::of(self);
        let context = context! {
            r => Value::from(Serde(self)),
            missing => words.missing,
            key_words => words.key_words,
            kinds => words.kinds,
            complete => self.is_complete(),
            tool => env!("CARGO_PKG_VERSION"),
        };
        Ok(environment.get_template(template)?.render(context)?)
    }
}

/// Words that the data does not hold, in the order of its lists.
struct Words {
    missing: Vec<Vec<String>>,
    key_words: Vec<String>,
    kinds: Vec<String>,
}

impl Words {
    fn of(report: &Report) -> Self {
        let credentials = report.credentials.iter();
        Self {
            missing: credentials
                .clone()
                .map(|c| c.missing.iter().map(ToString::to_string).collect())
                .collect(),
            key_words: credentials.map(|c| c.key_status.to_string()).collect(),
            kinds: report
                .exceptions
                .iter()
                .map(|exception| exception.kind.to_string())
                .collect(),
        }
    }
}

fn environment() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let mut syntax = SyntaxConfig::builder();
    syntax
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true);
    environment.set_syntax(syntax.build()?);
    environment.set_auto_escape_callback(|name| {
        if name == MARKDOWN_NAME {
            AutoEscape::Custom("markdown".into())
        } else {
            AutoEscape::Html
        }
    });
    environment.set_formatter(write_escaped);
    environment.add_filter("time", time);
    environment.add_filter("span", span);
    environment.add_filter("or_dash", or_dash);
    environment.add_template(HTML_NAME, HTML)?;
    environment.add_template(MARKDOWN_NAME, MARKDOWN)?;
    Ok(environment)
}

/// Escapes whatever a template writes, so that no template can forget to.
fn write_escaped(
    out: &mut Output<'_>,
    state: &mut minijinja::State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    match state.auto_escape() {
        AutoEscape::Custom(_) if !value.is_safe() => {
            out.write_str(&markdown_text(&value.to_string()))?;
            Ok(())
        }
        AutoEscape::Custom(_) => Ok(write!(out, "{value}")?),
        _ => minijinja::escape_formatter(out, state, value),
    }
}

/// Text that Markdown leaves alone: every sign that could mean something is escaped.
fn markdown_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            '\n' | '\r' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A moment of the data, for people; a dash where there is none.
fn time(value: Value) -> Result<String, Error> {
    if value.is_none() {
        return Ok("–".to_string());
    }
    let text = value.to_string();
    let at: Timestamp = text.parse().map_err(|error: jiff::Error| {
        Error::new(ErrorKind::InvalidOperation, "not a moment").with_source(error)
    })?;
    Ok(words::moment(at))
}

/// Seconds of the data, for people; words where there are none.
fn span(value: Value) -> Result<String, Error> {
    if value.is_none() {
        return Ok("not yet".to_string());
    }
    Ok(words::span(i64::try_from(value)?))
}

fn or_dash(value: Value) -> Value {
    if value.is_none() || value.as_str() == Some("") {
        Value::from("–")
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_cannot_be_smuggled_in() {
        assert_eq!(
            markdown_text("<script>|[a](b)`\n*_#"),
            "&lt;script&gt;\\|\\[a\\](b)\\` \\*\\_\\#"
        );
    }
}
