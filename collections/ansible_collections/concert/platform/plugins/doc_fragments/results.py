"""Documentation of what the pages of a plan and of a run are made of: the results of the run's tasks."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  stacks:
    description: Layer → what its task M(concert.platform.stack) returned; an empty dictionary where it did not run.
    type: dict
    required: true
  code:
    description: What the tasks of the fast path for code returned, one item a stack.
    type: list
    elements: dict
    default: []
  packages:
    description: What M(concert.platform.lambda_package) returned.
    type: dict
    default: {}
  migrations:
    description: What M(concert.platform.redshift_migrate) returned.
    type: dict
    default: {}
  subscriptions:
    description: The items that the subscribing tasks returned. Left out where they did not run.
    type: list
    elements: dict
"""
