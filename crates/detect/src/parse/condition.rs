//! The `condition` line: `and`, `or`, `not`, brackets, `1 of x*`, `all of them`.

use super::{Refusal, size};
use crate::ast::Expr;

/// The most characters of a condition, and how deep its brackets may go.
const MOST_LENGTH: usize = 8192;
const MOST_DEPTH: usize = 48;
/// The most tests that one rule may come to, selections counted each time they are named.
pub(super) const MOST_SIZE: usize = 20_000;

/// Parses a condition over named selections.
pub(super) fn parse(text: &str, selections: &[(String, Expr)]) -> Result<Expr, Refusal> {
    if text.len() > MOST_LENGTH {
        return Err(Refusal::faulty("the condition is too long"));
    }
    if text.contains('|') {
        return Err(Refusal::unsupported(
            "an aggregation after `|` in the condition (the form of old; correlations replace it)",
        ));
    }
    let mut parser = Parser {
        words: words(text),
        at: 0,
        depth: 0,
        size: 0,
        selections,
    };
    let expr = parser.any()?;
    match parser.peek() {
        None => Ok(expr),
        Some(word) => Err(Refusal::faulty(format!(
            "`{word}` was not expected in the condition"
        ))),
    }
}

fn words(text: &str) -> Vec<String> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    spaced.split_whitespace().map(str::to_owned).collect()
}

struct Parser<'s> {
    words: Vec<String>,
    at: usize,
    depth: usize,
    size: usize,
    selections: &'s [(String, Expr)],
}

impl Parser<'_> {
    fn peek(&self) -> Option<&str> {
        self.words.get(self.at).map(String::as_str)
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self
            .peek()
            .is_some_and(|next| next.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn any(&mut self) -> Result<Expr, Refusal> {
        let mut list = vec![self.all()?];
        while self.take("or") {
            list.push(self.all()?);
        }
        Ok(join(list, Expr::Any))
    }

    fn all(&mut self) -> Result<Expr, Refusal> {
        let mut list = vec![self.not()?];
        while self.take("and") {
            list.push(self.not()?);
        }
        Ok(join(list, Expr::All))
    }

    fn not(&mut self) -> Result<Expr, Refusal> {
        if !self.take("not") {
            return self.one();
        }
        self.deeper()?;
        let inner = self.not()?;
        self.depth -= 1;
        Ok(Expr::Not(Box::new(inner)))
    }

    fn deeper(&mut self) -> Result<(), Refusal> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(Refusal::faulty("the condition is nested too deep"));
        }
        Ok(())
    }

    fn one(&mut self) -> Result<Expr, Refusal> {
        if self.take("(") {
            self.deeper()?;
            let inner = self.any()?;
            self.depth -= 1;
            return if self.take(")") {
                Ok(inner)
            } else {
                Err(Refusal::faulty("a bracket of the condition is not closed"))
            };
        }
        let Some(word) = self.peek().map(str::to_owned) else {
            return Err(Refusal::faulty("the condition ends too early"));
        };
        self.at += 1;
        if self.take("of") {
            return self.quantified(&word);
        }
        self.named(&word)
    }

    fn named(&mut self, word: &str) -> Result<Expr, Refusal> {
        let found = self.selections.iter().find(|(name, _)| name == word);
        let (_, expr) = found.ok_or_else(|| {
            Refusal::faulty(format!("the condition names `{word}`, which is not there"))
        })?;
        self.copy(expr)
    }

    /// `1 of`, `any of` and `all of`, over `them` or over names with `*`.
    fn quantified(&mut self, count: &str) -> Result<Expr, Refusal> {
        let every = match count.to_ascii_lowercase().as_str() {
            "1" | "any" => false,
            "all" => true,
            other => {
                return Err(Refusal::unsupported(format!(
                    "`{other} of` in the condition"
                )));
            }
        };
        let Some(of) = self.peek().map(str::to_owned) else {
            return Err(Refusal::faulty("the condition ends after `of`"));
        };
        self.at += 1;
        let them = of.eq_ignore_ascii_case("them");
        let mut list = Vec::new();
        for (name, expr) in self.selections {
            let fits = if them {
                !name.starts_with('_')
            } else {
                glob(&of, name)
            };
            if fits {
                list.push(self.copy(expr)?);
            }
        }
        if list.is_empty() {
            return Err(Refusal::faulty(format!("no selection is called `{of}`")));
        }
        Ok(join(list, if every { Expr::All } else { Expr::Any }))
    }

    fn copy(&mut self, expr: &Expr) -> Result<Expr, Refusal> {
        self.size += size(expr);
        if self.size > MOST_SIZE {
            return Err(Refusal::faulty("the condition comes to too many tests"));
        }
        Ok(expr.clone())
    }
}

fn join(mut list: Vec<Expr>, make: fn(Vec<Expr>) -> Expr) -> Expr {
    if list.len() == 1 {
        list.swap_remove(0)
    } else {
        make(list)
    }
}

/// `*` stands for any characters at any place of a selection's name.
fn glob(pattern: &str, name: &str) -> bool {
    use crate::pattern::{Part, Pattern};
    let parts = pattern.split('*').enumerate().flat_map(|(number, text)| {
        let star = (number > 0).then_some(Part::Any);
        star.into_iter().chain([Part::Text(text.to_owned())])
    });
    Pattern::new(parts.collect(), true).matches(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ast::{Matcher, Path, Test};

    fn selections() -> Vec<(String, Expr)> {
        ["a", "b", "sel_x", "sel_y", "_hidden"]
            .into_iter()
            .map(|name| {
                let test = Test {
                    path: Path::new(name),
                    matchers: vec![Matcher::Null],
                };
                (name.to_owned(), Expr::Test(test))
            })
            .collect()
    }

    fn shown(expr: &Expr) -> String {
        let list = |list: &[Expr], by: &str| {
            format!("({})", list.iter().map(shown).collect::<Vec<_>>().join(by))
        };
        match expr {
            Expr::All(inner) => list(inner, "&"),
            Expr::Any(inner) => list(inner, "|"),
            Expr::Not(inner) => format!("!{}", shown(inner)),
            Expr::Test(test) => test.path.text().to_owned(),
            Expr::Word(_) => "word".to_owned(),
        }
    }

    #[test]
    fn precedence_and_names() {
        let is = |text: &str, want: &str| {
            assert_eq!(
                shown(&parse(text, &selections()).expect(text)),
                want,
                "{text}"
            );
        };
        is("a or b and not sel_x", "(a|(b&!sel_x))");
        is("(a or b) AND sel_x", "((a|b)&sel_x)");
        is("not (a or not b)", "!(a|!b)");
        is("1 of sel_*", "(sel_x|sel_y)");
        is("all of *_x and any of *l_y", "(sel_x&sel_y)");
        is("all of them", "(a&b&sel_x&sel_y)");
        is("not 1 of sel*", "!(sel_x|sel_y)");
        is("_hidden", "_hidden");
    }

    #[test]
    fn faults_are_named() {
        let deep = format!("{}a{}", "(".repeat(60), ")".repeat(60));
        let long = "a and ".repeat(3000);
        let nots = format!("{} a", "not ".repeat(100));
        for text in [
            "",
            "a and",
            "(a",
            "a b",
            "c",
            "1 of z*",
            "2 of them",
            "a | count() > 3",
            "all of",
            &deep,
            &long,
            &nots,
        ] {
            parse(text, &selections()).expect_err(text);
        }
    }
}
