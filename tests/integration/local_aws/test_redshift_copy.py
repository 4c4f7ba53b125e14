"""COPY and UNLOAD between tables and the embedded S3, as the role that the statement names."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.integration.local_aws.redshift_support import TRUST_REDSHIFT, Warehouse, create_role, create_warehouse

Client = Callable[..., Any]


@dataclass(frozen=True)
class Lake:
    """A warehouse, a bucket, and roles of every kind."""

    warehouse: Warehouse
    s3: Any
    bucket: str
    role: str
    roles: dict[str, str]

    def put(self, key: str, body: bytes | str) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def copy(self, table: str, prefix: str, options: str, role: str | None = None) -> str:
        return f"COPY {table} FROM 's3://{self.bucket}/{prefix}' IAM_ROLE '{role or self.role}' {options}"


@pytest.fixture(scope="module")
def lake(client: Client) -> Iterator[Lake]:
    suffix = uuid.uuid4().hex[:8]
    bucket = f"lake-{suffix}"
    s3 = client("s3")
    s3.create_bucket(Bucket=bucket)
    objects, whole = f"arn:aws:s3:::{bucket}/*", f"arn:aws:s3:::{bucket}"
    allow: list[dict[str, Any]] = [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": objects},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": whole},
    ]
    roles = {
        "good": create_role(client, f"good-{suffix}", TRUST_REDSHIFT, allow),
        "no-list": create_role(client, f"no-list-{suffix}", TRUST_REDSHIFT, allow[:1]),
        "no-read": create_role(client, f"no-read-{suffix}", TRUST_REDSHIFT, allow[1:]),
        "glue-only": create_role(client, f"glue-{suffix}", ("glue.amazonaws.com",), allow),
        "one-principal": create_role(client, f"one-{suffix}", TRUST_REDSHIFT[:1], allow),
    }
    missing = f"arn:aws:iam::000000000000:role/never-{suffix}"
    outsider = create_role(client, f"out-{suffix}", TRUST_REDSHIFT, allow)
    warehouse = create_warehouse(
        client, f"lake-{suffix}", iamRoles=[*roles.values(), missing], defaultIamRoleArn=roles["good"]
    )
    yield Lake(warehouse, s3, bucket, roles["good"], {**roles, "missing": missing, "outsider": outsider})
    serverless = client("redshift-serverless")
    serverless.delete_workgroup(workgroupName=warehouse.workgroup)
    serverless.delete_namespace(namespaceName=warehouse.namespace)


def json_lines(*records: dict[str, Any]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def test_gzip_json_is_loaded_by_column_name(lake: Lake) -> None:
    lake.warehouse.run(
        "CREATE TABLE sales (sale_id varchar(64), quantity integer, price numeric(8,2), at timestamp, tags super, "
        "note varchar(99) DEFAULT 'unset')"
    )
    first = {"sale_id": "a", "quantity": 2, "price": 19.90, "at": "2024-05-06T07:08:09.123456", "tags": ["x"]}
    second = {"sale_id": "b", "quantity": None, "price": "1.10", "at": "2024-05-06 07:08:09", "unknown": {"y": 1}}
    lake.put("sales/1.json.gz", gzip.compress(json_lines(first, second)))
    lake.put("sales/2.json.gz", gzip.compress(json_lines({"sale_id": "c", "tags": {"z": 1}})))
    columns = "sales (sale_id, quantity, price, at, tags)"
    done = lake.warehouse.run(lake.copy(columns, "sales/", "FORMAT JSON 'auto' GZIP TIMEFORMAT 'auto'"))
    assert done["ResultRows"] == 3
    assert lake.warehouse.rows("SELECT sale_id, quantity, price, at, tags, note FROM sales ORDER BY 1") == [
        ["a", 2, "19.90", "2024-05-06 07:08:09.123456", '["x"]', "unset"],
        ["b", None, "1.10", "2024-05-06 07:08:09", None, "unset"],
        ["c", None, None, None, '{"z": 1}', "unset"],
    ]


def test_csv_is_loaded_with_its_options(lake: Lake) -> None:
    lake.warehouse.run("CREATE TABLE places (id integer, name varchar(20), opened date, rate float)")
    lake.put("places.csv", 'id,name,opened,rate\n1,"Hall, ""Big""",2020-01-02,0.5\n2,,,\n')
    lake.warehouse.run(lake.copy("places", "places.csv", "CSV IGNOREHEADER 1 DATEFORMAT 'auto' EMPTYASNULL"))
    assert lake.warehouse.rows("SELECT id, name, opened, rate FROM places ORDER BY id") == [
        [1, 'Hall, "Big"', "2020-01-02", 0.5],
        [2, None, None, None],
    ]
    lake.put("places.txt", "3|x|2021-01-01|1\n")
    lake.warehouse.run(lake.copy("places", "places.txt", ""))
    lake.put("places.tsv", "4\tlonger than twenty bytes\t2021-01-01\t1\n")
    error = lake.warehouse.error(lake.copy("places", "places.tsv", "DELIMITER '\\t'"))
    assert "line 1, column name: String length exceeds DDL length" in error
    lake.warehouse.run(lake.copy("places", "places.tsv", "DELIMITER '\\t' TRUNCATECOLUMNS"))
    assert lake.warehouse.rows("SELECT name FROM places WHERE id = 4") == [["longer than twenty b"]]


def test_a_manifest_names_the_objects(lake: Lake) -> None:
    lake.warehouse.run("CREATE TABLE listed (n integer)")
    for number in (1, 2, 3):
        lake.put(f"listed/{number}.json", json_lines({"n": number}))
    entries = [{"url": f"s3://{lake.bucket}/listed/{number}.json", "mandatory": True} for number in (1, 3)]
    lake.put("manifests/a", json.dumps({"entries": entries}))
    lake.warehouse.run(lake.copy("listed", "manifests/a", "FORMAT AS JSON 'auto' MANIFEST"))
    assert lake.warehouse.rows("SELECT n FROM listed ORDER BY n") == [[1], [3]]
    lake.put("manifests/b", json.dumps({"entries": [{"url": f"s3://{lake.bucket}/gone", "mandatory": True}]}))
    assert "does not exist" in lake.warehouse.error(lake.copy("listed", "manifests/b", "JSON 'auto' MANIFEST"))


def test_a_bad_row_fails_the_whole_load_and_says_where(lake: Lake) -> None:
    lake.warehouse.run("CREATE TABLE strict (n integer, ts timestamp)")
    lake.put("strict/1.json", json_lines({"n": 1}, {"n": "one"}))
    error = lake.warehouse.error(lake.copy("strict", "strict/1", "JSON 'auto'"))
    assert error.startswith("ERROR: Load into table 'strict' failed.  Check 'sys_load_error_detail'")
    assert f"s3://{lake.bucket}/strict/1.json" in error
    lake.put("strict/2.json", json_lines({"n": 1, "ts": "2024-05-06T07:08:09Z"}))
    assert "Invalid timestamp format" in lake.warehouse.error(lake.copy("strict", "strict/2", "JSON 'auto'"))
    lake.put("strict/3.json", b'{"n": 1} {"n": ')
    assert "Invalid JSON" in lake.warehouse.error(lake.copy("strict", "strict/3", "JSON 'auto'"))
    lake.put("strict/4.json", b"not gzip")
    assert "not in gzip format" in lake.warehouse.error(lake.copy("strict", "strict/4", "JSON 'auto' GZIP"))
    assert lake.warehouse.rows("SELECT count(*) FROM strict") == [[0]]
    lake.warehouse.run(lake.copy("strict", "strict/2", "JSON 'auto' TIMEFORMAT 'auto' MAXERROR 0"))


def test_a_copy_in_a_batch_is_undone_with_it(lake: Lake) -> None:
    lake.warehouse.run("CREATE TABLE undone (n integer)")
    lake.put("undone/1.json", json_lines({"n": 1}))
    assert "Query #2" in lake.warehouse.error([lake.copy("undone", "undone/", "JSON 'auto'"), "SELECT nonsense"])
    assert lake.warehouse.rows("SELECT count(*) FROM undone") == [[0]]
    lake.warehouse.run(
        [
            "CREATE TEMP TABLE stage (LIKE undone)",
            lake.copy("stage (n)", "undone/1.json", "JSON 'auto'"),
            "INSERT INTO undone SELECT n FROM stage",
        ]
    )
    assert lake.warehouse.rows("SELECT n FROM undone") == [[1]]


@pytest.mark.parametrize(
    ("role", "named"),
    [
        pytest.param("missing", "it does not exist", id="no-such-role"),
        pytest.param("outsider", "not associated with namespace", id="not-associated"),
        pytest.param("glue-only", "its trust policy does not name", id="not-trusted"),
        pytest.param("no-list", "lacks s3:ListBucket", id="may-not-list"),
        pytest.param("no-read", "lacks s3:GetObject", id="may-not-read"),
    ],
)
def test_the_role_must_be_able_to_read(lake: Lake, role: str, named: str) -> None:
    lake.warehouse.run("CREATE TABLE IF NOT EXISTS guarded (n integer)")
    lake.put("guarded/1.json", json_lines({"n": 1}))
    error = lake.warehouse.error(lake.copy("guarded", "guarded/", "JSON 'auto'", lake.roles[role]))
    assert named in error


def test_a_key_guards_the_objects_under_it(lake: Lake, client: Client) -> None:
    key = client("kms").create_key()["KeyMetadata"]["Arn"]
    lake.warehouse.run("CREATE TABLE encrypted (n integer)")
    lake.s3.put_object(
        Bucket=lake.bucket, Key="encrypted/1.json", Body=json_lines({"n": 1}),
        ServerSideEncryption="aws:kms", SSEKMSKeyId=key,
    )  # fmt: skip
    statement = lake.copy("encrypted", "encrypted/", "JSON 'auto'")
    assert "lacks kms:Decrypt" in lake.warehouse.error(statement)
    policy = {"Statement": [{"Effect": "Allow", "Action": ["kms:Decrypt"], "Resource": key}]}
    client("iam").put_role_policy(
        RoleName=lake.role.rpartition("/")[2], PolicyName="key", PolicyDocument=json.dumps(policy)
    )
    lake.warehouse.run(statement)


def test_the_default_role_must_trust_both_principals(lake: Lake, client: Client) -> None:
    lake.warehouse.run("CREATE TABLE defaulted (n integer)")
    lake.put("defaulted/1.json", json_lines({"n": 1}))
    statement = f"COPY defaulted FROM 's3://{lake.bucket}/defaulted/' IAM_ROLE default JSON 'auto'"
    lake.warehouse.run(statement)
    serverless = client("redshift-serverless")
    roles = serverless.get_namespace(namespaceName=lake.warehouse.namespace)["namespace"]["iamRoles"]
    serverless.update_namespace(
        namespaceName=lake.warehouse.namespace, iamRoles=roles, defaultIamRoleArn=lake.roles["one-principal"]
    )
    try:
        assert "redshift-serverless.amazonaws.com" in lake.warehouse.error(statement)
        lake.warehouse.run(lake.copy("defaulted", "defaulted/", "JSON 'auto'", lake.roles["one-principal"]))
    finally:
        serverless.update_namespace(namespaceName=lake.warehouse.namespace, iamRoles=roles, defaultIamRoleArn=lake.role)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        pytest.param("COPY t FROM 's3://b/k' FORMAT ORC IAM_ROLE 'x'", "ORC", id="orc"),
        pytest.param(
            "COPY t FROM 's3://b/k' FORMAT PARQUET IAM_ROLE 'x' MAXERROR 5",
            "MAXERROR argument is not supported for PARQUET based COPY",
            id="parquet-knows-no-bad-rows",
        ),
        pytest.param("COPY t FROM 's3://b/k' CSV IAM_ROLE 'x' MAXERROR 100001", "more than 100000", id="too-lenient"),
        pytest.param("COPY t FROM 's3://b/k' IAM_ROLE 'x' JSON 'noshred'", "'noshred' is not supported", id="noshred"),
        pytest.param("COPY t FROM 's3://b/k' IAM_ROLE 'x' SSH", "SSH", id="ssh"),
        pytest.param("COPY t FROM 's3://b/k' JSON 'auto'", "needs IAM_ROLE", id="no-role"),
        pytest.param("COPY t FROM 'dynamodb://t' IAM_ROLE 'x'", "only s3://", id="another-source"),
        pytest.param("COPY t FROM STDIN", "quoted location", id="standard-input"),
        pytest.param("COPY t FROM 's3://b/k' IAM_ROLE 'x' FASTER", "faster", id="unknown-option"),
    ],
)
def test_what_copy_cannot_do_is_refused_by_name(lake: Lake, statement: str, named: str) -> None:
    assert named in lake.warehouse.error(statement)


def test_a_missing_prefix_and_a_missing_column_are_named(lake: Lake) -> None:
    lake.warehouse.run("CREATE TABLE named (n integer)")
    assert "The specified S3 prefix 'nowhere/' does not exist" in lake.warehouse.error(
        lake.copy("named", "nowhere/", "JSON 'auto'")
    )
    lake.put("named/1.json", json_lines({"n": 1}))
    assert '"m" of relation "named" does not exist' in lake.warehouse.error(
        lake.copy("named (m)", "named/", "JSON 'auto'")
    )


def test_unload_writes_what_a_query_gives(lake: Lake) -> None:
    lake.warehouse.run("CREATE TABLE unloaded (n integer, v varchar(9), ok boolean)")
    lake.warehouse.run("INSERT INTO unloaded VALUES (1, 'a,b', true), (2, NULL, false)")
    query = "UNLOAD ('SELECT n, v, ok FROM unloaded WHERE v IS NULL OR v <> ''x'' ORDER BY n') "
    target = f"TO 's3://{lake.bucket}/out/csv_' IAM_ROLE '{lake.role}' "
    done = lake.warehouse.run(query + target + "CSV HEADER GZIP")
    assert done["ResultRows"] == 2
    body = lake.s3.get_object(Bucket=lake.bucket, Key="out/csv_0000_part_00.gz")["Body"].read()
    assert gzip.decompress(body).decode() == 'n,v,ok\n1,"a,b",t\n2,,f\n'
    assert "is not empty" in lake.warehouse.error(query + target + "CSV")
    lake.warehouse.run(query + target + "CSV ALLOWOVERWRITE PARALLEL OFF")
    lake.warehouse.run(query + target.replace("csv_", "json_") + "FORMAT JSON")
    lines = lake.s3.get_object(Bucket=lake.bucket, Key="out/json_0000_part_00")["Body"].read().decode().splitlines()
    assert [json.loads(line) for line in lines] == [{"n": 1, "v": "a,b", "ok": True}, {"n": 2, "ok": False}]


DETAIL = (
    "SELECT line_number, column_name, column_type, column_length, error_code, error_message FROM sys_load_error_detail"
    " WHERE query_id = {} ORDER BY file_name, line_number"
)


def test_bad_rows_up_to_a_number_are_left_out_and_kept_with_line_column_and_reason(lake: Lake) -> None:
    lake.warehouse.run(
        "CREATE TABLE tolerant (n integer, v varchar(4), price numeric(5,2), day date, at timestamp,"
        " key varchar(9) NOT NULL)"
    )
    rows = [
        "n,v,price,day,at,key",
        "1,abcd,1.50,2026-01-31,2026-01-31 10:00:00,a",
        "two,b,1,,,b",
        "3,abcde,1,,,c",
        "4,äää,1,,,d",
        "5,e,1000.00,,,e",
        "6,f,1,2026-02-30,,f",
        "7,g,1,,2026-01-01T10:00:00,g",
        "8,h,1,,,",
        "9,i,1,,,i,surplus",
        "10,j",
        '11,"k,1,,,k',
    ]
    lake.put("tolerant.csv", "\n".join(rows) + "\n")
    done = lake.warehouse.run(lake.copy("tolerant", "tolerant.csv", "CSV IGNOREHEADER 1 MAXERROR 20 EMPTYASNULL"))
    assert done["ResultRows"] == 1
    assert lake.warehouse.rows("SELECT n, v, price, day, at, key FROM tolerant") == [
        [1, "abcd", "1.50", "2026-01-31", "2026-01-31 10:00:00", "a"]
    ]
    found = lake.warehouse.rows(DETAIL.format(done["RedshiftQueryId"]))
    assert [(line, column, code) for line, column, _, _, code, _ in found] == [
        (3, "n", 1207), (4, "v", 1204), (5, "v", 1204), (6, "price", 1209), (7, "day", 1205), (8, "at", 1206),
        (9, "key", 1213), (10, "", 1202), (11, "price", 1214), (12, "", 1216),
    ]  # fmt: skip
    reasons = {line: reason for line, *_, reason in found}
    assert reasons[3] == "Invalid digit, Value 't', Pos 0, Type: Integer"
    assert reasons[4] == "String length exceeds DDL length"
    assert reasons[7] == "Invalid Date Format or value [YYYY-MM-DD]"
    assert reasons[9] == "Missing data for not-null field"
    assert found[1][2:4] == ["varchar", "4"]
    history = lake.warehouse.rows(
        "SELECT status, table_name, data_source, file_format, loaded_rows, source_file_count, error_count"
        f" FROM sys_load_history WHERE query_id = {done['RedshiftQueryId']}"
    )
    assert history == [["completed", "tolerant", f"s3://{lake.bucket}/tolerant.csv", "csv", 1, 1, 10]]


def test_one_bad_row_more_than_allowed_loads_nothing_and_is_kept_all_the_same(lake: Lake) -> None:
    lake.warehouse.run("CREATE TABLE limited (n integer)")
    lake.put("limited.json", json_lines({"n": 1}, {"n": "a"}, {"n": "b"}))
    lake.warehouse.run(lake.copy("limited", "limited.json", "JSON 'auto' MAXERROR 2"))
    described = lake.warehouse.describe(lake.copy("limited", "limited.json", "JSON 'auto' MAXERROR 1"))
    assert described["Status"] == "FAILED"
    assert "line 2, column n: Invalid digit, Value 'a'" in described["Error"]
    assert lake.warehouse.rows("SELECT count(*) FROM limited") == [[1]]
    found = lake.warehouse.rows(DETAIL.format(described["RedshiftQueryId"]))
    assert [row[0] for row in found] == [2, 3]
    status = f"SELECT status, loaded_rows FROM sys_load_history WHERE query_id = {described['RedshiftQueryId']}"
    assert lake.warehouse.rows(status) == [["aborted", 0]]


def test_a_spoiled_line_of_json_and_bytes_that_are_no_text_cost_only_themselves(lake: Lake) -> None:
    lake.warehouse.run("CREATE TABLE spoiled (n integer, v varchar(9))")
    good = json_lines({"n": 1, "v": "ä"}, {"n": 4, "v": "x"}).splitlines()
    lake.put("spoiled.json", b"\n".join([good[0], b'{"n": 2, "v', b'{"n": 3, "v": "a\xff"}', good[1]]))
    done = lake.warehouse.run(lake.copy("spoiled", "spoiled.json", "JSON 'auto' MAXERROR 5"))
    assert lake.warehouse.rows("SELECT n, v FROM spoiled ORDER BY n") == [[1, "ä"], [4, "x"]]
    found = lake.warehouse.rows(DETAIL.format(done["RedshiftQueryId"]))
    assert [(line, code) for line, *_, code, _ in found] == [(2, 1216), (3, 1220)]
    assert "Bad UTF8 hex sequence: ff" in found[1][5]


def test_everybody_sees_the_errors_of_their_own_loads(lake: Lake) -> None:
    lake.warehouse.run("CREATE TABLE IF NOT EXISTS mine (n integer)")
    lake.put("mine.json", json_lines({"n": "x"}))
    done = lake.warehouse.run(lake.copy("mine", "mine.json", "JSON 'auto' MAXERROR 1"))
    query = DETAIL.format(done["RedshiftQueryId"])
    assert len(lake.warehouse.rows(query)) == 1
    assert lake.warehouse.rows(query, admin=False) == []


@pytest.mark.parametrize(
    ("options", "body", "loaded"),
    [
        pytest.param("CSV", '"1","a ""b""",0.559\n', [1, 'a "b"', "0.55"], id="decimals-are-cut"),
        pytest.param("CSV ROUNDEC", "1,a,0.559\n", [1, "a", "0.56"], id="or-rounded"),
        pytest.param("CSV", "1,,\n", [1, "", None], id="empty-text-is-empty"),
        pytest.param("CSV EMPTYASNULL", "1,,\n", [1, None, None], id="or-null"),
        pytest.param("CSV", "1,\\N,\n", [1, None, None], id="backslash-n-is-null"),
        pytest.param("CSV NULL AS 'none'", "1,none,\n", [1, None, None], id="another-null"),
        pytest.param("CSV", '1,"two\nlines",\n', [1, "two\nlines", None], id="a-value-of-two-lines"),
        pytest.param("CSV FILLRECORD", "1\n", [1, None, None], id="fill-record"),
        pytest.param("CSV IGNOREBLANKLINES", "1,a,1\n\n", [1, "a", "1.00"], id="blank-lines"),
        pytest.param("CSV TRIMBLANKS", "1,a  ,1\n", [1, "a", "1.00"], id="trim-blanks"),
        pytest.param("CSV BLANKSASNULL", "1,  ,1\n", [1, None, "1.00"], id="blanks-as-null"),
        pytest.param("ESCAPE", "1|a\\|b|1\n", [1, "a|b", "1.00"], id="escape"),
        pytest.param("REMOVEQUOTES", '1|"a"|1\n', [1, "a", "1.00"], id="remove-quotes"),
        pytest.param("CSV DELIMITER ';' QUOTE AS ''''", "1;'a;b';1\n", [1, "a;b", "1.00"], id="other-signs"),
        pytest.param("CSV BZIP2", bz2.compress(b"1,a,1\n"), [1, "a", "1.00"], id="bzip2"),
        pytest.param("CSV ZSTD", pa.compress(b"1,a,1\n", "zstd", asbytes=True), [1, "a", "1.00"], id="zstd"),
        pytest.param("CSV GZIP", gzip.compress(b"1,a,1e-1\n"), [1, "a", "0.10"], id="gzip-and-exponent"),
        pytest.param("CSV ACCEPTINVCHARS AS '^'", b"1,a\xff,1\n", [1, "a^", "1.00"], id="invalid-characters"),
    ],
)
def test_text_is_read_as_the_options_say(lake: Lake, options: str, body: str | bytes, loaded: list[Any]) -> None:
    table = f"told_{uuid.uuid4().hex[:8]}"
    lake.warehouse.run(f"CREATE TABLE {table} (n integer, v varchar(20), price numeric(5,2))")
    lake.put(f"{table}.txt", body)
    lake.warehouse.run(lake.copy(table, f"{table}.txt", options))
    assert lake.warehouse.rows(f"SELECT n, v, price FROM {table}") == [loaded]


def test_noload_checks_and_loads_nothing(lake: Lake) -> None:
    lake.warehouse.run("CREATE TABLE dry (n integer, v varchar(9))")
    lake.put("dry.csv", "1,a\n2,b\n")
    assert lake.warehouse.run(lake.copy("dry", "dry.csv", "CSV NOLOAD"))["ResultRows"] == 2
    lake.put("wet.csv", "x,a\n")
    assert "Invalid digit" in lake.warehouse.error(lake.copy("dry", "wet.csv", "CSV NOLOAD"))
    assert lake.warehouse.rows("SELECT count(*) FROM dry") == [[0]]


def test_a_jsonpaths_file_says_where_each_column_is(lake: Lake) -> None:
    lake.warehouse.run("CREATE TABLE pathed (id varchar(9), city varchar(9), first_price numeric(5,2), rest super)")
    record = {"id": "a", "venue": {"city.name": "Rome"}, "prices": [12.5, 7], "extra": {"x": 1}}
    lake.put("pathed.json", json_lines(record, {"id": "b"}))
    paths = {"jsonpaths": ["$.id", "$.venue['city.name']", "$['prices'][0]", "$.extra"]}
    lake.put("paths.json", json.dumps(paths))
    lake.warehouse.run(lake.copy("pathed", "pathed.json", f"JSON 's3://{lake.bucket}/paths.json'"))
    assert lake.warehouse.rows("SELECT id, city, first_price, rest FROM pathed ORDER BY id") == [
        ["a", "Rome", "12.50", '{"x": 1}'],
        ["b", None, None, None],
    ]
    for wrong, named in (({"jsonpaths": ["$.id"]}, "JSONPath size: 1"), ({"jsonpaths": ["$..id"]}, "'$..id'")):
        lake.put("wrong.json", json.dumps(wrong))
        assert named in lake.warehouse.error(
            lake.copy("pathed", "pathed.json", f"JSON 's3://{lake.bucket}/wrong.json'")
        )


def parquet(**columns: Any) -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.table(columns), target)
    return target.getvalue()


def test_parquet_is_loaded_by_the_order_of_its_columns(lake: Lake) -> None:
    lake.warehouse.run(
        "CREATE TABLE columnar (n integer, v varchar(9), price numeric(8,2), day date, at timestamp, ok boolean,"
        " x float)"
    )
    moment = datetime(2026, 1, 31, 10, 20, 30, 400)
    lake.put("columnar/1", parquet(
        a=pa.array([1, None], pa.int64()), b=pa.array(['q "," r', ""]),
        c=pa.array([Decimal("1.50"), None], pa.decimal128(8, 2)), d=pa.array([date(2026, 1, 31), None]),
        e=pa.array([moment, None], pa.timestamp("us")), f=pa.array([True, None]), g=pa.array([0.5, None]),
    ))  # fmt: skip
    done = lake.warehouse.run(lake.copy("columnar", "columnar/", "FORMAT AS PARQUET"))
    assert done["ResultRows"] == 2
    assert lake.warehouse.rows("SELECT * FROM columnar ORDER BY n") == [
        [1, 'q "," r', "1.50", "2026-01-31", "2026-01-31 10:20:30.0004", True, 0.5],
        [None, "", None, None, None, None, None],
    ]
    lake.put("columnar_v", parquet(anything=["only"]))
    lake.warehouse.run(lake.copy("columnar (v)", "columnar_v", "PARQUET"))
    assert lake.warehouse.rows("SELECT n FROM columnar WHERE v = 'only'") == [[None]]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        pytest.param(b"no parquet", "is not a Parquet file", id="not-parquet"),
        pytest.param(parquet(a=[1]), "Table columns: 2, Data columns: 1", id="fewer-columns"),
        pytest.param(parquet(a=["1"], b=["x"]), "incompatible Parquet schema for column", id="another-type"),
        pytest.param(parquet(a=[1], b=["x" * 10]), "defined in the table. Table: 9, Data: 10", id="too-long"),
        pytest.param(parquet(a=[2**40], b=["x"]), "out of range", id="too-large"),
    ],
)
def test_parquet_that_does_not_fit_loads_nothing(lake: Lake, body: bytes, named: str) -> None:
    lake.warehouse.run("CREATE TABLE IF NOT EXISTS unfit (n integer, v varchar(9))")
    lake.put("unfit", body)
    assert named in lake.warehouse.error(lake.copy("unfit", "unfit", "PARQUET"))
    assert lake.warehouse.rows("SELECT count(*) FROM unfit") == [[0]]


def test_unload_writes_parquet_by_partition(lake: Lake) -> None:
    lake.warehouse.run("CREATE TABLE parted (day date, price numeric(8,2), v varchar(9))")
    lake.warehouse.run("INSERT INTO parted VALUES ('2026-01-31', 1.50, 'a'), ('2026-02-01', NULL, 'b'), (NULL, 2, 'c')")
    target = f"TO 's3://{lake.bucket}/parted/' IAM_ROLE '{lake.role}' "
    lake.warehouse.run(f"UNLOAD ('SELECT * FROM parted') {target} FORMAT PARQUET PARTITION BY (day)")
    keys = [found["Key"] for found in lake.s3.list_objects_v2(Bucket=lake.bucket, Prefix="parted/")["Contents"]]
    assert keys == [
        f"parted/day={day}/0000_part_00.parquet" for day in ("2026-01-31", "2026-02-01", "__HIVE_DEFAULT_PARTITION__")
    ]
    table = pq.read_table(io.BytesIO(lake.s3.get_object(Bucket=lake.bucket, Key=keys[0])["Body"].read()))
    assert table.schema.types == [pa.decimal128(8, 2), pa.string()]
    assert table.to_pylist() == [{"price": Decimal("1.50"), "v": "a"}]
    lake.warehouse.run("CREATE TABLE rejoined (price numeric(8,2), v varchar(9))")
    assert lake.warehouse.run(lake.copy("rejoined", "parted/", "PARQUET"))["ResultRows"] == 3
    for wrong, named in (("PARTITION BY (nowhere)", '"nowhere" is not in the query'), ("GZIP", "takes no GZIP")):
        statement = f"UNLOAD ('SELECT * FROM parted') {target} FORMAT PARQUET ALLOWOVERWRITE {wrong}"
        assert named in lake.warehouse.error(statement)
