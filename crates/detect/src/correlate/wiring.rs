//! Which rule feeds which correlation, and with what fields.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::compile::refusal;
use crate::load::Refused;
use crate::parse::Refusal;
use crate::path::Path;
use crate::rule::{Correlation, CorrelationKind, Rule};

/// What a correlation counts the hits of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Rule(usize),
    Correlation(usize),
}

/// How rules and correlations hang together.
#[derive(Debug, Default)]
pub(crate) struct Wiring {
    /// For each correlation what its `rules` are, in their order.
    pub(crate) sources: Vec<Vec<Source>>,
    /// For each rule the fields that correlations want of its events.
    pub(crate) reads: Vec<Vec<Path>>,
    /// For each correlation how long before a time its hits still matter at that time, in
    /// milliseconds: its own timespan and those of the correlations over it.
    pub(crate) reach: Vec<i64>,
    /// For each rule a span in milliseconds: of three alike hits within it the middle one changes
    /// no count. `None` where every hit counts.
    pub(crate) thin: Vec<Option<i64>>,
    columns: BTreeMap<(usize, usize, usize), Columns>,
    feeding: BTreeSet<usize>,
}

/// Where a correlation finds its fields among a rule's [`Wiring::reads`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    pub(crate) group: Vec<usize>,
    pub(crate) counted: Vec<usize>,
}

impl Wiring {
    /// Finds what each correlation refers to. The correlations that are left come back in an
    /// order in which each follows those it builds on.
    pub(crate) fn resolve(
        rules: &mut [Rule],
        correlations: Vec<Correlation>,
        refused: &mut Vec<Refused>,
    ) -> (Vec<Correlation>, Self) {
        let (ordered, sources) = order(rules, correlations, refused);
        silence(rules, &ordered, &sources);
        let mut wiring = Self {
            sources,
            reads: vec![Vec::new(); rules.len()],
            ..Self::default()
        };
        let mut bases: Vec<BTreeSet<usize>> = Vec::new();
        for (number, correlation) in ordered.iter().enumerate() {
            let mut all = BTreeSet::new();
            for (position, source) in wiring.sources[number].clone().into_iter().enumerate() {
                let (feeding, named) = match source {
                    Source::Rule(rule) => (BTreeSet::from([rule]), &rules[rule]),
                    Source::Correlation(other) => (bases[other].clone(), &ordered[other].rule),
                };
                for rule in &feeding {
                    let columns = wiring.columns_of(correlation, named, *rule);
                    wiring.columns.insert((number, position, *rule), columns);
                }
                all.extend(feeding);
            }
            wiring.feeding.extend(&all);
            bases.push(all);
        }
        wiring.reach = reach(&ordered, &wiring.sources);
        wiring.thin = thin(rules.len(), &ordered, &wiring.sources);
        (ordered, wiring)
    }

    fn columns_of(&mut self, correlation: &Correlation, named: &Rule, rule: usize) -> Columns {
        let names = [&named.id, &named.name, &named.title];
        let group = correlation.group_by.iter().map(|field| {
            let alias = |(alias, rule, _): &&(String, String, Path)| {
                alias == field && names.contains(&rule)
            };
            let alias = correlation.aliases.iter().find(alias);
            alias.map_or_else(|| Path::new(field), |(_, _, path)| path.clone())
        });
        let counted = match &correlation.kind {
            CorrelationKind::ValueCount(fields) => fields.as_slice(),
            _ => &[],
        };
        let reads = &mut self.reads[rule];
        let mut place = |path: Path| {
            reads
                .iter()
                .position(|read| *read == path)
                .unwrap_or_else(|| {
                    reads.push(path);
                    reads.len() - 1
                })
        };
        Columns {
            group: group.map(&mut place).collect(),
            counted: counted.iter().cloned().map(&mut place).collect(),
        }
    }

    /// The fields that correlations want of a rule's events; `None` if none counts its hits.
    pub(crate) fn reads_of(&self, rule: usize) -> Option<&[Path]> {
        let reads = self.reads.get(rule)?;
        self.feeding.contains(&rule).then_some(reads.as_slice())
    }

    /// Where a correlation's `position`th source, fed by `rule`, has its fields.
    pub(crate) fn columns(
        &self,
        correlation: usize,
        position: usize,
        rule: usize,
    ) -> Option<&Columns> {
        self.columns.get(&(correlation, position, rule))
    }
}

fn reach(correlations: &[Correlation], sources: &[Vec<Source>]) -> Vec<i64> {
    let mut reach: Vec<i64> = correlations.iter().map(|one| one.timespan_ms).collect();
    // Those over others come later.
    for number in (0..reach.len()).rev() {
        for source in &sources[number] {
            if let Source::Correlation(inner) = source {
                let through = reach[number].saturating_add(correlations[*inner].timespan_ms);
                reach[*inner] = reach[*inner].max(through);
            }
        }
    }
    reach
}

/// A window that is at least as long as two alike hits lie apart, and that holds one between them,
/// holds one of the two as well: so what is there in a window, if not how often, stays the same.
fn thin(rules: usize, correlations: &[Correlation], sources: &[Vec<Source>]) -> Vec<Option<i64>> {
    let mut thin = vec![Some(i64::MAX); rules];
    let nested = |number: usize| {
        sources
            .iter()
            .flatten()
            .any(|source| *source == Source::Correlation(number))
    };
    for (number, correlation) in correlations.iter().enumerate() {
        let whether = matches!(
            correlation.kind,
            CorrelationKind::ValueCount(_) | CorrelationKind::Temporal
        );
        let span = (whether && !nested(number)).then_some(correlation.timespan_ms);
        for source in &sources[number] {
            if let Source::Rule(rule) = source {
                thin[*rule] = thin[*rule].zip(span).map(|(a, b)| a.min(b));
            }
        }
    }
    thin
}

#[derive(Clone, Copy)]
enum Found {
    Rule(usize),
    Correlation(usize),
}

/// What ids, names and titles stand for, the first bearer of each.
fn names(rules: &[Rule], correlations: &[Correlation]) -> HashMap<String, Found> {
    let all = || {
        let rules = rules
            .iter()
            .enumerate()
            .map(|(at, rule)| (rule, Found::Rule(at)));
        let others = correlations.iter().enumerate();
        rules
            .chain(others.map(|(at, one)| (&one.rule, Found::Correlation(at))))
            .collect::<Vec<_>>()
    };
    let mut names = HashMap::new();
    let bearers: [fn(&Rule) -> &String; 3] =
        [|rule| &rule.id, |rule| &rule.name, |rule| &rule.title];
    for name in bearers {
        for (rule, found) in all() {
            names.entry(name(rule).clone()).or_insert(found);
        }
    }
    names.remove("");
    names
}

fn order(
    rules: &[Rule],
    correlations: Vec<Correlation>,
    refused: &mut Vec<Refused>,
) -> (Vec<Correlation>, Vec<Vec<Source>>) {
    let names = names(rules, &correlations);
    let mut left = Vec::new();
    for (number, correlation) in correlations.into_iter().enumerate() {
        let found: Result<Vec<Found>, &String> = correlation
            .rules
            .iter()
            .map(|name| names.get(name).copied().ok_or(name))
            .collect();
        match found {
            Ok(found) => left.push((number, correlation, found)),
            Err(name) => {
                let reason = Refusal::faulty(format!("it refers to `{name}`, which is not there"));
                refused.push(refusal(&correlation.rule, reason));
            }
        }
    }
    let (mut ordered, mut sources, mut placed) = (Vec::new(), Vec::new(), HashMap::new());
    loop {
        let before = left.len();
        let mut later = Vec::new();
        for (number, correlation, found) in left {
            let known = found.iter().map(|one| match one {
                Found::Rule(at) => Some(Source::Rule(*at)),
                Found::Correlation(at) => placed.get(at).copied().map(Source::Correlation),
            });
            match known.collect::<Option<Vec<_>>>() {
                Some(known) => {
                    placed.insert(number, ordered.len());
                    ordered.push(correlation);
                    sources.push(known);
                }
                None => later.push((number, correlation, found)),
            }
        }
        left = later;
        if left.is_empty() || left.len() == before {
            break;
        }
    }
    for (_, correlation, _) in left {
        let reason = "it refers to itself, or to a correlation that was not taken";
        refused.push(refusal(&correlation.rule, Refusal::faulty(reason)));
    }
    (ordered, sources)
}

/// Rules that only feed correlations are not told on their own, unless the correlation says
/// `generate`. A rule of another file is never silenced.
fn silence(rules: &mut [Rule], correlations: &[Correlation], sources: &[Vec<Source>]) {
    let file = |path: &str| {
        path.rsplit_once('#')
            .map_or(path, |(file, _)| file)
            .to_owned()
    };
    let mut told = BTreeSet::new();
    for (correlation, sources) in correlations.iter().zip(sources) {
        for source in sources {
            let Source::Rule(rule) = source else { continue };
            if correlation.generate {
                told.insert(*rule);
            } else if file(&rules[*rule].path) == file(&correlation.rule.path) {
                rules[*rule].alone = false;
            }
        }
    }
    for rule in told {
        rules[rule].alone = true;
    }
}
