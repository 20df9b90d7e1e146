//! temp
use relatch_case::model::Slot;
use relatch_places::formats::{FormatError, toml, yaml};
use relatch_secret::Secret;
use std::collections::BTreeMap;
use std::io::BufRead;
fn main() {
    for line in std::io::stdin().lock().lines() {
        let v: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        let text = v["text"].as_str().unwrap();
        let y = v["fmt"] == "yaml";
        let r = std::panic::catch_unwind(|| -> Result<serde_json::Value, FormatError> {
            let slots = if y {
                yaml::slots(text)?
            } else {
                toml::slots(text)?
            };
            let m: BTreeMap<String, String> = slots
                .iter()
                .map(|(k, s)| (k.0.clone(), s.expose_str().unwrap().to_string()))
                .collect();
            let mut repl = BTreeMap::new();
            for k in m.keys() {
                let ch =
                    BTreeMap::from([(Slot(k.clone()), Secret::from(v["new"].as_str().unwrap()))]);
                let out = if y {
                    yaml::replace(text, &ch)
                } else {
                    toml::replace(text, &ch)
                };
                repl.insert(
                    k.clone(),
                    match out {
                        Ok(t) => serde_json::json!({"ok": t.to_string()}),
                        Err(e) => serde_json::json!({"err": e.to_string()}),
                    },
                );
            }
            Ok(serde_json::json!({"slots": m, "repl": repl}))
        });
        let out = match r {
            Ok(Ok(v)) => v,
            Ok(Err(e)) => serde_json::json!({"err": e.to_string()}),
            Err(_) => serde_json::json!({"panic": true}),
        };
        println!("{out}");
    }
}
