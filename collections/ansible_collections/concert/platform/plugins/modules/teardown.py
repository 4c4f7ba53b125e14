"""Documentation of the action `concert.platform.teardown`; the action plugin does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: teardown
short_description: What a teardown loses or keeps, the purge of what it kept, and what is left
description:
  - Finds what keeps data by the names that the templates give, so that it is found when the stacks are gone, too.
  - Nothing is remembered between runs. A purge that was interrupted, wherever, goes on when it is repeated.
  - Needs the right to list and to delete what it removes; what it may not count or list is named, and stops nothing.
options:
  step:
    description:
      - C(list) shows what holds data, and how much. With O(purge) it also refuses where a stack policy denies the
        deletion of one of them, or a table has deletion protection.
      - C(purge) empties and removes them, side by side. Buckets with all versions, delete markers and unfinished
        uploads; the warehouse with its workgroup; log groups; O(parameters); API Gateway's log role for the account,
        where it is this platform's. Last the keys, scheduled for deletion in 7 days, the shortest that AWS allows.
      - C(forget) removes O(parameters) alone.
      - C(scan) lists what of the platform exists, by name over the services and by the stacks' tags, with its price.
    type: str
    required: true
    choices: [list, purge, forget, scan]
  environment:
    description: The environment whose things they are.
    type: str
    required: true
  account_id:
    description: The account, part of the buckets' names.
    type: str
    required: true
  name_suffix:
    description: What account-global names end with outside the home region.
    type: str
    default: ""
  purge:
    description: Whether the list is that of a purge.
    type: bool
    default: false
  stacks:
    description: Stacks whose policies O(step=list) asks before a purge.
    type: list
    elements: str
    default: []
  templates:
    description: Directory of the templates.
    type: path
    required: true
  template_parameters:
    description: The parameters that names are made of.
    type: dict
    default: {}
  parameters:
    description: Parameters of Parameter Store to remove.
    type: list
    elements: str
    default: []
  workgroup:
    description: The workgroup by which the warehouse's rows are counted.
    type: str
    default: ""
  database:
    description: The database in it.
    type: str
    default: ""
  final_snapshot:
    description: Name of a last snapshot of the warehouse. With one, the data key is kept, since the snapshot needs it.
    type: str
    default: ""
  prices:
    description: File of list prices, such as tools/cost_prices.yaml; without it nothing is priced.
    type: path
  project:
    description: Value of the tag C(Project) on what the stacks made.
    type: str
    default: concert-data-platform
  timeout:
    description: Seconds that a purge may take.
    type: int
    default: 3600
extends_documentation_fragment: [concert.platform.connection]
attributes:
  check_mode:
    support: full
    description: Says what it would remove. O(step=scan) is skipped, since a plan leaves everything.
  diff_mode:
    support: none
    description: Data are counted, not shown.
author: Concert Data Platform
version_added: 0.2.0
"""

EXAMPLES = r"""
- name: Show what a teardown would keep
  concert.platform.teardown:
    step: list
    environment: development
    account_id: "000000000000"
    templates: files/cloudformation
    template_parameters:
      Environment: development
      DeploymentBucketName: concert-lambda-deployment-development-000000000000
    workgroup: concert-workgroup-development
    database: concerts
"""

RETURN = r"""
holdings:
  description: What holds data, each with C(kind), C(name), C(amount), C(usd_a_month) and C(details).
  returned: O(step=list)
  type: list
  elements: dict
removed:
  description: What was removed, or would be in check mode.
  returned: O(step=purge) or O(step=forget)
  type: list
  elements: str
left:
  description: What exists, each with C(kind), C(name), C(usd_a_month) and C(note).
  returned: O(step=scan)
  type: list
  elements: dict
unseen:
  description: Kinds that AWS refused to list, each with its error code.
  returned: O(step=scan)
  type: list
  elements: str
"""
