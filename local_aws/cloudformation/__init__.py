"""Mends of the emulator's CloudFormation: resource types it lacks, properties it drops, and AWS's change sets.

One concern a file. Each file lists in `RELIES_ON` the emulator's internals it reaches into; a test fails when one of
them is gone, so that a new version of the emulator breaks there and not at run time.
"""

from __future__ import annotations

import importlib

from local_aws.context import Context

MODULES = (
    "ec2_addresses",
    "ec2_endpoints",
    "ec2_flow_logs",
    "ec2_security_rules",
    "ec2_network_acls",
    "logs_query_definitions",
    "alarms",
    "s3_buckets",
    "dynamodb_tables",
    "kinesis_streams",
    "sns_topics",
    "lambda_functions",
    "api_stages",
    "iam_roles",
    "iam_oidc_providers",
    "bedrock_agents",
    "glue_catalog",
    "budgets",
    "config_rules",
    "stack_tags",
    "replacement",
    "conditions",
    "references",
    "parameters",
    "template_urls",
    "template_parsing",
    "stack_events",
    "exports",
    "stack_states",
    "resource_types",
    "change_sets",
    "stack_settings",
    "codedeploy",
    "request_tokens",
    "imports",
    "resource_names",
    "drift",
    "caller_rights",
)


def install(_context: Context) -> None:
    """Apply every mend, once, before the server accepts requests."""
    for name in MODULES:
        importlib.import_module(f"{__name__}.{name}").install()
