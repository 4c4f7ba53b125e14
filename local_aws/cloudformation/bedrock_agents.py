"""AWS::Bedrock::Agent and ::AgentAlias, over the emulator's own agents.

The emulator answers InvokeAgent by a line that names the agent. Policies are evaluated on the alias's ARN, which the
emulator does not name by itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ministack.core import iam_actions
from ministack.core.responses import get_account_id
from ministack.services import bedrock_agent

from local_aws.cloudformation.registry import Properties, Provisioned, boolean, register, require
from local_aws.role_access import Role
from local_aws.service import arn

RELIES_ON = (
    "ministack.core.iam_actions:extract_resource_arn",
    "ministack.services.bedrock_agent:_agents",
    "ministack.services.bedrock_agent:_create_agent",
    "ministack.services.bedrock_agent:_create_agent_alias",
    "ministack.services.bedrock_agent:_delete_agent",
    "ministack.services.bedrock_agent:_delete_agent_alias",
    "ministack.services.bedrock_agent:_prepare_agent",
    "ministack.services.bedrock_agent:_update_agent",
    "ministack.services.bedrock_agent:_update_agent_alias",
)

AGENT = "AWS::Bedrock::Agent"
ALIAS = "AWS::Bedrock::AgentAlias"
INSTRUCTION_CHARACTERS = range(40, 4001)
_AGENT_MEMBERS = (
    "AgentName", "AgentResourceRoleArn", "CustomerEncryptionKeyArn", "Description", "FoundationModel",
    "IdleSessionTTLInSeconds", "Instruction",
)  # fmt: skip
_INVOCATION = re.compile(r"^/agents/(?P<agent>\w+)/agentAliases/(?P<alias>\w+)/sessions/")


def install() -> None:
    """Add both types, and name the alias that an invocation is about."""
    register(
        AGENT,
        create=lambda _logical_id, properties, _stack: _create_agent(properties),
        update=lambda physical_id, _old, new: _update_agent(physical_id, new),
        delete=lambda physical_id, _properties: _ignore_missing(bedrock_agent._delete_agent(physical_id, {})),
        tags="map",
    )
    register(
        ALIAS,
        create=lambda _logical_id, properties, _stack: _create_alias(properties),
        update=lambda physical_id, _old, new: _update_alias(physical_id, new),
        delete=lambda physical_id, _properties: _ignore_missing(
            bedrock_agent._delete_agent_alias(*physical_id.split("|"))
        ),
        tags="map",
    )
    inner = iam_actions.extract_resource_arn

    def extract(service: str, method: str, path: str, headers: Mapping[str, str], body: bytes, *rest: Any) -> str:
        invoked = _INVOCATION.match(path)
        if service == "bedrock-agent-runtime" and invoked is not None:
            return arn("bedrock", f"agent-alias/{invoked['agent']}/{invoked['alias']}")
        return str(inner(service, method, path, headers, body, *rest))

    iam_actions.extract_resource_arn = extract


def _ignore_missing(response: Any) -> None:
    if response[0] not in (404,):
        require(response, AGENT)


def _body(properties: Properties) -> bytes:
    unknown = sorted(set(properties) - {*_AGENT_MEMBERS, "AutoPrepare", "Tags", "SkipResourceInUseCheckOnDelete"})
    if unknown:
        raise ValueError(f"The embedded AWS does not support the properties {', '.join(unknown)} of {AGENT}.")
    if len(str(properties.get("Instruction", ""))) not in INSTRUCTION_CHARACTERS:
        raise ValueError("1 validation error detected: instruction must have between 40 and 4000 characters.")
    role = Role.of(str(properties.get("AgentResourceRoleArn", "")))
    sources = {"aws:SourceAccount": get_account_id(), "aws:SourceArn": arn("bedrock", "agent/NEW")}
    if not role.exists() or not role.trusts("bedrock.amazonaws.com", sources):
        raise ValueError("The role of the agent cannot be assumed by bedrock.amazonaws.com.")
    request: dict[str, Any] = {
        name[0].lower() + name[1:]: properties[name] for name in _AGENT_MEMBERS if name in properties
    }
    if "idleSessionTTLInSeconds" in request:
        request["idleSessionTTLInSeconds"] = int(request["idleSessionTTLInSeconds"])
    request["tags"] = dict(properties.get("Tags") or {})
    return json.dumps(request).encode()


def _create_agent(properties: Properties) -> Provisioned:
    created = json.loads(require(bedrock_agent._create_agent(_body(properties)), AGENT))
    return _prepared(created["agent"]["agentId"], properties)


def _update_agent(agent_id: str, properties: Properties) -> Provisioned:
    require(bedrock_agent._update_agent(agent_id, _body(properties)), AGENT)
    return _prepared(agent_id, properties)


def _prepared(agent_id: str, properties: Properties) -> Provisioned:
    """An agent that nothing prepares stays NOT_PREPARED, and no alias can take a version of it."""
    record = bedrock_agent._agents[agent_id]
    record["AgentStatus"] = "NOT_PREPARED"
    prepared = ""
    if boolean(properties.get("AutoPrepare")):
        prepared = json.loads(require(bedrock_agent._prepare_agent(agent_id), AGENT))["preparedAt"]
    return agent_id, {
        "AgentArn": record["AgentArn"],
        "AgentId": agent_id,
        "AgentStatus": record["AgentStatus"],
        "AgentVersion": record["AgentVersion"],
        "PreparedAt": str(prepared),
    }


def _create_alias(properties: Properties) -> Provisioned:
    agent = bedrock_agent._agents.get(properties["AgentId"])
    if agent is None or agent["AgentStatus"] != "PREPARED":
        raise ValueError(
            f"Create alias operation can't be performed on agent {properties['AgentId']}: it is not prepared."
        )
    request = {"agentAliasName": properties["AgentAliasName"], "description": properties.get("Description", "")}
    created = json.loads(
        require(bedrock_agent._create_agent_alias(properties["AgentId"], json.dumps(request).encode()), ALIAS)
    )["agentAlias"]
    return _alias(properties["AgentId"], created)


def _update_alias(physical_id: str, properties: Properties) -> Provisioned:
    agent_id, alias_id = physical_id.split("|")
    request = {"agentAliasName": properties["AgentAliasName"], "description": properties.get("Description", "")}
    updated = json.loads(
        require(bedrock_agent._update_agent_alias(agent_id, alias_id, json.dumps(request).encode()), ALIAS)
    )["agentAlias"]
    return _alias(agent_id, updated)


def _alias(agent_id: str, record: Mapping[str, Any]) -> Provisioned:
    return f"{agent_id}|{record['agentAliasId']}", {
        "AgentAliasArn": record["agentAliasArn"],
        "AgentAliasId": record["agentAliasId"],
        "AgentAliasStatus": record["agentAliasStatus"],
    }
