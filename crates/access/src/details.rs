//! Reading the answer of `aws iam get-account-authorization-details`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::arn::Arn;
use crate::node::Node;
use crate::parse::{self, Shape};
use crate::policy::Policy;
use crate::world::{Fault, Identity, World};

/// The largest answer that is read, in bytes.
const MOST_BYTES: usize = 512 * 1024 * 1024;

/// Why an answer could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum DetailsError {
    /// More than 512 MiB.
    #[error("the authorization details have {bytes} bytes, more than {MOST_BYTES}")]
    TooLarge {
        /// How many.
        bytes: usize,
    },
    /// Not JSON, or not of this shape.
    #[error("page {page} of the authorization details cannot be read")]
    Unreadable {
        /// Which page, from 1.
        page: usize,
        /// Why.
        source: serde_json::Error,
    },
    /// JSON, but with none of the lists.
    #[error("page {page} has no list of users, groups, roles or policies")]
    NotDetails {
        /// Which page, from 1.
        page: usize,
    },
    /// No page.
    #[error("the authorization details are empty")]
    Empty,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    user_detail_list: Option<Vec<User>>,
    group_detail_list: Option<Vec<Group>>,
    role_detail_list: Option<Vec<Role>>,
    policies: Option<Vec<Managed>>,
    is_truncated: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct User {
    arn: String,
    user_id: Option<String>,
    #[serde(default)]
    user_policy_list: Vec<Inline>,
    #[serde(default)]
    group_list: Vec<String>,
    #[serde(default)]
    attached_managed_policies: Vec<Attached>,
    permissions_boundary: Option<Boundary>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Group {
    arn: String,
    group_name: String,
    #[serde(default)]
    group_policy_list: Vec<Inline>,
    #[serde(default)]
    attached_managed_policies: Vec<Attached>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Role {
    arn: String,
    role_name: String,
    role_id: Option<String>,
    assume_role_policy_document: Option<Node>,
    #[serde(default)]
    role_policy_list: Vec<Inline>,
    #[serde(default)]
    attached_managed_policies: Vec<Attached>,
    permissions_boundary: Option<Boundary>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inline {
    policy_name: String,
    policy_document: Node,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attached {
    policy_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Boundary {
    permissions_boundary_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Managed {
    arn: String,
    #[serde(default)]
    policy_version_list: Vec<Version>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    #[serde(default)]
    is_default_version: bool,
    document: Option<Node>,
}

/// All pages of one answer.
#[derive(Default)]
struct Pages {
    users: Vec<User>,
    groups: Vec<Group>,
    roles: Vec<Role>,
    policies: Vec<Managed>,
    cut: bool,
}

impl World {
    /// Takes in an account's authorization details: one page, several pages one after the other
    /// or in a list, or the merged answer that the AWS CLI prints. Policies may be URL-encoded
    /// texts or objects. What cannot be read within is returned, and kept in
    /// [`World::faults`]; it leaves questions undecided.
    pub fn add_details(&mut self, text: &str) -> Result<Vec<Fault>, DetailsError> {
        let pages = read(text)?;
        let before = self.faults.len();
        if pages.cut {
            self.incomplete = true;
            let why = "its last page says that more follow: identities are missing";
            self.fault("the authorization details", why);
        }
        let managed = self.managed(pages.policies);
        let groups = self.groups(pages.groups, &managed);
        for user in pages.users {
            self.add_user(user, &groups, &managed);
        }
        for role in pages.roles {
            self.add_role(role, &managed);
        }
        Ok(self.faults[before..].to_vec())
    }

    fn fault(&mut self, about: &str, why: &str) {
        self.faults.push(Fault {
            about: about.to_owned(),
            why: why.to_owned(),
        });
    }

    fn managed(&mut self, list: Vec<Managed>) -> BTreeMap<String, Arc<Policy>> {
        let mut managed = BTreeMap::new();
        for policy in list {
            let mut versions = policy.policy_version_list.into_iter();
            let default = versions.find(|version| version.is_default_version);
            let read = match default.and_then(|version| version.document) {
                Some(document) => parse::policy(&*policy.arn, &document, Shape::Identity),
                None => Policy::broken(&*policy.arn, "has no default version"),
            };
            let read = Arc::new(self.noted(read));
            if managed.insert(policy.arn.clone(), read).is_some() {
                let twice = self.noted(Policy::broken(&*policy.arn, "is there twice"));
                managed.insert(policy.arn, Arc::new(twice));
            }
        }
        managed
    }

    /// The policies of each group, by the account and the group's name.
    fn groups(
        &mut self,
        list: Vec<Group>,
        managed: &BTreeMap<String, Arc<Policy>>,
    ) -> BTreeMap<(String, String), Vec<Arc<Policy>>> {
        let mut groups: BTreeMap<_, Vec<Arc<Policy>>> = BTreeMap::new();
        for group in list {
            let mut policies = self.inline(&group.arn, group.group_policy_list);
            policies.extend(self.attached(&group.arn, group.attached_managed_policies, managed));
            let key = (account(&group.arn), group.group_name);
            groups.entry(key).or_default().extend(policies);
        }
        groups
    }

    fn add_user(
        &mut self,
        user: User,
        groups: &BTreeMap<(String, String), Vec<Arc<Policy>>>,
        managed: &BTreeMap<String, Arc<Policy>>,
    ) {
        let mut policies = self.inline(&user.arn, user.user_policy_list);
        policies.extend(self.attached(&user.arn, user.attached_managed_policies, managed));
        for name in user.group_list {
            if let Some(of_group) = groups.get(&(account(&user.arn), name.clone())) {
                policies.extend(of_group.iter().cloned());
            } else {
                let about = format!("group {name} of {}", user.arn);
                let missing = Policy::broken(about, "the group is not in the input");
                policies.push(Arc::new(self.noted(missing)));
            }
        }
        let boundary = self.boundary(&user.arn, user.permissions_boundary, managed);
        let mut identity = Identity {
            id: user.user_id,
            tags: tags(user.tags),
            policies,
            boundary,
            trust: None,
            arn: user.arn.clone(),
        };
        if self.users.contains_key(&user.arn) {
            self.twice(&mut identity);
        }
        self.users.insert(user.arn, identity);
    }

    fn add_role(&mut self, role: Role, managed: &BTreeMap<String, Arc<Policy>>) {
        let mut policies = self.inline(&role.arn, role.role_policy_list);
        policies.extend(self.attached(&role.arn, role.attached_managed_policies, managed));
        let name = format!("trust policy of {}", role.arn);
        let trust = match role.assume_role_policy_document {
            Some(document) => parse::policy(name, &document, Shape::Resource),
            None => Policy::broken(name, "is not in the input"),
        };
        let trust = Some(Arc::new(self.noted(trust)));
        let boundary = self.boundary(&role.arn, role.permissions_boundary, managed);
        let key = (account(&role.arn), role.role_name);
        let mut identity = Identity {
            arn: role.arn,
            id: role.role_id,
            tags: tags(role.tags),
            policies,
            boundary,
            trust,
        };
        if self.roles.contains_key(&key) {
            self.twice(&mut identity);
        }
        self.roles.insert(key, identity);
    }

    /// Which of two descriptions holds is not known, so the identity may do anything.
    fn twice(&mut self, identity: &mut Identity) {
        let broken = Policy::broken(&*identity.arn, "the identity is in the input twice");
        let broken = Arc::new(self.noted(broken));
        identity.policies.push(broken.clone());
        identity.boundary = None;
        if identity.trust.is_some() {
            identity.trust = Some(broken);
        }
    }

    fn inline(&mut self, owner: &str, list: Vec<Inline>) -> Vec<Arc<Policy>> {
        list.into_iter()
            .map(|inline| {
                let name = format!("{} of {owner}", inline.policy_name);
                let read = parse::policy(name, &inline.policy_document, Shape::Identity);
                Arc::new(self.noted(read))
            })
            .collect()
    }

    fn attached(
        &mut self,
        owner: &str,
        list: Vec<Attached>,
        managed: &BTreeMap<String, Arc<Policy>>,
    ) -> Vec<Arc<Policy>> {
        list.into_iter()
            .map(|attached| self.one(owner, &attached.policy_arn, managed))
            .collect()
    }

    fn boundary(
        &mut self,
        owner: &str,
        boundary: Option<Boundary>,
        managed: &BTreeMap<String, Arc<Policy>>,
    ) -> Option<Arc<Policy>> {
        boundary.map(|boundary| self.one(owner, &boundary.permissions_boundary_arn, managed))
    }

    fn one(
        &mut self,
        owner: &str,
        arn: &str,
        managed: &BTreeMap<String, Arc<Policy>>,
    ) -> Arc<Policy> {
        if let Some(policy) = managed.get(arn) {
            return policy.clone();
        }
        let about = format!("{arn} of {owner}");
        let missing = Policy::broken(about, "the policy is attached, but not in the input");
        Arc::new(self.noted(missing))
    }
}

fn read(text: &str) -> Result<Pages, DetailsError> {
    if text.len() > MOST_BYTES {
        return Err(DetailsError::TooLarge { bytes: text.len() });
    }
    let mut pages = Pages::default();
    let mut count = 0;
    let unreadable = |page: usize| move |source| DetailsError::Unreadable { page, source };
    if text.trim_start().starts_with('[') {
        for page in serde_json::from_str::<Vec<Page>>(text).map_err(unreadable(1))? {
            count += 1;
            pages.add(page, count)?;
        }
    } else {
        for page in serde_json::Deserializer::from_str(text).into_iter::<Page>() {
            count += 1;
            pages.add(page.map_err(unreadable(count))?, count)?;
        }
    }
    if count == 0 {
        return Err(DetailsError::Empty);
    }
    Ok(pages)
}

impl Pages {
    fn add(&mut self, page: Page, number: usize) -> Result<(), DetailsError> {
        if page.user_detail_list.is_none()
            && page.group_detail_list.is_none()
            && page.role_detail_list.is_none()
            && page.policies.is_none()
        {
            return Err(DetailsError::NotDetails { page: number });
        }
        self.users.extend(page.user_detail_list.unwrap_or_default());
        self.groups
            .extend(page.group_detail_list.unwrap_or_default());
        self.roles.extend(page.role_detail_list.unwrap_or_default());
        self.policies.extend(page.policies.unwrap_or_default());
        self.cut = page.is_truncated == Some(true);
        Ok(())
    }
}

fn account(arn: &str) -> String {
    Arn::parse(arn).map_or_else(String::new, |arn| arn.account.to_owned())
}

fn tags(list: Vec<Tag>) -> BTreeMap<String, String> {
    let lower = |tag: Tag| (tag.key.to_ascii_lowercase(), tag.value);
    list.into_iter().map(lower).collect()
}
