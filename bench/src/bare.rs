//! The same calls for a key, one after the other, without journal, custody or engine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_iam::types::{AccessKey, StatusType};
use relatch_aws::Connection;
use relatch_secret::Secret;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::Error;

/// How long a control counts, as in the adapter.
const CONTROL_LASTS: Duration = Duration::from_secs(20);

/// One user with its key and the secret that holds both halves.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) container: String,
    pub(crate) key: String,
    pub(crate) secret: String,
}

/// The SDK's clients, set up once.
struct Clients {
    connection: Connection,
    iam: aws_sdk_iam::Client,
    iam_write: aws_sdk_iam::Client,
    secrets: aws_sdk_secretsmanager::Client,
    secrets_write: aws_sdk_secretsmanager::Client,
    control: Mutex<Option<Instant>>,
}

/// Rotates every user's key, so many at once.
pub(crate) async fn rotate(
    connection: Connection,
    users: Vec<User>,
    at_once: usize,
) -> Result<(), Error> {
    let clients = Arc::new(Clients {
        iam: aws_sdk_iam::Client::new(&connection.read_config("")),
        iam_write: aws_sdk_iam::Client::new(&connection.write_config("")),
        secrets: aws_sdk_secretsmanager::Client::new(&connection.read_config("us-east-1")),
        secrets_write: aws_sdk_secretsmanager::Client::new(&connection.write_config("us-east-1")),
        connection,
        control: Mutex::new(None),
    });
    each(users, at_once, move |user| {
        let clients = Arc::clone(&clients);
        async move { clients.rotate(&user).await }
    })
    .await
}

/// Does something for every user, so many at once.
pub(crate) async fn each<F>(
    users: Vec<User>,
    at_once: usize,
    what: impl Fn(User) -> F + Send + Sync + 'static,
) -> Result<(), Error>
where
    F: Future<Output = Result<(), Error>> + Send,
{
    let (users, what, next) = (
        Arc::new(users),
        Arc::new(what),
        Arc::new(AtomicUsize::new(0)),
    );
    let mut workers = JoinSet::new();
    for _ in 0..at_once {
        let (users, what, next) = (Arc::clone(&users), Arc::clone(&what), Arc::clone(&next));
        workers.spawn(async move {
            while let Some(user) = users.get(next.fetch_add(1, Ordering::Relaxed)) {
                what(user.clone()).await?;
            }
            Ok::<(), Error>(())
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended??;
    }
    Ok(())
}

impl Clients {
    async fn rotate(&self, user: &User) -> Result<(), Error> {
        // Keep.
        self.read(user).await?;
        // Mint, with the list before.
        self.list(user).await?;
        let made = self.iam_write.create_access_key().user_name(&user.name);
        let made = made.send().await?.access_key.ok_or("no key was made")?;
        // Check.
        self.present(&made.access_key_id, &made.secret_access_key, true)
            .await?;
        // Write.
        self.write(user, &made.access_key_id, &made.secret_access_key)
            .await?;
        // Observe.
        self.last_used(&user.key).await?;
        // Disable and prove.
        let disable = self.iam_write.update_access_key().user_name(&user.name);
        let disable = disable.access_key_id(&user.key);
        disable.status(StatusType::Inactive).send().await?;
        self.prove(user, &made).await?;
        // Delete and prove.
        let delete = self.iam_write.delete_access_key().user_name(&user.name);
        delete.access_key_id(&user.key).send().await?;
        self.prove(user, &made).await?;
        // Sweep.
        self.list(user).await
    }

    /// Sees the old key dead where the new one lives.
    async fn prove(&self, user: &User, made: &AccessKey) -> Result<(), Error> {
        self.present(&user.key, &user.secret, false).await?;
        self.present(&made.access_key_id, &made.secret_access_key, true)
            .await
    }

    async fn read(&self, user: &User) -> Result<(String, String), Error> {
        let read = self.secrets.get_secret_value().secret_id(&user.container);
        let read = read.version_stage("AWSCURRENT").send().await?;
        let version = read.version_id.ok_or("no version")?;
        Ok((version, read.secret_string.ok_or("no text")?))
    }

    async fn list(&self, user: &User) -> Result<(), Error> {
        let listed = self.iam.list_access_keys().user_name(&user.name);
        for key in listed.send().await?.access_key_metadata {
            self.last_used(&key.access_key_id.ok_or("a key without an id")?)
                .await?;
        }
        Ok(())
    }

    async fn last_used(&self, key: &str) -> Result<(), Error> {
        let asked = self.iam.get_access_key_last_used().access_key_id(key);
        asked.send().await?;
        Ok(())
    }

    /// Reads, compares, reads again for the version, writes beside, moves the stage, takes the
    /// other stage off, and reads back.
    async fn write(&self, user: &User, id: &str, secret: &str) -> Result<(), Error> {
        self.read(user).await?;
        let (before, text) = self.read(user).await?;
        let mut content: BTreeMap<String, String> = serde_json::from_str(&text)?;
        content.insert("id".to_string(), id.to_string());
        content.insert("secret".to_string(), secret.to_string());
        let token = format!("{:032x}", fresh());
        let put = self.secrets_write.put_secret_value();
        put.secret_id(&user.container)
            .client_request_token(&token)
            .version_stages("RELATCH_PENDING")
            .secret_string(serde_json::to_string(&content)?)
            .send()
            .await?;
        let moved = self.secrets_write.update_secret_version_stage();
        moved
            .secret_id(&user.container)
            .version_stage("AWSCURRENT")
            .move_to_version_id(&token)
            .remove_from_version_id(&before)
            .send()
            .await?;
        let unstaged = self.secrets_write.update_secret_version_stage();
        unstaged
            .secret_id(&user.container)
            .version_stage("RELATCH_PENDING")
            .remove_from_version_id(&token)
            .send()
            .await?;
        let (_, now) = self.read(user).await?;
        if now.contains(secret) {
            Ok(())
        } else {
            Err("the write is not seen".into())
        }
    }

    /// Presents a key, with the control that the adapter makes every 20 seconds.
    async fn present(&self, id: &str, secret: &str, lives: bool) -> Result<(), Error> {
        let mut control = self.control.lock().await;
        if control.is_none_or(|at| at.elapsed() >= CONTROL_LASTS) {
            let made_up = "BareLoopBareLoopBareLoopBareLoopBareLoop";
            self.ask("AKIARELATCHCONTROLQQ", made_up).await;
            self.connection.identity().await?;
            *control = Some(Instant::now());
        }
        drop(control);
        if self.ask(id, secret).await == lives {
            Ok(())
        } else {
            Err(format!("{id} should {}", if lives { "live" } else { "be dead" }).into())
        }
    }

    async fn ask(&self, id: &str, secret: &str) -> bool {
        let config = self.connection.as_key(id, &Secret::from(secret));
        let sts = aws_sdk_sts::Client::new(&config);
        sts.get_caller_identity().send().await.is_ok()
    }
}

/// A number that was not there before in this process.
fn fresh() -> u128 {
    static LAST: AtomicUsize = AtomicUsize::new(0);
    let n = LAST.fetch_add(1, Ordering::Relaxed) as u128;
    (u128::from(std::process::id()) << 64) + n
}
