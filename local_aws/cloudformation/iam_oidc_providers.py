"""AWS::IAM::OIDCProvider, on the emulator's own IAM: whose tokens `sts:AssumeRoleWithWebIdentity` takes.

The emulator's STS believes a token's claims without asking its issuer; roles' trust policies decide as on AWS.
"""

from __future__ import annotations

from ministack.core.responses import get_account_id
from ministack.services import iam

from local_aws.cloudformation.registry import Properties, Provisioned, register, require

RELIES_ON = (
    "ministack.services.iam:_create_oidc_provider",
    "ministack.services.iam:_delete_oidc_provider",
    "ministack.services.iam:_oidc_providers",
)

_TYPE = "AWS::IAM::OIDCProvider"


def install() -> None:
    """Add the type. Its URL is the only property that replaces it."""
    register(_TYPE, create=_create, update=_update, delete=_delete, tags="list")


def _create(_logical_id: str, properties: Properties, _stack_name: str) -> Provisioned:
    url = str(properties.get("Url", ""))
    require(iam._create_oidc_provider({"Url": [url]}), _TYPE)
    arn = f"arn:aws:iam::{get_account_id()}:oidc-provider/{url.partition('://')[2].rstrip('/')}"
    return _update(arn, {}, properties)


def _update(physical_id: str, _old: Properties, new: Properties) -> Provisioned:
    iam._oidc_providers[physical_id].update(
        ClientIDList=list(new.get("ClientIdList") or ()),
        ThumbprintList=list(new.get("ThumbprintList") or ()),
        Tags=list(new.get("Tags") or ()),
    )
    return physical_id, {"Arn": physical_id}


def _delete(physical_id: str, _properties: Properties) -> None:
    if physical_id in iam._oidc_providers:
        require(iam._delete_oidc_provider({"OpenIDConnectProviderArn": [physical_id]}), _TYPE)
