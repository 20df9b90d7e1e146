//! What a user agent tells: which client, on which system, and whether it is an attack tool.

/// Words in agents of tools made for attacking or surveying clouds.
const TOOLS: [&str; 18] = [
    "stratus-red-team",
    "pacu",
    "trufflehog",
    "cloudfox",
    "enumerate-iam",
    "scoutsuite",
    "aws-nuke",
    "weirdaal",
    "s3scanner",
    "kali",
    "parrot",
    "pentoo",
    "nimbostratus",
    "aws_consoler",
    "cloudsplaining",
    "androxgh0st",
    "quiet-riot",
    "awspx",
];

/// Words in agents of tools that build infrastructure from code: many writes are their trade.
const BUILDERS: [&str; 6] = [
    "terraform",
    "pulumi",
    "cloudformation",
    "aws-cdk",
    "ansible",
    "crossplane",
];

/// Words in agents of clients that people and scripts run by hand.
const HAND_TOOLS: [&str; 10] = [
    "aws-cli",
    "boto3",
    "botocore",
    "s3 browser",
    "rclone",
    "cyberduck",
    "curl",
    "python-requests",
    "powershell",
    "postman",
];

/// What an agent tells, worked out once.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent answers about one text"
)]
pub(crate) struct Client {
    pub(crate) family: String,
    pub(crate) attack_tool: bool,
    pub(crate) builder: bool,
    pub(crate) hand_tool: bool,
    pub(crate) desktop: bool,
    pub(crate) console: bool,
}

impl Client {
    /// Reads an agent.
    pub(crate) fn new(agent: &str) -> Self {
        Client {
            family: family(agent),
            attack_tool: is_attack_tool(agent),
            builder: is_builder(agent),
            hand_tool: is_hand_tool(agent),
            desktop: is_desktop(agent),
            console: is_console(agent),
        }
    }
}

/// Whether the agent names an attack tool.
pub(crate) fn is_attack_tool(agent: &str) -> bool {
    contains(agent, &TOOLS)
}

/// Whether the agent names a tool that builds infrastructure.
pub(crate) fn is_builder(agent: &str) -> bool {
    contains(agent, &BUILDERS)
}

/// Whether the agent is a client run by hand.
pub(crate) fn is_hand_tool(agent: &str) -> bool {
    contains(agent, &HAND_TOOLS)
}

/// Whether the agent names a desktop system, which no instance or function runs on.
pub(crate) fn is_desktop(agent: &str) -> bool {
    contains(
        agent,
        &[
            "darwin",
            "macos",
            "md/os#mac",
            "kali",
            "parrot",
            "windows-10",
            "windows/10",
            "windows/11",
        ],
    )
}

/// Whether the call was made by the web console or behind it.
pub(crate) fn is_console(agent: &str) -> bool {
    agent == "AWS Internal"
        || contains(
            agent,
            &["mozilla/", "console", "aws-internal/", "amazonaws.com"],
        )
}

fn contains(agent: &str, words: &[&str]) -> bool {
    let agent = agent.to_ascii_lowercase();
    words.iter().any(|word| agent.contains(word))
}

/// The client without its version, with its system: what stays the same over updates.
pub(crate) fn family(agent: &str) -> String {
    let lower = agent.trim_matches(['[', ']', ' ']).to_ascii_lowercase();
    if let Some(word) = TOOLS
        .iter()
        .chain(&BUILDERS)
        .find(|word| lower.contains(**word))
    {
        return (*word).to_owned();
    }
    if is_console(&lower) {
        return "console".to_owned();
    }
    let client = lower
        .split(['/', ' ', '_', '('])
        .next()
        .unwrap_or_default()
        .to_owned();
    let systems = ["darwin", "macos", "windows", "android", "linux"];
    let system = systems
        .iter()
        .find(|system| lower.contains(**system))
        .copied()
        .unwrap_or_default();
    format!(
        "{client} {}",
        if system == "macos" { "darwin" } else { system }
    )
    .trim_end()
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_leave_the_family() {
        assert_eq!(
            family("aws-cli/1.18.136 Python/3.8.5 Darwin/19.5.0"),
            "aws-cli darwin"
        );
        assert_eq!(
            family("[aws-cli/2.1 md/Botocore#1 os/macos#23]"),
            "aws-cli darwin"
        );
        assert_eq!(family("APN/1.0 HashiCorp/1.0 Terraform/1.1.2"), "terraform");
        assert_eq!(
            family("stratus-red-team_0a05"),
            family("stratus-red-team_ffff")
        );
        assert_eq!(family("Boto3/1.26 Python/3.10 Linux/5.19"), "boto3 linux");
    }
}
