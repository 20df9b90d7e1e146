//! People: single sign-on, the web console, and the command line, by day.

use crate::organisation::{Organisation, Role};
use crate::random::Dice;
use crate::workers::{Act, Opens, Worker};
use crate::workloads::{read, worker, write};

const CONSOLE: [Act; 10] = [
    read(
        "ec2",
        "DescribeInstances",
        r#"{"maxResults":50,"instancesSet":{},"filterSet":{}}"#,
    ),
    read(
        "ec2",
        "DescribeRegions",
        r#"{"regionSet":{},"allRegions":true}"#,
    ),
    read(
        "health",
        "DescribeEventAggregates",
        r#"{"aggregateField":"eventTypeCategory","filter":{"eventStatusCodes":["open","upcoming"]}}"#,
    ),
    read(
        "cloudwatch",
        "DescribeAlarms",
        r#"{"maxRecords":100,"alarmTypes":["MetricAlarm","CompositeAlarm"]}"#,
    ),
    read(
        "logs",
        "DescribeLogGroups",
        r#"{"limit":50,"logGroupNamePattern":"/service/@v"}"#,
    ),
    read(
        "lambda",
        "GetFunctionConfiguration20150331v2",
        r#"{"functionName":"@v-worker"}"#,
    ),
    read(
        "ecs",
        "DescribeServices",
        r#"{"cluster":"main","services":["@v"]}"#,
    ),
    read("rds", "DescribeDBClusters", r#"{"maxRecords":100}"#),
    read("notifications", "ListNotificationHubs", ""),
    read(
        "ce",
        "GetCostAndUsage",
        r#"{"timePeriod":{"start":"2026-05-01","end":"2026-06-01"},"granularity":"MONTHLY","metrics":["UnblendedCost"]}"#,
    ),
];

const ADMIN: [Act; 7] = [
    read("iam", "ListUsers", r#"{"maxItems":100}"#),
    read("iam", "ListAccessKeys", r#"{"userName":"svc-@v"}"#),
    read("iam", "GetAccountSummary", ""),
    read("iam", "ListRoles", r#"{"maxItems":100}"#),
    write(
        "iam",
        "CreateUser",
        r#"{"userName":"svc-@w-extra"}"#,
        r#"{"user":{"path":"/","userName":"svc-@w-extra","arn":"arn:aws:iam::@a:user/svc-@w-extra"}}"#,
    ),
    write(
        "iam",
        "TagUser",
        r#"{"userName":"svc-@v","tags":[{"key":"owner","value":"@v"}]}"#,
        "",
    ),
    write(
        "iam",
        "DeleteAccessKey",
        r#"{"userName":"svc-@v","accessKeyId":"AKIAREPLACEDLONGAGO2"}"#,
        "",
    ),
];

const SHELL: [Act; 6] = [
    read("sts", "GetCallerIdentity", ""),
    read(
        "ecs",
        "ListTasks",
        r#"{"cluster":"main","serviceName":"@v"}"#,
    ),
    read(
        "ecs",
        "DescribeTaskDefinition",
        r#"{"taskDefinition":"@v:@n"}"#,
    ),
    read(
        "logs",
        "FilterLogEvents",
        r#"{"logGroupName":"/service/@v","limit":100}"#,
    ),
    read(
        "cloudformation",
        "DescribeStacks",
        r#"{"stackName":"@v-service"}"#,
    ),
    read("secretsmanager", "ListSecrets", r#"{"maxResults":100}"#),
];

const AGENT: &str = "AWS Internal";
/// The command line of people.
pub(crate) const CLI: &str = "aws-cli/2.17.9 md/awscrt#0.20.11 ua/2.0 os/macos#23.5.0 md/arch#arm64 lang/python#3.11.9 md/pyimpl#CPython cfg/retry-mode#standard md/installer#source md/prompt#off md/command#sts.get-caller-identity";

const NAMES: [&str; 8] = [
    "ines.moor",
    "tom.hale",
    "li.wang",
    "sara.lind",
    "omar.aziz",
    "eva.novak",
    "jan.dijk",
    "mia.rossi",
];

/// Everybody who signs in.
pub(crate) fn all(of: &Organisation, scale: usize, dice: &mut Dice) -> Vec<Worker> {
    let mut people = Vec::new();
    for number in 0..NAMES.len() * scale.min(3) {
        let account = number % of.accounts.len();
        let end = if number < NAMES.len() {
            String::new()
        } else {
            number.to_string()
        };
        let name = format!("{}{end}@example.com", NAMES[number % NAMES.len()]);
        people.push(person(of, account, number, &name, dice));
    }
    people
}

fn person(of: &Organisation, account: usize, number: usize, name: &str, dice: &mut Dice) -> Worker {
    let id = of.accounts[account].as_str();
    let (set, acts, opens, agent): (_, &'static [Act], _, _) = match number % 4 {
        0 => ("PowerUser", &CONSOLE, Opens::Console, AGENT),
        1 => ("Developer", &SHELL, Opens::Unseen, CLI),
        2 => ("Developer", &CONSOLE, Opens::Console, AGENT),
        _ => ("Administrator", &ADMIN, Opens::Console, AGENT),
    };
    let role = Role::new(id, &format!("AWSReservedSSO_{set}_{}", dice.hex(16)), dice);
    let secrets = of.secrets_of(id);
    let first = dice.below(secrets.len() - 3);
    let home = number.is_multiple_of(3);
    Worker {
        weight: 8,
        session: name.to_string(),
        address: if home {
            format!("198.19.{}.{}", 20 + number, 7)
        } else {
            of.office.clone()
        },
        agent: agent.to_string(),
        life: 8 * 3_600,
        secrets: secrets[first..first + 3].iter().copied().cloned().collect(),
        reading: 5,
        acts,
        burst: 4,
        person: true,
        ..worker(of, account, role, opens)
    }
}
