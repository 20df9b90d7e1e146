//! Text patterns: literal parts with `*` and `?` between them.

use std::borrow::Cow;

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// These characters.
    Text(String),
    /// `*`: any number of characters.
    Any,
    /// `?`: exactly one character.
    One,
}

/// A text pattern over the whole of a value. Letters match in either case unless `cased`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
    cased: bool,
    shape: Shape,
}

/// The common shapes, which need no backtracking.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    Whole(String),
    Start(String),
    End(String),
    Within(String),
    Anything,
    General,
}

impl Pattern {
    /// A pattern of parts. Neighbouring literals and `*` are joined; without `cased`, literals
    /// are kept in lower case.
    pub fn new(parts: Vec<Part>, cased: bool) -> Self {
        let mut joined: Vec<Part> = Vec::with_capacity(parts.len());
        for part in parts {
            match (joined.last_mut(), part) {
                (Some(Part::Any), Part::Any) => {}
                (Some(Part::Text(before)), Part::Text(text)) => before.push_str(&text),
                (_, Part::Text(text)) if text.is_empty() => {}
                (_, part) => joined.push(part),
            }
        }
        if !cased {
            joined.iter_mut().for_each(lower);
        }
        let shape = shape(&joined);
        Self {
            parts: joined,
            cased,
            shape,
        }
    }

    /// A literal text.
    pub fn literal(text: &str, cased: bool) -> Self {
        Self::new(vec![Part::Text(text.to_owned())], cased)
    }

    /// The parts; literals are in lower case unless the pattern is cased.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Whether upper and lower case differ.
    pub fn cased(&self) -> bool {
        self.cased
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        if self.cased {
            return self.matches_exactly(text, false);
        }
        // Lower case of other scripts may change lengths, so such text is turned first.
        if text.is_ascii() {
            self.matches_exactly(text, true)
        } else {
            self.matches_exactly(&text.to_lowercase(), false)
        }
    }

    fn matches_exactly(&self, text: &str, fold: bool) -> bool {
        let (hay, same) = (text.as_bytes(), |a: &[u8], b: &[u8]| equal(a, b, fold));
        match &self.shape {
            Shape::Whole(part) => same(hay, part.as_bytes()),
            Shape::Start(part) => hay
                .get(..part.len())
                .is_some_and(|head| same(head, part.as_bytes())),
            Shape::End(part) => hay
                .len()
                .checked_sub(part.len())
                .is_some_and(|from| same(&hay[from..], part.as_bytes())),
            Shape::Within(part) => within(hay, part.as_bytes(), fold),
            Shape::Anything => true,
            Shape::General => {
                let text = if fold {
                    Cow::Owned(text.to_ascii_lowercase())
                } else {
                    text.into()
                };
                general(&self.parts, &text)
            }
        }
    }
}

fn lower(part: &mut Part) {
    if let Part::Text(text) = part {
        *text = text.to_lowercase();
    }
}

fn shape(parts: &[Part]) -> Shape {
    match parts {
        [] => Shape::Whole(String::new()),
        [Part::Text(text)] => Shape::Whole(text.clone()),
        [Part::Text(text), Part::Any] => Shape::Start(text.clone()),
        [Part::Any, Part::Text(text)] => Shape::End(text.clone()),
        [Part::Any, Part::Text(text), Part::Any] => Shape::Within(text.clone()),
        [Part::Any] => Shape::Anything,
        _ => Shape::General,
    }
}

fn equal(a: &[u8], b: &[u8], fold: bool) -> bool {
    if fold {
        a.eq_ignore_ascii_case(b)
    } else {
        a == b
    }
}

fn within(hay: &[u8], needle: &[u8], fold: bool) -> bool {
    let Some(first) = needle.first() else {
        return true;
    };
    let starts = |byte: &u8| {
        if fold {
            byte.to_ascii_lowercase() == *first
        } else {
            byte == first
        }
    };
    let last = hay.len().checked_sub(needle.len());
    last.is_some_and(|last| {
        (0..=last).any(|at| starts(&hay[at]) && equal(&hay[at..at + needle.len()], needle, fold))
    })
}

/// Matches parts greedily with one point to fall back to, the last `*`: time is at most the
/// product of both lengths.
fn general(parts: &[Part], text: &str) -> bool {
    let (mut part, mut at) = (0, 0);
    let mut fall_back: Option<(usize, usize)> = None;
    loop {
        match parts.get(part) {
            None if at == text.len() => return true,
            Some(Part::Any) => {
                fall_back = Some((part, at));
                part += 1;
                continue;
            }
            Some(Part::Text(literal)) if text[at..].starts_with(literal.as_str()) => {
                part += 1;
                at += literal.len();
                continue;
            }
            Some(Part::One) if at < text.len() => {
                part += 1;
                at += width(text, at);
                continue;
            }
            _ => {}
        }
        let Some((star, from)) = fall_back.filter(|(_, from)| *from < text.len()) else {
            return false;
        };
        let from = from + width(text, from);
        fall_back = Some((star, from));
        (part, at) = (star + 1, from);
    }
}

fn width(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(1, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Part::{Any, One};

    fn text(value: &str) -> Part {
        Part::Text(value.to_owned())
    }

    #[test]
    fn shapes() {
        let matches = |parts: Vec<Part>, value: &str| Pattern::new(parts, false).matches(value);
        assert!(matches(vec![text("Ab")], "aB"));
        assert!(!matches(vec![text("ab")], "abc"));
        assert!(matches(vec![text("ab"), Any], "ABc"));
        assert!(matches(vec![Any, text("bc")], "aBC"));
        assert!(matches(vec![Any, text("b"), Any], "aBc"));
        assert!(!matches(vec![Any, text("bx"), Any], "ab"));
        assert!(matches(vec![Any], ""));
        assert!(matches(vec![], ""));
        assert!(!matches(vec![], "x"));
        assert!(matches(vec![text("a"), One, text("c")], "aéc"));
        assert!(!matches(vec![text("a"), One, text("c")], "ac"));
        assert!(matches(
            vec![text("a"), Any, text("b"), Any, text("b")],
            "axbxxB"
        ));
        assert!(!matches(vec![text("a"), Any, text("b")], "axbx"));
        assert!(matches(vec![text("ÉCOLE")], "école"));
        assert!(!Pattern::new(vec![text("Ab")], true).matches("ab"));
    }

    /// The same answer as a regular expression, over random patterns and texts.
    #[test]
    fn agrees_with_a_regular_expression() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..4000 {
            let parts: Vec<Part> = (0..random.usize(0..6))
                .map(|_| match random.u8(0..4) {
                    0 => Any,
                    1 => One,
                    _ => text(["a", "b", "ab", "Ä"][random.usize(0..4)]),
                })
                .collect();
            let regex: String = parts
                .iter()
                .map(|part| match part {
                    Part::Text(text) => regex::escape(text),
                    Any => ".*".to_owned(),
                    One => ".".to_owned(),
                })
                .collect();
            let regex = regex::Regex::new(&format!("(?is)^{regex}$")).expect("regex");
            let hay: String = (0..random.usize(0..8))
                .map(|_| ['a', 'b', 'A', 'ä', 'x'][random.usize(0..5)])
                .collect();
            let pattern = Pattern::new(parts, false);
            assert_eq!(
                pattern.matches(&hay),
                regex.is_match(&hay),
                "{pattern:?} {hay}"
            );
        }
    }
}
