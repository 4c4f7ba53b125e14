"""Documentation of the action `concert.platform.redshift_info`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: redshift_info
short_description: Tell what a Redshift Serverless warehouse holds, and how that differs from the migration files
version_added: "0.2.0"
description:
  - Without O(catalog), tells what is applied, by whom, when and for which release, what is pending, and who is
    migrating, from the ledger that M(concert.platform.redshift_migrate) keeps.
  - >-
    With O(catalog), compares the warehouse's catalog with what the migrations make, both ways: what is in the warehouse
    and in no migration, and what is in the migrations and not in the warehouse.
  - >-
    Compared are tables, views and their columns, column types and comments, the routines' text, grants and who holds a
    role, in the schema C(concert_dw); and the names of tables and views in C(public). A view's text is compared with
    what the warehouse made of it when a migration last made it. Not compared are distribution and sort keys.
  - Changes nothing. Statements run as the namespace's admin, by the secret that AWS manages; only its ARN is read.
author: Concert Data Platform engineers (@concert-data-platform)
options:
  directory:
    description: Directory of the migration files.
    type: path
    required: true
  placeholders:
    description: Values for C(${name}) in the files and in the catalog.
    type: dict
    default: {}
  catalog:
    description: File that says what the migrations make. C(make catalog) writes it.
    type: path
  timeout:
    description: Seconds for the whole task.
    type: int
    default: 120
attributes:
  check_mode:
    support: full
    description: The same as without.
  diff_mode:
    support: none
    description: There is nothing to show.
extends_documentation_fragment: [concert.platform.warehouse, concert.platform.connection]
"""

EXAMPLES = r"""
- name: Compare the warehouse with the migrations
  concert.platform.redshift_info:
    workgroup: concert-workgroup-production
    namespace: concert-namespace-production
    database: concerts
    directory: files/redshift/migrations
    catalog: files/redshift/catalog.yml
    placeholders:
      environment: production
      name_suffix: ""
  register: warehouse
  failed_when: warehouse.drift | length > 0
"""

RETURN = r"""
lines:
  description: The answer for people, a line each.
  returned: success
  type: list
  elements: str
applied:
  description: Names of the numbered files that the ledger holds, in order.
  returned: without a catalog
  type: list
  elements: str
pending:
  description: Names of the files that a run would apply, in order. Empty when there is a problem.
  returned: without a catalog
  type: list
  elements: str
problem:
  description: Why nothing could be applied, for instance an applied file that was edited; empty when there is none.
  returned: without a catalog
  type: str
migrated_by:
  description: Who is migrating the warehouse now. Empty when nobody is.
  returned: without a catalog
  type: str
drift:
  description: The differences between the warehouse and the migrations, one each.
  returned: with a catalog
  type: list
  elements: str
  sample: ["table artists / column note (character varying(64)): in the warehouse, in no migration"]
"""
