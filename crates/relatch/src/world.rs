//! Wires the configured adapters into the world that the engine acts on.

use std::collections::BTreeMap;
use std::sync::Arc;

use relatch_aws::{
    AwsCloud, Connection, IamIssuer, Identity, LambdaConsumers, LambdaSource, LambdaStore, Options,
    ParameterStore, ParameterStoreSource, SecretsManagerSource, SecretsManagerStore,
};
use relatch_case::IssuerId;
use relatch_executor::{Context, SystemClock, Vault, World};
use relatch_inventory::detect::{Detector, DetectorSpec, Detectors};
use relatch_inventory::{FileSource, Source};
use relatch_issuers::{Catalog, CatalogIssuer, Settings};
use relatch_places::{FileStore, HookLimits, ServiceRoller};
use relatch_secret::Secret;

use crate::app::App;
use crate::config::{Config, IssuerConfig};
use crate::error::{CommandError, Kind, OfKind};
use crate::use_log::EventHistory;
use crate::workspace::OpenCase;

/// Everything outside, connected.
#[derive(Debug)]
pub(crate) struct Outside {
    pub(crate) aws: Option<AwsSide>,
    pub(crate) world: World,
    pub(crate) detectors: Detectors,
}

/// The cloud account.
#[derive(Debug)]
pub(crate) struct AwsSide {
    pub(crate) connection: Connection,
    pub(crate) management: Option<Connection>,
    pub(crate) identity: Identity,
    pub(crate) iam: Arc<IamIssuer>,
}

impl Outside {
    /// Connects to everything that is configured. Says account, principal and region, and
    /// refuses an account that is not the case's, before anything else is asked.
    pub(crate) async fn connect(app: &App, case: &OpenCase) -> Result<Self, CommandError> {
        let account = case
            .ledger
            .with(|s| s.case.as_ref().and_then(|c| c.account.clone()));
        let mut world = World::default();
        world.add_store(Arc::new(FileStore));
        world.add_roller(Arc::new(
            ServiceRoller::new(HookLimits::USUAL).kind(Kind::Failed)?,
        ));
        let aws = match account {
            Some(account) if app.config.aws.enabled.unwrap_or(true) => {
                Some(connect_aws(app, &account, &mut world).await?)
            }
            _ => None,
        };
        let mut detectors = Detectors {
            values: Vec::new(),
            aws: aws.as_ref().map(|_| IssuerId::from("aws-iam")),
        };
        add_issuers(&app.config, &mut world, &mut detectors)?;
        if let Some(aws) = aws.as_ref().filter(|_| app.config.watch.lookup) {
            let history = EventHistory::new(aws.connection.clone(), regions(app, case, aws));
            world.set_log(Arc::new(history));
        }
        Ok(Self {
            aws,
            world,
            detectors,
        })
    }

    /// What the engine works with.
    pub(crate) fn context(
        &self,
        app: &App,
        case: &OpenCase,
        vault: Vault,
    ) -> Result<Context, CommandError> {
        Ok(Context {
            ledger: Arc::clone(&case.ledger),
            world: self.world.clone(),
            vault,
            fingerprints: Arc::new(app.workspace.fingerprints()?),
            clock: Arc::new(SystemClock),
        })
    }

    /// Where values are looked for.
    pub(crate) fn sources(&self, app: &App, case: &OpenCase) -> Vec<Arc<dyn Source>> {
        let mut sources: Vec<Arc<dyn Source>> = Vec::new();
        if let Some(aws) = &self.aws {
            for region in regions(app, case, aws) {
                let connection = || aws.connection.clone();
                sources.push(Arc::new(SecretsManagerSource::new(
                    connection(),
                    region.clone(),
                )));
                sources.push(Arc::new(ParameterStoreSource::new(
                    connection(),
                    region.clone(),
                )));
                sources.push(Arc::new(LambdaSource::new(connection(), region)));
            }
        }
        let files = &app.config.inventory.files;
        if !files.is_empty() {
            let patterns = files
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            sources.push(Arc::new(FileSource::new(patterns)));
        }
        sources
    }
}

impl AwsSide {
    /// The cloud as containment sees it.
    pub(crate) fn cloud(&self) -> AwsCloud {
        AwsCloud::new(&self.connection, self.management.as_ref())
    }
}

/// The regions in scope: the case's, the configuration's, else that of the credentials.
pub(crate) fn regions(app: &App, case: &OpenCase, aws: &AwsSide) -> Vec<String> {
    let named = case.ledger.with(|s| {
        s.case
            .as_ref()
            .map(|c| c.regions.clone())
            .unwrap_or_default()
    });
    let regions = app.config.regions(&named);
    if regions.is_empty() {
        vec![aws.identity.region.clone()]
    } else {
        regions
    }
}

async fn connect_aws(app: &App, account: &str, world: &mut World) -> Result<AwsSide, CommandError> {
    let config = &app.config.aws;
    let options = Options {
        profile: config.profile.clone(),
        region: config.regions.first().cloned(),
        endpoint: config.endpoint.clone(),
        credentials: config
            .credentials
            .clone()
            .map(|(id, secret)| (id, secret, None)),
        ..Options::default()
    };
    let connection = Connection::open(&options).await;
    let identity = connection.identity().await.map_err(|fault| {
        CommandError::new(Kind::Failed, fault)
            .hint("who we are could not be asked (sts:GetCallerIdentity): check profile, region and network")
    })?;
    app.printer.note(&format!(
        "AWS account {}, {}, region {}",
        identity.account, identity.arn, identity.region
    ));
    identity.check(account).kind(Kind::Refused)?;
    let management = match (&config.management_profile, &config.management_credentials) {
        (None, None) => None,
        (profile, fixed) => {
            let credentials = fixed.clone().map(|(id, secret)| (id, secret, None));
            let options = Options {
                profile: profile.clone(),
                credentials,
                ..options
            };
            Some(Connection::open(&options).await)
        }
    };
    let iam = Arc::new(IamIssuer::new(connection.clone()));
    world.add_issuer(iam.clone());
    world.add_store(Arc::new(SecretsManagerStore::new(connection.clone())));
    world.add_store(Arc::new(ParameterStore::new(connection.clone())));
    world.add_store(Arc::new(LambdaStore::new(connection.clone())));
    world.add_roller(Arc::new(LambdaConsumers::new(connection.clone())));
    Ok(AwsSide {
        connection,
        management,
        identity,
        iam,
    })
}

/// Adds the issuers of the configuration and what their keys look like.
fn add_issuers(
    config: &Config,
    world: &mut World,
    detectors: &mut Detectors,
) -> Result<(), CommandError> {
    let catalog = match &config.catalog {
        Some(folder) => Catalog::with_overrides(folder),
        None => Catalog::embedded(),
    }
    .kind(Kind::Usage)?;
    for (id, settings) in &config.issuers {
        let issuer = issuer(&catalog, id, settings)?;
        for spec in detector_specs(&catalog, id, settings) {
            detectors
                .values
                .push(Detector::try_from(spec).kind(Kind::Usage)?);
        }
        world.add_issuer(Arc::new(issuer));
    }
    Ok(())
}

fn issuer(
    catalog: &Catalog,
    id: &str,
    config: &IssuerConfig,
) -> Result<CatalogIssuer, CommandError> {
    let name = config.catalog.as_deref().unwrap_or(id);
    let entry = catalog.get(&IssuerId::from(name)).ok_or_else(|| {
        let known: Vec<String> = catalog
            .entries()
            .map(|entry| entry.id.to_string())
            .collect();
        CommandError::new(
            Kind::Usage,
            format!("issuer {id}: the catalog has no entry {name}"),
        )
        .hint(format!("it has: {}", known.join(", ")))
    })?;
    let admin_key: Option<Secret> = config
        .admin_key
        .as_ref()
        .map(crate::config::ValueFrom::fetch)
        .transpose()?;
    let settings = Settings {
        id: IssuerId::from(id),
        base_url: config.base_url.clone(),
        admin_key,
        variables: BTreeMap::new(),
        hooks: config.hooks.clone(),
    };
    CatalogIssuer::new(entry.clone(), settings).kind(Kind::Usage)
}

/// The configured detector, and those of the catalog entry.
fn detector_specs(catalog: &Catalog, id: &str, config: &IssuerConfig) -> Vec<DetectorSpec> {
    let mut specs = Vec::new();
    if let Some(detect) = &config.detect {
        specs.push(DetectorSpec {
            issuer: IssuerId::from(id),
            kind: String::new(),
            format: detect.format.clone(),
            names: detect.names.clone(),
            name: None,
            mints_keys: detect.mints_keys,
        });
    }
    let name = config.catalog.as_deref().unwrap_or(id);
    let formats = catalog
        .get(&IssuerId::from(name))
        .map(relatch_issuers::Entry::key_formats)
        .unwrap_or_default();
    specs.extend(formats.into_iter().map(|format| DetectorSpec {
        issuer: IssuerId::from(id),
        kind: format.kind,
        format: Some(format.regex),
        names: format.env_vars,
        name: None,
        mints_keys: format.mints_keys,
    }));
    specs
}
