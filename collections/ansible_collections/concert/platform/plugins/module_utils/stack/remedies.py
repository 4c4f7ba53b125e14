"""AWS's reason → what to do about it. The one catalogue: a failure's second sentence comes from here.

The first entry that matches is the answer, so the particular stands before the general. `{name}` in a remedy is what
the pattern's group of that name found.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """A reason that AWS gives, and its remedy in a sentence or two. `kind` names it in tests."""

    kind: str
    pattern: re.Pattern[str]
    remedy: str


def _known(kind: str, pattern: str, remedy: str) -> Known:
    return Known(kind, re.compile(pattern, re.IGNORECASE | re.DOTALL), remedy)


CATALOGUE: tuple[Known, ...] = (
    # Rights
    _known(
        "api-gateway-account-role",
        r"CloudWatch Logs role ARN must be set in account settings",
        "API Gateway needs its account-wide log role first: let one stack of this region manage it "
        "(compute_manage_api_gateway_account: true), then run again.",
    ),
    _known(
        "stack-policy",
        r"denied by stack policy",
        "The stack's own policy protects this resource: change the layer's stack policy in the inventory and deploy "
        "that, then run again.",
    ),
    _known(
        "kms-not-granted",
        r"not authorized to perform:? ?(?P<action>kms:(?:(?:Create|List)\w+|\w+(?=.*no identity-based policy)))",
        "Grant {action} to the deploying role, then run again.",
    ),
    _known(
        "kms-access",
        r"KMS key.{0,200}(not (exist|allowed|accessible)|is disabled|pending deletion|access)"
        r"|kms:\w+.{0,40}on resource|KMSAccessDenied|KMSInvalidState|KMSKeyNotAccessible|KMS\.\w+Exception"
        r"|not authorized to perform: kms:",
        "The key does not let its user in: allow the service or role in the key's policy, and check that the key is "
        "enabled and in this region.",
    ),
    _known(
        "denied-by-organization",
        r"not authorized to perform:? ?(?P<action>[\w-]+:\w+).*explicit deny in a (?P<policy>service control policy"
        r"|permissions boundary|resource-based policy|identity-based policy)",
        "A {policy} denies {action} explicitly; no grant helps: have that policy changed, then run again.",
    ),
    _known(
        "access-denied-action",
        r"not authorized to perform:? ?(?:the )?(?P<action>[\w-]+:\w+)",
        "Grant {action} to the deploying role, then run again.",
    ),
    _known(
        "access-denied",
        r"not authorized|AccessDenied|Access Denied|UnauthorizedOperation|is not allowed to"
        r"|do(es)? not have .{0,40}permission",
        "Grant the deploying role this action, then run again.",
    ),
    _known(
        "held-by-another-stack",
        r"already exists in stack",
        "Another stack holds it, and one resource is in one stack only: give this one another name, or take it out of "
        "that stack first.",
    ),
    _known(
        "type-changed",
        r"Update of resource type is not permitted",
        "A logical id keeps its type: give the new resource another logical id; the old one is removed by that.",
    ),
    _known(
        "capability",
        r"InsufficientCapabilities|Requires capabilities",
        "The template makes IAM resources or uses a macro where this engine does not see it (a transform or a nested "
        "stack): declare them in the template itself.",
    ),
    _known(
        "role-not-assumable",
        r"cannot be assumed by|role.{0,200}(cannot be assumed|is invalid or)|unable to assume role"
        r"|not (?:able|authorized) to assume",
        "A new role takes some seconds to be known everywhere: run again; if it stays, check its trust policy.",
    ),
    _known(
        "policy-principal",
        r"invalid principal|PrincipalNotFound",
        "A policy names a principal that does not exist (yet): correct the ARN, or make the role before the policy "
        "that names it.",
    ),
    _known(
        "policy-malformed",
        r"MalformedPolicy|policy.{0,60}(syntax error|malformed|invalid json|failed legacy parsing)"
        r"|must contain resources|has prohibited field|vendor .{0,40}is not valid",
        "The policy document is not valid: correct its statements in the template, then run again.",
    ),
    # Other stacks
    _known(
        "export-missing",
        r"No export named (?P<export>\S+?)[\s.]",
        "Deploy the stack that exports it first, then run again.",
    ),
    _known(
        "export-in-use",
        r"Export .{0,200}in use by|cannot (delete|update) export|is imported by stack",
        "Deploy the stacks that import it without it first, or keep its value.",
    ),
    _known(
        "export-taken",
        r"is already exported by stack",
        "Give the export another name, or take it from the other stack first.",
    ),
    _known(
        "termination-protection",
        r"TerminationProtection is enabled|termination protection",
        "Switch the protection off in the inventory and deploy that first.",
    ),
    _known(
        "another-operation",
        r"is in \w+_IN_PROGRESS state|OperationInProgress|another operation.{0,40}in progress"
        r"|ResourceConflict.{0,80}in progress|update is in progress",
        "Something else is at work on it: wait until that has ended, then run again.",
    ),
    # Names and limits
    _known(
        "index-limit",
        r"more than one GSI|Subscriber limit exceeded.{0,80}index|GSI.{0,60}(in a single update|limit)",
        "DynamoDB adds or removes one global index per update: deploy the indexes one after the other.",
    ),
    _known(
        "scheduled-for-deletion",
        r"scheduled for deletion",
        "It was deleted and waits for its recovery window: restore it and import it, or give the new one another name.",
    ),
    _known(
        "custom-name-replacement",
        r"custom-named resource requires replacing",
        "Give the resource another name in the template, then run again.",
    ),
    _known(
        "template-too-large",
        r"templateBody.{0,120}less than or equal to|template.{0,60}(too large|exceeds? the (maximum|limit))"
        r"|at most \d+ (resources|outputs|parameters)|number of (resources|outputs|parameters).{0,60}greater than",
        "Name a bucket in template_bucket for a template over 51,200 bytes; split the stack beyond AWS's limits.",
    ),
    _known(
        "bucket-name-taken",
        r"requested bucket name is not available|BucketAlreadyExists(?!\w)",
        "Bucket names are global and this one is taken, perhaps by another account: give it another name.",
    ),
    _known(
        "name-taken",
        r"already exists|EntityAlreadyExists|AlreadyOwnedByYou|AlreadyExistsException|ResourceInUse.{0,80}exists",
        "Something with this name is there outside this stack: delete it, or import it, then run again.",
    ),
    _known(
        "ip-shortage",
        r"(insufficient|not have enough|not enough) (free |available )*(IP |private )*addresses"
        r"|InsufficientFreeAddresses|subnet.{0,80}(no|insufficient) free",
        "The subnet has too few free addresses: give it a wider range, or another subnet.",
    ),
    _known(
        "zone",
        r"(insufficient|not enough) .{0,40}capacity|availability zone.{0,80}(not support|unavailable|invalid)"
        r"|not (supported|available) in .{0,60}availability zone|at least (two|three|\d+) .{0,20}availability zones"
        r"|subnets?.{0,80}different availability zones",
        "Choose subnets in other or more availability zones for this resource, then run again.",
    ),
    _known(
        "throttling",
        r"Rate exceeded|Throttl|TooManyRequests|RequestLimitExceeded|SlowDown",
        "AWS asked for fewer calls at once: run again.",
    ),
    _known(
        "limit",
        r"LimitExceeded|quota|limit (exceeded|has been reached)|maximum number of|exceeds? the (maximum|limit)"
        r"|TooMany(?!Requests)\w+",
        "Ask for a higher quota (Service Quotas), or remove what is not needed, then run again.",
    ),
    # What stands in the way of a deletion
    _known(
        "bucket-not-empty",
        r"BucketNotEmpty|bucket you tried to delete is not empty",
        "Empty the bucket, all versions included, then run again; or list it in skip_resources to leave it behind.",
    ),
    _known(
        "interface-in-use",
        r"network interface.{0,120}in use|DependencyViolation|has (a )?dependent object|has dependencies"
        r"|has some mapped public address",
        "Something still uses it; a Lambda function's network interfaces go up to 40 minutes after the function: "
        "remove what uses it or wait, then run again.",
    ),
    # What is missing
    _known(
        "code-missing",
        r"NoSuchKey|NoSuchBucket|specified key does not exist|specified bucket does not exist|GetObject.{0,80}S3 Error",
        "Upload what it refers to first (the lambda_packages role uploads the packages), then run again.",
    ),
    _known(
        "timeout",
        r"stabili[sz]e|timed? ?out|Exceeded attempts|TimeoutError|did not receive .{0,40}signals|max attempts",
        "AWS waited too long for it: look at the resource itself, then run again.",
    ),
    _known(
        "subscription",
        r"OptInRequired|SubscriptionRequired|not subscribed|needs a subscription",
        "The account is not signed up for this service or region: enable it, then run again.",
    ),
    _known(
        "unresolved",
        r"Unresolved resource dependencies|Circular dependency|Template error: instance of Fn::|undefined resource",
        "The template refers to something that it does not have, or in a circle: correct it, then run again.",
    ),
    # What was asked for
    _known(
        "no-updates",
        r"No updates are to be performed|didn't contain changes",
        "Nothing differs; nothing is to be done.",
    ),
    _known(
        "property",
        r"extraneous key|unsupported property|Properties validation failed|Invalid property"
        r"|Unrecognized (resource|property)|required key|Property validation failure|Value of property",
        "Correct this property in the template, then run again.",
    ),
    _known(
        "parameter",
        r"Parameters: \[.*\] (must have values|do not exist)|Parameter '?\w+'? (must|failed)"
        r"|Parameter validation failed|InvalidParameter|ValidationException|failed to satisfy constraint"
        r"|Invalid (request|value|parameter|input)|is not a valid|InvalidRequest",
        "Correct the value in the inventory or the template, then run again.",
    ),
    _known(
        "gone",
        r"NotFound|does not exist|could not be found|was not found|No such",
        "What it refers to is not there: make it, or correct the reference; if it was deleted by hand, "
        "take it out of the template, deploy, and put it back.",
    ),
)
DEFAULT = "Correct it in the template or its parameters, then run again."


def known(reason: str) -> Known | None:
    """The catalogue's entry for AWS's reason."""
    return next((entry for entry in CATALOGUE if entry.pattern.search(reason)), None)


def remedy(reason: str) -> str:
    """What a person does about AWS's reason."""
    for entry in CATALOGUE:
        if found := entry.pattern.search(reason):
            return entry.remedy.format_map(found.groupdict())
    return DEFAULT
