//! Indicators as a STIX 2.1 bundle (OASIS, "STIX Version 2.1").

use std::collections::BTreeMap;
use std::io::Write;

use relatch_evidence::Triage;
use serde_json::{Value, json};

use crate::about::About;
use crate::indicators::collect::collect;
use crate::indicators::indicator::Indicator;
use crate::indicators::objects::Maker;
use crate::moment::Moment;
use crate::uuid;
use crate::write::{WriteError, canonical};

/// Writes one bundle: a report over indicators, each with the observable, what was observed, a
/// sighting, and the ATT&CK techniques of its events. Marked TLP:AMBER, since it names keys and
/// users of the victim.
///
/// Ids follow from the case and the values, so a later export replaces an earlier one. An
/// indicator that only the attacker has is `malicious-activity` with confidence 90; a shared one
/// is `anomalous-activity` with 50, an uncertain one with 30. Functions and instances have no
/// object in STIX, and a text that is not the log's has no pattern: they stand in the CSV only,
/// and the report says how many.
///
/// # Errors
/// When the writer fails.
pub fn stix(
    triage: &Triage,
    moments: &[Moment],
    about: &About,
    out: &mut impl Write,
) -> Result<(), WriteError> {
    let bundle = bundle(&collect(triage, moments), &about.clean());
    canonical(&bundle, out)?;
    out.write_all(b"\n")?;
    Ok(())
}

fn bundle(indicators: &[Indicator], about: &About) -> Value {
    let maker = Maker::new(about);
    let mut objects: BTreeMap<String, Value> = BTreeMap::new();
    let mut put = |object: Value| -> Option<String> {
        let id = object["id"].as_str()?.to_owned();
        objects.insert(id.clone(), object);
        Some(id)
    };
    let mut told = Vec::new();
    let mut untold = 0;
    for indicator in indicators {
        let Some(object) = maker.indicator(indicator) else {
            untold += 1;
            continue;
        };
        told.extend(put(object));
        for object in maker.around(indicator) {
            told.extend(put(object));
        }
    }
    told.extend(put(maker.identity()));
    told.sort();
    told.dedup();
    put(maker.report(&told, untold));
    put(Maker::marking());
    json!({
        "type": "bundle",
        "id": format!("bundle--{}", uuid::own(&["bundle", &about.case, &about.made_at.to_string()])),
        "objects": objects.into_values().collect::<Vec<_>>(),
    })
}
