"""Documentation of the action `concert.platform.redshift_lake`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: redshift_lake
short_description: Let a Redshift Serverless warehouse query the lake
version_added: "0.2.0"
description:
  - Makes an external schema over a database of the Glue catalog, unless it is there, and lets roles use it, so that
    lake and warehouse can be joined in one query.
  - Registers the partitions that the tables' bucket holds and the catalog does not know. Athena computes partitions by
    projection; Redshift Spectrum sees registered ones only, so this has to run again when a new day has begun.
  - An external schema that is there is left as it is, also over another database. Drop it to have it made anew.
  - Statements run as the namespace's admin, by the secret that AWS manages; only its ARN is read.
author: Concert Data Platform engineers (@concert-data-platform)
options:
  schema:
    description: Name of the external schema.
    type: str
    default: concert_lake
  glue_database:
    description: Name of the catalog's database.
    type: str
    required: true
  role_arn:
    description: Role that Spectrum reads catalog and objects with. V(default) is the namespace's default role.
    type: str
    default: default
  readers:
    description: Roles of the warehouse that may use a schema that this task makes.
    type: list
    elements: str
    default: [concert_reader, concert_admin]
  timeout:
    description: Seconds for the statements of the task.
    type: int
    default: 300
attributes:
  check_mode:
    support: full
    description: Lists what is missing, also when the warehouse does not exist yet.
  diff_mode:
    support: full
    description: Shows statements and partitions.
extends_documentation_fragment: [concert.platform.warehouse, concert.platform.connection]
"""

EXAMPLES = r"""
- name: Let the warehouse query the lake
  concert.platform.redshift_lake:
    workgroup: concert-workgroup-production
    namespace: concert-namespace-production
    database: concerts
    glue_database: concert_data_production
"""

RETURN = r"""
statements:
  description: Statements that were run, or in check mode would be.
  returned: success
  type: list
  elements: str
partitions:
  description: Partitions that were registered, or in check mode would be, as table/value.
  returned: success
  type: list
  elements: str
  sample: [ticket_sales/2026-11-27]
"""
