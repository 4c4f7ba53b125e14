"""Where a running embedded AWS answers, from the file it wrote when it chose its port."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

DOCUMENTATION = r"""
name: endpoint
short_description: Address of the running embedded AWS
description:
  - Reads C(endpoint.json) from the state directory of the embedded AWS and returns its C(endpoint_url).
options:
  _terms:
    description: State directory of the embedded AWS.
    required: true
"""

EXAMPLES = r"""
platform_aws_endpoint_url: "{{ lookup('concert.platform.endpoint', local_aws_state_dir) }}"
"""

RETURN = r"""
_raw:
  description: The endpoint's URL.
  type: list
  elements: str
"""


def read_endpoint(state_dir: str) -> str:
    """The `endpoint_url` that the embedded AWS of `state_dir` wrote. Raises AnsibleLookupError if it is not running."""
    file = Path(state_dir).resolve() / "endpoint.json"
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["endpoint_url"])
    except FileNotFoundError as error:
        raise AnsibleLookupError(
            f"The embedded AWS is not running: {file} does not exist. Start it with "
            "'ansible-playbook site.yml -i inventories/local', or 'make deploy'."
        ) from error
    except (ValueError, KeyError, OSError) as error:
        raise AnsibleLookupError(
            f"{file} cannot be read ({error}). Stop the embedded AWS with 'make local-down' and deploy again."
        ) from error


class LookupModule(LookupBase):  # type: ignore[misc]
    def run(self, terms: list[Any], variables: Any = None, **kwargs: Any) -> list[str]:
        """One URL for each state directory in `terms`."""
        self.set_options(var_options=variables, direct=kwargs)
        return [read_endpoint(str(term)) for term in terms]
