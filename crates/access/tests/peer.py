"""Answers questions by the policy engine of ministack: one JSON object a line in, one word out."""

import json
import sys

from ministack.core import iam_evaluator as engine


def answer(case):
    context = {key.lower(): (None if not values else values if key == "aws:TagKeys" else values[0])
               for key, values in case["context"]}
    request = engine.EvalContext(
        principal_arn=case["principal"],
        principal_type="AssumedRole" if case["of_role"] else "User",
        principal_account="111122223333",
        action=case["action"],
        resource_arn=case["resource"],
        region="eu-central-1",
        secure_transport=context.get("aws:securetransport") == "true",
        tag_keys=context.get("aws:tagkeys"),
        service_context=context,
    )
    parse = engine.parse_policy_document
    limits = []
    if case["boundary"] is not None:
        limits.append([parse(case["boundary"])])
    if case["session"]:
        limits.append([parse(policy) for policy in case["session"]])
    identity = engine.evaluate(request, [parse(policy) for policy in case["identity"]], *limits)
    combined = engine.combine_resource_policy(
        identity, request, case["resource_policy"], case["owner"],
        required=case["action"].startswith("kms:"), limits=tuple(limits))
    return combined.decision


for line in sys.stdin:
    print(answer(json.loads(line)))
