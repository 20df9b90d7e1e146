//! Templates of catalog entries: paths, query values, leaf strings of bodies.
//!
//! Undefined variables are errors, a run is limited, and no value ever is a variable.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value};

/// Most steps one template may take.
const FUEL: u64 = 10_000;

/// The variables of a run.
pub(crate) type Variables = BTreeMap<String, String>;

/// The two ways in which a template is rendered.
#[derive(Debug)]
pub(crate) struct Templates {
    path: Environment<'static>,
    text: Environment<'static>,
}

impl Templates {
    pub(crate) fn new() -> Self {
        let mut path = environment();
        path.set_formatter(write_segment);
        Self {
            path,
            text: environment(),
        }
    }

    /// Renders a path; each variable stays within its segment.
    pub(crate) fn path(&self, source: &str, variables: &Variables) -> Result<String, Error> {
        self.path.render_str(source, Value::from(variables.clone()))
    }

    /// Renders a text.
    pub(crate) fn text(&self, source: &str, variables: &Variables) -> Result<String, Error> {
        self.text.render_str(source, Value::from(variables.clone()))
    }

    /// The variables that a template asks for.
    pub(crate) fn asked(&self, source: &str) -> Result<BTreeSet<String>, Error> {
        let template = self.text.template_from_str(source)?;
        Ok(template.undeclared_variables(false).into_iter().collect())
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment
}

fn write_segment(out: &mut Output, _: &mut State, value: &Value) -> Result<(), Error> {
    let Some(text) = value
        .as_str()
        .filter(|text| !matches!(*text, "" | "." | ".."))
    else {
        let why = "a path variable must be a text that stands for one segment";
        return Err(Error::new(ErrorKind::InvalidOperation, why));
    };
    out.write_str(&percent_encode(text)).map_err(Error::from)
}

/// Encodes everything but the unreserved characters of RFC 3986, section 2.3.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Variables {
        Variables::from([(name.to_string(), value.to_string())])
    }

    #[test]
    fn a_path_variable_cannot_leave_its_segment() {
        let templates = Templates::new();
        let render = |value| templates.path("/p/{{ id }}/keys", &with("id", value));
        assert_eq!(render("proj_1").expect("renders"), "/p/proj_1/keys");
        assert_eq!(
            render("a/../b?c#d").expect("renders"),
            "/p/a%2F..%2Fb%3Fc%23d/keys"
        );
        for wrong in ["", ".", ".."] {
            assert!(render(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn undefined_variables_and_endless_runs_are_errors() {
        let templates = Templates::new();
        assert!(templates.text("{{ nothing }}", &Variables::new()).is_err());
        let endless = "{% for i in range(100000) %}x{% endfor %}";
        assert!(templates.text(endless, &Variables::new()).is_err());
        assert_eq!(
            templates
                .text("<{{ a }}>", &with("a", "\"&<"))
                .expect("renders"),
            "<\"&<>"
        );
    }
}
