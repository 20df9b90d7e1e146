//! The contract of issuers, kept by the catalog's engine: with OpenAI and Anthropic as small
//! servers that keep state, and with commands for an endpoint of one's own.

mod fake;
mod hooks;
mod services;
