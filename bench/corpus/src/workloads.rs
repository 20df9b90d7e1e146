//! What runs in the organisation: services, builds, monitors, keys of users.

use crate::organisation::{Organisation, Role};
use crate::people;
use crate::random::Dice;
use crate::spec::Spec;
use crate::text::WORDS;
use crate::workers::{Act, Opens, Worker};

/// A call that reads.
pub(crate) const fn read(service: &'static str, name: &'static str, request: &'static str) -> Act {
    Act {
        service,
        name,
        reads: true,
        request,
        response: "",
    }
}

/// A call that changes something.
pub(crate) const fn write(
    service: &'static str,
    name: &'static str,
    request: &'static str,
    response: &'static str,
) -> Act {
    Act {
        service,
        name,
        reads: false,
        request,
        response,
    }
}

const SERVICE: [Act; 8] = [
    read("sqs", "GetQueueUrl", r#"{"queueName":"@w-@v-events-@n"}"#),
    read("dynamodb", "DescribeTable", r#"{"tableName":"@w-@v"}"#),
    read(
        "s3",
        "GetBucketLocation",
        r#"{"bucketName":"@w-@a-@r","location":"","Host":"s3.@r.amazonaws.com"}"#,
    ),
    read(
        "kms",
        "GenerateDataKey",
        r#"{"keyId":"arn:aws:kms:@r:@a:key/@u","keySpec":"AES_256","encryptionContext":{"aws:s3:arn":"arn:aws:s3:::@w-@a-@r"}}"#,
    ),
    read("sts", "GetCallerIdentity", ""),
    write(
        "logs",
        "CreateLogStream",
        r#"{"logGroupName":"/service/@w","logStreamName":"@w/@h@h"}"#,
        "",
    ),
    write(
        "dynamodb",
        "UpdateTimeToLive",
        r#"{"tableName":"@w-@v","timeToLiveSpecification":{"enabled":true,"attributeName":"expires"}}"#,
        "",
    ),
    read(
        "ecr",
        "BatchGetImage",
        r#"{"repositoryName":"@w/@v","registryId":"@a","imageIds":[{"imageTag":"release-@n@n"}],"acceptedMediaTypes":["application/vnd.docker.distribution.manifest.v2+json","application/vnd.oci.image.manifest.v1+json"]}"#,
    ),
];

const TERRAFORM: [Act; 14] = [
    read("iam", "GetRole", r#"{"roleName":"@v-runtime"}"#),
    read("iam", "ListRolePolicies", r#"{"roleName":"@v-runtime"}"#),
    read(
        "iam",
        "ListAttachedRolePolicies",
        r#"{"roleName":"@v-runtime"}"#,
    ),
    read(
        "ec2",
        "DescribeVpcs",
        r#"{"vpcSet":{"items":[{"vpcId":"vpc-@h"}]},"filterSet":{}}"#,
    ),
    read(
        "ec2",
        "DescribeSecurityGroups",
        r#"{"securityGroupSet":{},"securityGroupIdSet":{"items":[{"groupId":"sg-@h"}]},"filterSet":{}}"#,
    ),
    read(
        "ec2",
        "DescribeRouteTables",
        r#"{"routeTableIdSet":{"items":[{"routeTableId":"rtb-@h"}]},"filterSet":{}}"#,
    ),
    read(
        "lambda",
        "GetFunction20150331v2",
        r#"{"functionName":"@v-worker"}"#,
    ),
    read(
        "ecs",
        "DescribeTaskDefinition",
        r#"{"taskDefinition":"arn:aws:ecs:@r:@a:task-definition/@v:@n","include":["TAGS"]}"#,
    ),
    read(
        "secretsmanager",
        "DescribeSecret",
        r#"{"secretId":"prod/@v/database"}"#,
    ),
    read(
        "s3",
        "GetBucketPolicy",
        r#"{"bucketName":"@v-@a-@r","policy":"","Host":"@v-@a-@r.s3.@r.amazonaws.com"}"#,
    ),
    read(
        "rds",
        "DescribeDBInstances",
        r#"{"dBInstanceIdentifier":"@v-main"}"#,
    ),
    write(
        "ecs",
        "RegisterTaskDefinition",
        r#"{"family":"@v","networkMode":"awsvpc","containerDefinitions":[{"name":"@v","image":"@a.dkr.ecr.@r.amazonaws.com/@v:release-@n","essential":true,"environment":"HIDDEN_DUE_TO_SECURITY_REASONS"}]}"#,
        r#"{"taskDefinition":{"taskDefinitionArn":"arn:aws:ecs:@r:@a:task-definition/@v:@n","family":"@v","revision":@n,"status":"ACTIVE"}}"#,
    ),
    write(
        "lambda",
        "UpdateFunctionCode20150331v2",
        r#"{"functionName":"@v-worker","s3Bucket":"builds-@a","s3Key":"@v/@h.zip","dryRun":false,"publish":false}"#,
        r#"{"functionName":"@v-worker","functionArn":"arn:aws:lambda:@r:@a:function:@v-worker","runtime":"python3.12","codeSize":@n,"lastUpdateStatus":"InProgress"}"#,
    ),
    write(
        "iam",
        "AttachRolePolicy",
        r#"{"roleName":"@v-runtime","policyArn":"arn:aws:iam::@a:policy/@v-access"}"#,
        "",
    ),
];

const MONITOR: [Act; 6] = [
    read(
        "ec2",
        "DescribeInstances",
        r#"{"maxResults":1000,"instancesSet":{},"filterSet":{}}"#,
    ),
    read("monitoring", "DescribeAlarms", r#"{"maxRecords":100}"#),
    read("rds", "DescribeDBInstances", r#"{"maxRecords":100}"#),
    read(
        "elasticloadbalancing",
        "DescribeTargetHealth",
        r#"{"targetGroupArn":"arn:aws:elasticloadbalancing:@r:@a:targetgroup/@v/@h"}"#,
    ),
    read(
        "autoscaling",
        "DescribeAutoScalingGroups",
        r#"{"maxRecords":100}"#,
    ),
    read("lambda", "ListFunctions20150331", r#"{"maxItems":50}"#),
];

const TRAIL: [Act; 2] = [
    read(
        "s3",
        "GetBucketAcl",
        r#"{"bucketName":"organisation-trail","Host":"organisation-trail.s3.@r.amazonaws.com","acl":""}"#,
    ),
    read(
        "kms",
        "GenerateDataKey",
        r#"{"keyId":"arn:aws:kms:@r:@a:key/@u","keySpec":"AES_256","encryptionContext":{"aws:cloudtrail:arn":"arn:aws:cloudtrail:@r:@a:trail/organisation-trail","aws:s3:arn":"arn:aws:s3:::organisation-trail/AWSLogs/@a/CloudTrail/@r/@h"}}"#,
    ),
];

const KEY: [Act; 4] = [
    read("sts", "GetCallerIdentity", ""),
    read("s3", "ListBuckets", r#"{"Host":"s3.@r.amazonaws.com"}"#),
    read("ses", "GetSendQuota", ""),
    read(
        "sqs",
        "GetQueueAttributes",
        r#"{"queueUrl":"https://sqs.@r.amazonaws.com/@a/@w-@v","attributeNames":["ApproximateNumberOfMessages"]}"#,
    ),
];

/// Everybody at work, people included. A larger log has more of them.
pub(crate) fn all(spec: &Spec, of: &Organisation, dice: &mut Dice) -> Vec<Worker> {
    let scale = usize::try_from(1 + spec.events / 60_000)
        .unwrap_or(1)
        .min(8);
    let mut workers = owner(of);
    for number in 0..scale {
        for account in 0..of.accounts.len() {
            for word in 0..6 {
                let word = WORDS[(word + number * 6 + account) % WORDS.len()];
                workers.push(machine(of, account, word, dice));
            }
        }
    }
    for account in 0..of.accounts.len() {
        workers.push(terraform(of, account, dice));
        workers.push(monitor(of, account, dice));
        workers.push(trail(of, account));
    }
    workers.extend(keys(of));
    workers.extend(people::all(of, scale, dice));
    workers
}

/// A worker in an account, with nothing to do yet.
pub(crate) fn worker(of: &Organisation, account: usize, role: Role, opens: Opens) -> Worker {
    Worker {
        weight: 10,
        opens,
        role,
        session: String::new(),
        region: of.regions[0],
        word: WORDS[0],
        address: of.gateways[account].clone(),
        agent: String::new(),
        life: 6 * 3_600,
        secrets: Vec::new(),
        parameters: Vec::new(),
        reading: 0,
        acts: &SERVICE,
        burst: 1,
        person: false,
        owner: false,
        moves: None,
        caller: None,
        until: 0,
    }
}

/// The user whose key leaks, and the role that this user takes.
fn owner(of: &Organisation) -> Vec<Worker> {
    let account = &of.accounts[0];
    let by_key = Role {
        account: account.clone(),
        name: String::new(),
        id: String::new(),
    };
    let secrets: Vec<_> = of
        .secrets_of(account)
        .into_iter()
        .take(3)
        .cloned()
        .collect();
    let place = |worker: Worker| Worker {
        address: of.owner_address.clone(),
        agent: of.owner_agent.to_string(),
        secrets: secrets.clone(),
        owner: true,
        moves: of.owner_moves.clone(),
        ..worker
    };
    let key = worker(of, 0, by_key, Opens::Key(of.owner.clone()));
    let busy = worker(of, 0, of.busy.clone(), Opens::Owner);
    let by_key = key.role.clone();
    let key = Worker {
        weight: 18,
        reading: 55,
        acts: &KEY,
        life: i64::MAX / 2,
        ..key
    };
    let mut owner = vec![
        place(key),
        place(Worker {
            weight: 14,
            session: of.busy_session.clone(),
            reading: 40,
            life: 3_600,
            ..busy
        }),
    ];
    if of.owner_at_office {
        owner.push(Worker {
            weight: 3,
            address: of.office.clone(),
            agent: people::CLI.to_string(),
            acts: &KEY,
            secrets,
            reading: 15,
            life: i64::MAX / 2,
            person: true,
            owner: true,
            ..worker(of, 0, by_key, Opens::Key(of.owner.clone()))
        });
    }
    owner
}

/// A task, a function, an instance or a build that works for one service.
fn machine(of: &Organisation, account: usize, word: &'static str, dice: &mut Dice) -> Worker {
    let id = of.accounts[account].as_str();
    let secrets: Vec<_> = of
        .secrets_of(id)
        .into_iter()
        .filter(|secret| secret.name.contains(word))
        .cloned()
        .collect();
    let parameters: Vec<_> = of
        .parameters_of(id)
        .into_iter()
        .filter(|parameter| parameter.name.contains(word))
        .cloned()
        .collect();
    let (kind, opens, session, agent): (_, _, _, &str) = match dice.below(5) {
        0 => (
            "task",
            Opens::Service("ecs-tasks.amazonaws.com"),
            dice.hex(32),
            "aws-sdk-java/2.25.40 md/io#sync md/http#Apache ua/2.0 os/Linux#5.10.218-208.862.amzn2.x86_64 lang/java#17.0.11 md/OpenJDK_64-Bit_Server_VM#17.0.11+9-LTS md/vendor#Amazon.com_Inc. exec-env/AWS_ECS_FARGATE",
        ),
        1 => (
            "function",
            Opens::Service("lambda.amazonaws.com"),
            format!("{word}-worker"),
            "Boto3/1.34.145 md/Botocore#1.34.145 ua/2.0 os/linux#5.10.219-229.866.amzn2.x86_64 md/arch#x86_64 lang/python#3.12.4 md/pyimpl#CPython exec-env/AWS_Lambda_python3.12 cfg/retry-mode#legacy Botocore/1.34.145",
        ),
        2 => (
            "instance",
            Opens::Service("ec2.amazonaws.com"),
            format!("i-{}", dice.hex(17)),
            "aws-sdk-go-v2/1.30.3 os/linux lang/go#1.22.5 md/GOOS#linux md/GOARCH#amd64 api/secretsmanager#1.32.4",
        ),
        3 => (
            "build",
            Opens::Web,
            "builds".to_string(),
            "aws-sdk-nodejs/3.609.0 os/linux/6.5.0-1022 lang/js md/nodejs/20.14.0 api/sts/3.609.0",
        ),
        _ => (
            "pod",
            Opens::Unseen,
            format!("{word}-{}", dice.digits(10)),
            "aws-sdk-go-v2/1.26.0 os/linux lang/go#1.22.1 md/GOOS#linux md/GOARCH#arm64 exec-env/AWS_EKS",
        ),
    };
    let regions = &of.regions;
    let region = if dice.chance(65) {
        regions[0]
    } else {
        *dice.pick(regions)
    };
    let role = Role::new(id, &format!("{word}-{kind}"), dice);
    Worker {
        session,
        region,
        word,
        agent: agent.to_string(),
        secrets,
        parameters,
        reading: 45,
        ..worker(of, account, role, opens)
    }
}

fn terraform(of: &Organisation, account: usize, dice: &mut Dice) -> Worker {
    let role = Role::new(&of.accounts[account], "terraform-apply", dice);
    Worker {
        weight: 5,
        session: "terraform".to_string(),
        agent: "APN/1.0 HashiCorp/1.0 Terraform/1.8.5 (+https://www.terraform.io) terraform-provider-aws/5.58.0 (+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go-v2/1.30.1 os/linux lang/go#1.22.4 md/GOOS#linux md/GOARCH#amd64".to_string(),
        life: 3_600,
        secrets: of.secrets_of(&of.accounts[account]).into_iter().cloned().collect(),
        reading: 6,
        acts: &TERRAFORM,
        burst: 8,
        word: "platform",
        ..worker(of, account, role, Opens::Web)
    }
}

fn monitor(of: &Organisation, account: usize, dice: &mut Dice) -> Worker {
    let role = Role::new(&of.accounts[account], "vendor-monitoring", dice);
    Worker {
        weight: 12,
        session: "VendorIntegration".to_string(),
        address: format!("198.18.200.{}", 10 + account),
        agent: "Boto3/1.28.62 md/Botocore#1.31.62 ua/2.0 os/linux#5.15.0 md/arch#x86_64 lang/python#3.9.18 md/pyimpl#CPython cfg/retry-mode#standard Botocore/1.31.62".to_string(),
        life: 3_600,
        acts: &MONITOR,
        burst: 3,
        region: of.regions[dice.below(of.regions.len())],
        ..worker(of, account, role, Opens::Outside)
    }
}

fn trail(of: &Organisation, account: usize) -> Worker {
    let id = of.accounts[account].clone();
    let role = Role {
        account: id,
        name: String::new(),
        id: String::new(),
    };
    let opens = Opens::Itself("cloudtrail.amazonaws.com");
    Worker {
        weight: 8,
        acts: &TRAIL,
        ..worker(of, account, role, opens)
    }
}

/// Users with long-lived keys.
fn keys(of: &Organisation) -> Vec<Worker> {
    const AGENT: &str = "aws-cli/2.15.57 md/awscrt#0.19.19 ua/2.0 os/linux#5.15.0-113 md/arch#x86_64 lang/python#3.11.8 md/pyimpl#CPython cfg/retry-mode#standard md/installer#exe md/prompt#off md/command#secretsmanager.get-secret-value";
    let worker = |user: &crate::organisation::User| {
        let role = Role {
            account: user.account.clone(),
            name: String::new(),
            id: String::new(),
        };
        let secrets = of
            .secrets_of(&user.account)
            .into_iter()
            .skip(4)
            .take(3)
            .cloned();
        Worker {
            weight: 8,
            agent: AGENT.to_string(),
            secrets: secrets.collect(),
            reading: 40,
            acts: &KEY,
            life: i64::MAX / 2,
            person: user.name.contains('.'),
            ..worker(of, 0, role, Opens::Key(user.clone()))
        }
    };
    of.users.iter().map(worker).collect()
}
