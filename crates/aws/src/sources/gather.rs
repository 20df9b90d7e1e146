//! What the sources share: bounded concurrency and blind spots.

use relatch_case::model::Container;
use relatch_case::{Fault, FaultKind};
use relatch_inventory::{BlindSpot, Findings};
use relatch_places::Document;
use tokio::task::JoinSet;

/// Requests under way at once, per source. The clients slow down by themselves when the
/// service asks for it.
const AT_ONCE: usize = 8;

/// Runs `work` on every item, a bounded number at once. The order of results is not the
/// order of items.
pub(super) async fn each<T, R, F>(items: Vec<T>, work: impl Fn(T) -> F) -> Vec<R>
where
    R: Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let mut waiting = items.into_iter();
    let mut running = JoinSet::new();
    let mut done = Vec::new();
    for item in waiting.by_ref().take(AT_ONCE) {
        running.spawn(work(item));
    }
    while let Some(result) = running.join_next().await {
        match result {
            Ok(result) => done.push(result),
            // Nothing cancels these tasks, so this is a panic, which must not look like an
            // item that was not there.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
        if let Some(item) = waiting.next() {
            running.spawn(work(item));
        }
    }
    done
}

/// Items in groups of at most `size`.
pub(super) fn groups<T>(items: Vec<T>, size: usize) -> Vec<Vec<T>> {
    let mut groups: Vec<Vec<T>> = Vec::new();
    for item in items {
        match groups.last_mut() {
            Some(group) if group.len() < size => group.push(item),
            _ => groups.push(vec![item]),
        }
    }
    groups
}

/// Adds what was read, or why it could not be.
pub(super) fn add(
    findings: &mut Findings,
    container: Container,
    read: Result<Document, Fault>,
    hides: &str,
) {
    match read {
        Ok(document) => findings.containers.push((container, document)),
        Err(fault) => findings
            .blind_spots
            .push(blind(container.to_string(), &fault, hides)),
    }
}

/// Joins what several tasks found.
pub(super) fn merge(into: &mut Findings, parts: Vec<Findings>) {
    for part in parts {
        into.containers.extend(part.containers);
        into.consumers.extend(part.consumers);
        into.blind_spots.extend(part.blind_spots);
    }
}

/// Puts findings in the order of their names, whichever answer came first.
pub(super) fn in_order(mut findings: Findings) -> Findings {
    findings.containers.sort_by(|(a, _), (b, _)| a.cmp(b));
    findings.consumers.sort_by(|a, b| a.id.cmp(&b.id));
    findings
        .blind_spots
        .sort_by(|a, b| (&a.what, &a.why).cmp(&(&b.what, &b.why)));
    findings
}

/// A blind spot out of a fault.
pub(super) fn blind(what: impl Into<String>, fault: &Fault, hides: &str) -> BlindSpot {
    let why = match fault.kind {
        FaultKind::Denied => format!("denied: {}", fault.detail),
        _ => fault.detail.clone(),
    };
    BlindSpot {
        what: what.into(),
        why,
        hides: hides.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn every_item_is_done_once_and_few_at_a_time() {
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut done = each((0..50).collect(), |item: u32| {
            let (running, most) = (running.clone(), most.clone());
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                running.fetch_sub(1, Ordering::SeqCst);
                item
            }
        })
        .await;
        done.sort_unstable();
        assert_eq!(done, (0..50).collect::<Vec<_>>());
        assert!(most.load(Ordering::SeqCst) <= AT_ONCE);
    }

    #[test]
    fn groups_lose_nothing() {
        assert_eq!(
            groups((0..5).collect(), 2),
            [vec![0, 1], vec![2, 3], vec![4]]
        );
        assert!(groups(Vec::<u8>::new(), 2).is_empty());
    }
}
