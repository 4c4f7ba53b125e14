#!/usr/bin/python
"""Documentation of the action `concert.platform.stack_info`, which does the work in the controller process."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_info
short_description: What AWS says of a CloudFormation stack
description:
  - Returns whether a stack exists, its status, outputs, parameters and tags, by one call.
  - A stack that does not exist is an answer, not a failure.
version_added: 0.1.0
author: Concert Data Platform engineers (@concert-data-platform)
extends_documentation_fragment:
  - concert.platform.connection
options:
  name:
    description: Name or id of the stack. A deleted stack counts as absent.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Look at the compute stack
  concert.platform.stack_info:
    name: concert-platform-compute-development
  register: __compute

- name: Require the API's address
  ansible.builtin.assert:
    that: __compute.exists and __compute.outputs.ApiUrl is defined
    fail_msg: The compute stack is {{ __compute.status }}. Deploy it first with --tags compute.
    quiet: true
"""

RETURN = r"""
exists:
  description: Whether there is such a stack.
  type: bool
  returned: success
status:
  description: The stack's status, C(absent) without a stack.
  type: str
  returned: success
  sample: UPDATE_COMPLETE
stack_id:
  description: The stack's ARN, empty without a stack.
  type: str
  returned: success
outputs:
  description: Output key → value.
  type: dict
  returned: success
exports:
  description: Export name → value.
  type: dict
  returned: success
parameters:
  description: Parameter name → value. AWS itself masks NoEcho parameters.
  type: dict
  returned: success
tags:
  description: The stack's tags.
  type: dict
  returned: success
termination_protection:
  description: Whether AWS refuses to delete the stack.
  type: bool
  returned: success
"""
