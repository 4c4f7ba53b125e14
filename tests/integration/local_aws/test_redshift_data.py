"""The Data API on a real PostgreSQL: submission, results, transactions, users, limits."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.local_aws.redshift_support import (
    Warehouse,
    create_role,
    create_warehouse,
    eventually,
    plain,
    session_of,
)

Client = Callable[..., Any]


@pytest.fixture(scope="module")
def warehouse(client: Client) -> Iterator[Warehouse]:
    created = create_warehouse(client, "data-api")
    created.run("CREATE SCHEMA dw")
    yield created
    serverless = client("redshift-serverless")
    serverless.delete_workgroup(workgroupName=created.workgroup)
    serverless.delete_namespace(namespaceName=created.namespace)


def named(**values: str) -> list[dict[str, str]]:
    """Parameters of the Data API."""
    return [{"name": name, "value": value} for name, value in values.items()]


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_a_result_has_typed_fields_nulls_and_column_metadata(warehouse: Warehouse) -> None:
    data = warehouse.data()
    warehouse.run("CREATE TABLE dw.typed (k varchar(9) NOT NULL, n numeric(8,2), s super, d date)")
    warehouse.run("INSERT INTO dw.typed VALUES ('a', 1.5, JSON_PARSE('{\"x\":1}'), '2024-02-29')")
    described = warehouse.run(
        "SELECT k, n, d, s, 1 AS i, 2::bigint AS b, 1.5::float8 AS f, true AS t, NULL AS z, "
        "'2024-01-01 10:00:00'::timestamp AS ts FROM dw.typed"
    )
    assert described["HasResultSet"] is True
    assert described["ResultRows"] == 1
    assert described["ResultSize"] > 0
    assert described["Duration"] > 0
    assert described["RedshiftQueryId"] > 0
    assert described["QueryString"].startswith("SELECT k, n")
    result = data.get_statement_result(Id=described["Id"])
    assert result["TotalNumRows"] == 1
    assert result["Records"][0] == [
        {"stringValue": "a"},
        {"stringValue": "1.50"},
        {"stringValue": "2024-02-29"},
        {"stringValue": '{"x": 1}'},
        {"longValue": 1},
        {"longValue": 2},
        {"doubleValue": 1.5},
        {"booleanValue": True},
        {"isNull": True},
        {"stringValue": "2024-01-01 10:00:00"},
    ]
    columns = {column["name"]: column for column in result["ColumnMetadata"]}
    assert [columns[name]["typeName"] for name in ("k", "n", "d", "s", "i", "b", "f", "t", "ts")] == [
        "varchar", "numeric", "date", "super", "int4", "int8", "float8", "bool", "timestamp",
    ]  # fmt: skip
    assert (columns["k"]["schemaName"], columns["k"]["tableName"], columns["k"]["nullable"]) == ("dw", "typed", 0)
    assert (columns["n"]["precision"], columns["n"]["scale"], columns["n"]["nullable"]) == (8, 2, 1)
    assert columns["k"]["precision"] == 9


def test_results_come_in_pages(warehouse: Warehouse) -> None:
    data = warehouse.data()
    described = warehouse.run(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) SELECT i FROM n ORDER BY i"
    )
    first = data.get_statement_result(Id=described["Id"])
    assert (len(first["Records"]), first["TotalNumRows"]) == (1000, 2500)
    pages = list(data.get_paginator("get_statement_result").paginate(Id=described["Id"]))
    values = [plain(record[0]) for page in pages for record in page["Records"]]
    assert values == list(range(1, 2501))


def test_parameters_are_untyped_strings_bound_by_name(warehouse: Warehouse) -> None:
    warehouse.run("CREATE TABLE dw.bound (k varchar(40), n integer, ts timestamp)")
    malicious = "x'; DROP TABLE dw.bound; --"
    warehouse.run(
        "INSERT INTO dw.bound VALUES (:k, :n, :ts)",
        Parameters=[
            {"name": "k", "value": malicious},
            {"name": "n", "value": "7"},
            {"name": "ts", "value": "2024-01-01"},
        ],
    )
    found = warehouse.rows(
        "SELECT k, n FROM dw.bound WHERE n > :least AND ts < :day AND k <> ':none' LIMIT :most",
        Parameters=named(least="6", day="2024-01-02", most="5"),
    )
    assert found == [[malicious, 7]]
    assert "invalid input syntax for type integer" in warehouse.error(
        "SELECT k FROM dw.bound WHERE n = :n", Parameters=named(n="seven")
    )
    with pytest.raises(ClientError) as refused:
        warehouse.submit("SELECT 1", Parameters=named(unused="1"))
    assert code_of(refused) == "ValidationException"
    assert "no parameter :missing" in warehouse.error("SELECT :missing")


def test_a_batch_is_one_transaction(warehouse: Warehouse) -> None:
    warehouse.run("CREATE TABLE dw.atomic (n integer NOT NULL)")
    failed = warehouse.describe(
        ["INSERT INTO dw.atomic VALUES (1)", "INSERT INTO dw.atomic VALUES (NULL)", "INSERT INTO dw.atomic VALUES (3)"]
    )
    assert failed["Status"] == "FAILED"
    assert failed["Error"].startswith("Query #2 failed with ERROR: null value in column")
    subs = failed["SubStatements"]
    assert [sub["Status"] for sub in subs] == ["FINISHED", "FAILED", "ABORTED"]
    assert [sub["Id"] for sub in subs] == [f"{failed['Id']}:{n}" for n in (1, 2, 3)]
    assert "null value" in subs[1]["Error"]
    assert warehouse.rows("SELECT count(*) FROM dw.atomic") == [[0]]

    done = warehouse.run(["INSERT INTO dw.atomic VALUES (1), (2)", "SELECT n FROM dw.atomic ORDER BY n"])
    assert [sub["ResultRows"] for sub in done["SubStatements"]] == [2, 2]
    assert [sub["HasResultSet"] for sub in done["SubStatements"]] == [False, True]
    page = warehouse.data().get_statement_result(Id=f"{done['Id']}:2")
    assert [plain(record[0]) for record in page["Records"]] == [1, 2]
    with pytest.raises(ClientError) as no_rows:
        warehouse.data().get_statement_result(Id=f"{done['Id']}:1")
    assert code_of(no_rows) == "ResourceNotFoundException"


def test_what_redshift_refuses_in_a_transaction_is_refused_in_a_batch_only(warehouse: Warehouse) -> None:
    warehouse.run("CREATE TABLE dw.vacuumed (n integer)")
    assert "VACUUM cannot run inside a transaction block" in warehouse.error(["SELECT 1", "VACUUM dw.vacuumed"])
    warehouse.run("VACUUM dw.vacuumed")
    assert "LOCK TABLE can only be used in transaction blocks" in warehouse.error("LOCK dw.vacuumed")
    warehouse.run(["LOCK dw.vacuumed", "INSERT INTO dw.vacuumed VALUES (1)"])


def test_a_client_token_makes_a_submission_happen_once(warehouse: Warehouse) -> None:
    warehouse.run("CREATE TABLE dw.once (n integer)")
    token = uuid.uuid4().hex
    first = warehouse.run("INSERT INTO dw.once VALUES (1)", ClientToken=token)
    second = warehouse.run("INSERT INTO dw.once VALUES (1)", ClientToken=token)
    assert first["Id"] == second["Id"]
    assert warehouse.rows("SELECT count(*) FROM dw.once") == [[1]]
    with pytest.raises(ClientError) as misused:
        warehouse.submit("INSERT INTO dw.once VALUES (2)", ClientToken=token)
    assert code_of(misused) == "ValidationException"


def test_a_running_statement_is_cancelled(warehouse: Warehouse) -> None:
    data = warehouse.data()
    identifier = warehouse.submit("SELECT pg_sleep(60)")
    eventually(lambda: data.describe_statement(Id=identifier)["Status"] == "STARTED", "the statement starts")
    assert data.cancel_statement(Id=identifier)["Status"] is True
    assert data.describe_statement(Id=identifier, WaitTimeSeconds=20)["Status"] == "ABORTED"
    with pytest.raises(ClientError) as late:
        data.cancel_statement(Id=identifier)
    assert code_of(late) == "ValidationException"


def pids(warehouse: Warehouse, sqls: list[str]) -> list[int]:
    return [int(warehouse.run(sql)["RedshiftPid"]) for sql in sqls]


def test_a_statement_begins_with_nothing_of_the_session_before(warehouse: Warehouse) -> None:
    """Connections are kept, and what a session leaves in them is not."""
    warehouse.run(["SET search_path TO dw", "CREATE TEMP TABLE passing (a int)", "INSERT INTO passing VALUES (1)"])
    assert "passing" in warehouse.error("SELECT * FROM passing")
    assert warehouse.rows("SELECT current_schema()") == [["public"]]
    used = pids(warehouse, ["SELECT 1"] * 3)
    assert len(set(used)) < 3, "no connection is kept"


def test_a_session_that_ended_is_replaced(warehouse: Warehouse) -> None:
    warehouse.run("SELECT 1")
    # Waits for their end: a signal that arrives during the next statement would be that one's failure, and rightly.
    warehouse.run(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND datname = 'concerts'"
    )
    assert [warehouse.rows("SELECT 1") for _ in range(4)] == [[[1]]] * 4


def test_kept_sessions_are_in_nobodys_way(warehouse: Warehouse) -> None:
    warehouse.run("CREATE DATABASE passing")
    for _ in range(2):
        warehouse.run("SELECT 1", Database="passing")
    warehouse.run("DROP DATABASE passing")
    # What is given to a user by hand holds for the next statement of a user who was seen before.
    data = warehouse.data(**{"aws_access_key_id": "test", "aws_secret_access_key": "test"})
    assert warehouse.rows("SELECT current_user", data=data, admin=False) == [["IAM:RootIdentity"]]
    warehouse.run('ALTER USER "IAM:RootIdentity" SET search_path TO dw')
    try:
        assert warehouse.rows("SHOW search_path", data=data, admin=False) == [["dw"]]
    finally:
        warehouse.run('ALTER USER "IAM:RootIdentity" RESET search_path')
    assert warehouse.rows("SHOW search_path", data=data, admin=False) != [["dw"]]


def test_a_cancellation_does_not_reach_who_comes_next(warehouse: Warehouse) -> None:
    data = warehouse.data()
    for _ in range(5):
        identifier = warehouse.submit("SELECT pg_sleep(0.05)")
        with suppress(ClientError):
            data.cancel_statement(Id=identifier)
        assert warehouse.rows("SELECT 1") == [[1]]


def test_statements_are_listed_by_status_and_name(warehouse: Warehouse) -> None:
    name = f"listed-{uuid.uuid4().hex[:6]}"
    good = warehouse.run("SELECT 1", StatementName=name)
    bad = warehouse.describe("SELECT * FROM missing", StatementName=name)
    data = warehouse.data()
    listed = data.list_statements(StatementName=name, Status="ALL")["Statements"]
    assert [item["Id"] for item in listed] == [bad["Id"], good["Id"]]
    assert [item["Id"] for item in data.list_statements(StatementName=name, Status="FAILED")["Statements"]] == [
        bad["Id"]
    ]
    page = data.list_statements(StatementName=name, Status="ALL", MaxResults=1)
    assert len(page["Statements"]) == 1
    assert page["NextToken"]


def test_what_a_database_holds_is_listed(warehouse: Warehouse) -> None:
    warehouse.run("CREATE TABLE dw.catalogued (a varchar(12) NOT NULL, b numeric(6,3), c timestamp)")
    data = warehouse.data()
    target = {"WorkgroupName": warehouse.workgroup, "Database": "concerts", "SecretArn": warehouse.secret_arn}
    assert set(data.list_databases(**target)["Databases"]) == {"concerts", "dev"}
    assert "dw" in data.list_schemas(**target)["Schemas"]
    assert data.list_tables(**target, TablePattern="catalogu%")["Tables"] == [
        {"name": "catalogued", "schema": "dw", "type": "TABLE"}
    ]
    columns = data.describe_table(**target, Schema="dw", Table="catalogued")["ColumnList"]
    assert [(c["name"], c["typeName"], c["nullable"]) for c in columns] == [
        ("a", "varchar", 0),
        ("b", "numeric", 1),
        ("c", "timestamp", 1),
    ]
    assert (columns[0]["length"], columns[1]["precision"], columns[1]["scale"]) == (12, 6, 3)


def test_varchar_counts_bytes_and_keys_are_not_enforced(warehouse: Warehouse) -> None:
    warehouse.run("CREATE TABLE dw.bytes (k varchar(4) PRIMARY KEY, u varchar(4) UNIQUE) DISTSTYLE ALL SORTKEY (k)")
    warehouse.run("INSERT INTO dw.bytes VALUES ('éé', 'a'), ('éé', 'a')")
    assert "counts bytes" in warehouse.error("INSERT INTO dw.bytes VALUES ('ééé', 'b')")
    assert "null value" in warehouse.error("INSERT INTO dw.bytes VALUES (NULL, 'b')")
    warehouse.run(["CREATE TEMP TABLE copied (LIKE dw.bytes)", "INSERT INTO copied SELECT * FROM dw.bytes"])
    assert "counts bytes" in warehouse.error(
        ["CREATE TEMP TABLE copied (LIKE dw.bytes)", "INSERT INTO copied VALUES ('ééé', 'b')"]
    )
    warehouse.run("ALTER TABLE dw.bytes ALTER COLUMN k TYPE varchar(6)")
    warehouse.run("INSERT INTO dw.bytes VALUES ('ééé', 'b')")


@pytest.mark.parametrize(
    ("sqls", "style", "keys"),
    [
        pytest.param(["CREATE TABLE dw.keyed (a int, b int)"], 10, {}, id="nothing-is-said"),
        pytest.param(
            ["CREATE TABLE dw.keyed (a int DISTKEY, b int SORTKEY)"], 1, {"a": (True, 0), "b": (False, 1)},
            id="with-the-columns",
        ),
        pytest.param(
            ["CREATE TABLE dw.keyed (a int, b int, c int) DISTSTYLE EVEN INTERLEAVED SORTKEY (b, a, c)"], 0,
            {"b": (False, 1), "a": (False, -2), "c": (False, 3)}, id="interleaved",
        ),
        pytest.param(
            ["CREATE TABLE dw.keyed DISTSTYLE ALL SORTKEY (b) AS SELECT 1 AS a, 2 AS b"], 8, {"b": (False, 1)},
            id="from-a-query",
        ),
        pytest.param(
            ["CREATE TABLE dw.model (z int, a int) DISTKEY (a) SORTKEY (a)",
             "CREATE TABLE dw.keyed (LIKE dw.model)", "DROP TABLE dw.model"], 1, {"a": (True, 1)}, id="like-another",
        ),
        pytest.param(
            ["CREATE TABLE dw.keyed (a int, b int) DISTKEY (a) SORTKEY (a)",
             "CREATE TABLE IF NOT EXISTS dw.keyed (a int) DISTSTYLE ALL"], 1, {"a": (True, 1)}, id="there-already",
        ),
        pytest.param(
            ["CREATE TABLE dw.keyed (a int, b int) DISTKEY (a) SORTKEY (a)",
             "ALTER TABLE dw.keyed ALTER DISTSTYLE KEY DISTKEY b",
             "ALTER TABLE dw.keyed ALTER COMPOUND SORTKEY (b, a)",
             "ALTER TABLE dw.keyed RENAME COLUMN b TO renamed"], 1, {"renamed": (True, 1), "a": (False, 2)},
            id="changed-and-renamed",
        ),
        pytest.param(
            ["CREATE TABLE dw.keyed (a int) DISTKEY (a) SORTKEY (a)", "ALTER TABLE dw.keyed ALTER DISTSTYLE AUTO",
             "ALTER TABLE dw.keyed ALTER SORTKEY NONE"], 10, {}, id="taken-back",
        ),
    ],
)  # fmt: skip
def test_distribution_and_sort_keys_are_told_as_they_were_said(
    warehouse: Warehouse, sqls: list[str], style: int, keys: dict[str, tuple[bool, int]]
) -> None:
    warehouse.run(sqls)
    try:
        told = warehouse.rows("SELECT releffectivediststyle FROM pg_class_info WHERE relname = 'keyed'")
        columns = warehouse.rows(
            "SELECT column_name, distkey, sortkey FROM svv_redshift_columns WHERE schema_name = 'dw'"
            " AND table_name = 'keyed' AND (distkey OR sortkey <> 0)"
        )
        assert told == [[style]]
        assert {name: (distkey, place) for name, distkey, place in columns} == keys
    finally:
        warehouse.run("DROP TABLE dw.keyed")


def test_keys_of_a_table_that_was_not_made_are_not_kept(warehouse: Warehouse) -> None:
    warehouse.error(["CREATE TABLE dw.undone (a int) DISTKEY (a)", "SELECT 1 / 0"])
    warehouse.run("CREATE TABLE dw.undone (a int)")
    assert warehouse.rows("SELECT releffectivediststyle FROM pg_class_info WHERE relname = 'undone'") == [[10]]
    warehouse.run("DROP TABLE dw.undone")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        pytest.param("DATEDIFF(month, '2024-01-31'::date, '2024-02-01'::date)", 1, id="boundaries-not-months"),
        pytest.param("DATEDIFF(week, '2024-06-01'::date, '2024-06-02'::date)", 1, id="weeks-begin-on-sunday"),
        pytest.param("DATEDIFF(day, '2024-01-01 23:59'::timestamp, '2024-01-02 00:01'::timestamp)", 1, id="midnight"),
        pytest.param("DATEADD(month, 1, '2024-01-31'::date)", "2024-02-29 00:00:00", id="month-ends"),
        pytest.param("DATEADD(month, 1, '2023-02-28'::date)", "2023-03-31 00:00:00", id="last-day-stays-last-day"),
        pytest.param("CONVERT_TIMEZONE('UTC', 'Asia/Tokyo', '2024-07-01 12:00')", "2024-07-01 21:00:00", id="zone"),
        pytest.param("LEN('éa')", 2, id="len-counts-characters"),
        pytest.param("OCTET_LENGTH('éa')", 3, id="octet-length"),
        pytest.param("NVL(NULL, 'x')", "x", id="nvl"),
        pytest.param("REGEXP_REPLACE('aXbX', 'X', '-')", "a-b-", id="every-match"),
        pytest.param("JSON_EXTRACT_PATH_TEXT('{\"a\":{\"b\":\"c\"}}', 'a', 'b')", "c", id="json"),
        pytest.param("EXTRACT(year FROM '2024-05-06'::date)", 2024, id="extract"),
        pytest.param("STRTOL('ff', 16)", 255, id="strtol"),
        pytest.param("SHA2('x', 256)", "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", id="sha2"),
        pytest.param("LAST_DAY('2024-02-10'::date)", "2024-02-29", id="last-day"),
        pytest.param("ROUND(2.345::float8, 2)", 2.35, id="round-of-doubles"),
    ],
)
def test_functions_mean_what_they_mean_on_redshift(warehouse: Warehouse, expression: str, value: Any) -> None:
    assert warehouse.rows(f"SELECT {expression}") == [[value]]


def test_averages_of_integers_are_truncated(warehouse: Warehouse) -> None:
    assert warehouse.rows("SELECT AVG(n), AVG(n::numeric(4,1)) FROM (SELECT 1 AS n UNION ALL SELECT 2) AS x") == [
        [1, "1.5"]
    ]


def test_merge_and_procedures_run(warehouse: Warehouse) -> None:
    warehouse.run("CREATE TABLE dw.target (k integer, v varchar(9))")
    warehouse.run("INSERT INTO dw.target VALUES (1, 'old'), (2, 'kept')")
    merge = (
        "MERGE INTO dw.target USING staged AS s ON dw.target.k = s.k "
        "WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT (k, v) VALUES (s.k, s.v)"
    )
    warehouse.run(
        [
            "LOCK dw.target",
            "CREATE TEMP TABLE staged (LIKE dw.target)",
            "INSERT INTO staged VALUES (1, 'new'), (3, 'added')",
            merge,
        ]
    )
    assert warehouse.rows("SELECT k, v FROM dw.target ORDER BY k") == [[1, "new"], [2, "kept"], [3, "added"]]
    warehouse.run("CREATE VIEW dw.source AS SELECT 1 AS k, 'x' AS v")
    assert "must be a table, not a view" in warehouse.error(merge.replace("staged", "dw.source"))
    warehouse.run(
        "CREATE OR REPLACE PROCEDURE dw.fill(day DATE) LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO dw.target SELECT DATEDIFF(day, '2024-01-01', day), NVL(NULL, 'called'); END; $$"
    )
    warehouse.run("CALL dw.fill('2024-01-11')")
    assert warehouse.rows("SELECT v FROM dw.target WHERE k = 10") == [["called"]]


def test_a_role_is_a_user_without_rights_until_granted(client: Client, warehouse: Warehouse) -> None:
    name = f"reader-{uuid.uuid4().hex[:6]}"
    workgroup_arn = client("redshift-serverless").get_workgroup(workgroupName=warehouse.workgroup)["workgroup"][
        "workgroupArn"
    ]
    role = create_role(
        client,
        name,
        (),
        [
            {"Effect": "Allow", "Action": ["redshift-data:ExecuteStatement"], "Resource": workgroup_arn},
            {"Effect": "Allow", "Action": ["redshift-data:DescribeStatement", "redshift-data:GetStatementResult"],
             "Resource": "*"},
            {"Effect": "Allow", "Action": "redshift-serverless:GetCredentials", "Resource": workgroup_arn},
        ],
    )  # fmt: skip
    data = client("redshift-data", **session_of(client, role))
    warehouse.run("CREATE TABLE dw.private (n integer)")
    assert warehouse.rows("SELECT current_user", admin=False, data=data) == [[f"IAMR:{name}"]]
    denied = warehouse.error("SELECT n FROM dw.private", admin=False, data=data)
    assert denied == "ERROR: permission denied for schema dw"
    warehouse.run("CREATE ROLE concert_reader")
    warehouse.run("GRANT USAGE ON SCHEMA dw TO ROLE concert_reader")
    warehouse.run(f'GRANT ROLE concert_reader TO "IAMR:{name}"')
    assert "permission denied for relation private" in warehouse.error(
        "SELECT n FROM dw.private", admin=False, data=data
    )
    warehouse.run("GRANT SELECT ON ALL TABLES IN SCHEMA dw TO ROLE concert_reader")
    assert warehouse.rows("SELECT n FROM dw.private", admin=False, data=data) == []
    assert "permission denied" in warehouse.error("INSERT INTO dw.private VALUES (1)", admin=False, data=data)


def test_a_user_created_before_its_first_visit_is_found(client: Client, warehouse: Warehouse) -> None:
    name = f"early-{uuid.uuid4().hex[:6]}"
    role = create_role(client, name, (), [{"Effect": "Allow", "Action": "*", "Resource": "*"}])
    warehouse.run(f'CREATE USER "IAMR:{name}" PASSWORD DISABLE')
    warehouse.run("CREATE TABLE public.early (n integer)")
    warehouse.run(f'GRANT SELECT ON public.early TO "IAMR:{name}"')
    data = client("redshift-data", **session_of(client, role))
    assert warehouse.rows("SELECT n FROM public.early", admin=False, data=data) == []


@pytest.mark.parametrize(
    ("allowed", "missing"),
    [
        pytest.param(["redshift-serverless:GetCredentials"], "redshift-data:ExecuteStatement", id="statement"),
        pytest.param(["redshift-data:ExecuteStatement"], "redshift-serverless:GetCredentials", id="credentials"),
    ],
)
def test_a_missing_permission_is_refused(
    client: Client, warehouse: Warehouse, allowed: list[str], missing: str
) -> None:
    role = create_role(
        client, f"r-{uuid.uuid4().hex[:8]}", (), [{"Effect": "Allow", "Action": allowed, "Resource": "*"}]
    )
    with pytest.raises(ClientError) as refused:
        warehouse.submit("SELECT 1", admin=False, data=client("redshift-data", **session_of(client, role)))
    assert code_of(refused) == "AccessDeniedException"
    assert missing in str(refused.value)


def test_a_permission_on_another_workgroup_is_none(client: Client, warehouse: Warehouse) -> None:
    elsewhere = "arn:aws:redshift-serverless:us-east-1:000000000000:workgroup/00000000-0000-0000-0000-000000000000"
    statements = [
        {"Effect": "Allow", "Action": "redshift-serverless:GetCredentials", "Resource": "*"},
        {"Effect": "Allow", "Action": "redshift-data:ExecuteStatement", "Resource": elsewhere},
    ]
    role = create_role(client, f"r-{uuid.uuid4().hex[:8]}", (), statements)
    with pytest.raises(ClientError) as refused:
        warehouse.submit("SELECT 1", admin=False, data=client("redshift-data", **session_of(client, role)))
    assert code_of(refused) == "AccessDeniedException"
    assert "redshift-data:ExecuteStatement" in str(refused.value)


def test_the_secret_must_be_readable_and_right(client: Client, warehouse: Warehouse) -> None:
    action = ["redshift-data:ExecuteStatement", "redshift-data:DescribeStatement"]
    role = create_role(
        client, f"r-{uuid.uuid4().hex[:8]}", (), [{"Effect": "Allow", "Action": action, "Resource": "*"}]
    )
    with pytest.raises(ClientError) as refused:
        warehouse.submit("SELECT 1", data=client("redshift-data", **session_of(client, role)))
    assert code_of(refused) == "AccessDeniedException"
    wrong = client("secretsmanager").create_secret(
        Name=f"wrong-{uuid.uuid4().hex[:6]}", SecretString='{"username": "admin", "password": "Guessed1"}'
    )["ARN"]
    assert "password authentication failed" in warehouse.error("SELECT 1", admin=False, SecretArn=wrong)


def test_a_statement_belongs_to_who_submitted_it(client: Client, warehouse: Warehouse) -> None:
    identifier = warehouse.run("SELECT 1")["Id"]
    role = create_role(
        client, f"r-{uuid.uuid4().hex[:8]}", (), [{"Effect": "Allow", "Action": "redshift-data:*", "Resource": "*"}]
    )
    with pytest.raises(ClientError) as refused:
        client("redshift-data", **session_of(client, role)).describe_statement(Id=identifier)
    assert code_of(refused) == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("request_members", "code"),
    [
        pytest.param({"WorkgroupName": "no-such-workgroup"}, "ValidationException", id="unknown-workgroup"),
        pytest.param({"Sql": "SELECT '" + "x" * 102_400 + "'"}, "ValidationException", id="over-100-kilobytes"),
        pytest.param({"ClientToken": "t" * 65}, "ValidationException", id="long-token"),
        pytest.param({"DbUser": "someone"}, "ValidationException", id="database-user"),
        pytest.param({"WithEvent": True}, "ValidationException", id="event"),
        pytest.param({"SessionKeepAliveSeconds": 60}, "ValidationException", id="session"),
        pytest.param({"ResultFormat": "CSV"}, "ValidationException", id="format"),
    ],
)
def test_a_bad_request_is_refused_at_once(warehouse: Warehouse, request_members: dict[str, Any], code: str) -> None:
    request = {"WorkgroupName": warehouse.workgroup, "Database": "concerts", "Sql": "SELECT 1", **request_members}
    with pytest.raises(ClientError) as refused:
        warehouse.data().execute_statement(**request)
    assert code_of(refused) == code


def test_a_batch_has_at_most_forty_statements(warehouse: Warehouse) -> None:
    warehouse.run(["SELECT 1"] * 40)
    with pytest.raises(ClientError) as refused:
        warehouse.submit(["SELECT 1"] * 41)
    assert code_of(refused) == "ValidationException"


def test_errors_are_in_redshifts_words(warehouse: Warehouse) -> None:
    assert warehouse.error("SELECT * FROM nowhere") == 'ERROR: relation "nowhere" does not exist'
    assert warehouse.error("SELECT 1", Database="nowhere").startswith('FATAL: database "nowhere" does not exist')
    assert "multiple commands" in warehouse.error("SELECT 1; SELECT 2")
    failed = warehouse.describe("SELECT * FROM nowhere")
    with pytest.raises(ClientError) as no_result:
        warehouse.data().get_statement_result(Id=failed["Id"])
    assert code_of(no_result) == "ResourceNotFoundException"
    with pytest.raises(ClientError) as unknown:
        warehouse.data().describe_statement(Id=str(uuid.uuid4()))
    assert code_of(unknown) == "ResourceNotFoundException"


def test_many_statements_run_at_once_and_the_server_answers_meanwhile(client: Client, warehouse: Warehouse) -> None:
    warehouse.run("CREATE TABLE dw.concurrent (n integer)")
    sleeping = warehouse.submit("SELECT pg_sleep(120)")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: warehouse.run(f"INSERT INTO dw.concurrent VALUES ({n})"), range(24)))
    assert warehouse.rows("SELECT count(*), sum(n) FROM dw.concurrent") == [[24, sum(range(24))]]
    client("s3").list_buckets()
    warehouse.data().cancel_statement(Id=sleeping)


def test_two_namespaces_do_not_meet(client: Client, warehouse: Warehouse) -> None:
    other = create_warehouse(client, "data-api-two")
    try:
        warehouse.run("CREATE ROLE same_name")
        other.run("CREATE ROLE same_name")
        other.run("CREATE TABLE public.only_here (n integer)")
        assert "does not exist" in warehouse.error("SELECT * FROM public.only_here")
        assert other.rows("SELECT current_database()") == [["concerts"]]
    finally:
        serverless = client("redshift-serverless")
        serverless.delete_workgroup(workgroupName=other.workgroup)
        serverless.delete_namespace(namespaceName=other.namespace)
