"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Ask a deployed platform what its users would ask
description:
  - Asks every route, compares C(/venues/popularity) with a ranking computed independently, follows a canary record
    from its stream into S3, queries the warehouse, fires its own alarm and waits for the message, and follows an error
    line to the error processor. Every resource is complete, every stream is read, every dashboard renders, and a
    request is found in X-Ray.
  - Changes nothing that people look at. Runs in the controller process.
  - In check mode it asks nothing.
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
  sample_data_directory:
    description: Files that the ranking is computed from. Without it, from the rows of the warehouse.
    type: str
  sample_data_parameter:
    description: SSM parameter with the anchor date of the sample data.
    type: str
    required: true
  top_n:
    description: Venues to compare.
    type: int
    default: 10
  min_events:
    description: Events that a venue needs to be ranked.
    type: int
    default: 5
  timeout:
    description: Seconds for all checks together.
    type: int
    default: 180
  checks:
    description: Names of the checks to run; all without it.
    type: list
    elements: str
    choices:
      - stacks
      - resources
      - functions
      - streams
      - dashboards
      - GET /health
      - GET /venues/popularity
      - POST /chat, GET /history
      - POST /predictions/tickets
      - GET /recommendations
      - routes
      - refusals
      - canary record
      - warehouse
      - alarm
      - error log
      - traces
  reports_directory:
    description:
      - Where C(junit.xml) and C(verify.json) are written, over those of the run before; left out, nothing is written.
    type: path
extends_documentation_fragment:
  - concert.platform.connection
author:
  - Concert Data Platform engineers (@concert-data-platform)
"""

EXAMPLES = r"""
- name: Verify that production answers
  concert.platform.verify:
    environment: production
    account_id: "333333333333"
    api_url_format: "https://{api_id}.execute-api.{region}.amazonaws.com/{stage}"
    sample_data_parameter: /concert-platform/production/sample-data
"""

RETURN = r"""
checks:
  description: One entry a check, in the order of the report. A failure that is in RV(report) does not repeat them.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: What was asked.
      type: str
    expected:
      description: What should have come.
      type: str
    found:
      description: What came.
      type: str
    passed:
      description: Whether they agree.
      type: bool
    where:
      description: Where to look when they do not.
      type: str
    seconds:
      description: How long it took.
      type: float
    group:
      description: C(infrastructure), C(connectivity) or C(monitoring).
      type: str
report:
  description: Path of the JUnit report; empty if it could not be written.
  returned: with O(reports_directory)
  type: str
started:
  description: When the checks began, in ISO 8601 and UTC.
  returned: always, except in check mode
  type: str
seconds:
  description: How long all of them took.
  returned: always, except in check mode
  type: float
"""
