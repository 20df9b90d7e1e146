//! The page and the tables.

use relatch_findings::{Moment, timeline};

mod support;

fn page(moments: &[Moment]) -> String {
    let mut out = Vec::new();
    let triage = support::triage(moments);
    timeline::html(&triage, moments, &support::about(), &mut out).expect("memory");
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn the_page_needs_nothing_from_outside() {
    let page = page(&support::moments(200));
    assert!(page.contains("default-src 'none'"));
    for word in [
        "<script", "<iframe", "<img", "<link", "<object", "src=", "@import", "url(",
    ] {
        assert!(!page.contains(word), "{word}");
    }
    let links = page.split("href=\"").skip(1);
    assert!(links.clone().count() > 10);
    assert!(links.into_iter().all(|rest| rest.starts_with('#')));
}

#[test]
fn every_link_leads_somewhere_on_the_page() {
    let page = page(&support::moments(200));
    for rest in page.split("href=\"#").skip(1) {
        let anchor = rest.split('"').next().expect("closed");
        assert!(page.contains(&format!("id=\"{anchor}\"")), "{anchor}");
    }
}

#[test]
fn equal_calls_are_one_line_and_all_are_counted() {
    let mut moments = support::moments(0);
    moments.truncate(1);
    for number in 1..=1_200 {
        let mut read = support::moment(number, "s3.amazonaws.com:GetObject", "Collection", "T1530");
        read.reads = vec![format!("s3://bucket/{number}")];
        moments.push(read);
    }
    let mut after = support::moment(1_300, "s3.amazonaws.com:PutObject", "Impact", "T1485");
    after.from = Some(moments[1_100].event_id.clone());
    moments.push(after);
    let page = page(&moments);
    assert!(page.contains("<a href=\"#e1100\">") && page.contains("<span id=\"e1100\">"));
    assert!(page.contains("× 1,200"));
    assert!(page.contains("1,200 things read"));
    assert!(page.contains("700 more are not listed"));
}

#[test]
fn a_long_block_is_closed_at_first() {
    assert!(!page(&support::moments(0)).contains("<details><summary><h4>"));
    assert!(page(&support::moments(2_000)).contains("<details><summary><h4>"));
}

#[test]
fn events_that_were_not_handed_in_are_counted() {
    let moments = support::moments(0);
    let mut out = Vec::new();
    let triage = support::triage(&moments);
    timeline::html(&triage, &moments[..4], &support::about(), &mut out).expect("memory");
    let page = String::from_utf8(out).expect("UTF-8");
    assert!(page.contains("6 events more that triage names are not told here."));
}

#[test]
fn no_event_is_no_proof() {
    let page = page(&[]);
    assert!(page.contains("That is no proof of absence."));
}

#[test]
fn lines_read_back_and_are_in_order() {
    let mut moments = support::moments(30);
    moments.reverse();
    moments[3].time = None;
    let mut out = Vec::new();
    timeline::json_lines(&moments, &mut out).expect("memory");
    let text = String::from_utf8(out).expect("UTF-8");
    let read: Vec<Moment> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a moment"))
        .collect();
    assert_eq!(read.len(), moments.len());
    assert!(read.last().expect("many").time.is_none());
    assert!(read[..read.len() - 1].is_sorted_by_key(|moment| moment.time));
}
