//! Listing log files without listing what lies between them.

use std::collections::{BTreeSet, VecDeque};

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use jiff::Timestamp;
use relatch_case::Fault;

use super::bucket::TrailUrl;
use super::layout::{self, Level};
use crate::error::fault_of_read;

/// One log file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailObject {
    /// Its key in the bucket.
    pub key: String,
    /// Its size in bytes, compressed.
    pub size: u64,
    /// The account that its path names.
    pub account: Option<String>,
    /// The region that its path names.
    pub region: Option<String>,
}

/// The log files of a bucket, listed as they are asked for.
#[derive(Debug)]
pub struct TrailObjects {
    client: Client,
    bucket: String,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    /// Folders still to look at.
    folders: VecDeque<String>,
    listing: Option<Listing>,
    ready: VecDeque<TrailObject>,
    skipped: BTreeSet<String>,
}

/// A listing under way.
#[derive(Debug)]
struct Listing {
    prefix: String,
    /// Keys up to here are not asked for.
    after: Option<String>,
    /// Keys from here on are too late.
    end: Option<String>,
    token: Option<String>,
}

impl TrailObjects {
    pub(super) fn new(
        client: Client,
        url: TrailUrl,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Self {
        Self {
            client,
            bucket: url.bucket,
            since,
            until,
            folders: VecDeque::from([url.prefix]),
            listing: None,
            ready: VecDeque::new(),
            skipped: BTreeSet::new(),
        }
    }

    /// The next file, or `None` at the end. After an error the folder it happened in (named
    /// in the error) is left out, and the next call goes on with the others.
    pub async fn next(&mut self) -> Result<Option<TrailObject>, Fault> {
        loop {
            if let Some(object) = self.ready.pop_front() {
                return Ok(Some(object));
            }
            if let Some(listing) = self.listing.take() {
                self.page(listing).await?;
            } else if let Some(folder) = self.folders.pop_front() {
                self.enter(folder).await?;
            } else {
                return Ok(None);
            }
        }
    }

    /// What was seen so far and is no CloudTrail log: folders of other services' logs, and
    /// keys with other endings.
    pub fn skipped(&self) -> impl Iterator<Item = &str> {
        self.skipped.iter().map(String::as_str)
    }

    async fn enter(&mut self, folder: String) -> Result<(), Fault> {
        match layout::level(&folder) {
            Level::Outside => self.look_for_logs(folder).await?,
            Level::Accounts => {
                for child in self.children(&folder).await? {
                    if layout::leads_to_accounts(&child) {
                        self.folders.push_back(child);
                    } else {
                        self.skipped.insert(child);
                    }
                }
            }
            Level::Account => self.folders.push_front(format!("{folder}CloudTrail/")),
            Level::Regions => self.folders.extend(self.children(&folder).await?),
            Level::Dated => {
                let after = self.since.map(|since| layout::first_key(&folder, since));
                let end = self.until.map(|until| layout::end_key(&folder, until));
                self.listing = Some(Listing {
                    prefix: folder,
                    after,
                    end,
                    token: None,
                });
            }
            Level::Within => self.list_all(folder),
        }
        Ok(())
    }

    /// Above the known layout: goes to the `AWSLogs/` right here or one folder down. Without
    /// one, everything under the prefix is a candidate.
    async fn look_for_logs(&mut self, folder: String) -> Result<(), Fault> {
        let children = self.children(&folder).await?;
        let here = format!("{folder}AWSLogs/");
        let mut found = Vec::new();
        let mut others = Vec::new();
        for child in children {
            let below = format!("{child}AWSLogs/");
            if child == here {
                found.push(child);
            } else if !self.children(&below).await?.is_empty() {
                found.push(below);
            } else {
                others.push(child);
            }
        }
        if found.is_empty() {
            self.list_all(folder);
        } else {
            self.folders.extend(found);
            self.skipped.extend(others);
        }
        Ok(())
    }

    fn list_all(&mut self, prefix: String) {
        self.listing = Some(Listing {
            prefix,
            after: None,
            end: None,
            token: None,
        });
    }

    /// The folders directly under `folder`.
    async fn children(&self, folder: &str) -> Result<Vec<String>, Fault> {
        let mut pages = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(folder)
            .delimiter("/")
            .into_paginator()
            .send();
        let mut children = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.in_folder(folder, fault_of_read(error)))?;
            let folders = page.common_prefixes.unwrap_or_default();
            children.extend(folders.into_iter().filter_map(|folder| folder.prefix));
        }
        Ok(children)
    }

    async fn page(&mut self, mut listing: Listing) -> Result<(), Fault> {
        let page = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(&listing.prefix)
            .set_start_after(listing.after.clone().filter(|_| listing.token.is_none()))
            .set_continuation_token(listing.token.take())
            .send()
            .await
            .map_err(|error| self.in_folder(&listing.prefix, fault_of_read(error)))?;
        let token = page.next_continuation_token.clone();
        let ended = self.take(page, listing.end.as_deref());
        if let (false, Some(token)) = (ended, token) {
            self.listing = Some(Listing {
                token: Some(token),
                ..listing
            });
        }
        Ok(())
    }

    /// Takes a page's files over; tells whether the end of the window was passed.
    fn take(&mut self, page: ListObjectsV2Output, end: Option<&str>) -> bool {
        for object in page.contents.unwrap_or_default() {
            let Some(key) = object.key else { continue };
            if end.is_some_and(|end| key.as_str() >= end) {
                return true;
            }
            if !layout::is_log(&key) {
                self.skipped.insert(key);
                continue;
            }
            let (account, region) = layout::account_and_region(&key).unzip();
            let (account, region) = (account.map(str::to_string), region.map(str::to_string));
            let size = object
                .size
                .and_then(|size| u64::try_from(size).ok())
                .unwrap_or(0);
            self.ready.push_back(TrailObject {
                key,
                size,
                account,
                region,
            });
        }
        false
    }

    fn in_folder(&self, folder: &str, fault: Fault) -> Fault {
        Fault::new(
            fault.kind,
            format!("s3://{}/{folder}: {}", self.bucket, fault.detail),
        )
    }
}
