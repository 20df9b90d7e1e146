//! Comparing a value with the hint that an issuer shows of it.

use relatch_secret::Secret;

/// Fewest characters that a hint must show beyond what all keys share.
const TELLING: usize = 4;

/// Most characters that a hint may show; more is as good as the value and is not kept.
const MOST: usize = 40;

/// The ends that a hint shows (`sk-ant-api03-R2D...igAA`), if it hides something between.
fn ends(hint: &str) -> Option<(&str, &str)> {
    let masks = |c: char| matches!(c, '.' | '…' | '*' | '•');
    let hidden = |at: usize| {
        let rest = &hint[at..];
        rest.starts_with("..") || rest.starts_with(['…', '*', '•'])
    };
    let start = hint
        .char_indices()
        .map(|(at, _)| at)
        .find(|at| hidden(*at))?;
    Some((&hint[..start], hint[start..].trim_start_matches(masks)))
}

/// The hint, unless it shows so much that it must not be kept.
pub(crate) fn keep(hint: &str) -> Option<String> {
    let (head, tail) = ends(hint)?;
    (head.len() + tail.len() <= MOST).then(|| hint.to_string())
}

/// Whether a value can be what the hint shows. `shared` are the beginnings that all keys of
/// the issuer share and that therefore tell nothing.
pub(crate) fn fits(hint: &str, secret: &Secret, shared: &[&str]) -> bool {
    let (Some((head, tail)), Some(value)) = (ends(hint), secret.expose_str()) else {
        return false;
    };
    let common = shared
        .iter()
        .filter(|prefix| head.starts_with(*prefix))
        .map(|p| p.len())
        .max();
    let telling = head.len() - common.unwrap_or(0) + tail.len();
    telling >= TELLING
        && value.len() > head.len() + tail.len()
        && value.starts_with(head)
        && value.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED: [&str; 1] = ["sk-ant-api03-"];

    #[test]
    fn hints_fit_their_value_and_no_other() {
        let value = Secret::from("sk-ant-api03-R2Dabcdefghijklmnop-igAA");
        for hint in [
            "sk-ant-api03-R2D...igAA",
            "sk-ant-api03-R2D…igAA",
            "****igAA",
            "sk-a**-igAA",
        ] {
            assert!(fits(hint, &value, &SHARED), "{hint}");
        }
        for hint in [
            "sk-ant-api03-R3D...igAA",
            "sk-ant-api03-R2D...igAB",
            "",
            "igAA",
        ] {
            assert!(!fits(hint, &value, &SHARED), "{hint}");
        }
    }

    #[test]
    fn a_hint_that_tells_nothing_fits_nothing() {
        let value = Secret::from("sk-ant-api03-R2Dabcdefghijklmnop-igAA");
        for hint in ["sk-ant-api03-...", "...", "sk-ant-api03-...AA"] {
            assert!(!fits(hint, &value, &SHARED), "{hint}");
        }
    }

    #[test]
    fn a_hint_that_is_the_value_is_not_kept() {
        assert_eq!(keep("sk-abc...wxyz").as_deref(), Some("sk-abc...wxyz"));
        assert_eq!(keep("sk-svcacct-abcdefghijklmnopqrstuvwxyz"), None);
        assert_eq!(keep(&format!("{}...abcd", "x".repeat(60))), None);
    }
}
