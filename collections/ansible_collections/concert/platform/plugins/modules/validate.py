"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: validate
short_description: Validate the whole project without an account
description:
  - Templates (YAML, references, CloudFormation's quotas, AWS's resource schemas by cfn-lint), every inventory against
    the argument specs of all roles, migrations (names, sequence, statements, Redshift's limits), Lambda packages (each
    is built, and fits), and the documentation (links, and the playbooks, inventories and make targets in its commands).
  - Prints one table, and under it each problem with file, line where it is known, rule and fix. Fails if there is one.
  - Asks AWS nothing unless O(with_aws) says so, and changes nothing. Building the packages' layer needs the package
    index the first time; afterwards its downloads are kept in C(build/).
  - What the platform promises beyond that (least privilege, encryption, alarms) is proved by the project's contract
    tests, C(make test-contract), which are no part of the product.
version_added: 0.2.0
options:
  project:
    description: The project's directory.
    type: path
    required: true
  inventories:
    description: Inventories to check, such as V(inventories/prod). Empty for all.
    type: list
    elements: str
    default: []
  with_aws:
    description:
      - Whether AWS's ValidateTemplate is asked too. Needs credentials. What AWS reads in a template is compared with
        what the stack engine reads - parameters, which of them are NoEcho, and the capabilities that are asked for.
    type: bool
    default: false
  template_bucket:
    description:
      - Name of the bucket that templates over 51,200 bytes go through when O(with_aws) is set, each under a key of its
        own that is removed again. Without it, or where it does not exist, AWS is not asked about those, and a note says
        so.
    type: str
  directory:
    description: Where C(validate.json) goes. Left out, none is written.
    type: path
extends_documentation_fragment:
  - concert.platform.connection
author:
  - Concert Data Platform engineers (@concert-data-platform)
"""

EXAMPLES = r"""
- name: Validate the project
  concert.platform.validate:
    project: "{{ playbook_dir }}/.."
"""

RETURN = r"""
problems:
  description: How many there are. O(directory) holds each as data.
  returned: always
  type: int
"""
