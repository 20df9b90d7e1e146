//! The configuration of the tool under drill: the range's addresses, short durations.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use relatch_case::Policy;
use relatch_drill::{ACCOUNT, HOME_REGION, Network, Range, SECOND_REGION, Store};
use relatch_inventory::declared::{DeclaredConsumer, DeclaredHook};
use relatch_secret::Secret;

use crate::app::App;
use crate::config::{Aws, Config, Containment, Detect, Inventory, IssuerConfig, ValueFrom, Watch};
use crate::error::{CommandError, Kind};
use crate::workspace::Workspace;

/// An empty folder; one that holds an earlier drill is put aside by its time.
pub(crate) fn fresh_folder(path: &Path) -> Result<PathBuf, CommandError> {
    let path = std::path::absolute(path)?;
    if path.exists() && std::fs::read_dir(&path)?.next().is_some() {
        if !path.join("range").exists() {
            return Err(CommandError::new(
                Kind::Usage,
                format!("{} is not empty and holds no earlier drill", path.display()),
            )
            .hint("name another folder with --out"));
        }
        let stamp = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string();
        let mut aside = path.clone().into_os_string();
        aside.push(format!(".{stamp}"));
        std::fs::rename(&path, &aside)?;
    }
    std::fs::create_dir_all(&path)?;
    Ok(path)
}

/// The tool under drill.
pub(crate) fn app(app: &App, range: &Range, out: &Path) -> Result<App, CommandError> {
    Ok(App {
        printer: app.printer,
        workspace: Workspace::new(out.join("workspace")),
        config: config(range, out)?,
        case: Some("drill".into()),
        passphrase_file: None,
        by: app.by.clone(),
    })
}

fn config(range: &Range, out: &Path) -> Result<Config, CommandError> {
    let responder = range.responder_credentials();
    let management = range.management_credentials();
    let pair = |id: &str, secret: &str| Some((id.to_string(), Secret::from(secret)));
    Ok(Config {
        aws: Aws {
            enabled: Some(true),
            regions: vec![HOME_REGION.to_string(), SECOND_REGION.to_string()],
            endpoint: Some(range.aws_endpoint(Network::Responder)),
            credentials: pair(&responder.id, &responder.secret),
            management_credentials: pair(&management.id, &management.secret),
            ..Aws::default()
        },
        issuers: issuers(range, out)?,
        consumer: consumers(range),
        inventory: Inventory {
            files: vec![range.files().to_path_buf()],
        },
        policy: policy(),
        containment: Containment {
            responders: vec![format!("arn:aws:iam::{ACCOUNT}:user/break-glass-responder")],
        },
        watch: Watch {
            trails: vec![format!(
                "s3://{}/AWSLogs/{ACCOUNT}/",
                relatch_drill::TRAIL_BUCKET
            )],
            ..Watch::default()
        },
        ..Config::default()
    })
}

/// Minutes become seconds; nothing else differs from a policy in earnest.
fn policy() -> Policy {
    Policy {
        observe_s: 3,
        soak_s: 4,
        dead_probes_s: vec![0, 1, 3],
        tripwire_s: 2,
        settle_s: 1,
        adopt_s: 60,
        poll_s: 1,
        backoff_s: 1,
        concurrency: 8,
        per_minute: 6_000,
        ..Policy::default()
    }
}

fn issuers(range: &Range, out: &Path) -> Result<BTreeMap<String, IssuerConfig>, CommandError> {
    let keep = |name: &str, value: &str| -> Result<ValueFrom, CommandError> {
        let path = out.join("range").join(name);
        relatch_secret::write_private(&path, value.as_bytes())?;
        Ok(ValueFrom::File(path))
    };
    let token = out.join("range").join("endpoint.token");
    relatch_secret::write_private(&token, range.custom_admin_token().as_bytes())?;
    let me = std::env::current_exe()?.display().to_string();
    let hook = |verb: &str| {
        let keys = out.join("range").join("endpoint-keys.txt");
        Some(vec![
            me.clone(),
            "drill".into(),
            "hook".into(),
            verb.into(),
            "--url".into(),
            range.custom_base(),
            "--token-file".into(),
            token.display().to_string(),
            "--keys-file".into(),
            keys.display().to_string(),
        ])
    };
    Ok(BTreeMap::from([
        (
            "openai".to_string(),
            IssuerConfig {
                base_url: Some(range.openai_base()),
                admin_key: Some(keep("openai-admin.key", range.openai_admin_key())?),
                ..IssuerConfig::default()
            },
        ),
        (
            "anthropic".to_string(),
            IssuerConfig {
                base_url: Some(range.anthropic_base()),
                admin_key: Some(keep("anthropic-admin.key", range.anthropic_admin_key())?),
                ..IssuerConfig::default()
            },
        ),
        (
            "vllm".to_string(),
            IssuerConfig {
                catalog: Some("openai-compatible".to_string()),
                base_url: Some(range.custom_base()),
                hooks: Some(relatch_issuers::Hooks {
                    mint: hook("mint"),
                    delete: hook("delete"),
                    list: hook("list"),
                    pass_env: Vec::new(),
                    timeout_s: 20,
                }),
                detect: Some(Detect {
                    format: Some("btk-live-[A-Za-z0-9]{40}".to_string()),
                    ..Detect::default()
                }),
                ..IssuerConfig::default()
            },
        ),
    ]))
}

/// The consumers that a person would have declared; functions are seen in the cloud.
fn consumers(range: &Range) -> Vec<DeclaredConsumer> {
    range
        .consumers()
        .into_iter()
        .filter(|consumer| consumer.place.store != Store::Lambda)
        .map(|consumer| {
            let place = consumer.place;
            let reads = match place.store {
                Store::File => format!("file:{}", range.files().join(place.container).display()),
                Store::SecretsManager => {
                    format!("secretsmanager:{}:{}", place.region, place.container)
                }
                Store::ParameterStore => format!("ssm:{}:{}", place.region, place.container),
                Store::Lambda => format!("lambda:{}:{}", place.region, place.container),
            };
            DeclaredConsumer {
                name: consumer.name,
                reads: vec![reads],
                reload: DeclaredHook {
                    command: None,
                    url: Some(consumer.reload_url),
                },
                health: DeclaredHook {
                    command: None,
                    url: Some(consumer.health_url),
                },
            }
        })
        .collect()
}
