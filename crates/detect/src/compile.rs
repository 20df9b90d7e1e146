//! Many rules as one: tests that several rules share are kept once, and each rule becomes a small
//! tree over them.

use std::collections::HashMap;
use std::ops::Not as _;

use crate::ast::{Expr, Known, Matcher, Path, Test};
use crate::correlate::Wiring;
use crate::index::Bits;
use crate::load::{Loaded, Refused};
use crate::parse::Refusal;
use crate::rule::{Correlation, Rule, RuleIndex};
use crate::test_eval::{absent, holds_for_text};

/// Rules ready to be held against events.
#[derive(Debug)]
pub struct RuleSet {
    pub(crate) rules: Vec<Rule>,
    pub(crate) correlations: Vec<Correlation>,
    pub(crate) wiring: Wiring,
    refused: Vec<Refused>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) tests: Vec<Shared>,
    pub(crate) words: Vec<Vec<Matcher>>,
    /// For each known field, the tests on it whose answer depends on its text alone.
    pub(crate) by_field: Vec<Vec<usize>>,
    /// For each known field, what those tests say when it is absent.
    pub(crate) when_absent: Vec<Bits>,
    /// For each known field, whether a rule compares it with another field of the event.
    compared: Vec<bool>,
}

/// What all tests on a known field say to its text: no rule tells two events apart by a field
/// whose answers are the same. Of one set of rules only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Answers {
    tests: Bits,
    /// The text itself, where a rule compares it with another field of the event.
    text: Option<Box<str>>,
}

/// A rule's expression over shared tests.
#[derive(Debug)]
pub(crate) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Test(usize),
    Word(usize),
}

/// A test, and its number among the tests of its known field if the field's text decides it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) test: Test,
    pub(crate) memo: Option<(Known, usize)>,
}

impl Shared {
    /// Whether it compares this field with another one.
    fn compares(&self, known: Known) -> bool {
        let is_this = |path: &Path| path.known() == Some(known);
        self.test.matchers.iter().any(|matcher| match matcher {
            Matcher::Field(other) => is_this(&other.path) || is_this(&self.test.path),
            _ => false,
        })
    }
}

impl RuleSet {
    /// Compiles what was loaded. Rules with an id that was there before, and correlations of
    /// rules that are not there, are refused; see [`Self::refused`].
    pub fn compile(loaded: Loaded) -> Self {
        let Loaded {
            rules,
            correlations,
            mut refused,
        } = loaded;
        let mut ids = HashMap::new();
        let mut rules = unique(rules, |rule| rule, spelled, &mut ids, &mut refused);
        let correlations = unique(
            correlations,
            |one| &one.rule,
            spelled_correlation,
            &mut ids,
            &mut refused,
        );
        let (correlations, wiring) = Wiring::resolve(&mut rules, correlations, &mut refused);
        let mut build = Build::default();
        let nodes = rules.iter().map(|rule| build.node(&rule.expr)).collect();
        let when_absent = build
            .by_field
            .iter()
            .map(|tests| Bits::collect(tests.iter().map(|test| absent(&build.tests[*test].test))))
            .collect();
        let compared = Known::ALL.map(|known| build.tests.iter().any(|one| one.compares(known)));
        Self {
            rules,
            correlations,
            wiring,
            refused,
            nodes,
            tests: build.tests,
            words: build.words,
            by_field: build.by_field,
            when_absent,
            compared: compared.into(),
        }
    }

    /// Rules over one event; a [`RuleIndex`] below their number is one of them.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Rules over hits; their indexes follow those of [`Self::rules`].
    pub fn correlations(&self) -> &[Correlation] {
        &self.correlations
    }

    /// Everything that was not taken, by the load or here.
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// A rule, or a correlation's title and so on. `None` for an index of another set.
    pub fn rule(&self, index: RuleIndex) -> Option<&Rule> {
        let at = index.0 as usize;
        let correlation = || self.correlations.get(at.checked_sub(self.rules.len())?);
        self.rules
            .get(at)
            .or_else(|| correlation().map(|one| &one.rule))
    }

    /// The rules that an event with this source and name may match: every other rule is already
    /// decided by the two. Costs a look at every rule: [`crate::Scanner`] remembers the answer.
    pub fn candidates(&self, event_source: &str, event_name: &str) -> Vec<RuleIndex> {
        let row = |known: Known, text: &str| self.row(known, text);
        let source = row(Known::EventSource, event_source);
        let name = row(Known::EventName, event_name);
        let open = |node: &Node| self.partly(node, &source, &name) != Some(false);
        let indexes = (0u32..).map(RuleIndex);
        indexes
            .zip(&self.nodes)
            .filter(|(_, node)| open(node))
            .map(|(index, _)| index)
            .collect()
    }

    /// Whether an open rule has to look at more than the known fields.
    pub(crate) fn looks_beyond(&self, rule: RuleIndex, source: &str, name: &str) -> bool {
        let source = self.row(Known::EventSource, source);
        let name = self.row(Known::EventName, name);
        self.beyond(&self.nodes[rule.0 as usize], &source, &name)
    }

    fn beyond(&self, node: &Node, source: &Bits, name: &Bits) -> bool {
        self.partly(node, source, name).is_none()
            && match node {
                Node::Test(test) => self.tests[*test].memo.is_none(),
                Node::Word(_) => true,
                Node::Not(inner) => self.beyond(inner, source, name),
                Node::All(list) | Node::Any(list) => {
                    list.iter().any(|node| self.beyond(node, source, name))
                }
            }
    }

    /// What all tests on a known field say to a text.
    pub(crate) fn row(&self, known: Known, text: &str) -> Bits {
        let tests = &self.by_field[known as usize];
        Bits::collect(
            tests
                .iter()
                .map(|test| holds_for_text(&self.tests[*test].test, text)),
        )
    }

    /// The answers to the text of a known field, `None` standing for one that is not there.
    pub fn answers(&self, known: Known, text: Option<&str>) -> Answers {
        let tests = text.map_or_else(
            || self.when_absent[known as usize].clone(),
            |text| self.row(known, text),
        );
        Answers {
            tests,
            text: text
                .filter(|_| self.compared[known as usize])
                .map(Into::into),
        }
    }

    /// The same for a field with few tests, as bits.
    pub(crate) fn few(&self, known: Known, text: &str) -> u64 {
        let tests = self.by_field[known as usize].iter().rev();
        let answer = |test: &usize| u64::from(holds_for_text(&self.tests[*test].test, text));
        tests.fold(0, |bits, test| bits << 1 | answer(test))
    }

    /// What a rule comes to when only source and name are known; `None` if that is not enough.
    fn partly(&self, node: &Node, source: &Bits, name: &Bits) -> Option<bool> {
        match node {
            Node::Test(test) => match self.tests[*test].memo? {
                (Known::EventSource, bit) => Some(source.has(bit)),
                (Known::EventName, bit) => Some(name.has(bit)),
                _ => None,
            },
            Node::Word(_) => None,
            Node::Not(inner) => self.partly(inner, source, name).map(bool::not),
            Node::All(list) => fold(
                list.iter().map(|node| self.partly(node, source, name)),
                false,
            ),
            Node::Any(list) => fold(
                list.iter().map(|node| self.partly(node, source, name)),
                true,
            ),
        }
    }
}

/// `decisive` if any is, unknown if any is unknown, else the opposite.
fn fold(mut answers: impl Iterator<Item = Option<bool>>, decisive: bool) -> Option<bool> {
    let mut unknown = false;
    let decided = answers.any(|answer| {
        unknown |= answer.is_none();
        answer == Some(decisive)
    });
    if decided {
        Some(decisive)
    } else {
        unknown.not().then_some(!decisive)
    }
}

fn unique<T>(
    all: Vec<T>,
    rule: impl Fn(&T) -> &Rule,
    content_of: impl Fn(&T) -> String,
    ids: &mut HashMap<String, (std::sync::Arc<str>, String)>,
    refused: &mut Vec<Refused>,
) -> Vec<T> {
    let mut kept = Vec::with_capacity(all.len());
    for one in all {
        let this = rule(&one);
        let before = ids.get(&this.id).filter(|_| !this.id.is_empty());
        if let Some((path, content)) = before {
            let reason = if *content == content_of(&one) {
                Refusal::repeated(format!("the same rule stands in {path}"))
            } else {
                Refusal::faulty(format!("its id is already that of another rule in {path}"))
            };
            refused.push(refusal(this, reason));
        } else {
            ids.insert(this.id.clone(), (this.path.clone(), content_of(&one)));
            kept.push(one);
        }
    }
    kept
}

/// What makes two rules the same: what they are called and what they look for.
fn spelled(rule: &Rule) -> String {
    format!("{}\n{}\n{:?}", rule.name, rule.title, rule.expr)
}

fn spelled_correlation(one: &Correlation) -> String {
    let Correlation {
        rule,
        kind,
        rules,
        group_by,
        aliases,
        timespan_ms,
        bound,
        generate,
    } = one;
    let how = (kind, rules, group_by, aliases, timespan_ms, bound, generate);
    format!("{}\n{how:?}", spelled(rule))
}

pub(crate) fn refusal(rule: &Rule, reason: Refusal) -> Refused {
    Refused {
        path: rule.path.to_string(),
        id: rule.id.clone(),
        title: rule.title.clone(),
        reason,
    }
}

struct Build {
    tests: Vec<Shared>,
    words: Vec<Vec<Matcher>>,
    by_field: Vec<Vec<usize>>,
    known: HashMap<String, usize>,
}

impl Default for Build {
    fn default() -> Self {
        let by_field = vec![Vec::new(); Known::ALL.len()];
        Self {
            tests: Vec::new(),
            words: Vec::new(),
            by_field,
            known: HashMap::new(),
        }
    }
}

impl Build {
    fn node(&mut self, expr: &Expr) -> Node {
        match expr {
            Expr::All(list) => Node::All(self.list(list)),
            Expr::Any(list) => Node::Any(self.list(list)),
            Expr::Not(inner) => Node::Not(Box::new(self.node(inner))),
            Expr::Test(test) => Node::Test(self.test(test)),
            Expr::Word(matchers) => {
                self.words.push(matchers.clone());
                Node::Word(self.words.len() - 1)
            }
        }
    }

    /// Cheap ones first: the order does not change the answer.
    fn list(&mut self, list: &[Expr]) -> Vec<Node> {
        let mut nodes: Vec<Node> = list.iter().map(|expr| self.node(expr)).collect();
        nodes.sort_by_cached_key(|node| self.cost(node));
        nodes
    }

    fn cost(&self, node: &Node) -> u32 {
        match node {
            Node::Test(test) if self.tests[*test].memo.is_some() => 1,
            Node::Test(_) => 20,
            Node::Word(_) => 400,
            Node::Not(inner) => self.cost(inner),
            Node::All(list) | Node::Any(list) => list
                .iter()
                .fold(1, |sum, node| sum.saturating_add(self.cost(node))),
        }
    }

    fn test(&mut self, test: &Test) -> usize {
        // Two regular expressions can look alike and differ in their flags.
        let alike = |matcher: &Matcher| !matches!(matcher, Matcher::Regex(_));
        let key = test.matchers.iter().all(alike).then(|| format!("{test:?}"));
        if let Some(there) = key.as_ref().and_then(|key| self.known.get(key)) {
            return *there;
        }
        let number = self.tests.len();
        self.known.extend(key.map(|key| (key, number)));
        let memo = self.memo(test, number);
        self.tests.push(Shared {
            test: test.clone(),
            memo,
        });
        number
    }

    fn memo(&mut self, test: &Test, number: usize) -> Option<(Known, usize)> {
        let known = test.path.known()?;
        if test
            .matchers
            .iter()
            .any(|matcher| matches!(matcher, Matcher::Field(_)))
        {
            return None;
        }
        let tests = &mut self.by_field[known as usize];
        tests.push(number);
        Some((known, tests.len() - 1))
    }
}
