"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: summary
short_description: Say where a deployed platform answers and how to try it
description:
  - Prints the API's address, how to get or use its key, one request to try, the dashboards and the log groups.
  - Changes nothing. Runs in the controller process. In check mode it prints nothing.
options:
  environment:
    description: The platform's environment, part of every name.
    type: str
    required: true
  account_id:
    description: The account that the platform runs in.
    type: str
    required: true
  name_suffix:
    description: What account-global names end with outside the home region.
    type: str
    default: ""
  api_url_format:
    description: Where the API answers; C({api_id}), C({region}) and C({stage}) are filled in.
    type: str
    required: true
  dashboard_url_format:
    description: Where a dashboard is seen; C({name}) and C({region}) are filled in.
    type: str
    default: "{name}"
  show_api_key:
    description: Whether the key itself is printed, instead of the command that reads it.
    type: bool
    default: false
  hints:
    description: Further lines to print.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - concert.platform.connection
author:
  - Concert Data Platform engineers (@concert-data-platform)
"""

EXAMPLES = r"""
- name: Say where the platform answers
  concert.platform.summary:
    environment: production
    account_id: "333333333333"
    api_url_format: "https://{api_id}.execute-api.{region}.amazonaws.com/{stage}"
"""

RETURN = r"""
api_url:
  description: Where the API answers.
  returned: except in check mode
  type: str
"""
