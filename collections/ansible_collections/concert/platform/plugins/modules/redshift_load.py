"""Documentation of the action `concert.platform.redshift_load`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: redshift_load
short_description: Load files into tables of a Redshift Serverless warehouse, each once
version_added: "0.2.0"
description:
  - Loads a local file, an object, or all objects below a prefix into one of the warehouse's source tables, through the
    Redshift Data API; no network path to the warehouse is needed.
  - A file is staged by C(COPY) with its own columns by name, its rows are held against the rules of the pipeline, and
    the good ones are merged into the table by its key, in one transaction with a line of C(concert_dw.load_history).
  - A file whose content the history holds is not loaded again. One that was stored anew is, and its rows that the table
    holds already change nothing.
  - >-
    Bad rows are found by C(COPY) itself (MAXERROR, and SYS_LOAD_ERROR_DETAIL for line and reason) where a value does
    not fit its column, and by SQL where it breaks a rule; the file is then read for the line of the row's key. Parquet
    is typed: a file of other types is refused whole, and its rows are numbered.
  - A key that stands twice with different values is bad twice; the same row twice counts once.
  - Files of several tables are loaded side by side, those of one table in the order of their names. Each load comes
    into its table in turn, those of the loader function included.
  - Columns are a CSV's header, the names in JSON records, or a Parquet file's schema. An unknown one is refused.
    C(created_at) and C(updated_at) may be left out; with C(updated_at), a row older than the table's is not taken.
  - Statements run as the namespace's admin, by the secret that AWS manages; only its ARN is read.
author: Concert Data Platform engineers (@concert-data-platform)
options:
  what:
    description:
      - Table of C(concert_dw) to load.
      - V(all) loads every table from the files that are named after it, such as C(artists.csv), C(artists.2.csv.gz) or
        C(artists/2.csv). Other files there are named and left alone. A table that cannot be loaded does not keep the
        others from it.
    type: str
    required: true
    choices: [artists, venues, concerts, ticket_sales, all]
  from:
    description:
      - Path of a local file, C(s3://bucket/key) of an object, or C(s3://bucket/prefix/) of all objects below it; with
        O(what=all), path of a local directory or C(s3://bucket/prefix/).
      - A local file is uploaded first, below C(loads/) in O(upload_bucket), under its checksum.
    type: str
    required: true
  format:
    description: Format of the file. V(auto) goes by the name's ending; C(.gz) and C(.bz2) behind it are recognised.
    type: str
    choices: [auto, csv, jsonl, parquet]
    default: auto
  on_bad_rows:
    description: V(fail) loads nothing of a file with bad rows, V(skip) its good rows. Both report the bad ones.
    type: str
    choices: [fail, skip]
    default: fail
  max_bad_rows:
    description: With O(on_bad_rows=skip), a file with more bad rows than this is refused all the same.
    type: int
    default: 1000
  upload_bucket:
    description: Bucket for local files.
    type: str
    default: ""
  role_arn:
    description: Role that COPY reads with. V(default) is the namespace's default role.
    type: str
    default: default
  release:
    description: Release to note in the load history.
    type: str
    default: ""
  timeout:
    description: Seconds for the whole task. A statement that is still running then is cancelled.
    type: int
    default: 900
attributes:
  check_mode:
    support: full
    description: >-
      Lists the files that would be loaded, also when the warehouse does not exist yet. Bad rows are found by loading
      only.
  diff_mode:
    support: full
    description: Shows the files that are loaded.
extends_documentation_fragment: [concert.platform.warehouse, concert.platform.connection]
"""

EXAMPLES = r"""
- name: Load last week's sales
  concert.platform.redshift_load:
    workgroup: concert-workgroup-production
    namespace: concert-namespace-production
    database: concerts
    what: ticket_sales
    from: exports/sales.csv.gz
    upload_bucket: concert-data-raw-production-123456789012
    on_bad_rows: skip

- name: Load all tables
  concert.platform.redshift_load:
    workgroup: concert-workgroup-production
    namespace: concert-namespace-production
    database: concerts
    what: all
    from: s3://concert-data-raw-production-123456789012/exports/2026-11-27/
"""

RETURN = r"""
loaded:
  description: Objects that this run loaded. Empty in check mode.
  returned: always
  type: list
  elements: str
  sample: ["s3://concert-data-raw-production-123456789012/loads/ticket_sales/9f86d081.csv"]
pending:
  description: In check mode, files that a run would load.
  returned: success
  type: list
  elements: str
rows_inserted:
  description: Rows that are new in the table.
  returned: success, when not in check mode
  type: int
rows_updated:
  description: Rows that changed in the table.
  returned: success, when not in check mode
  type: int
rows_unchanged:
  description: Good rows that the table held already.
  returned: success, when not in check mode
  type: int
rows_rejected:
  description: Bad rows.
  returned: when not in check mode
  type: int
rejected:
  description: >-
    The first hundred bad rows: file, line (from 1; the row of a Parquet file; null where it is not known), column, key
    and reason. C(concert_dw.load_rejections) keeps up to two thousand of a load.
  returned: success, when not in check mode
  type: list
  elements: dict
  sample:
    - {file: sales.csv, line: 17, column: quantity, key: "", reason: "Invalid digit, Value 't', Pos 0, Type: Integer"}
seconds:
  description: Duration of the task.
  returned: success
  type: float
"""
