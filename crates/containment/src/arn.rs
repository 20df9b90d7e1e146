//! Amazon resource names, as far as containment reads them.

/// A name taken apart: `arn:partition:service:region:account:resource`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arn<'a> {
    pub(crate) partition: &'a str,
    pub(crate) service: &'a str,
    pub(crate) region: &'a str,
    pub(crate) account: &'a str,
    pub(crate) resource: &'a str,
}

impl<'a> Arn<'a> {
    /// `None`: no ARN, nor a pattern of one.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", partition, service, region, account, resource] = parts[..] else {
            return None;
        };
        Some(Self {
            partition,
            service,
            region,
            account,
            resource,
        })
    }

    /// `ArnLike`: each part is compared by itself; `*` is any characters, `?` is one.
    pub(crate) fn like(&self, found: &Arn<'_>) -> bool {
        like(self.partition, found.partition)
            && like(self.service, found.service)
            && like(self.region, found.region)
            && like(self.account, found.account)
            && like(self.resource, found.resource)
    }
}

/// The user's name, if the ARN is a user's.
pub(crate) fn user(arn: &str) -> Option<&str> {
    Arn::parse(arn)?.resource.strip_prefix("user/").map(last)
}

/// The role's name, if the ARN is a role's or that of a session of one.
pub(crate) fn role(arn: &str) -> Option<&str> {
    session_role(arn).or_else(|| Arn::parse(arn)?.resource.strip_prefix("role/").map(last))
}

/// The role's name, if the ARN is that of a session of one.
pub(crate) fn session_role(arn: &str) -> Option<&str> {
    Arn::parse(arn)?
        .resource
        .strip_prefix("assumed-role/")?
        .split('/')
        .next()
}

/// The name behind the path.
fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // The last star seen, and up to where it has eaten the text.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p).is_some_and(|c| *c == b'?' || *c == text[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((at, eaten)) = star {
            (p, t) = (at + 1, eaten + 1);
            star = Some((at, eaten + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stay_within_their_part() {
        let any = Arn::parse("arn:aws:iam::*:role/a?c*").expect("a pattern");
        let found = |text| any.like(&Arn::parse(text).expect("an ARN"));
        assert!(found("arn:aws:iam::111122223333:role/abc"));
        assert!(found("arn:aws:iam::111122223333:role/abc/d:e"));
        assert!(!found("arn:aws:iam::111122223333:role/ac"));
        assert!(Arn::parse("arn:aws:iam::*").is_none());
        assert!(Arn::parse("*").is_none());
    }

    #[test]
    fn stars_find_their_way_back() {
        assert!(like("*ab*ab", "xababxab"));
        assert!(!like("*ab*abc", "xababxab"));
        assert!(like("", "") && like("**", "") && !like("?", ""));
        assert!(!like(&"*a".repeat(30), &"b".repeat(5_000)));
    }

    #[test]
    fn names_are_read_behind_their_paths() {
        assert_eq!(user("arn:aws:iam::1:user/ops/bob"), Some("bob"));
        assert_eq!(role("arn:aws:sts::1:assumed-role/R/s"), Some("R"));
        assert_eq!(role("arn:aws:iam::1:role/ops/R"), Some("R"));
        assert_eq!(user("arn:aws:iam::1:root"), None);
    }
}
