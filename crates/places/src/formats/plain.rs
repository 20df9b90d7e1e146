//! Text without structure: the whole of it is one value.
//!
//! White space around the value (the line end that an editor adds) belongs to the file, not
//! to the value.

use std::collections::BTreeMap;

use relatch_case::model::Slot;
use relatch_secret::Secret;
use zeroize::Zeroizing;

use super::FormatError;
use super::leaf::{self, Leaf};

/// The one value, at the empty slot.
pub fn slots(text: &str) -> Result<BTreeMap<Slot, Secret>, FormatError> {
    Ok(leaf::slots(parse(text)?))
}

/// The text with the value replaced and the white space around it as it was.
pub fn replace(
    text: &str,
    changes: &BTreeMap<Slot, Secret>,
) -> Result<Zeroizing<String>, FormatError> {
    leaf::replace(text, changes, parse, encode)
}

// Fallible only so that all formats look alike.
#[allow(clippy::unnecessary_wraps)]
fn parse(text: &str) -> Result<Vec<Leaf>, FormatError> {
    let start = text.len() - text.trim_start().len();
    let value = text.trim();
    let span = start..start + value.len();
    Ok(vec![Leaf {
        slot: Slot::whole(),
        span,
        value: Secret::from(value),
        text: true,
    }])
}

fn encode(_: &str, value: &str) -> Result<Zeroizing<String>, &'static str> {
    if value.trim() == value {
        Ok(Zeroizing::new(value.to_string()))
    } else {
        Err("it begins or ends with white space")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_line_end_stays() {
        let changes = BTreeMap::from([(Slot::whole(), Secret::from("new"))]);
        assert_eq!(*replace("old\r\n", &changes).expect("replace"), "new\r\n");
        assert_eq!(*replace("", &changes).expect("replace"), "new");
        let odd = BTreeMap::from([(Slot::whole(), Secret::from("new "))]);
        assert!(matches!(
            replace("old", &odd),
            Err(FormatError::CannotHold { .. })
        ));
        let other = BTreeMap::from([(Slot::key("k"), Secret::from("new"))]);
        assert!(matches!(
            replace("old", &other),
            Err(FormatError::NoSuchSlot { .. })
        ));
    }

    proptest! {
        #[test]
        fn only_the_value_changes(
            before in "[ \n]{0,3}", old in "[!-~]{1,9}", new in "[!-~]{1,9}", after in "[ \r\n]{0,3}",
        ) {
            let changes = BTreeMap::from([(Slot::whole(), Secret::from(new.as_str()))]);
            let text = replace(&format!("{before}{old}{after}"), &changes).expect("replace");
            prop_assert_eq!(&*text, &format!("{before}{new}{after}"));
        }
    }
}
