//! A program that evaluates Sigma rules and that somebody else wrote.

use relatch_detect::{Placeholders, RuleSet, load_text};
use serde_json::Value;

/// Whether a rule matches each of the events, here.
pub(crate) fn ours(text: &str, events: &[Value]) -> Vec<bool> {
    let set = RuleSet::compile(load_text("made up", text, &Placeholders::new()));
    assert!(set.refused().is_empty(), "{:?}\n{text}", set.refused());
    let mut scanner = set.scanner();
    let mut hits = Vec::new();
    let matches = |event: &Value| {
        scanner.matches(event, &mut hits);
        !hits.is_empty()
    };
    events.iter().map(matches).collect()
}

/// The same by `rsigma-eval`.
pub(crate) fn rsigma(text: &str, events: &[Value]) -> Vec<bool> {
    let collection = rsigma_parser::parse_sigma_yaml(text).expect(text);
    let mut engine = rsigma_eval::Engine::new();
    engine.add_collection(&collection).expect(text);
    let matches = |event: &Value| {
        let event = rsigma_eval::event::JsonEvent::borrow(event);
        !engine.evaluate(&event).is_empty()
    };
    events.iter().map(matches).collect()
}
