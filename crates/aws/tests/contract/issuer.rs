//! The contract of issuers, kept by IAM against ministack (keys, cuts, probes) and moto (the
//! cap of two keys, unknown users).

use crate::bench::{impatient, is_change, name};
use crate::support::{self, Peer};
use async_trait::async_trait;
use aws_sdk_iam::Client;
use relatch_aws::{CUT_POLICY, IamIssuer};
use relatch_case::Principal;
use relatch_case::model::Probe;
use relatch_contract::issuer::{self, Harness, Subject};
use relatch_contract::proxy::WireFault;
use relatch_contract::wire::{On, ProxyWire, Wire};
use relatch_issuers::{Issuer, KeyMaterial, MintRequest};

/// What STS answers to a key that it accepts.
const ACCEPTED: &str = r#"<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/x</Arn><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"#;

struct Iam {
    wire: ProxyWire,
    under_test: IamIssuer,
    impatient: IamIssuer,
    truth: IamIssuer,
    owner: Client,
    is_ministack: bool,
}

impl Iam {
    async fn behind(peer: &Peer, is_ministack: bool) -> Self {
        let wire = ProxyWire::to(&peer.endpoint(), is_change).await;
        let through = peer.connection_through(&wire.url()).await;
        let direct = peer.connection().await;
        Self {
            under_test: IamIssuer::new(through),
            impatient: IamIssuer::new(impatient(&wire.url()).await),
            owner: Client::new(&direct.write_config("")),
            truth: IamIssuer::new(direct),
            wire,
            is_ministack,
        }
    }
}

#[async_trait]
impl Harness for Iam {
    fn under_test(&self) -> &dyn Issuer {
        &self.under_test
    }

    fn impatient(&self) -> &dyn Issuer {
        &self.impatient
    }

    fn truth(&self) -> &dyn Issuer {
        &self.truth
    }

    fn wire(&self) -> &dyn Wire {
        &self.wire
    }

    async fn fresh(&self) -> Subject {
        let name = name("user");
        let made = self.owner.create_user().user_name(&name).send().await;
        made.expect("a user");
        let request = MintRequest {
            principal: Principal::new(format!("user/{name}")),
            name: String::new(),
            replaces: None,
        };
        let minted = self.truth.mint(&request).await.expect("a key");
        Subject {
            principal: request.principal,
            id: minted.id.clone(),
            key: KeyMaterial {
                id: Some(minted.id),
                secret: minted.secret,
            },
        }
    }

    async fn is_cut(&self, principal: &Principal) -> bool {
        let name = principal.as_str().trim_start_matches("user/");
        let policies = self.owner.list_user_policies().user_name(name).send().await;
        let policies = policies.expect("listed").policy_names;
        policies.iter().any(|policy| policy == CUT_POLICY)
    }

    /// A new issuer has no control yet, and asks for it first.
    async fn probe_without_control(&self, key: &KeyMaterial) -> Option<Probe> {
        let issuer = IamIssuer::new(support::connection_to(&self.wire.url()).await);
        self.wire.calm();
        let accepted = WireFault::Status(200, ACCEPTED.into());
        self.wire.fail(On::Any(0), &accepted);
        let probe = issuer.probe(key).await;
        assert!(self.wire.has_failed());
        self.wire.calm();
        Some(probe)
    }

    /// ministack takes a third key; moto does not.
    fn keeps_slots(&self) -> bool {
        !self.is_ministack
    }

    /// ministack lists no keys for a user that is not there; moto says that it is not.
    fn knows_principals(&self) -> bool {
        !self.is_ministack
    }
}

#[tokio::test]
async fn iam_keeps_its_contract() {
    let peer = support::ministack().await;
    let (one, two, three) = (
        Iam::behind(&peer, true).await,
        Iam::behind(&peer, true).await,
        Iam::behind(&peer, true).await,
    );
    let (mut findings, disturbed, probes) = tokio::join!(
        issuer::changes(&one),
        issuer::disturbed(&two),
        issuer::probes(&three)
    );
    findings.extend(disturbed);
    findings.extend(probes);
    findings.assert_none();
}

/// Not the probes: moto accepts any key.
#[tokio::test]
async fn iam_keeps_its_contract_with_the_cap_of_keys() {
    let peer = support::moto().await;
    let iam = Iam::behind(&peer, false).await;
    issuer::changes(&iam).await.assert_none();
}
