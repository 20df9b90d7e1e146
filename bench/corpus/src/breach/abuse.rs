//! Models, services that act on the attacker's behalf, and the trail itself.

use super::Story;
use crate::call::Call;

const MODEL: &str = "anthropic.claude-3-5-sonnet-20240620-v1:0";

impl Story<'_> {
    /// A call of a model.
    pub(super) fn invoke(&mut self, region: &'static str) -> Call {
        let call = Call::new(
            self.tick(),
            "bedrock",
            "InvokeModel",
            region,
            self.account(),
        );
        call.asking(|json| json.text("modelId", MODEL))
    }

    pub(super) fn bedrock(&mut self) {
        let hand = self.key.clone();
        for name in [
            "ListFoundationModels",
            "GetModelInvocationLoggingConfiguration",
        ] {
            self.plain(&hand, "bedrock", name);
        }
        for region in self.of.regions.clone() {
            let mut call = self.begin("bedrock", "GetFoundationModelAvailability");
            call.region = region;
            let call = call.asking(|json| json.text("modelId", MODEL));
            self.make(&hand, &call);
            let mut probe = self.invoke(region);
            let reason = "max_tokens_to_sample: range: 1..1,000,000".to_string();
            probe.error = Some(("ValidationException", reason));
            self.make(&hand, &probe);
            for _ in 0..5 {
                let call = self.invoke(region);
                self.make(&hand, &call);
            }
        }
        self.refused(&hand, "bedrock", "PutUseCaseForModelAccess");
    }

    /// A query and a stack: their services go on working after the call.
    pub(super) fn on_behalf(&mut self) {
        let hand = self.strong.clone();
        let call = self
            .begin("athena", "StartQueryExecution")
            .writing()
            .asking(|json| {
                json.text("queryString", "SELECT * FROM \"customers\" LIMIT 1000");
                json.text("workGroup", "primary");
            });
        let id = self.make(&hand, &call);
        for name in ["GetTable", "GetPartitions"] {
            let then = Call::new(call.at + 1, "glue", name, call.region, &call.account);
            self.through(&hand, "athena.amazonaws.com", &id, &then);
        }
        self.pause(60, 120);
        let call = self
            .begin("cloudformation", "CreateStack")
            .writing()
            .asking(|json| {
                json.text("stackName", "network-check");
                json.list("capabilities", &["CAPABILITY_IAM"]);
            });
        let id = self.make(&hand, &call);
        for (after, service, name) in [
            (3, "ec2", "DescribeVpcs"),
            (9, "ec2", "DescribeSubnets"),
            (28, "iam", "GetRole"),
        ] {
            let then = Call::new(call.at + after, service, name, call.region, &call.account);
            self.through(&hand, "cloudformation.amazonaws.com", &id, &then);
        }
        self.pause(60, 120);
    }

    pub(super) fn stop_logging(&mut self) {
        let hand = self.strong.clone();
        for name in ["DescribeTrails", "GetTrailStatus"] {
            self.plain(&hand, "cloudtrail", name);
        }
        for name in ["StopLogging", "DeleteTrail"] {
            let call = self.begin("cloudtrail", name).writing();
            let call = call.asking(|json| json.text("name", "organisation-trail"));
            let call = call.denied(&hand.caller);
            self.make(&hand, &call);
        }
    }
}
