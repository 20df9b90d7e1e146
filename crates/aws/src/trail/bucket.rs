//! The bucket that holds the log files.

use std::io::Write;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use jiff::Timestamp;
use relatch_case::{Fault, FaultKind};

use super::objects::TrailObjects;
use crate::connection::Connection;
use crate::error::fault_of_read;

/// What names the region of a bucket in S3's answers.
const REGION_HEADER: &str = "x-amz-bucket-region";

/// An address `s3://bucket/prefix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailUrl {
    /// The bucket.
    pub bucket: String,
    /// What the keys begin with: empty, or ending with `/`.
    pub prefix: String,
}

impl TrailUrl {
    /// Reads `s3://bucket/prefix`; the prefix is taken as a folder.
    pub fn parse(url: &str) -> Result<Self, Fault> {
        let invalid = || {
            Fault::new(
                FaultKind::Invalid,
                format!("{url} is no address like s3://bucket/prefix"),
            )
        };
        let rest = url.strip_prefix("s3://").ok_or_else(invalid)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(invalid());
        }
        let mut prefix = prefix.trim_start_matches('/').to_string();
        if !prefix.is_empty() && !prefix.ends_with('/') {
            prefix.push('/');
        }
        Ok(Self {
            bucket: bucket.to_string(),
            prefix,
        })
    }
}

/// A bucket with CloudTrail files, opened in its own region.
#[derive(Debug, Clone)]
pub struct TrailBucket {
    client: Client,
    url: TrailUrl,
}

impl TrailBucket {
    /// Finds the bucket's region, starting from any of its partition's, and opens it.
    pub async fn open(connection: &Connection, region: &str, url: TrailUrl) -> Result<Self, Fault> {
        let client = client(connection, region);
        let home = home_region(&client, &url.bucket).await?;
        let client = match home {
            Some(home) if home != region => self::client(connection, &home),
            _ => client,
        };
        Ok(Self { client, url })
    }

    /// The log files that can hold events from `since` until `until`, page by page. Where
    /// the layout is CloudTrail's, other days, and logs of other kinds, are not even listed.
    pub fn objects(&self, since: Option<Timestamp>, until: Option<Timestamp>) -> TrailObjects {
        TrailObjects::new(self.client.clone(), self.url.clone(), since, until)
    }

    /// The bytes of one file, as they lie there (compressed).
    pub async fn get(&self, key: &str) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        self.copy(key, &mut bytes).await?;
        Ok(bytes)
    }

    /// Copies the bytes of one file, as they lie there (compressed), piece by piece; says how many
    /// there were. What cannot be written is a [`FaultKind::Local`] failure.
    pub async fn copy(&self, key: &str, to: &mut (impl Write + Send)) -> Result<u64, Fault> {
        let named = |fault: Fault| {
            Fault::new(
                fault.kind,
                format!("s3://{}/{key}: {}", self.url.bucket, fault.detail),
            )
        };
        let asked = self.client.get_object().bucket(&self.url.bucket).key(key);
        let object = asked.send().await;
        let mut body = object.map_err(|error| named(fault_of_read(error)))?.body;
        let mut copied = 0;
        let broke_off = |error| {
            let words = format!("the file broke off: {error}");
            named(Fault::new(FaultKind::Unreachable, words))
        };
        while let Some(piece) = body.try_next().await.map_err(broke_off)? {
            to.write_all(&piece).map_err(|error| {
                let words = format!("its copy cannot be written: {error}");
                named(Fault::new(FaultKind::Local, words))
            })?;
            copied += piece.len() as u64;
        }
        Ok(copied)
    }
}

fn client(connection: &Connection, region: &str) -> Client {
    let config = connection.read_config(region);
    // Names of buckets cannot be host names under an address of one's own.
    let own_address = config.endpoint_url().is_some();
    let config = aws_sdk_s3::config::Builder::from(&config)
        .force_path_style(own_address)
        .build();
    Client::from_conf(config)
}

/// The region a bucket lies in. S3 names it also when it refuses because of the region.
async fn home_region(client: &Client, bucket: &str) -> Result<Option<String>, Fault> {
    let error = match client.head_bucket().bucket(bucket).send().await {
        Ok(head) => return Ok(head.bucket_region),
        Err(error) => error,
    };
    if let Some(region) = region_in(&error) {
        return Ok(Some(region));
    }
    let fault = fault_of_read(error);
    Err(Fault::new(
        fault.kind,
        format!("bucket {bucket}: {}", fault.detail),
    ))
}

fn region_in<E>(error: &SdkError<E>) -> Option<String> {
    let response = error.raw_response()?;
    // Only a redirect is about the region; a denial names it too and stays a denial.
    let redirect = matches!(response.status().as_u16(), 301 | 307 | 400);
    response
        .headers()
        .get(REGION_HEADER)
        .filter(|_| redirect)
        .map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_bucket_and_folder() {
        let parsed = |url| {
            TrailUrl::parse(url)
                .map(|u| (u.bucket, u.prefix))
                .map_err(|f| f.kind)
        };
        let ok = |bucket: &str, prefix: &str| Ok((bucket.to_string(), prefix.to_string()));
        assert_eq!(parsed("s3://logs"), ok("logs", ""));
        assert_eq!(parsed("s3://logs/"), ok("logs", ""));
        assert_eq!(parsed("s3://logs/a/AWSLogs"), ok("logs", "a/AWSLogs/"));
        assert_eq!(parsed("https://logs"), Err(FaultKind::Invalid));
        assert_eq!(parsed("s3:///x"), Err(FaultKind::Invalid));
    }
}
