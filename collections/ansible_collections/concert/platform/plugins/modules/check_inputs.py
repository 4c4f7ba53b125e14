"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_inputs
short_description: Check the inventory against the roles' argument specs, all at once
description:
  - Reads the argument specs of the named roles, works out every input's value, and fails with all problems together,
    each naming the variable, its value, the rule and the file to correct.
  - Also checks the form of account, regions, tags and alert endpoints, the address plan of the VPC, values of which one
    must be the higher, and what the layers' templates take as parameters.
  - Refuses names of the inventory and of the command line that begin like a role's inputs, or are almost one, and that
    no role, no playbook and no other value of the inventory reads.
  - Refuses regions that the installed botocore does not know.
  - Changes nothing and asks AWS nothing. Runs in the controller process.
options:
  roles_directory:
    description: Where the roles are.
    type: path
    required: true
  roles:
    description: Roles whose inputs are checked.
    type: list
    elements: str
    required: true
  later:
    description: Inputs that are known only while the playbook runs, such as facts of an earlier role.
    type: list
    elements: str
    default: []
author:
  - Concert Data Platform engineers (@concert-data-platform)
"""

EXAMPLES = r"""
- name: Require inputs that every layer accepts
  concert.platform.check_inputs:
    roles_directory: "{{ playbook_dir }}/../roles"
    roles: [networking, storage]
"""

RETURN = r"""
msg:
  description: How many inputs are sound, or every problem, one a line.
  returned: always
  type: str
"""
