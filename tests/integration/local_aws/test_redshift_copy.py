"""COPY and UNLOAD between tables and the embedded S3, as the role that the statement names."""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

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
    assert "value too long" in lake.warehouse.error(lake.copy("places", "places.tsv", "DELIMITER '\\t'"))
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
    assert "MAXERROR above 0" in lake.warehouse.error(lake.copy("strict", "strict/1", "JSON 'auto' MAXERROR 3"))
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
        pytest.param("COPY t FROM 's3://b/k' FORMAT PARQUET IAM_ROLE 'x'", "PARQUET", id="parquet"),
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
