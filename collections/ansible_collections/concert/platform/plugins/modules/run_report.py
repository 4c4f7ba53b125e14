"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_report
short_description: Keep what a run did as a page
description:
  - Gathers what the tasks of a run returned, and writes one self-contained page, C(index.html), with what changed, how
    long each resource took and which of them the end waited for, what verification found, where the platform answers,
    and a drawing of what is deployed. C(report.json) beside it holds the same as data.
  - The page asks nobody for anything, and has neither the API key nor any value of a NoEcho parameter.
  - A run that changed something and recorded a release leaves its page under the release's id; one that changed
    something without a release under C(run-) and when it ended; one that failed under C(failed-) and when it ended; one
    that changed nothing under C(unchanged), where it takes the place of the last such page.
  - Asks AWS nothing. Skipped in check mode. A page that cannot be made is a warning and fails no run.
version_added: 0.2.0
options:
  environment:
    description: The platform's environment.
    type: str
    required: true
  account_id:
    description: The account.
    type: str
    required: true
  region:
    description: The region.
    type: str
    required: true
  directory:
    description: Where the directory of the page goes; it is made when needed.
    type: path
    required: true
  settled:
    description: Layer → what the task returned that waited for a stack which O(stacks) began.
    type: dict
    default: {}
  steps:
    description: Other steps, each with its C(name), whether it is C(changed), and C(what) happened.
    type: list
    elements: dict
    default: []
  timed:
    description: Name → result of tasks beside the stacks. With C(started) and C(seconds) they stand in the time line.
    type: dict
    default: {}
  verification:
    description: What M(concert.platform.verify) returned.
    type: dict
    default: {}
  release:
    description: What M(concert.platform.release) returned.
    type: dict
    default: {}
  rolled_back_to:
    description: Id of the release that the run brought back after a failure.
    type: str
    default: ""
  templates:
    description: Layer → path of its template, for the drawing.
    type: dict
    default: {}
  api_url_format:
    description: Where the API answers; C({api_id}), C({region}) and C({stage}) are filled in.
    type: str
    required: true
  dashboard_url_format:
    description: Where a dashboard is seen; C({name}) and C({region}) are filled in.
    type: str
    required: true
  who:
    description: Who ran it.
    type: str
    default: ""
  complete:
    description: Whether the run reached its end.
    type: bool
    required: true
author:
  - Concert Data Platform engineers (@concert-data-platform)
extends_documentation_fragment: [concert.platform.results]
"""

EXAMPLES = r"""
- name: Keep what this run did as a page
  concert.platform.run_report:
    environment: production
    account_id: "333333333333"
    region: eu-central-1
    directory: reports/production
    stacks:
      networking: "{{ __networking_stack | default({}) }}"
    api_url_format: "https://{api_id}.execute-api.{region}.amazonaws.com/{stage}"
    dashboard_url_format: "{name}"
    complete: true
"""

RETURN = r"""
page:
  description: The page's path; empty when it could not be made.
  returned: except in check mode
  type: str
outcome:
  description: V(changed), V(unchanged) or V(failed).
  returned: except in check mode
  type: str
"""
