"""The operations of redshift-data."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from ministack.core.responses import get_account_id, get_region

from local_aws.redshift import model
from local_aws.redshift.errors import StatementError
from local_aws.redshift.members import DATA_API, guarded
from local_aws.redshift.statements import Part, Statements, Status, Submission, new_identifier
from local_aws.redshift.translate import parameter_names
from local_aws.redshift.warehouse import Warehouse, user_for
from local_aws.service import AwsError, Operation, Request

SERVICE = "redshift-data"
MAX_STATEMENT_BYTES = 100 * 1024
MAX_BATCH = 40
MAX_TOKEN_CHARACTERS = 64
MAX_WAIT_SECONDS = 30
PAGE_ROWS = 1000


class DataApi:
    """Takes statements, and tells what became of them."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._statements = Statements(warehouse)

    def forget(self) -> None:
        """Forget all submissions."""
        self._statements.forget()

    def operations(self) -> Mapping[str, Operation]:
        """The implemented operations by name."""
        found: Mapping[str, Operation] = {
            "ExecuteStatement": self.execute,
            "BatchExecuteStatement": self.batch_execute,
            "DescribeStatement": self.describe,
            "GetStatementResult": self.result,
            "ListStatements": self.list_statements,
            "CancelStatement": lambda request: {"Status": self._statements.cancel(self._submission(request)[0])},
            "ListDatabases": self.list_databases,
            "ListSchemas": self.list_schemas,
            "ListTables": self.list_tables,
            "DescribeTable": self.describe_table,
        }
        return guarded(found, DATA_API)

    async def execute(self, request: Request) -> dict[str, Any]:
        """Run one statement."""
        return await self._submit(request, [request.required("Sql")], batch=False)

    async def batch_execute(self, request: Request) -> dict[str, Any]:
        """Run up to forty statements, as one transaction unless told otherwise."""
        sqls = request.required("Sqls")
        if len(sqls) > MAX_BATCH:
            raise _invalid(f"The number of SQL statements ({len(sqls)}) exceeds the limit of {MAX_BATCH}.")
        return await self._submit(request, sqls, batch=True)

    async def _submit(self, request: Request, sqls: Sequence[str], *, batch: bool) -> dict[str, Any]:
        body = request.body
        parameters = body.get("Parameters") or []
        _check_statements(body, sqls, parameters)
        workgroup, namespace = _target(body)
        user, failure = "", ""
        try:
            user = user_for(request.caller, namespace, workgroup, body.get("SecretArn"))
        except StatementError as error:
            failure = str(error)
        submission = self._statements.submit(
            Submission(
                identifier=new_identifier(),
                owner=request.caller.identity,
                session=request.caller.arn,
                account=_account(),
                parts=[Part(sql) for sql in sqls],
                batch=batch,
                database=request.required("Database"),
                workgroup=body["WorkgroupName"],
                namespace=namespace,
                user=user,
                secret_arn=body.get("SecretArn"),
                name=body.get("StatementName"),
                parameters=parameters,
                auto_commit=body.get("ExecutionMode") == "AUTO_COMMIT",
                known_failure=failure,
            ),
            body.get("ClientToken"),
        )
        await self._wait(submission, request)
        answer = {
            "Id": submission.identifier,
            "CreatedAt": submission.created,
            "Database": submission.database,
            "WorkgroupName": submission.workgroup,
            "SecretArn": submission.secret_arn,
            "DbUser": submission.user if submission.secret_arn is None else None,
        }
        if body.get("WaitTimeSeconds"):
            answer |= {"Status": submission.status.value, "HasResultSet": _has_result(submission)}
        return _given(answer)

    async def describe(self, request: Request) -> dict[str, Any]:
        """What became of a submission."""
        submission, _ = self._submission(request)
        await self._wait(submission, request)
        answer = {
            "Id": submission.identifier,
            "CreatedAt": submission.created,
            "UpdatedAt": submission.updated,
            "Status": submission.status.value,
            "Error": submission.error or None,
            "Duration": submission.duration_nanoseconds,
            "HasResultSet": _has_result(submission),
            "Database": submission.database,
            "WorkgroupName": submission.workgroup,
            "SecretArn": submission.secret_arn,
            "DbUser": submission.user if submission.secret_arn is None else None,
            "RedshiftPid": submission.pid,
            "ResultFormat": "JSON",
            "QueryParameters": [dict(parameter) for parameter in submission.parameters] or None,
        }
        if submission.batch:
            answer |= {
                "RedshiftQueryId": 0,
                "ResultRows": -1,
                "ResultSize": -1,
                "ExecutionMode": "AUTO_COMMIT" if submission.auto_commit else "TRANSACTION",
                "SubStatements": [_sub_statement(submission, index) for index in range(len(submission.parts))],
            }
        else:
            part = submission.parts[0]
            answer |= {
                "QueryString": part.sql,
                "RedshiftQueryId": part.query_id,
                "ResultRows": part.rows,
                "ResultSize": part.result.size if part.result else -1 if part.rows < 0 else 0,
            }
        return _given(answer)

    async def result(self, request: Request) -> dict[str, Any]:
        """A page of rows."""
        submission, index = self._submission(request)
        await self._wait(submission, request)
        if index is None:
            if submission.batch:
                raise _invalid(
                    "Query is a batch of statements; ask for the result of one by its SubStatement id, such as "
                    f"{submission.identifier}:1."
                )
            index = 0
        part = submission.parts[index]
        if not submission.status.final:
            raise _no_result("Query does not have result. Please check query status.", request)
        if submission.status is not Status.FINISHED or part.result is None:
            raise _no_result("Query does not have result. Please check query status with DescribeStatement.", request)
        start = _page_start(request.body.get("NextToken"))
        rows = part.result.rows[start : start + PAGE_ROWS]
        more = start + PAGE_ROWS < len(part.result.rows)
        return _given(
            {
                "Records": rows,
                "ColumnMetadata": part.result.columns,
                "TotalNumRows": len(part.result.rows),
                "NextToken": str(start + PAGE_ROWS) if more else None,
            }
        )

    def list_statements(self, request: Request) -> dict[str, Any]:
        """Submissions by status, name, database and workgroup; those of the caller's principal."""
        body = request.body
        status = body.get("Status")
        found = [
            submission
            for submission in self._statements.all(_account())
            if submission.owner == request.caller.identity
            and (body.get("RoleLevel", True) or submission.session == request.caller.arn)
            and status in (None, "ALL", submission.status.value)
            and (not body.get("StatementName") or (submission.name or "").startswith(body["StatementName"]))
            and body.get("Database") in (None, submission.database)
            and body.get("WorkgroupName") in (None, submission.workgroup)
        ]
        return _paged(body, "Statements", [_listed(submission) for submission in found], 100)

    async def list_databases(self, request: Request) -> dict[str, Any]:
        """Names of the databases of a workgroup's namespace."""
        rows = await self._catalog(
            request, "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY 1", []
        )
        return _paged(request.body, "Databases", [row[0] for row in rows], 1000)

    async def list_schemas(self, request: Request) -> dict[str, Any]:
        """Names of the schemas that match a LIKE pattern."""
        rows = await self._catalog(
            request,
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE %s AND nspname NOT LIKE 'pg\\_toast%%' "
            "AND nspname NOT LIKE 'pg\\_temp%%' AND nspname <> 'redshift' ORDER BY 1",
            [request.body.get("SchemaPattern") or "%"],
        )
        return _paged(request.body, "Schemas", [row[0] for row in rows], 1000)

    async def list_tables(self, request: Request) -> dict[str, Any]:
        """Tables and views that match LIKE patterns."""
        rows = await self._catalog(
            request,
            "SELECT c.relname, n.nspname, CASE c.relkind WHEN 'r' THEN 'TABLE' ELSE 'VIEW' END FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'v', 'm') "
            "AND n.nspname LIKE %s AND c.relname LIKE %s AND (%s OR n.nspname NOT IN ('pg_catalog', "
            "'information_schema', 'redshift')) ORDER BY n.nspname, c.relname",
            [
                request.body.get("SchemaPattern") or "%",
                request.body.get("TablePattern") or "%",
                bool(request.body.get("SchemaPattern")),
            ],
        )
        listed = [{"name": name, "schema": schema, "type": kind} for name, schema, kind in rows]
        return _paged(request.body, "Tables", listed, 1000)

    async def describe_table(self, request: Request) -> dict[str, Any]:
        """The columns of a table."""
        table, schema = request.required("Table"), request.body.get("Schema") or "public"
        rows = await self._catalog(
            request,
            "SELECT column_name, udt_name, is_nullable, coalesce(character_maximum_length, numeric_precision, "
            "datetime_precision, 0), coalesce(numeric_scale, 0), column_default, "
            "coalesce(character_maximum_length, 0) FROM information_schema.columns "
            "WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
            [schema, table],
        )
        columns = [
            _given(
                {
                    "name": name,
                    "label": name,
                    "typeName": {"jsonb": "super", "bytea": "varbyte"}.get(kind, kind),
                    "nullable": 1 if nullable == "YES" else 0,
                    "precision": precision,
                    "scale": scale,
                    "columnDefault": default,
                    "length": length,
                    "schemaName": schema,
                    "tableName": table,
                    "isCaseSensitive": kind in ("varchar", "bpchar"),
                    "isCurrency": False,
                    "isSigned": kind in ("int2", "int4", "int8", "float4", "float8", "numeric"),
                }
            )
            for name, kind, nullable, precision, scale, default, length in rows
        ]
        return {"TableName": table} | _paged(request.body, "ColumnList", columns, 1000)

    async def _catalog(self, request: Request, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        workgroup, namespace = _target(request.body)
        try:
            user = user_for(request.caller, namespace, workgroup, request.body.get("SecretArn"))
        except StatementError as error:
            raise _invalid(str(error)) from error
        database = request.body.get("ConnectedDatabase") or request.required("Database")
        run: Callable[..., Any] = self._statements.run_now
        found: Awaitable[list[tuple[Any, ...]]] = asyncio.to_thread(run, namespace, database, user, query, values)
        return await found

    def _submission(self, request: Request) -> tuple[Submission, int | None]:
        """The submission that an id names, and the index of the sub-statement if it names one."""
        identifier, _, number = str(request.required("Id")).partition(":")
        submission = self._statements.get(identifier, request.caller.identity, _account())
        if not number:
            return submission, None
        if not number.isdigit() or not 1 <= int(number) <= len(submission.parts):
            raise AwsError("ResourceNotFoundException", "Query does not exist.", ResourceId=str(request.body["Id"]))
        return submission, int(number) - 1

    async def _wait(self, submission: Submission, request: Request) -> None:
        seconds = request.body.get("WaitTimeSeconds") or 0
        if not 0 <= seconds <= MAX_WAIT_SECONDS:
            raise _invalid(f"WaitTimeSeconds {seconds} must be from 1 to {MAX_WAIT_SECONDS}.")
        if seconds:
            await self._statements.wait(submission, seconds)


def resource_arn(_operation: str, body: Mapping[str, Any]) -> str:
    """The workgroup that a request names, for IAM; calls by statement id have no resource."""
    found = model.workgroups.get(body.get("WorkgroupName") or "")
    return str(found["workgroupArn"]) if found is not None else "*"


def _check_statements(body: Mapping[str, Any], sqls: Sequence[str], parameters: Sequence[Mapping[str, str]]) -> None:
    if body.get("ResultFormat") not in (None, "JSON"):
        raise _invalid(f"ResultFormat {body['ResultFormat']} is not supported by the embedded Data API.")
    if len(body.get("ClientToken") or "") > MAX_TOKEN_CHARACTERS:
        raise _invalid(f"ClientToken must have at most {MAX_TOKEN_CHARACTERS} characters.")
    for sql in sqls:
        if len(sql.encode()) > MAX_STATEMENT_BYTES:
            raise _invalid(f"SQL statement of {len(sql.encode())} bytes exceeds the maximum of {MAX_STATEMENT_BYTES}.")
    names = [parameter.get("name") for parameter in parameters]
    if len(set(names)) < len(names):
        raise _invalid("Parameters contain duplicate names.")
    if names:
        used = set().union(*(parameter_names(sql) for sql in sqls))
        unused = sorted(name for name in names if name and name not in used)
        if unused:
            raise _invalid(f"Parameters list contains unused parameters: {unused}.")


def _target(body: Mapping[str, Any]) -> tuple[model.Record, model.Record]:
    """The workgroup that a request names, and its namespace."""
    name = body.get("WorkgroupName")
    if not name:
        raise _invalid("Either ClusterIdentifier or WorkgroupName must be given.")
    workgroup = model.workgroups.get(name.rpartition("/")[2] if name.startswith("arn:") else name)
    if workgroup is None:
        raise _invalid("Redshift endpoint doesn't exist in this region.")
    return workgroup, model.namespace(workgroup["namespaceName"])


def _account() -> tuple[str, str]:
    return get_account_id(), get_region()


def _no_result(message: str, request: Request) -> AwsError:
    return AwsError("ResourceNotFoundException", message, ResourceId=str(request.body["Id"]))


def _has_result(submission: Submission) -> bool:
    return submission.status is Status.FINISHED and any(part.result is not None for part in submission.parts)


def _sub_statement(submission: Submission, index: int) -> dict[str, Any]:
    part = submission.parts[index]
    return _given(
        {
            "Id": f"{submission.identifier}:{index + 1}",
            "QueryString": part.sql,
            "Status": part.status.value,
            "Error": part.error or None,
            "CreatedAt": submission.created,
            "UpdatedAt": part.ended or submission.updated,
            "Duration": part.duration_nanoseconds,
            "HasResultSet": part.result is not None,
            "RedshiftQueryId": part.query_id,
            "ResultRows": part.rows,
            "ResultSize": part.result.size if part.result else -1 if part.rows < 0 else 0,
        }
    )


def _listed(submission: Submission) -> dict[str, Any]:
    return _given(
        {
            "Id": submission.identifier,
            "Status": submission.status.value,
            "StatementName": submission.name,
            "CreatedAt": submission.created,
            "UpdatedAt": submission.updated,
            "IsBatchStatement": submission.batch,
            "QueryString": None if submission.batch else submission.parts[0].sql,
            "QueryStrings": [part.sql for part in submission.parts] if submission.batch else None,
            "QueryParameters": [dict(parameter) for parameter in submission.parameters] or None,
            "SecretArn": submission.secret_arn,
            "ResultFormat": "JSON",
        }
    )


def _paged(body: Mapping[str, Any], member: str, items: list[Any], default: int) -> dict[str, Any]:
    size = int(body.get("MaxResults") or default)
    start = _page_start(body.get("NextToken"))
    page: dict[str, Any] = {member: items[start : start + size]}
    return page | ({"NextToken": str(start + size)} if start + size < len(items) else {})


def _page_start(token: str | None) -> int:
    if token and not token.isdigit():
        raise _invalid("NextToken is not valid.")
    return int(token or 0)


def _given(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)
