//! What happened, as lines for a person and as one number for a machine.

use crate::dice::fnv;

/// The story of one schedule.
#[derive(Debug, Default)]
pub struct Story {
    tells: bool,
    lines: Vec<String>,
    hash: u64,
    length: usize,
}

impl Story {
    /// A story; its lines are kept only if it is to be told.
    pub fn new(tells: bool) -> Self {
        Self {
            tells,
            ..Self::default()
        }
    }

    /// Adds a line: milliseconds since the start, who, what.
    pub fn add(&mut self, ms: u64, who: &str, what: impl FnOnce() -> String) {
        let line = format!("{:>7}.{:03}  {who:<10} {}", ms / 1000, ms % 1000, what());
        self.hash = self.hash.rotate_left(5) ^ fnv(line.as_bytes());
        self.length += 1;
        if self.tells {
            self.lines.push(line);
        }
    }

    /// A number that is the same only if every line is.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The lines, if they were kept.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}
