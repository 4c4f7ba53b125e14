#!/usr/bin/python
"""Documentation of the action `concert.platform.stack`, which does the work in the controller process."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack
short_description: Bring a CloudFormation stack to its desired state
description:
  - Looks at the stack, plans by a change set, guards data and exports, executes exactly that change set, shows progress
    while AWS works, and on failure names the first true cause with the template's line.
  - In check mode it plans and leaves nothing behind. What it predicts as C(changed) is what the run reports. With
    C(--diff) the plan shows every property before and after.
  - A stack that an interrupted run left behind is taken up. An operation in progress is waited for, a placeholder is
    used, an operation that failed without a rollback is rolled back, a failed rollback is continued, a failed creation
    or deletion in which nothing alive holds data is deleted and created anew. What holds data is never deleted on the
    way; the task stops with the names.
  - A new stack never overwrites what exists under its names (buckets and their policies, tables, streams, namespaces,
    secrets, log groups, key aliases), such as a deleted stack keeps. It is refused, in check mode too, naming each, or
    takes them over with O(import_existing).
  - A task that finds nothing to do looks at the stacks of the stack tasks that follow it as well, all at once, so that
    they end without asking AWS where that look proves that they too have nothing to do. Such a look counts once, for
    ten seconds, and no longer once the run has changed a stack; it is not taken past a task that might change one by
    itself, and nothing is ever planned or changed by it.
  - Values of parameters that the template declares C(NoEcho) appear nowhere.
version_added: 0.1.0
author: Concert Data Platform engineers (@concert-data-platform)
extends_documentation_fragment:
  - concert.platform.connection
attributes:
  check_mode:
    support: full
    description: Plans by a change set, or from the template where AWS cannot plan yet, and leaves nothing behind.
  diff_mode:
    support: full
    description: Shows every property before and after, what is replaced, and what is only possible.
seealso:
  - module: amazon.aws.cloudformation
  - module: concert.platform.stack_info
options:
  name:
    description: Name of the stack.
    type: str
    required: true
  state:
    description:
      - V(present) creates or updates the stack.
      - V(settled) waits for what an earlier task began with O(wait=false), and fails if that failed, without another
        attempt. Then it does what V(present) does, so that the settings beside the template hold too.
      - V(absent) deletes it and waits. Refused with termination protection on, while other stacks import from it, or
        where data would be lost that its template does not retain, unless O(allow_replacement) lists it.
    type: str
    choices: [present, settled, absent]
    default: present
  template:
    description:
      - Path of the template, YAML or JSON. A relative path is looked for like other files of a role or playbook, then
        in the working directory.
      - Exactly one of O(template) and O(use_previous_template) is needed for O(state=present).
    type: path
  use_previous_template:
    description:
      - Keep the template that the stack has, and every parameter that O(parameters) does not name. Needs an existing
        stack. For new code keys without anything else.
    type: bool
    default: false
  template_bucket:
    description:
      - Bucket through which a template over 51,200 bytes goes, under a key made of its content. Check mode uses a key
        of its own and removes it; while the bucket does not exist, check mode plans from the template.
    type: str
  parameters:
    description:
      - The template's parameters. Numbers and booleans are written as CloudFormation takes them, lists are joined by
        commas. A parameter that is null or left out takes the template's default; a NoEcho parameter without a default
        keeps its value.
    type: dict
    default: {}
  tags:
    description:
      - The stack's tags, all of them; C({}) clears them, leaving the option out keeps them.
      - The tag C(Layer), if there is one, names the stack in progress lines.
    type: dict
  termination_protection:
    description: Whether AWS refuses to delete the stack. Left out, it stays as it is.
    type: bool
  stack_policy:
    description:
      - The stack policy. Left out, it stays as it is.
      - A plan that the policy forbids is refused before anything moves; the given policy counts, and is set first.
        O(state=absent) is refused where the stack's policy denies C(Update:Delete) of something that would be deleted.
    type: dict
  allow_replacement:
    description:
      - Logical ids of stateful resources (buckets, tables, streams, namespaces, keys, topics with subscribers, …) that
        this run may replace or remove. C(*) allows every plan, also one that AWS calls incomplete.
    type: list
    elements: str
    default: []
  skip_resources:
    description:
      - Logical ids that a recovery may leave out where it fails on them, in a nested stack as C(Nested.Resource).
      - In C(UPDATE_ROLLBACK_FAILED) the rollback is continued, at first without skipping. What fails again is left as
        it is if listed here; otherwise the task fails, naming it.
      - With O(state=absent) in C(DELETE_FAILED), what could not be deleted and is listed here is left behind. What
        holds data is left behind anyway, unless O(allow_replacement) lists it.
    type: list
    elements: str
    default: []
  import_existing:
    description:
      - Whether a new stack takes over what exists under its names, with its data, by an IMPORT change set before the
        rest is created. A key is found by the alias that the template gives it.
      - Refused where the template gives such a resource no C(DeletionPolicy), where another stack holds it, or where
        the key of data that would be taken over is not found.
      - What exists is taken as it is; what was changed in it by hand is seen by drift detection only.
    type: bool
    default: false
    version_added: 0.2.0
  changed_before:
    description:
      - Names of stacks that earlier tasks of the same play let go of this stack's exports. In check mode those tasks
        moved nothing, so the plan does not count these stacks as importers. The run itself asks AWS instead.
    type: list
    elements: str
    default: []
  notification_arns:
    description: SNS topics that CloudFormation tells of the stack's events, all of them. Left out, they stay.
    type: list
    elements: str
  role_arn:
    description: Role that CloudFormation works under. Left out, it stays, or is the caller.
    type: str
  events_directory:
    description:
      - Directory on the controller in which the full event list of a failed operation is kept, a JSON file a failure,
        secrets masked. Made when needed. Left out, none is kept.
    type: path
  timeout:
    description: Seconds that the task waits in all. AWS goes on by itself; the next run waits for it.
    type: float
    default: 3600
  wait:
    description:
      - V(false) returns once AWS has begun. A task with O(state=settled) waits for a creation or update, one with
        O(state=absent) for a deletion.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Bring the storage stack to its desired state
  concert.platform.stack:
    name: "{{ storage_stack_name }}"
    template: "{{ playbook_dir }}/files/cloudformation/02-storage-processing.yaml"
    parameters:
      Environment: production
      NetworkStackName: concert-platform-networking-production
      EventsStreamShards: 2
    tags:
      Project: concert-data-platform
      Layer: storage
    termination_protection: true
  register: __storage_stack

- name: Point the compute stack at new code, everything else as it is
  concert.platform.stack:
    name: "{{ compute_stack_name }}"
    use_previous_template: true
    parameters:
      ChatbotCodeKey: "{{ lambda_packages_keys.chatbot }}"

- name: Bring the storage stack back after a deletion that kept its data
  concert.platform.stack:
    name: "{{ storage_stack_name }}"
    template: "{{ playbook_dir }}/files/cloudformation/02-storage-processing.yaml"
    import_existing: true

- name: Begin to bring the monitoring stack to its desired state, and go on meanwhile
  concert.platform.stack:
    name: "{{ monitoring_stack_name }}"
    template: "{{ playbook_dir }}/files/cloudformation/05-monitoring-observability.yaml"
    wait: false

- name: Wait until it is there
  concert.platform.stack:
    name: "{{ monitoring_stack_name }}"
    state: settled
    template: "{{ playbook_dir }}/files/cloudformation/05-monitoring-observability.yaml"

- name: Delete the monitoring stack
  concert.platform.stack:
    name: "{{ monitoring_stack_name }}"
    state: absent
"""

RETURN = r"""
status:
  description: The stack's status afterwards, C(absent) without a stack.
  type: str
  returned: success
  sample: UPDATE_COMPLETE
stack_id:
  description: The stack's ARN, empty without a stack.
  type: str
  returned: success
outputs:
  description: Output key → value, as the stack answers now.
  type: dict
  returned: success
parameters:
  description: Parameter name → value, NoEcho masked.
  type: dict
  returned: success
changes:
  description: What changed, or in check mode what would, a resource an entry.
  type: list
  elements: dict
  returned: success
  contains:
    action: {description: Add, type: str}
    logical_id: {description: Its name in the template., type: str}
    resource_type: {description: Its type., type: str}
    physical_id: {description: "Its name in AWS, empty before it exists.", type: str}
    replacement: {description: "yes, possible or no.", type: str}
    certainty: {description: certain or conditional., type: str}
    properties: {description: The paths of the properties that differ., type: list, elements: str}
kept:
  description: Type and name of what a deletion leaves in the account, by its template's deletion policies.
  type: list
  elements: str
  returned: success
notes:
  description: What a reader of the plan should know, such as a description that AWS takes over later.
  type: list
  elements: str
  returned: success
risks:
  description: What in the plan deserves a second look, the gravest first.
  type: list
  elements: dict
  returned: in check mode
  contains:
    severity: {description: high or notice., type: str}
    kind: {description: "replacement, deletion, permissions or network.", type: str}
    logical_id: {description: The resource's name in the template., type: str}
    resource_type: {description: Its type., type: str}
    what: {description: What happens or comes., type: str}
resources:
  description: Logical id → physical id, after a run that changed something; empty otherwise.
  type: dict
  returned: success
seconds:
  description: How long the task took, waiting included.
  type: float
  returned: success
timeline:
  description: For each resource of the operation when it started (UTC), how many seconds it took, how it ended.
  type: list
  elements: dict
  returned: when AWS carried out an operation, also if it failed
  contains:
    logical_id: {description: The resource's name in the template., type: str}
    resource_type: {description: Its type., type: str}
    status: {description: "How it ended, such as CREATE_COMPLETE.", type: str}
    started: {description: "When, in ISO 8601 and UTC.", type: str}
    seconds: {description: How long it took., type: float}
    reason: {description: AWS's reason where it failed or was skipped., type: str}
events_file:
  description: The file that holds all events of the failed operation. C(msg) names it too.
  type: str
  returned: when an operation failed and O(events_directory) is given
msg:
  description: >-
    First line C(<stack>: <logical id> (<type>, <template>:<line>) failed: <AWS's reason>. <what to do>), or what was
    refused and why.
  type: str
  returned: failure
"""
