//! The calls that give a place's value, asked one by one.

use crate::arn::Arn;
use crate::context::Context;
use crate::decide::{Asker, Session};
use crate::search::{Read, Search, Start};
use crate::verdict::{Answer, Cited, Doubt, Layer, Verdict};
use crate::ways::{Encryption, Place, Way};

impl Search<'_> {
    /// Why the principal itself cannot read a place: the answer to the call that is made for it.
    pub(crate) fn refusal(&mut self, start: &Start<'_>, place: &Place) -> Read {
        let way = place.plain_way();
        let answer = self.call(start.asker, start.context, place, &way);
        (way.action, answer)
    }

    pub(crate) fn read_of_role(&mut self, role: &str, place: &Place) -> Option<Read> {
        let key = (role.to_owned(), place.arn.clone());
        if let Some(read) = self.reads.get(&key) {
            return read.clone();
        }
        let later = self.later.clone();
        let asker = self.world.asker(role, &Session::default()).ok()?;
        let read = self.read(&asker, &later, place);
        // Two places may share an ARN only by mistake; then each is asked anew.
        if self.places.iter().filter(|p| p.arn == place.arn).count() == 1 {
            self.reads.insert(key, read.clone());
        }
        read
    }

    pub(crate) fn read(
        &mut self,
        asker: &Asker<'_>,
        context: &Context,
        place: &Place,
    ) -> Option<Read> {
        let mut best: Option<Read> = None;
        for way in place.ways() {
            let answer = self.call(asker, context, place, &way);
            match (&answer.verdict, &best) {
                (Verdict::Allowed, _) => return Some((way.action, answer)),
                (Verdict::Undecidable { .. }, None) => best = Some((way.action, answer)),
                _ => {}
            }
        }
        best
    }

    /// The call itself, and the decryption for the caller.
    fn call(&mut self, asker: &Asker<'_>, context: &Context, place: &Place, way: &Way) -> Answer {
        if self.spent() {
            return unasked(&place.arn);
        }
        let abroad = place
            .owner()
            .is_some_and(|owner| owner != asker.caller.account);
        if abroad && (way.at_home || place.encryption == Encryption::AwsManaged) {
            return refused(&place.arn);
        }
        let action = way.action.to_ascii_lowercase();
        let world = self.world;
        let account = place.account.as_deref();
        let answer = world.ask(asker, &action, &way.resource, account, context);
        if !answer.verdict.is_readable() {
            return answer;
        }
        let second = match &place.encryption {
            Encryption::None | Encryption::AwsManaged => return answer,
            Encryption::Unknown => doubtful(&place.arn, "with which key it is encrypted"),
            Encryption::Key(key) if !is_key(key) => {
                doubtful(&place.arn, "the ARN of the key that encrypts it")
            }
            Encryption::Key(key) => {
                self.asks += 1;
                world.ask(asker, "kms:decrypt", key, None, &place.decrypting(context))
            }
        };
        let mut statements = answer.statements;
        statements.extend(second.statements);
        Answer {
            verdict: both(answer.verdict, second.verdict),
            statements,
        }
    }

    /// Counts one more question; whether the bound was reached before it.
    pub(crate) fn spent(&mut self) -> bool {
        if self.asks >= self.limits.asks {
            return true;
        }
        self.asks += 1;
        false
    }
}

/// Whether a text is the ARN of a key: policies name keys by it, and never by an alias.
fn is_key(text: &str) -> bool {
    Arn::parse(text).is_some_and(|arn| {
        let plain = !text.contains(['*', '?']);
        plain && arn.service == "kms" && arn.resource.starts_with("key/")
    })
}

/// Both must hold.
pub(crate) fn both(one: Verdict, other: Verdict) -> Verdict {
    match (one, other) {
        (denied @ Verdict::Denied { .. }, _) | (_, denied @ Verdict::Denied { .. }) => denied,
        (Verdict::Allowed, other) => other,
        (one, Verdict::Allowed) => one,
        (Verdict::Undecidable { mut because }, Verdict::Undecidable { because: more }) => {
            because.extend(more);
            because.sort();
            because.dedup();
            Verdict::Undecidable { because }
        }
    }
}

fn about(place: &str) -> Cited {
    Cited {
        layer: Layer::Resource,
        policy: place.to_owned(),
        statement: None,
    }
}

pub(crate) fn doubtful(place: &str, what: &str) -> Answer {
    let doubt = Doubt {
        cited: about(place),
        why: format!("{what} is not known"),
    };
    Answer {
        verdict: Verdict::Undecidable {
            because: vec![doubt],
        },
        statements: Vec::new(),
    }
}

fn unasked(place: &str) -> Answer {
    doubtful(place, "the bound on questions was reached: the answer")
}

/// The call answers only within the place's own account.
fn refused(place: &str) -> Answer {
    Answer {
        verdict: Verdict::Denied {
            by: vec![about(place)],
            explicit: false,
        },
        statements: Vec::new(),
    }
}
