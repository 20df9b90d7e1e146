//! Names of containers, as a log has them and as the inventory has them.

use relatch_case::model::Container;

/// The container that a log calls `id`; `None` for what is no place of credentials.
pub(super) fn container(kind: &str, id: &str, region: &str) -> Option<Container> {
    let (kind, name, region) = match kind {
        "secretsmanager" => (
            "secretsmanager",
            secret_name(id),
            region_of(id).unwrap_or(region),
        ),
        "ssm-parameter" => ("ssm", parameter_name(id), region_of(id).unwrap_or(region)),
        "lambda_environment" => ("lambda", function_name(id), region_of(id).unwrap_or(region)),
        _ => return None,
    };
    Some(Container {
        kind: kind.to_string(),
        region: region.to_string(),
        name,
    })
}

fn region_of(id: &str) -> Option<&str> {
    id.strip_prefix("arn:")?
        .split(':')
        .nth(2)
        .filter(|region| !region.is_empty())
}

/// A secret's name out of its ARN: without the six random characters that AWS appends.
fn secret_name(id: &str) -> String {
    let Some((_, name)) = id.split_once(":secret:") else {
        return id.to_string();
    };
    match name.rsplit_once('-') {
        Some((name, suffix)) if suffix.len() == 6 => name.to_string(),
        _ => name.to_string(),
    }
}

fn parameter_name(id: &str) -> String {
    id.split_once(":parameter")
        .map_or(id, |(_, name)| name)
        .to_string()
}

fn function_name(id: &str) -> String {
    let name = id.split_once(":function:").map_or(id, |(_, name)| name);
    name.split(':').next().unwrap_or(name).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_and_the_inventory_name_one_container() {
        let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/a-b-AbCdEf";
        let found = container("secretsmanager", arn, "us-east-1").expect("a container");
        assert_eq!(found.to_string(), "secretsmanager:eu-west-1:prod/a-b");
        let found = container(
            "lambda_environment",
            "arn:aws:lambda:us-east-1:1:function:f:live",
            "",
        )
        .expect("a container");
        assert_eq!(found.to_string(), "lambda:us-east-1:f");
        let found = container("ssm-parameter", "/prod/key", "us-east-1").expect("a container");
        assert_eq!(found.to_string(), "ssm:us-east-1:/prod/key");
        assert!(container("s3-object", "s3://b/k", "").is_none());
    }
}
