"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plan_page
short_description: Show the plan of a run as one page
description:
  - Gathers what the tasks of a run in check mode returned, and prints one page. Risks come first (replacement,
    deletion, new permissions, network openings), then what each layer adds, changes, replaces and removes, the code
    that changes, the migrations that would run, and the subscriptions.
  - Says of each layer whether AWS planned it or the template alone did, and what was not planned at all.
  - Writes the same page as C(plan.txt), C(plan.json) and C(plan.md), the last fit for a pull request's comment. No
    value of a NoEcho parameter is in them, and of a subscribed web address only its host.
  - Asks AWS nothing and changes nothing but these files on the controller. Outside check mode it is skipped.
version_added: 0.2.0
options:
  environment:
    description: The platform's environment.
    type: str
    required: true
  account_id:
    description: The account that would be changed.
    type: str
    required: true
  region:
    description: The region that would be changed.
    type: str
    required: true
  directory:
    description: Where the files go; it is made when needed.
    type: path
    required: true
  steps:
    description: Other steps, each with its C(name), whether it is C(changed), and C(what) would happen.
    type: list
    elements: dict
    default: []
  complete:
    description: Whether the plan reached its end. If not, the page says that it is not whole.
    type: bool
    required: true
author:
  - Concert Data Platform engineers (@concert-data-platform)
extends_documentation_fragment: [concert.platform.results]
"""

EXAMPLES = r"""
- name: Show the plan as one page
  concert.platform.plan_page:
    environment: production
    account_id: "333333333333"
    region: eu-central-1
    directory: reports/production/plan
    stacks:
      networking: "{{ __networking_stack | default({}) }}"
    complete: true
"""

RETURN = r"""
totals:
  description: How many resources the plan adds, changes, replaces and removes.
  returned: in check mode
  type: dict
  sample: {add: 3, change: 1, replace: 0, remove: 0}
risks:
  description: How many risks the page names.
  returned: in check mode
  type: int
directory:
  description: Where the files are.
  returned: in check mode
  type: str
"""
