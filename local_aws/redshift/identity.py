"""Which database user a principal of IAM becomes."""

from __future__ import annotations

ROOT_USER = "IAM:RootIdentity"


def database_user(principal_arn: str) -> str:
    """`IAMR:role` for any session of a role, `IAM:user` for a user, `IAM:RootIdentity` for the account's root.

    The argument is an ARN such as `arn:aws:sts::000000000000:assumed-role/name/session`.
    """
    resource = principal_arn.split(":", 5)[-1]
    kind, _, name = resource.partition("/")
    if kind == "assumed-role":
        return f"IAMR:{name.split('/')[0]}"
    if kind == "user":
        return f"IAM:{name.rsplit('/', 1)[-1]}"
    return ROOT_USER
