"""Documentation of the connection options that all plugins of this collection share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  region:
    description: AWS region. Without it, boto3's environment and configuration decide.
    type: str
  profile:
    description: Named profile of the AWS configuration. Excludes O(access_key).
    type: str
  access_key:
    description: AWS access key id. Without it, boto3's credential chain decides.
    type: str
  secret_key:
    description: AWS secret access key. Never logged.
    type: str
  session_token:
    description: Session token of temporary credentials. Never logged.
    type: str
  endpoint_url:
    description: Endpoint for every service, such as that of the embedded AWS. Without it, AWS itself.
    type: str
"""
