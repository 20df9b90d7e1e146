//! The map as facts for the journal.

use relatch_case::Fact;

use super::Joined;

impl Joined {
    /// The facts of a new inventory, in the order in which they are recorded.
    pub fn into_facts(self) -> Vec<Fact> {
        let mut facts = vec![Fact::InventoryStarted];
        for (issuer, sheet) in self.sheets {
            facts.push(Fact::IssuerKnown { issuer, sheet });
        }
        for (issuer, principals) in self.key_lists {
            for (principal, keys) in principals {
                facts.push(Fact::KeysListed {
                    issuer: issuer.clone(),
                    principal,
                    keys,
                });
            }
        }
        facts.extend(
            self.credentials
                .into_iter()
                .map(|credential| Fact::CredentialFound { credential }),
        );
        facts.extend(
            self.places
                .into_iter()
                .map(|place| Fact::PlaceFound { place }),
        );
        facts.extend(
            self.consumers
                .into_iter()
                .map(|consumer| Fact::ConsumerFound { consumer }),
        );
        facts.extend(
            self.blind_spots
                .into_iter()
                .map(|spot| Fact::BlindSpotFound {
                    what: spot.what,
                    why: spot.why,
                    hides: spot.hides,
                }),
        );
        facts
    }
}
