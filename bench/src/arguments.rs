//! Arguments of the form `--name value`.

use crate::Error;

/// What was given after the name of the measurement.
pub(crate) struct Arguments(Vec<String>);

impl Arguments {
    pub(crate) fn new(arguments: Vec<String>) -> Self {
        Self(arguments)
    }

    /// A number, or its usual value.
    pub(crate) fn number(&self, name: &str, usual: usize) -> Result<usize, Error> {
        match self.text(name) {
            None => Ok(usual),
            Some(text) => Ok(text
                .parse()
                .map_err(|_| format!("{name} needs a number, not {text:?}"))?),
        }
    }

    /// A text, if it was given.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let at = self.0.iter().position(|given| given == name)?;
        self.0.get(at + 1).map(String::as_str)
    }

    /// Refuses names that are not known.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Error> {
        for pair in self.0.chunks(2) {
            if !known.contains(&pair[0].as_str()) {
                return Err(format!("{} is not known here; known: {known:?}", pair[0]).into());
            }
        }
        Ok(())
    }
}
