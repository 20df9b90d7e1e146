//! No value appears in anything that is printed, logged or recorded. A program of its own,
//! because what other tests log at the same time would decide what is captured here.

use std::io::Write;
use std::sync::{Arc, Mutex};

use relatch_issuers::{Issuer, KeyMaterial, MintRequest};
use relatch_secret::Secret;
use tracing_subscriber::fmt::MakeWriter;

#[path = "engine/stub.rs"]
#[expect(dead_code, reason = "shared with the other tests, which use all of it")]
mod stub;

use stub::{ADMIN, Stub, issuer};

/// A shape that no redaction rule knows.
const TRIED: &str = "hunter2-canary-tried";
const MINTED: &str = "hunter2-canary-minted";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .expect("not poisoned")
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn echo(status: u16) -> impl Fn(&stub::Asked) -> (u16, String) {
    move |asked| {
        let text = format!("you sent {}", asked.key);
        let error =
            serde_json::json!({"error": {"message": text, "code": asked.key, "type": text}});
        (status, error.to_string())
    }
}

/// Everything a caller can see or print of calls that are answered with the key itself.
async fn seen(status: u16) -> String {
    let stub = Stub::start(echo(status)).await;
    let openai = issuer("openai", &stub.address);
    let key = KeyMaterial {
        id: None,
        secret: Secret::from(TRIED),
    };
    let request = MintRequest {
        principal: "project/p/service_account/s".into(),
        name: "n".into(),
        replaces: None,
    };
    let probe = openai.probe(&key).await;
    let mint = openai.mint(&request).await.expect_err("an odd answer");
    let list = openai.list_all().await.expect_err("an odd answer");
    let delete = openai.delete(&request.principal, &"k".into()).await.err();
    format!("{openai:?} {key:?} {probe:?} {mint} {mint:?} {list} {list:?} {delete:?}")
}

async fn minted() -> String {
    let body = serde_json::json!({"id": "key_1", "value": MINTED}).to_string();
    let stub = Stub::start(move |_| (200, body.clone())).await;
    let request = MintRequest {
        principal: "project/p/service_account/s".into(),
        name: "n".into(),
        replaces: None,
    };
    let minted = issuer("openai", &stub.address)
        .mint(&request)
        .await
        .expect("a key");
    assert_eq!(minted.secret.expose(), MINTED.as_bytes());
    format!("{minted:?}")
}

#[test]
fn no_value_is_seen() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let text = tracing::subscriber::with_default(subscriber, || {
        runtime.expect("a runtime").block_on(async {
            let mut text = minted().await;
            for status in [200, 400, 401, 403, 404, 429, 500] {
                text.push_str(&seen(status).await);
            }
            text
        })
    });
    let logged = log.0.lock().expect("not poisoned").clone();
    let logged = String::from_utf8_lossy(&logged);
    assert!(
        logged.contains("api_keys"),
        "the log was captured: {}",
        &logged[..logged.len().min(3000)]
    );
    for canary in [TRIED, MINTED, ADMIN] {
        assert!(!text.contains(canary), "{canary} in {text}");
        assert!(!logged.contains(canary), "{canary} was logged");
    }
}
