//! Rotating IAM keys with everything that makes it safe, against a bare loop of the same calls.

use std::sync::Arc;
use std::time::{Duration, Instant};

use relatch_aws::{Connection, IamIssuer, SecretsManagerStore};
use relatch_case::fact::Fact;
use relatch_case::model::{Container, Credential, IssuedKey, Part, Slot};
use relatch_case::{CredentialId, IssuerId, KeyId, Principal};
use relatch_executor::{Vault, World};
use relatch_issuers::Issuer as _;
use relatch_secret::{CaseIdentity, Custody, Secret};
use serde_json::json;

use crate::arguments::Arguments;
use crate::bare::{self, User};
use crate::output::{self, ms, ratio, spread};
use crate::peer::{self, Peer};
use crate::proxy::Proxy;
use crate::{Error, engine, world};

/// Who rotates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Bare,
    Ours,
}

/// What one run came to.
struct Run {
    took: Duration,
    cpu: Duration,
    /// The server's processor time.
    server: Duration,
    /// Requests, where they were counted.
    requests: Option<u64>,
}

/// `apply-iam [--keys N] [--concurrency N] [--bare-concurrency N] [--repeat N] [--counted N]`.
/// We have two lanes, the issuer's and the store's, so that twice as many requests can be under
/// way; the bare loop gets as many.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    arguments.only(&[
        "--keys",
        "--concurrency",
        "--bare-concurrency",
        "--repeat",
        "--counted",
    ])?;
    let keys = arguments.number("--keys", 2000)?;
    let at_once = arguments.number("--concurrency", 16)?;
    let bare_at_once = arguments.number("--bare-concurrency", at_once * 2)?;
    let counted = arguments.number("--counted", 400)?;
    let bare_count = one(Who::Bare, counted, bare_at_once, true)?;
    let ours_count = one(Who::Ours, counted, at_once, true)?;
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..arguments.number("--repeat", 2)?.max(1) {
        bare.push(one(Who::Bare, keys, bare_at_once, false)?);
        ours.push(one(Who::Ours, keys, at_once, false)?);
    }
    report(
        keys,
        [bare_at_once, at_once],
        counted,
        [&bare_count, &ours_count],
        &bare,
        &ours,
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn report(
    keys: usize,
    at_once: [usize; 2],
    counted: usize,
    counts: [&Run; 2],
    bare: &[Run],
    ours: &[Run],
) {
    let rate = |run: &Run| keys as f64 / run.took.as_secs_f64();
    let rates = |runs: &[Run]| spread(runs.iter().map(rate).collect());
    let pairs = bare.iter().zip(ours);
    let ratios: Vec<f64> = pairs.map(|(b, o)| ratio(rate(o), rate(b))).collect();
    let [bare_requests, ours_requests] = counts.map(|run| run.requests.unwrap_or(0));
    let equal = ratio(ours_requests as f64, bare_requests as f64);
    let cpu = |runs: &[Run]| spread(runs.iter().map(|run| ms(run.cpu) / keys as f64).collect());
    let server = |runs: &[Run]| {
        let times = runs.iter().map(|run| ms(run.server) / keys as f64);
        spread(times.collect())
    };
    let shown = |(least, middle): (f64, f64)| format!("{least:.2} / {middle:.2}");
    output::table(
        &format!(
            "apply-iam: {keys} keys; at once: bare {}, ours {} a lane (least / median)",
            at_once[0], at_once[1]
        ),
        &[
            (
                "requests for a smaller number of keys",
                format!("{counted} keys: bare {bare_requests}, ours {ours_requests} ({equal})"),
            ),
            ("bare, keys per second", shown(rates(bare))),
            ("ours, keys per second", shown(rates(ours))),
            (
                "ours / bare, pair by pair (goal: 0.9)",
                format!("{ratios:?}"),
            ),
            ("our processor time a key, ms: bare", shown(cpu(bare))),
            ("our processor time a key, ms: ours", shown(cpu(ours))),
            ("the server's: bare", shown(server(bare))),
            ("the server's: ours", shown(server(ours))),
            ("peak memory", format!("{} MB", output::peak_mb())),
        ],
    );
    if (equal - 1.0).abs() > 0.01 {
        output::line("WARNING: the two do not send the same requests; this ratio says nothing");
    }
    output::json(&json!({
        "bench": "apply-iam", "keys": keys, "concurrency": at_once,
        "requests": {"keys": counted, "bare": bare_requests, "ours": ours_requests},
        "bare_keys_per_s": bare.iter().map(rate).collect::<Vec<_>>(),
        "ours_keys_per_s": ours.iter().map(rate).collect::<Vec<_>>(),
        "ratios": ratios, "ratio": spread(ratios.clone()), "peak_mb": output::peak_mb(),
    }));
}

/// One run on a server of its own, so that no run finds what another left behind.
fn one(who: Who, keys: usize, at_once: usize, counted: bool) -> Result<Run, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let peer = Peer::start()?;
    runtime.block_on(async {
        let direct = peer::connection(peer.endpoint()).await;
        let users = hire(&direct, keys, at_once).await?;
        let proxy = if counted {
            Some(Proxy::start(peer.port()).await?)
        } else {
            None
        };
        let connection = match &proxy {
            Some(proxy) => peer::connection(proxy.endpoint.clone()).await,
            None => direct,
        };
        let server = peer.cpu();
        let (took, cpu) = match who {
            Who::Bare => {
                let (began, cpu) = (Instant::now(), output::cpu());
                bare::rotate(connection, users, at_once).await?;
                (began.elapsed(), output::cpu().saturating_sub(cpu))
            }
            Who::Ours => ours(connection, &users, at_once).await?,
        };
        let server = peer.cpu().saturating_sub(server);
        let requests = proxy.map(|proxy| proxy.seen());
        output::line(&format!(
            "{who:?}: {keys} keys in {took:.2?}, {cpu:.2?} of processor time, the server's {server:.2?}"
        ));
        Ok(Run {
            took,
            cpu,
            server,
            requests,
        })
    })
}

/// Makes users, each with a key that stands in a secret of its own.
async fn hire(connection: &Connection, keys: usize, at_once: usize) -> Result<Vec<User>, Error> {
    let iam = aws_sdk_iam::Client::new(&connection.read_config(""));
    let secrets = aws_sdk_secretsmanager::Client::new(&connection.read_config("us-east-1"));
    let names = (0..keys).map(|n| User {
        name: format!("user-{n:05}"),
        container: format!("prod/service-{n:05}/aws"),
        key: String::new(),
        secret: String::new(),
    });
    let hired = Arc::new(std::sync::Mutex::new(Vec::with_capacity(keys)));
    let list = Arc::clone(&hired);
    bare::each(names.collect(), at_once, move |mut user| {
        let (iam, secrets, list) = (iam.clone(), secrets.clone(), Arc::clone(&list));
        async move {
            iam.create_user().user_name(&user.name).send().await?;
            let made = iam.create_access_key().user_name(&user.name).send().await?;
            let made = made.access_key.ok_or("no key was made")?;
            (user.key, user.secret) = (made.access_key_id, made.secret_access_key);
            let content = json!({"id": &user.key, "secret": &user.secret, "region": "us-east-1"});
            let secret = secrets.create_secret().name(&user.container);
            secret.secret_string(content.to_string()).send().await?;
            list.lock().map_err(|_| "a task crashed")?.push(user);
            Ok(())
        }
    })
    .await?;
    let mut users = std::mem::take(&mut *hired.lock().map_err(|_| "a task crashed")?);
    users.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(users)
}

async fn ours(
    connection: Connection,
    users: &[User],
    at_once: usize,
) -> Result<(Duration, Duration), Error> {
    let folder = tempfile::tempdir_in(crate::disk())?;
    let identity = CaseIdentity::generate();
    let custody = Custody::create(&folder.path().join("custody"), &identity.recipient())?;
    let vault = Vault::new(custody.open(&identity)?);
    let issuer = Arc::new(IamIssuer::new(connection.clone()));
    let facts = inventory(issuer.id(), issuer.sheet().clone(), users);
    let policy = world::hurried(at_once);
    let path = folder.path().join("journal.db");
    let ledger = Arc::new(engine::planned(&path, facts, &policy)?);
    let mut outside = World::default();
    outside.add_issuer(issuer);
    outside.add_store(Arc::new(SecretsManagerStore::new(connection)));
    let (began, cpu) = (Instant::now(), output::cpu());
    let not_well = engine::carry_out(Arc::clone(&ledger), outside, vault).await?;
    let took = (began.elapsed(), output::cpu().saturating_sub(cpu));
    if not_well > 0 {
        output::line(&format!("{not_well} steps were not well at once"));
    }
    Ok(took)
}

fn inventory(id: &IssuerId, sheet: relatch_case::model::Sheet, users: &[User]) -> Vec<Fact> {
    let issuer = id.clone();
    let mut facts = vec![world::opened(), Fact::IssuerKnown { issuer, sheet }];
    let prints = world::fingerprints();
    for user in users {
        let (principal, key) = (
            Principal::new(format!("user/{}", user.name)),
            KeyId::new(&user.key),
        );
        let credential = CredentialId::derive(id, &user.key);
        let secret = prints.fingerprint(&Secret::from(user.secret.as_str()));
        facts.push(Fact::KeysListed {
            issuer: id.clone(),
            principal: principal.clone(),
            keys: vec![IssuedKey {
                id: key.clone(),
                name: None,
                hint: None,
                active: true,
                created: None,
                last_used: None,
            }],
        });
        facts.push(Fact::CredentialFound {
            credential: Credential {
                id: credential.clone(),
                name: user.name.clone(),
                issuer: id.clone(),
                principal: Some(principal),
                key_id: Some(key),
                fingerprint: Some(secret.clone()),
                mints_keys: false,
            },
        });
        let container = Container {
            kind: "secretsmanager".to_string(),
            region: "us-east-1".to_string(),
            name: user.container.clone(),
        };
        let known_as = prints.fingerprint(&Secret::from(user.key.as_str()));
        let halves = [
            ("id", Part::KeyId, &known_as),
            ("secret", Part::Secret, &secret),
        ];
        for (slot, part, print) in halves {
            facts.push(world::place(
                &container,
                Slot::key(slot),
                part,
                &credential,
                print,
            ));
        }
    }
    facts
}
