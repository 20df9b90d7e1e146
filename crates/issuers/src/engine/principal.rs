//! Spelling principals, and reading them back.

use relatch_case::Principal;

use crate::catalog::PrincipalKind;
use crate::template::Variables;

/// The name of a part that stands for a variable.
fn variable(part: &str) -> Option<&str> {
    part.strip_prefix('{')?.strip_suffix('}')
}

/// The variables in a principal, if it is spelled by the pattern.
pub(crate) fn read(pattern: &str, principal: &Principal) -> Option<Variables> {
    let (parts, found) = (pattern.split('/'), principal.as_str().split('/'));
    if parts.clone().count() != found.clone().count() {
        return None;
    }
    let mut variables = Variables::new();
    for (part, found) in parts.zip(found) {
        match variable(part) {
            Some(name) if !found.is_empty() => {
                variables.insert(name.to_string(), found.to_string());
            }
            None if part == found => {}
            _ => return None,
        }
    }
    Some(variables)
}

/// The first kind whose pattern spells the principal, with its variables.
pub(crate) fn kind_of<'a>(
    kinds: &'a [PrincipalKind],
    principal: &Principal,
) -> Option<(&'a PrincipalKind, Variables)> {
    kinds
        .iter()
        .find_map(|kind| Some((kind, read(&kind.pattern, principal)?)))
}

/// Spells a principal. `None`: a variable is missing, or would not read back as it is.
pub(crate) fn spell(pattern: &str, variables: &Variables) -> Option<Principal> {
    let part = |part| match variable(part) {
        Some(name) => {
            let value = variables.get(name)?.as_str();
            (!value.is_empty() && !value.contains('/')).then_some(value)
        }
        None => Some(part),
    };
    let parts: Option<Vec<&str>> = pattern.split('/').map(part).collect();
    parts.map(|parts| Principal::new(parts.join("/")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATTERN: &str = "project/{project}/user/{user}";

    proptest! {
        #[test]
        fn what_is_spelled_reads_back(project in "[^/]{1,12}", user in "[^/]{1,12}") {
            let variables = Variables::from([("project".into(), project), ("user".into(), user)]);
            let principal = spell(PATTERN, &variables).expect("spelled");
            prop_assert_eq!(read(PATTERN, &principal), Some(variables));
        }
    }

    #[test]
    fn other_spellings_are_not_read() {
        for other in [
            "project/p/user",
            "project/p/user/",
            "project/p/group/u",
            "a/b/c/d/e",
        ] {
            assert_eq!(read(PATTERN, &other.into()), None, "{other}");
        }
        assert_eq!(spell(PATTERN, &Variables::new()), None);
    }
}
