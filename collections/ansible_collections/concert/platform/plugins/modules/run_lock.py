"""Documentation of the action `concert.platform.run_lock`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_lock
short_description: Keep a second run off a deployment target while this one lives
version_added: "0.1.0"
description:
  - Takes a lock with a lease in a parameter of Parameter Store, and gives it up.
  - A small process beside the playbook renews the lease while the playbook lives. It ends with it, and gives the lock
    up where the playbook was interrupted or killed.
  - A lock whose lease has run out is taken over, and so is one whose process on this machine has ended. Any other one
    refuses the task, naming its holder.
  - The parameter is a journal whose version order decides who holds the lock, so two takeovers at once have one winner.
    Times are AWS's own.
author: Concert Data Platform engineers (@concert-data-platform)
options:
  parameter:
    description: Name of the parameter.
    type: str
    required: true
  state:
    description:
      - V(held) takes the lock. Where this playbook has it already, nothing happens.
      - V(released) gives it up and deletes the parameter; it fails when the lock was lost before.
    type: str
    choices: [held, released]
    default: held
  who:
    description: Who a refused run should turn to, such as the caller's ARN.
    type: str
    default: somebody
  lease:
    description: Seconds that the lock outlives a run that ended without a trace. It is renewed four times a lease.
    type: int
    default: 120
attributes:
  check_mode:
    support: full
    description: Skipped; a plan changes nothing, so it needs no lock.
  diff_mode:
    support: none
    description: There is nothing to show; the lock never counts as a change.
extends_documentation_fragment: [concert.platform.connection]
"""

EXAMPLES = r"""
- name: Take the run lock
  concert.platform.run_lock:
    parameter: /concert-platform/production/run-lock
    who: "{{ caller.arn }}"

- name: Release the run lock
  concert.platform.run_lock:
    parameter: /concert-platform/production/run-lock
    state: released
"""

RETURN = r"""
run_id:
  description: Id of the run that holds, or held, the lock.
  returned: success
  type: str
  sample: 20261124095600-1f2e3d
msg:
  description: What was done, or why the lock cannot be had.
  returned: always
  type: str
"""
