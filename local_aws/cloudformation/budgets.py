"""AWS::Budgets::Budget, on the emulator's own Budgets service.

Notifications and subscribers can be given at creation only, as on AWS; everything else of a budget updates in place.
An SNS subscriber must be a topic that exists and whose policy lets AWS Budgets publish, which AWS checks as well.
There is no billing behind it: the spend is always zero, so no notification is ever sent.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.services import budgets, sns
from ministack.services.cloudformation import provisioners

from local_aws.cloudformation.registry import Properties, Provisioned, register, require, tag_with_stack

RELIES_ON = (
    "ministack.services.budgets:_create_budget",
    "ministack.services.budgets:_delete_budget",
    "ministack.services.budgets:_update_budget",
    "ministack.services.budgets:_budgets",
    "ministack.services.budgets:_tags",
    "ministack.services.budgets:_budget_arn",
    "ministack.services.sns:_topics",
    "ministack.services.cloudformation.provisioners:_physical_name",
)

_TYPE = "AWS::Budgets::Budget"
_PUBLISHER = "budgets.amazonaws.com"


def install() -> None:
    """Add the type."""
    register(_TYPE, create=_create, update=_update, delete=_delete)
    tag_with_stack(_TYPE, name="ResourceTags")


def _create(logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
    budget = _budget(properties, provisioners._physical_name(stack_name, logical_id))
    notifications = [
        {**entry, "Notification": _numbers(entry["Notification"])}
        for entry in properties.get("NotificationsWithSubscribers") or []
    ]
    for entry in notifications:
        for subscriber in entry.get("Subscribers") or []:
            if subscriber.get("SubscriptionType") == "SNS":
                _check_topic(str(subscriber.get("Address")))
    require(budgets._create_budget({"Budget": budget, "NotificationsWithSubscribers": notifications}), _TYPE)
    _tag(budget["BudgetName"], properties)
    return budget["BudgetName"], {}


def _update(physical_id: str, _old: Properties, new: Properties) -> Provisioned:
    require(budgets._update_budget({"NewBudget": _budget(new, physical_id)}), _TYPE)
    _tag(physical_id, new)
    return physical_id, {}


def _delete(physical_id: str, _properties: Properties) -> None:
    if physical_id in budgets._budgets:
        require(budgets._delete_budget({"BudgetName": physical_id}), _TYPE)
    budgets._tags.pop(budgets._budget_arn(physical_id), None)


def _budget(properties: Properties, name: str) -> dict[str, Any]:
    budget = dict(properties.get("Budget") or {})
    budget["BudgetName"] = budget.get("BudgetName") or name
    limit = budget.get("BudgetLimit")
    if limit:
        if float(limit["Amount"]) <= 0:
            raise ValueError("Invalid Budget Limit: the amount must be greater than zero")
        budget["BudgetLimit"] = {"Amount": str(limit["Amount"]), "Unit": limit["Unit"]}
    if budget.get("CostFilters") and budget.get("FilterExpression"):
        raise ValueError("A budget takes either CostFilters or FilterExpression")
    return budget


def _numbers(notification: dict[str, Any]) -> dict[str, Any]:
    return {**notification, "Threshold": float(notification["Threshold"])}


def _check_topic(topic_arn: str) -> None:
    topic = sns._topics.get(topic_arn)
    if topic is None:
        raise ValueError(f"The topic {topic_arn} does not exist")
    policy = (topic.get("attributes") or {}).get("Policy") or "{}"
    statements = json.loads(policy).get("Statement") or []
    if not any(_PUBLISHER in json.dumps(s.get("Principal", "")) and s.get("Effect") == "Allow" for s in statements):
        raise ValueError(f"AWS Budgets may not publish to {topic_arn}: its policy does not name {_PUBLISHER}")


def _tag(name: str, properties: Properties) -> None:
    tags = properties.get("ResourceTags") or []
    budgets._tags[budgets._budget_arn(name)] = {tag["Key"]: tag.get("Value", "") for tag in tags}
