"""Documentation of the action `concert.platform.redshift_migrate`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: redshift_migrate
short_description: Bring a Redshift Serverless warehouse's schema to what the migration files say
version_added: "0.1.0"
description:
  - >-
    Applies the files of a directory, C(NNNN_name.sql), that the ledger C(concert_meta.schema_migrations) does not hold
    yet, in order, through the Redshift Data API; no network path to the warehouse is needed.
  - >-
    Then runs the repeatable files, C(R__name.sql), whose text is another than when they ran last, in the order of their
    names. They are for what is replaced whole: views, routines, grants, comments.
  - Each file is one transaction together with its row in the ledger, so that the ledger holds exactly what is applied.
  - >-
    A file that starts with C(-- concert: no-transaction) runs statement by statement instead; write it so that it may
    run again. What Redshift refuses in a transaction is refused without that mark, before anything runs.
  - >-
    C(-- concert: skip-when <query>) before a statement leaves it out when the query finds a row.
  - Refuses a directory with a gap or with one number twice, and an applied file that was edited, renamed or removed.
  - >-
    Every transaction locks the ledger and looks at it again before it does anything, so two runs at once are right
    without a unique key, which Redshift does not enforce.
  - >-
    Beside that a run holds a lease of 60 seconds, which it renews, in C(concert_meta.migration_lock). Who comes second
    waits within its O(timeout) and says for whom. The lease of a process of this machine that runs no more is taken
    over at once, any other when it has run out; what that run left running in the warehouse is waited for.
  - >-
    Throttling, a full queue and lost answers are waited out within O(timeout). Requests carry client tokens, so none
    runs its SQL twice.
  - Statements run as the namespace's admin, by the secret that AWS manages; only its ARN is read.
author: Concert Data Platform engineers (@concert-data-platform)
options:
  directory:
    description: Directory of the migration files.
    type: path
    required: true
  placeholders:
    description: >-
      Values for C(${name}) in the files. Letters, digits and C(_ . : / -) only.
    type: dict
    default: {}
  baseline_version:
    description: >-
      For a warehouse that was made without these files, once. The files up to this number are entered in the ledger as
      applied and not run; the others are applied. Refused when the ledger is not empty.
    type: int
  release:
    description: What is being released, for the ledger; a version or a revision. May be empty.
    type: str
    default: ""
  plan_from:
    description: >-
      For plans by somebody who may not read the ledger, since that is read as the warehouse's admin. In check mode the
      files are compared with what the newest release recorded, and the warehouse is not asked. A file that was applied
      outside a release shows as pending then. Without check mode it means nothing.
    type: dict
    suboptions:
      bucket:
        description: The deployment bucket, where releases are recorded.
        type: str
        required: true
      parameter:
        description: Name of the parameter that holds the newest release's id.
        type: str
        required: true
  timeout:
    description: >-
      Seconds for the whole run, waiting for another run included; 1 to 86400. A statement that is still running then is
      cancelled.
    type: int
    default: 900
attributes:
  check_mode:
    support: full
    description: Lists what is pending, also when the warehouse does not exist yet.
  diff_mode:
    support: full
    description: Shows the pending statements.
extends_documentation_fragment: [concert.platform.warehouse, concert.platform.connection]
"""

EXAMPLES = r"""
- name: Bring the warehouse's schema to its desired state
  concert.platform.redshift_migrate:
    workgroup: concert-workgroup-production
    namespace: concert-namespace-production
    database: concerts
    directory: files/redshift/migrations
    placeholders:
      environment: production
      name_suffix: ""

- name: Take over a warehouse that holds what the first seven files make
  concert.platform.redshift_migrate:
    workgroup: concert-workgroup-production
    namespace: concert-namespace-production
    database: concerts
    directory: files/redshift/migrations
    baseline_version: 7
"""

RETURN = r"""
applied:
  description: Names of the files that this run applied, in order. Empty in check mode.
  returned: success
  type: list
  elements: str
  sample: [0001_schema.sql, 0002_source_tables.sql]
basis:
  description: What the plan rests on where that is not the ledger, O(plan_from); else empty.
  returned: success
  type: str
  sample: compared with release 20261127T064500Z-1a2b3c4d; the ledger was not asked
pending:
  description: In check mode, names of the files that a run would apply.
  returned: success
  type: list
  elements: str
baseline:
  description: Names of the files that were, or in check mode would be, entered in the ledger without being run.
  returned: success
  type: list
  elements: str
version:
  description: Number of the last numbered file of the directory.
  returned: success
  type: int
  sample: 7
started:
  description: When the task began, in ISO 8601 and UTC.
  returned: success
  type: str
seconds:
  description: Duration of the task.
  returned: success
  type: float
"""
