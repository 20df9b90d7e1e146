//! The engine and the catalog against small servers that answer oddly.

mod anthropic;
mod catalog;
mod failures;
mod hooks;
mod openai;
mod probes;
mod stub;
