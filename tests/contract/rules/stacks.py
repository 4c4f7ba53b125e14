"""Templates as CloudFormation takes them: sections, sizes, names, exports, dependencies, what survives a deletion."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Final

from tests.contract.model import LAYERS, NAME_PROPERTIES, Platform, references
from tests.contract.rules.base import Breaches, as_list, rule

SECTIONS: Final = (
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Rules",
    "Mappings",
    "Conditions",
    "Resources",
    "Outputs",
)
INLINE_BYTES: Final = 51_200
S3_BYTES: Final = 1_000_000
MOST: Final = {"Resources": 500, "Parameters": 200, "Outputs": 200, "Mappings": 200}
# They make the bucket that larger templates are read from, so they must do without it.
INLINE_TEMPLATES: Final = ("01-networking", "02-storage-processing")

STATEFUL: Final = frozenset(
    {
        "AWS::DynamoDB::Table",
        "AWS::KMS::Key",
        "AWS::Kinesis::Stream",
        "AWS::RedshiftServerless::Namespace",
        "AWS::S3::Bucket",
        "AWS::SecretsManager::Secret",
    }
)
# Shorter than this, a reason only repeats the finding.
REASON_CHARACTERS: Final = 30
# cdk-nag takes no reason of fewer than ten characters.
SAME_REASON: Final = "The same as above"
# Types whose names are unique in the whole account, not in the region.
ACCOUNT_GLOBAL: Final = frozenset(
    {
        "AWS::Budgets::Budget",
        "AWS::CloudWatch::Dashboard",
        "AWS::IAM::InstanceProfile",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Role",
        "AWS::IAM::User",
        "AWS::S3::Bucket",
    }
)
# Longest name and the characters it may have.
NAME_LIMITS: Final = {
    "AWS::ApiGateway::Stage": (128, r"[A-Za-z0-9_-]+"),
    "AWS::CloudWatch::Alarm": (255, r".+"),
    "AWS::CloudWatch::CompositeAlarm": (255, r".+"),
    "AWS::Budgets::Budget": (100, r"[^:\\\\]+"),
    "AWS::CloudWatch::Dashboard": (255, r"[A-Za-z0-9_-]+"),
    "AWS::Config::ConfigRule": (128, r"[A-Za-z0-9_-]+"),
    "AWS::DynamoDB::Table": (255, r"[A-Za-z0-9_.-]{3,}"),
    "AWS::Events::Rule": (64, r"[A-Za-z0-9_.-]+"),
    "AWS::IAM::ManagedPolicy": (128, r"[\w+=,.@-]+"),
    "AWS::IAM::Role": (64, r"[\w+=,.@-]+"),
    "AWS::KMS::Alias": (256, r"alias/(?!aws/)[A-Za-z0-9/_-]+"),
    "AWS::Kinesis::Stream": (128, r"[A-Za-z0-9_.-]+"),
    "AWS::Lambda::Function": (64, r"[A-Za-z0-9_-]+"),
    "AWS::Lambda::LayerVersion": (140, r"[A-Za-z0-9_-]+"),
    "AWS::Logs::LogGroup": (512, r"[A-Za-z0-9_./#<>:-]+"),
    "AWS::Logs::QueryDefinition": (255, r"[^:*|\\]+"),
    "AWS::RedshiftServerless::Namespace": (64, r"[a-z0-9-]{3,}"),
    "AWS::RedshiftServerless::Workgroup": (64, r"[a-z0-9-]{3,}"),
    "AWS::S3::Bucket": (63, r"[a-z0-9][a-z0-9.-]+[a-z0-9]"),
    "AWS::SNS::Topic": (256, r"[A-Za-z0-9_-]+"),
    "AWS::SQS::Queue": (80, r"[A-Za-z0-9_-]+"),
}
# Several of one name are meant: each stack publishes its version of the one layer; a filter's name is its group's.
REPEATED_NAMES: Final = frozenset(
    {"AWS::Lambda::LayerVersion", "AWS::Logs::SubscriptionFilter", "AWS::Logs::MetricFilter"}
)


@rule
def sections_stand_in_house_order(platform: Platform) -> Breaches:
    """One order in every template."""
    for name, body in platform.templates.bodies.items():
        unknown = [section for section in body if section not in SECTIONS]
        if unknown:
            yield name, f"has the unknown section {', '.join(unknown)}"
        elif list(body) != [section for section in SECTIONS if section in body]:
            yield name, f"has its sections in the order {', '.join(body)}"


@rule
def sizes_and_counts_are_within_limits(platform: Platform) -> Breaches:
    """What CloudFormation takes inline and from S3, and how much of each."""
    for name, body in platform.templates.bodies.items():
        size = len(platform.templates.texts[name].encode())
        if size > S3_BYTES:
            yield name, f"has {size:,} bytes; CloudFormation reads at most {S3_BYTES:,}"
        if name in INLINE_TEMPLATES and size > INLINE_BYTES:
            yield name, f"has {size:,} bytes; it is sent inline, at most {INLINE_BYTES:,}"
        for section, most in MOST.items():
            if len(body.get(section, {})) > most:
                yield name, f"has {len(body[section])} {section}; at most {most} are allowed"


@rule
def parameters_and_outputs_are_described(platform: Platform) -> Breaches:
    """A description on each; parameters have a default or are required on purpose."""
    for name, body in platform.templates.bodies.items():
        for section in ("Parameters", "Outputs"):
            for key, spec in body.get(section, {}).items():
                if not spec.get("Description"):
                    yield f"{name}:{key}", "has no Description"


@rule
def references_lead_somewhere(platform: Platform) -> Breaches:
    """Each Ref, GetAtt, Sub and DependsOn names a resource or parameter of its template."""
    for name, reference in platform.unresolved:
        yield name, f"refers to {reference}, which the template does not have"
    for name, body in platform.templates.bodies.items():
        for logical_id, written in body["Resources"].items():
            for named in as_list(written.get("DependsOn")):
                if named not in body["Resources"]:
                    yield f"{name}:{logical_id}", f"depends on {named}, which the template does not have"


@rule
def imports_are_exported_before(platform: Platform) -> Breaches:
    """Each ImportValue names an export of a stack that is deployed earlier."""
    for name, imported in sorted(set(platform.missing_imports)):
        yield name, f"imports {imported}, which no earlier template exports"


@rule
def exports_are_unique_and_named_after_their_output(platform: Platform) -> Breaches:
    """`{StackName}-{OutputKey}`, once in a region, from nothing that only the stack's resources know."""
    for name, exported in platform.duplicate_exports:
        yield name, f"exports {exported} a second time"
    for name, body in platform.templates.bodies.items():
        for key, output in body.get("Outputs", {}).items():
            if "Export" not in output:
                continue
            where = f"{name}:{key}"
            if set(references(output["Export"]["Name"])) & set(body["Resources"]):
                yield where, "has an export name that refers to a resource, which CloudFormation refuses"
            if output["Export"]["Name"] != {"Fn::Sub": f"${{AWS::StackName}}-{key}"}:
                yield where, 'must be exported as !Sub "${AWS::StackName}-' + key + '"'


@rule
def conditions_use_parameters_only(platform: Platform) -> Breaches:
    """No import, attribute or resource in Conditions: CloudFormation decides them before anything exists."""
    for name, body in platform.templates.bodies.items():
        for key, condition in body.get("Conditions", {}).items():
            for function in _functions(condition):
                if function in ("Fn::ImportValue", "Fn::GetAtt"):
                    yield f"{name}:{key}", f"uses {function}, which a condition cannot"
            for reference in references(condition):
                if reference in body["Resources"]:
                    yield f"{name}:{key}", f"refers to the resource {reference}"


def _functions(value: Any) -> list[str]:
    if isinstance(value, list):
        return [function for part in value for function in _functions(part)]
    if isinstance(value, dict):
        return [
            function
            for key, part in value.items()
            for function in ([key] if key.startswith("Fn::") else []) + _functions(part)
        ]
    return []


@rule
def resources_do_not_wait_for_each_other(platform: Platform) -> Breaches:
    """No cycle of references and DependsOn."""
    for name, body in platform.templates.bodies.items():
        waits = {
            logical_id: (
                set(references([written.get("Properties"), written.get("UpdatePolicy")]))
                | set(as_list(written.get("DependsOn")))
            )
            & set(body["Resources"])
            for logical_id, written in body["Resources"].items()
        }
        while ready := [logical_id for logical_id, others in waits.items() if not others - {logical_id}]:
            for logical_id in ready:
                if logical_id in waits[logical_id]:
                    yield f"{name}:{logical_id}", "refers to itself"
                del waits[logical_id]
            for others in waits.values():
                others.difference_update(ready)
        if waits:
            yield name, f"has resources that wait for each other: {', '.join(sorted(waits))}"


@rule
def names_fit(platform: Platform) -> Breaches:
    """Each fixed name is as long and as spelled as its type allows, in this environment and region."""
    for resource in platform.resources(*NAME_LIMITS):
        if resource.name is None:
            continue
        most, spelling = NAME_LIMITS[resource.type]
        if len(resource.name) > most:
            yield resource, f"is called {resource.name}, {len(resource.name)} characters; {most} are allowed"
        if "<" not in resource.name and not re.fullmatch(spelling, resource.name):
            yield resource, f"is called {resource.name}, which must match {spelling}"


@rule
def names_are_given_once(platform: Platform) -> Breaches:
    """No two resources of a type share a name: the second stack to be deployed would fail."""
    named = Counter(
        ("AWS::CloudWatch::Alarm" if r.type.endswith("Alarm") else r.type, r.name)
        for r in platform.resources(*NAME_PROPERTIES)
        if r.name and r.type not in REPEATED_NAMES
    )
    for (kind, name), count in named.items():
        if count > 1:
            yield name, f"is the name of {count} resources of type {kind}"


@rule
def names_carry_the_environment(platform: Platform) -> Breaches:
    """Two environments can share an account: each fixed name has the environment in it."""
    for resource in platform.resources(*(set(NAME_PROPERTIES) - REPEATED_NAMES)):
        if resource.name and platform.setting.environment not in resource.name:
            yield resource, f"is called {resource.name}, without the environment"


@rule
def account_global_names_carry_the_region(platform: Platform) -> Breaches:
    """Outside the home region, what is unique in the account is called after its region too."""
    suffix = platform.setting.name_suffix
    if not suffix:
        return
    compact = "-" + suffix.replace("-", "")
    for resource in platform.resources(*ACCOUNT_GLOBAL):
        if resource.name and not resource.name.endswith((suffix, compact)):
            yield resource, f"is called {resource.name} in {platform.setting.region}; NameSuffix is missing"


@rule
def stateful_resources_survive(platform: Platform) -> Breaches:
    """Data outlives its stack; a failed first creation leaves nothing behind."""
    for resource in platform.resources(*STATEFUL):
        if resource.written.get("DeletionPolicy") != "RetainExceptOnCreate":
            yield resource, "must have DeletionPolicy: RetainExceptOnCreate"
        if resource.written.get("UpdateReplacePolicy") != "Retain":
            yield resource, "must have UpdateReplacePolicy: Retain"


@rule
def exceptions_from_scanners_say_why(platform: Platform) -> Breaches:
    """What a scanner is told to pass over stands beside the resource, with a reason that somebody can judge."""
    for name, body in platform.templates.bodies.items():
        for logical_id, written in body["Resources"].items():
            metadata = written.get("Metadata", {})
            told = [(entry.get("id"), entry.get("comment")) for entry in metadata.get("checkov", {}).get("skip", [])]
            told += [
                (entry.get("id"), entry.get("reason"))
                for entry in metadata.get("cfn_nag", {}).get("rules_to_suppress", [])
            ]
            nagged = metadata.get("cdk_nag", {}).get("rules_to_suppress", [])
            # One control under several catalogs' names: the first says why.
            told += [
                (entry.get("id"), entry.get("reason"))
                for before, entry in zip([{}, *nagged], nagged, strict=False)
                if entry.get("reason") != SAME_REASON or _control(entry) != _control(before)
            ]
            for code, reason in told:
                if len(str(reason or "")) < REASON_CHARACTERS:
                    yield f"{name}:{logical_id}", f"passes over {code} without a reason"


def _control(entry: dict[str, Any]) -> str:
    return str(entry.get("id", "")).rpartition("-")[2]


@rule
def watching_imports_nothing_but_the_key(platform: Platform) -> Breaches:
    """Monitoring watches by name: an import would keep AWS from deleting what is watched."""
    text = platform.templates.texts["05-monitoring-observability"]
    parameters = platform.templates.bodies["05-monitoring-observability"]["Parameters"]
    for template, (layer, parameter) in LAYERS.items():
        if layer != "networking" and parameter in parameters and parameter in text:
            yield "05-monitoring-observability", f"takes {parameter}, so it would hold {template} in place"
