from __future__ import annotations

import pytest
from ansible_collections.concert.platform.plugins.module_utils.stack.remedies import CATALOGUE, DEFAULT, known, remedy

USER = "User: arn:aws:sts::123456789012:assumed-role/deployer/run"
# AWS's words, as its services and CloudFormation give them, and the entry that must answer.
REASONS = [
    ("Requires capabilities : [CAPABILITY_NAMED_IAM]", "capability"),
    ("InsufficientCapabilitiesException Requires capabilities : [CAPABILITY_AUTO_EXPAND]", "capability"),
    (
        "demo-queue already exists in stack arn:aws:cloudformation:eu-central-1:123456789012:stack/x/1",
        "held-by-another-stack",
    ),
    (
        "Role with name demo already exists. (Service: Iam, Status Code: 409, Error Code: EntityAlreadyExists)",
        "name-taken",
    ),
    ("Resource handler returned message: 'Table already exists: x' (HandlerErrorCode: AlreadyExists)", "name-taken"),
    ("The requested bucket name is not available. The bucket namespace is shared by all users", "bucket-name-taken"),
    ("The maximum number of VPCs has been reached. (Error Code: VpcLimitExceeded)", "limit"),
    ("Resource handler returned message: 'Cannot exceed quota for PoliciesPerRole: 10'", "limit"),
    ("You have attempted to create more buckets than allowed (Error Code: TooManyBuckets)", "limit"),
    ("The role defined for the function cannot be assumed by Lambda.", "role-not-assumable"),
    ("Role arn:aws:iam::1:role/x is invalid or cannot be assumed", "role-not-assumable"),
    ("The bucket you tried to delete is not empty (Service: S3; Error Code: BucketNotEmpty)", "bucket-not-empty"),
    ("Export a:b cannot be updated as it is in use by demo-compute", "export-in-use"),
    ("Export a cannot be deleted as it is in use by b", "export-in-use"),
    ("Export a is imported by stack b", "export-in-use"),
    ("Export with name a is already exported by stack b. Rollback requested by user.", "export-taken"),
    ("No updates are to be performed.", "no-updates"),
    ("The submitted information didn't contain changes. Submit different information", "no-updates"),
    (
        "Update of resource type is not permitted. The new template modifies resource type of the following "
        "resources: [Queue]",
        "type-changed",
    ),
    (f"{USER} is not authorized to perform: sqs:CreateQueue on resource: arn:aws:sqs:x", "access-denied-action"),
    (
        "API: iam:CreateRole User: arn:x is not authorized to perform: iam:CreateRole on resource: x",
        "access-denied-action",
    ),
    (
        f"{USER} is not authorized to perform: ec2:CreateVpc with an explicit deny in a service control policy",
        "denied-by-organization",
    ),
    ("Access Denied (Service: S3, Status Code: 403, Request ID: 1)", "access-denied"),
    ("AccessDeniedException Access Denied", "access-denied"),
    ("API: ec2:CreateSubnet You are not authorized to perform this operation.", "access-denied"),
    (
        "Properties validation failed for resource Q with message: [#: extraneous key [Nmae] is not permitted]",
        "property",
    ),
    ("Encountered unsupported property Nmae", "property"),
    ("Value of property SubnetIds must be of type List of String", "property"),
    ("Property validation failure: [The property {/Code} is required]", "property"),
    ("Parameters: [Environment] must have values", "parameter"),
    (
        "1 validation error detected: Value '0' at 'shardCount' failed to satisfy constraint: Member must have",
        "parameter",
    ),
    ("Invalid request provided: Unreserved concurrency (InvalidRequest)", "parameter"),
    ("No export named concert-Vpc found. Rollback requested by user.", "export-missing"),
    ("The specified KMS key does not exist or is not allowed to be used with LogGroup 'x'", "kms-access"),
    (f"{USER} is not authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:x", "kms-access"),
    (f"{USER} is not authorized to perform: kms:CreateKey", "kms-not-granted"),
    (
        f"{USER} is not authorized to perform: kms:TagResource because no identity-based policy allows",
        "kms-not-granted",
    ),
    ("KMS key arn:aws:kms:x is disabled (Error Code: KMSInvalidStateException)", "kms-access"),
    ("The specified subnet does not have enough free addresses to satisfy the request.", "ip-shortage"),
    ("insufficient free addresses in subnet (Error Code: InsufficientFreeAddressesInSubnet)", "ip-shortage"),
    ("Redshift Serverless needs at least three subnets in at least three Availability Zones", "zone"),
    ("Your requested instance type is not supported in your requested Availability Zone (eu-central-1a)", "zone"),
    ("Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key", "code-missing"),
    ("The subnet 'subnet-1' has dependencies and cannot be deleted. (DependencyViolation)", "interface-in-use"),
    ("resource sg-1 has a dependent object", "interface-in-use"),
    ("Network interface eni-1 is currently in use.", "interface-in-use"),
    ("CloudWatch Logs role ARN must be set in account settings to enable logging", "api-gateway-account-role"),
    ("Rate exceeded (Service: AWSLambda; Status Code: 429; Error Code: TooManyRequestsException)", "throttling"),
    ("Throttling Rate exceeded", "throttling"),
    ("ThrottlingException: Request was throttled", "throttling"),
    ("Resource timed out waiting for completion", "timeout"),
    ("Exceeded attempts to wait", "timeout"),
    ("Resource did not stabilize.", "timeout"),
    ("The policy failed legacy parsing (Error Code: MalformedPolicyDocument)", "policy-malformed"),
    ("Syntax errors in policy. (Error Code: MalformedPolicyDocument)", "policy-malformed"),
    ('Invalid principal in policy: "AWS":"arn:aws:iam::1:role/x" (MalformedPolicyDocument)', "policy-principal"),
    ("Policy contains a statement with one or more invalid principals.", "policy-principal"),
    ("Cannot perform more than one GSI creation or deletion in a single update", "index-limit"),
    (
        "1 validation error detected: Value 'x' at 'templateBody' failed to satisfy constraint: Member must have "
        "length less than or equal to 51200",
        "template-too-large",
    ),
    ("Template format error: Number of resources, 501, is greater than maximum allowed, 500", "template-too-large"),
    (
        "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename x and update",
        "custom-name-replacement",
    ),
    (
        "You can't create this secret because a secret with this name is already scheduled for deletion.",
        "scheduled-for-deletion",
    ),
    ("Action denied by stack policy: Statement [#1] does not allow [Update:Replace] for resource [x]", "stack-policy"),
    ("Stack [x] cannot be deleted while TerminationProtection is enabled", "termination-protection"),
    ("Stack:arn:x is in UPDATE_IN_PROGRESS state and can not be updated.", "another-operation"),
    ("Template format error: Unresolved resource dependencies [X] in the Resources block", "unresolved"),
    ("Circular dependency between resources: [A, B]", "unresolved"),
    ("The AWS Access Key Id needs a subscription for the service (OptInRequired)", "subscription"),
    ("Function not found: arn:x (Service: Lambda, Status Code: 404, ResourceNotFoundException)", "gone"),
]


@pytest.mark.parametrize(("reason", "kind"), REASONS, ids=[f"{kind}-{n}" for n, (_, kind) in enumerate(REASONS)])
def test_the_particular_entry_answers(reason: str, kind: str) -> None:
    found = known(reason)
    assert found is not None
    assert found.kind == kind
    said = remedy(reason)
    assert said.endswith(".")
    assert "\n" not in said
    assert "{" not in said


def test_every_entry_is_shown_at_work() -> None:
    kinds = [entry.kind for entry in CATALOGUE]
    assert len(kinds) == len(set(kinds)) >= 20
    assert set(kinds) == {kind for _, kind in REASONS}


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (f"{USER} is not authorized to perform: sqs:CreateQueue on resource: x", "Grant sqs:CreateQueue to the"),
        (
            f"{USER} is not authorized to perform: ec2:CreateVpc on resource: x with an explicit deny in a service "
            "control policy: arn:x",
            "A service control policy denies ec2:CreateVpc explicitly",
        ),
    ],
)
def test_the_missing_action_is_named(reason: str, words: str) -> None:
    assert words in remedy(reason)


def test_an_unknown_reason_has_an_answer_too() -> None:
    assert known("something new") is None
    assert remedy("something new") == DEFAULT
