//! Rules as SQL conditions that never miss an event which the rule matches.
//!
//! A condition under `not` must err on the other side, so each expression has two bounds: `over`
//! holds whenever the expression does, `under` holds only when it does.

use super::columns::{Kind, Place, place};
use super::dialect::{Dialect, quoted};
use crate::ast::{Expr, Matcher, Part, Pattern, Test};

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cond {
    Always,
    Never,
    Sql(String),
}

/// On which side to err.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Over,
    Under,
}

/// How to spell, and which columns the table lacks.
pub(super) struct Compiler<'t> {
    pub(super) dialect: Dialect,
    pub(super) lacking: &'t [String],
}

impl Compiler<'_> {
    /// A condition that holds for every event that the rule matches.
    pub(super) fn over(&self, expr: &Expr) -> Cond {
        self.bound(expr, Side::Over)
    }

    fn bound(&self, expr: &Expr, side: Side) -> Cond {
        match expr {
            Expr::All(list) => all(list.iter().map(|one| self.bound(one, side)).collect()),
            Expr::Any(list) => any(list.iter().map(|one| self.bound(one, side)).collect()),
            Expr::Not(inner) => not(self.bound(inner, side.other())),
            Expr::Test(test) => self.test(test, side),
            // Some scalar anywhere: only the event itself can tell.
            Expr::Word(_) => side.unknown(),
        }
    }

    fn test(&self, test: &Test, side: Side) -> Cond {
        let Some(place) = place(&test.path, self.lacking) else {
            return side.unknown();
        };
        match place.kind {
            Kind::Text => self.text(&place.sql, &test.matchers, side),
            Kind::Json | Kind::Map | Kind::Resources => {
                let each = test
                    .matchers
                    .iter()
                    .map(|matcher| within(&place, matcher, side));
                let found = any(each.collect());
                let needs = !test
                    .matchers
                    .iter()
                    .any(|matcher| fits_nothing(matcher, &place));
                let there = if needs {
                    presence(&place)
                } else {
                    Cond::Always
                };
                all(vec![there, found])
            }
        }
    }

    /// A test on a column of text. Whole texts become one list.
    fn text(&self, column: &str, matchers: &[Matcher], side: Side) -> Cond {
        let mut conds = Vec::new();
        for cased in [false, true] {
            let whole: Vec<String> = matchers
                .iter()
                .filter_map(|matcher| whole(matcher, cased))
                .collect();
            if !whole.is_empty() {
                let subject = subject(column, cased);
                let sql = format!("{subject} IN ({})", super::dialect::list(&whole));
                conds.push(self.guarded(column, cased, sql, side));
            }
        }
        let others = matchers
            .iter()
            .filter(|matcher| whole(matcher, false).is_none() && whole(matcher, true).is_none());
        conds.extend(others.map(|matcher| self.matcher(column, matcher, side)));
        any(conds)
    }

    fn matcher(&self, column: &str, matcher: &Matcher, side: Side) -> Cond {
        let there = || Cond::Sql(format!("{column} IS NOT NULL"));
        match (matcher, side) {
            (Matcher::Text(pattern), _) => self.pattern(column, pattern, side),
            (Matcher::Bool(value), _) => {
                let sql = format!("lower({column}) = '{value}'");
                self.guarded(column, false, sql, side)
            }
            (Matcher::Null, _) | (Matcher::Exists(false), Side::Over) => {
                Cond::Sql(format!("{column} IS NULL"))
            }
            // A null in the log and no such field are one in the table.
            (Matcher::Exists(true), Side::Over) => Cond::Always,
            (Matcher::Exists(true), Side::Under) => there(),
            (_, Side::Under) => Cond::Never,
            (Matcher::Cidr(cidr), Side::Over) => match octets(&cidr.to_string()) {
                Some(start) => Cond::Sql(format!("{column} LIKE {}", quoted(&format!("{start}%")))),
                None => there(),
            },
            (_, Side::Over) => there(),
        }
    }

    fn pattern(&self, column: &str, pattern: &Pattern, side: Side) -> Cond {
        if pattern.parts() == [Part::Any] {
            return Cond::Sql(format!("{column} IS NOT NULL"));
        }
        let plain = |part: &Part| match part {
            Part::Text(text) => text.is_ascii(),
            Part::Any => true,
            Part::One => false,
        };
        if side == Side::Under && !pattern.parts().iter().all(plain) {
            return Cond::Never;
        }
        let like: String = pattern.parts().iter().map(like).collect();
        let subject = subject(column, pattern.cased());
        let sql = format!("{subject} LIKE {} ESCAPE '!'", quoted(&like));
        self.guarded(column, pattern.cased(), sql, side)
    }

    /// What engines make of letters beyond ASCII in lower case differs: under a `not`, only texts
    /// without them count.
    fn guarded(&self, column: &str, cased: bool, sql: String, side: Side) -> Cond {
        Cond::Sql(match side {
            Side::Under if !cased => format!("({sql} AND {})", self.dialect.ascii(column)),
            _ => sql,
        })
    }
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Over => Self::Under,
            Self::Under => Self::Over,
        }
    }

    fn unknown(self) -> Cond {
        match self {
            Self::Over => Cond::Always,
            Self::Under => Cond::Never,
        }
    }
}

/// A test below a column of JSON text: looks for what the value must hold, spelled the same in
/// every JSON.
fn within(place: &Place, matcher: &Matcher, side: Side) -> Cond {
    let column = &place.sql;
    match (matcher, side) {
        (Matcher::Null | Matcher::Exists(false), Side::Over) => Cond::Always,
        (Matcher::Exists(false), Side::Under) if place.below.is_empty() => Cond::Never,
        (Matcher::Null | Matcher::Exists(false), Side::Under) => {
            Cond::Sql(format!("{column} IS NULL"))
        }
        (Matcher::Exists(true), Side::Under) if place.below.is_empty() => {
            Cond::Sql(format!("{column} IS NOT NULL"))
        }
        (_, Side::Under) => Cond::Never,
        (Matcher::Text(pattern), Side::Over) if place.kind == Kind::Json => {
            match longest(pattern) {
                Some(run) => {
                    let subject = subject(column, pattern.cased());
                    Cond::Sql(format!("strpos({subject}, {}) > 0", quoted(&run)))
                }
                None => Cond::Always,
            }
        }
        (Matcher::Bool(value), Side::Over) if place.kind == Kind::Json => {
            Cond::Sql(format!("strpos(lower({column}), '{value}') > 0"))
        }
        (_, Side::Over) => Cond::Always,
    }
}

/// The column is there and holds each key of the path.
fn presence(place: &Place) -> Cond {
    let column = &place.sql;
    let key = |key: &String| {
        let number = key.bytes().all(|byte| byte.is_ascii_digit());
        let same = key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let sql = || Cond::Sql(format!("strpos({column}, {}) > 0", quoted(key)));
        if number || !same { Cond::Always } else { sql() }
    };
    let mut conds = vec![Cond::Sql(format!("{column} IS NOT NULL"))];
    if place.kind == Kind::Json {
        conds.extend(place.below.iter().map(key));
    }
    all(conds)
}

/// The longest run of characters that a value which fits must hold, and that no JSON writes as an
/// escape. Capitals that become `i` or `k` exist beyond ASCII, and numbers have many spellings,
/// so those are no runs.
fn longest(pattern: &Pattern) -> Option<String> {
    let plain = |c: char| {
        let same = c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@');
        same && (pattern.cased() || !matches!(c, 'i' | 'k'))
    };
    let number = |run: &str| {
        run.chars()
            .all(|c| matches!(c, '0'..='9' | 'e' | 'E' | '.' | '-'))
    };
    let texts = pattern.parts().iter().filter_map(|part| match part {
        Part::Text(text) => Some(text.as_str()),
        Part::Any | Part::One => None,
    });
    let runs = texts.flat_map(|text| text.split(|c| !plain(c)));
    runs.filter(|run| !number(run))
        .max_by_key(|run| run.len())
        .map(str::to_owned)
}

/// Whether a matcher can fit an event for which the column is null. A null in the log and no such
/// field are one in the table.
fn fits_nothing(matcher: &Matcher, place: &Place) -> bool {
    match matcher {
        Matcher::Null | Matcher::Exists(false) => true,
        Matcher::Exists(true) => place.below.is_empty(),
        _ => false,
    }
}

/// A text pattern without wildcards.
fn whole(matcher: &Matcher, cased: bool) -> Option<String> {
    let Matcher::Text(pattern) = matcher else {
        return None;
    };
    match pattern.parts() {
        _ if pattern.cased() != cased => None,
        [] => Some(String::new()),
        [Part::Text(text)] if text.is_ascii() => Some(text.clone()),
        _ => None,
    }
}

fn subject(column: &str, cased: bool) -> String {
    if cased {
        column.to_owned()
    } else {
        format!("lower({column})")
    }
}

/// A part of a pattern in the language of LIKE. What the engines may see in different ways is
/// left open.
fn like(part: &Part) -> String {
    let Part::Text(text) = part else {
        return "%".to_owned();
    };
    text.chars()
        .map(|c| match c {
            '%' | '_' | '!' => format!("!{c}"),
            c if c.is_ascii() => c.to_string(),
            _ => "%".to_owned(),
        })
        .collect()
}

/// How addresses of a network of whole octets begin.
fn octets(cidr: &str) -> Option<String> {
    let (base, bits) = cidr.split_once('/')?;
    let whole = bits.parse::<usize>().ok()? / 8;
    let parts: Vec<&str> = base.split('.').collect();
    let start = parts.get(..whole)?;
    (parts.len() == 4 && (1..4).contains(&whole)).then(|| format!("{}.", start.join(".")))
}

fn all(conds: Vec<Cond>) -> Cond {
    joined(conds, &Cond::Never, &Cond::Always, " AND ")
}

fn any(conds: Vec<Cond>) -> Cond {
    joined(conds, &Cond::Always, &Cond::Never, " OR ")
}

fn joined(conds: Vec<Cond>, decisive: &Cond, neutral: &Cond, by: &str) -> Cond {
    if conds.contains(decisive) {
        return decisive.clone();
    }
    let mut texts: Vec<String> = Vec::new();
    for cond in conds {
        if let Cond::Sql(text) = cond
            && !texts.contains(&text)
        {
            texts.push(text);
        }
    }
    match texts.len() {
        0 => neutral.clone(),
        1 => Cond::Sql(texts.swap_remove(0)),
        _ => Cond::Sql(format!("({})", texts.join(by))),
    }
}

/// What is unknown to SQL is false to a rule.
fn not(cond: Cond) -> Cond {
    match cond {
        Cond::Always => Cond::Never,
        Cond::Never => Cond::Always,
        Cond::Sql(text) => Cond::Sql(format!("NOT coalesce({text}, FALSE)")),
    }
}
