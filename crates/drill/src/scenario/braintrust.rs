//! The scenario `braintrust`: a company of AI products whose deployment key was stolen.

use super::model::{Consumer, Credential, IssuerKind, Place, Scenario, Store};
use crate::config::{HOME_REGION, SECOND_REGION};

const fn place(
    store: Store,
    region: &'static str,
    container: &'static str,
    field: &'static str,
) -> Place {
    Place {
        store,
        region,
        container,
        field,
    }
}

const fn secret(container: &'static str, field: &'static str) -> Place {
    place(Store::SecretsManager, HOME_REGION, container, field)
}

const fn secret_eu(container: &'static str, field: &'static str) -> Place {
    place(Store::SecretsManager, SECOND_REGION, container, field)
}

const fn parameter(container: &'static str) -> Place {
    place(Store::ParameterStore, HOME_REGION, container, "")
}

const fn function(container: &'static str, field: &'static str) -> Place {
    place(Store::Lambda, HOME_REGION, container, field)
}

const fn file(container: &'static str, field: &'static str) -> Place {
    place(Store::File, "", container, field)
}

/// A row: name, group, places, and consumers with the index of their place.
type Row = (
    &'static str,
    &'static str,
    &'static [Place],
    &'static [(&'static str, usize)],
);

const KEY: &str = "OPENAI_API_KEY";
const OPENAI: &[Row] = &[
    (
        "chat-api",
        "chat",
        &[secret("prod/chat/llm", KEY), function("chat-answers", KEY)],
        &[("chat-api", 0), ("chat-answers", 1)],
    ),
    (
        "chat-batch",
        "chat",
        &[secret("prod/chat/llm", "OPENAI_API_KEY_BATCH")],
        &[("chat-batch", 0)],
    ),
    (
        "search-embed",
        "search",
        &[parameter("/prod/search/openai_api_key")],
        &[("search-indexer", 0)],
    ),
    (
        "search-rerank",
        "search",
        &[
            parameter("/prod/search/rerank_key"),
            file("search/config.toml", "openai_api_key"),
        ],
        &[("search-rerank", 1)],
    ),
    (
        "doc-summaries",
        "documents",
        &[function("doc-summaries", KEY)],
        &[("doc-summaries", 0)],
    ),
    (
        "doc-extract",
        "documents",
        &[secret("prod/documents/openai", "")],
        &[("doc-extract", 0)],
    ),
    (
        "image-labels",
        "vision",
        &[
            function("image-labels", KEY),
            secret("prod/vision/keys", KEY),
        ],
        &[("image-labels", 0)],
    ),
    (
        "vision-eval",
        "vision",
        &[secret("prod/vision/keys", "OPENAI_EVAL_KEY")],
        &[],
    ),
    (
        "support-bot",
        "support",
        &[file("support/.env", KEY)],
        &[("support-bot", 0), ("support-worker", 0)],
    ),
    (
        "support-eu",
        "support",
        &[secret_eu("prod/support/openai", "")],
        &[("support-eu", 0)],
    ),
    (
        "data-forecast",
        "data",
        &[secret("data/forecast/openai", KEY)],
        &[("forecast", 0)],
    ),
    (
        "data-notebooks",
        "data",
        &[
            parameter("/data/notebooks/openai_api_key"),
            file("notebooks/settings.json", "openai_api_key"),
        ],
        &[],
    ),
    (
        "staging-chat",
        "staging",
        &[secret("staging/chat/llm", KEY)],
        &[("staging-chat", 0)],
    ),
    (
        "old-hackathon",
        "staging",
        &[file("notebooks/settings.json", "hackathon_key")],
        &[],
    ),
];

const CLAUDE: &str = "ANTHROPIC_API_KEY";
const ANTHROPIC: &[Row] = &[
    (
        "chat-claude",
        "production",
        &[secret("prod/chat/llm", CLAUDE)],
        &[("chat-claude", 0)],
    ),
    (
        "agents",
        "production",
        &[
            parameter("/prod/agents/anthropic_api_key"),
            function("agent-runner", CLAUDE),
        ],
        &[("agent-runner", 1)],
    ),
    (
        "invoice-reader",
        "production",
        &[function("invoice-reader", CLAUDE)],
        &[("invoice-reader", 0)],
    ),
    (
        "review-bot",
        "production",
        &[file("review/config.yaml", "anthropic_api_key")],
        &[("review-bot", 0)],
    ),
    (
        "support-eu",
        "production",
        &[secret_eu("prod/support/anthropic", CLAUDE)],
        &[],
    ),
    (
        "data-labels",
        "research",
        &[secret("data/labels/anthropic", "")],
        &[("labeler", 0)],
    ),
    (
        "research-evals",
        "research",
        &[parameter("/data/evals/anthropic_api_key")],
        &[],
    ),
    (
        "staging",
        "research",
        &[
            secret("staging/chat/llm", CLAUDE),
            file("support/.env", "CLAUDE_STAGING_KEY"),
        ],
        &[],
    ),
];

const CUSTOM: &[Row] = &[
    (
        "ranker",
        "vllm",
        &[secret("prod/vllm/ranker", "VLLM_API_KEY")],
        &[("ranker", 0)],
    ),
    (
        "gateway",
        "vllm",
        &[parameter("/prod/vllm/gateway_key")],
        &[("vllm-gateway", 0)],
    ),
    (
        "lead-scoring",
        "vllm",
        &[function("lead-scoring", "VLLM_API_KEY")],
        &[("lead-scoring", 0)],
    ),
    (
        "batch",
        "vllm",
        &[file("batch/config.yaml", "vllm_api_key")],
        &[],
    ),
    ("data-sync", "vllm", &[secret("data/sync/vllm", "")], &[]),
    (
        "laptop",
        "vllm",
        &[file("notebooks/settings.json", "vllm_api_key")],
        &[],
    ),
];

const IAM: &[Row] = &[
    ("ci-deployer", "ci-deployer", &[file("ci/.env", "")], &[]),
    (
        "backup-runner",
        "backup-runner",
        &[secret("prod/backup/aws", "")],
        &[("backup", 0)],
    ),
    (
        "billing-export",
        "billing-export",
        &[
            secret("prod/billing/aws", ""),
            file("billing/config.toml", ""),
        ],
        &[("billing-export", 0)],
    ),
    (
        "report-mailer",
        "report-mailer",
        &[function("night-reports", "")],
        &[("night-reports", 0)],
    ),
    (
        "log-shipper",
        "log-shipper",
        &[file("logs/settings.json", "")],
        &[("log-shipper", 0)],
    ),
    (
        "asset-uploader",
        "asset-uploader",
        &[secret("prod/assets/keys", "")],
        &[],
    ),
    (
        "asset-reader",
        "asset-reader",
        &[secret("prod/assets/keys", "READER_")],
        &[],
    ),
    (
        "partner-feed",
        "partner-feed",
        &[secret("prod/partner/feed", "")],
        &[],
    ),
    (
        "partner-sync",
        "partner-sync",
        &[secret_eu("prod/partner/sync", "")],
        &[],
    ),
    (
        "model-registry",
        "model-registry",
        &[secret("prod/models/registry", ""), file("models/.env", "")],
        &[],
    ),
    (
        "model-trainer",
        "model-trainer",
        &[secret("data/models/trainer", "")],
        &[],
    ),
    (
        "data-lake",
        "data-lake",
        &[secret("data/lake/aws", "")],
        &[],
    ),
    (
        "search-crawler",
        "search-crawler",
        &[file("search/config.toml", "CRAWLER_")],
        &[],
    ),
    (
        "cdn-purger",
        "cdn-purger",
        &[secret("prod/cdn/purger", "")],
        &[],
    ),
    (
        "status-page",
        "status-page",
        &[file("status/config.yaml", "")],
        &[],
    ),
    (
        "legacy-ftp",
        "legacy-ftp",
        &[file("status/config.yaml", "FTP_")],
        &[],
    ),
    ("qa-robot", "qa-robot", &[secret("staging/qa/aws", "")], &[]),
];

fn credentials(issuer: IssuerKind, rows: &[Row]) -> impl Iterator<Item = Credential> {
    rows.iter()
        .map(move |(name, group, places, consumers)| Credential {
            name,
            issuer,
            group,
            places: places.to_vec(),
            consumers: consumers
                .iter()
                .map(|(name, place)| Consumer {
                    name,
                    place: *place,
                })
                .collect(),
            out_of_quota: *name == "old-hackathon",
        })
}

/// The scenario: 45 credentials of four issuers in four kinds of places and two regions.
pub fn braintrust() -> Scenario {
    let credentials = credentials(IssuerKind::OpenAi, OPENAI)
        .chain(credentials(IssuerKind::Anthropic, ANTHROPIC))
        .chain(credentials(IssuerKind::Custom, CUSTOM))
        .chain(credentials(IssuerKind::AwsIam, IAM))
        .collect();
    Scenario {
        name: "braintrust",
        credentials,
        stolen_user: "ci-deployer",
        planted_user: "backup-runner",
        role: "data-pipeline",
        read_by_key: vec![
            secret("prod/chat/llm", ""),
            secret("prod/documents/openai", ""),
            secret("prod/vllm/ranker", ""),
            secret("prod/billing/aws", ""),
            secret("prod/assets/keys", ""),
            secret_eu("prod/support/openai", ""),
            secret_eu("prod/support/anthropic", ""),
            parameter("/prod/search/openai_api_key"),
            parameter("/prod/agents/anthropic_api_key"),
            parameter("/prod/vllm/gateway_key"),
            function("doc-summaries", ""),
            function("invoice-reader", ""),
            function("night-reports", ""),
        ],
        read_by_role: vec![
            secret("data/forecast/openai", ""),
            secret("data/labels/anthropic", ""),
            secret("data/lake/aws", ""),
            parameter("/data/notebooks/openai_api_key"),
        ],
        advanced: vec!["/prod/agents/anthropic_api_key", "/prod/search/rerank_key"],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn is_large_and_consistent() {
        let scenario = braintrust();
        assert_eq!(scenario.credentials.len(), 45);
        let consumers: Vec<_> = scenario
            .credentials
            .iter()
            .flat_map(|c| &c.consumers)
            .collect();
        let names: BTreeSet<_> = consumers.iter().map(|c| c.name).collect();
        assert_eq!(names.len(), consumers.len());
        assert!(consumers.len() >= 24);
        for credential in &scenario.credentials {
            assert!(!credential.places.is_empty(), "{}", credential.name);
            assert!(
                credential
                    .consumers
                    .iter()
                    .all(|c| c.place < credential.places.len())
            );
        }
    }

    #[test]
    fn no_two_credentials_share_a_field() {
        let scenario = braintrust();
        let mut seen = BTreeSet::new();
        for credential in &scenario.credentials {
            for place in &credential.places {
                for field in place.fields(credential.issuer) {
                    assert!(seen.insert((place.store, place.region, place.container, field)));
                }
            }
        }
    }

    #[test]
    fn everything_the_attacker_reads_exists() {
        let scenario = braintrust();
        for read in scenario.read_by_key.iter().chain(&scenario.read_by_role) {
            assert!(
                scenario
                    .credentials
                    .iter()
                    .flat_map(|c| &c.places)
                    .any(|place| place.shares_container(read)),
                "{read}"
            );
        }
    }
}
