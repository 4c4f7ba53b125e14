"""The statements that the Data API was given: what became of them, and how they are run."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import hashlib
import json
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import psycopg
from psycopg.pq import ExecStatus

from local_aws.redshift import external, load_errors, table_keys, transfer
from local_aws.redshift.errors import Refused, StatementError
from local_aws.redshift.results import Result, read_result
from local_aws.redshift.tables import BYTES_CONSTRAINT
from local_aws.redshift.translate import Statement, translate
from local_aws.redshift.unload import unload
from local_aws.redshift.warehouse import Warehouse
from local_aws.service import AwsError

Connection = psycopg.Connection[tuple[Any, ...]]

MAX_ACTIVE = 500
RETENTION_SECONDS = 24 * 3600
TOKEN_SECONDS = 8 * 3600
MAX_KEPT = 20_000
WORKERS = 48
DEFINE_TABLES = ("create ... table", "alter table")
#: Statements after which a session begins otherwise than before.
CHANGE_SESSIONS = ("create database", "drop database", "alter user", "drop user", "drop group", "drop role")


class Status(StrEnum):
    """States of a statement, as AWS names them."""

    SUBMITTED = "SUBMITTED"
    PICKED = "PICKED"
    STARTED = "STARTED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    ABORTED = "ABORTED"

    @property
    def final(self) -> bool:
        return self in (Status.FINISHED, Status.FAILED, Status.ABORTED)


@dataclass
class Part:
    """One SQL text of a submission and what it gave."""

    sql: str
    status: Status = Status.SUBMITTED
    error: str = ""
    result: Result | None = None
    rows: int = -1
    query_id: int = 0
    started: float = 0.0
    ended: float = 0.0

    @property
    def duration_nanoseconds(self) -> int:
        return int(max(self.ended - self.started, 0.0) * 1e9)


@dataclass
class Submission:
    """An ExecuteStatement or BatchExecuteStatement."""

    identifier: str
    owner: str
    """Who may ask for it: all sessions of a role are one."""
    session: str
    """Who submitted it: the ARN, of the one session of a role."""
    account: tuple[str, str]
    parts: list[Part]
    batch: bool
    database: str
    workgroup: str
    namespace: Mapping[str, Any]
    user: str
    secret_arn: str | None = None
    name: str | None = None
    parameters: Sequence[Mapping[str, str]] = ()
    auto_commit: bool = False
    created: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)
    status: Status = Status.SUBMITTED
    error: str = ""
    pid: int = 0
    cancelled: bool = False
    connection: Connection | None = None
    connection_lock: threading.Lock = field(default_factory=threading.Lock)
    """Held to cancel on the connection and to give it away: a cancellation must not reach who uses it next."""
    done: asyncio.Event = field(default_factory=asyncio.Event)
    known_failure: str = ""
    """Why it cannot run, found before it was begun."""

    def set(self, status: Status) -> None:
        self.status, self.updated = status, time.time()

    @property
    def duration_nanoseconds(self) -> int:
        return sum(part.duration_nanoseconds for part in self.parts)


class Statements:
    """All submissions of all accounts, for 24 hours."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._lock = threading.Lock()
        self._kept: dict[str, Submission] = {}
        self._with_external: set[tuple[str, str]] = set()
        self._tokens: dict[tuple[str, ...], tuple[str, str, float]] = {}
        self._query_ids = iter(range(1001, 10**12))
        self._workers = ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="redshift-data")

    def submit(self, submission: Submission, client_token: str | None) -> Submission:
        """Begin to run a submission, or return the one that was made with the same token before."""
        with self._lock:
            known = self._by_token(submission, client_token)
            if known is not None:
                return known
            self._forget_old()
            active = sum(1 for other in self._kept.values() if not other.status.final)
            if active >= MAX_ACTIVE:
                raise AwsError(
                    "ActiveStatementsExceededException",
                    f"Active statements exceeded the allowed quota ({MAX_ACTIVE}).",
                )
            self._kept[submission.identifier] = submission
            if client_token:
                key = (*submission.account, submission.owner, client_token)
                self._tokens[key] = (submission.identifier, _fingerprint(submission), submission.created)
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        loop.run_in_executor(self._workers, context.run, self._run, submission, loop)
        return submission

    def get(self, identifier: str, owner: str, account: tuple[str, str]) -> Submission:
        """A submission of this owner; those of others are as good as absent."""
        with self._lock:
            found = self._kept.get(identifier)
        if found is None or found.account != account or found.owner != owner:
            raise AwsError("ResourceNotFoundException", "Query does not exist.", ResourceId=identifier)
        return found

    def all(self, account: tuple[str, str]) -> list[Submission]:
        """The submissions of an account and region, the newest first."""
        with self._lock:
            kept = [submission for submission in self._kept.values() if submission.account == account]
        return sorted(kept, key=lambda submission: submission.created, reverse=True)

    def cancel(self, submission: Submission) -> bool:
        """Ask a running submission to end."""
        if submission.status.final:
            raise AwsError(
                "ValidationException",
                f"Could not cancel a query that is already in {submission.status.value} state with ID: "
                f"{submission.identifier}.",
            )
        with submission.connection_lock:
            submission.cancelled = True
            if submission.connection is not None:
                with contextlib.suppress(psycopg.Error):
                    submission.connection.cancel_safe(timeout=5.0)
        return True

    def forget(self) -> None:
        """Forget all submissions and tokens; what runs goes on unseen."""
        with self._lock:
            self._kept.clear()
            self._tokens.clear()

    async def wait(self, submission: Submission, seconds: float) -> None:
        """Wait for its end, at most `seconds`."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(submission.done.wait(), seconds)

    def run_now(
        self, namespace: Mapping[str, Any], database: str, user: str, query: str, values: Sequence[Any]
    ) -> list[tuple[Any, ...]]:
        """The rows of a query of our own, run as `user`; for the calls that list what a database holds."""
        try:
            with self._warehouse.session(namespace, database, user) as connection:
                return connection.execute(query.encode(), values).fetchall()
        except StatementError as error:
            raise AwsError("ValidationException", str(error)) from error

    def _by_token(self, submission: Submission, client_token: str | None) -> Submission | None:
        if not client_token:
            return None
        key = (*submission.account, submission.owner, client_token)
        identifier, fingerprint, created = self._tokens.get(key, ("", "", 0.0))
        if not identifier or time.time() - created > TOKEN_SECONDS or identifier not in self._kept:
            return None
        if fingerprint != _fingerprint(submission):
            raise AwsError("ValidationException", "The ClientToken was used before with a different request.")
        return self._kept[identifier]

    def _forget_old(self) -> None:
        horizon = time.time() - RETENTION_SECONDS
        old = [key for key, kept in self._kept.items() if kept.status.final and kept.created < horizon]
        surplus = [key for key, kept in self._kept.items() if kept.status.final][: max(len(self._kept) - MAX_KEPT, 0)]
        for key in {*old, *surplus}:
            del self._kept[key]

    def _run(self, submission: Submission, loop: asyncio.AbstractEventLoop) -> None:
        session = None
        try:
            submission.set(Status.PICKED)
            if submission.known_failure:
                raise StatementError(submission.known_failure)
            session = self._warehouse.enter(submission.namespace, submission.database, submission.user)
            self._execute(submission, session.connection)
        except StatementError as error:
            _finish(submission, Status.FAILED, _described(error))
        except psycopg.Error as error:
            aborted = submission.cancelled and isinstance(error, psycopg.errors.QueryCanceled)
            _finish(submission, Status.ABORTED if aborted else Status.FAILED, _described(error))
        except Exception as error:
            _finish(submission, Status.FAILED, f"ERROR: the embedded Redshift failed: {error!r}")
            raise
        else:
            _finish(submission, Status.FINISHED, "")
        finally:
            with submission.connection_lock:
                submission.connection = None
            loop.call_soon_threadsafe(submission.done.set)
            if session is not None:
                self._warehouse.leave(session, reusable=not submission.cancelled)

    def _execute(self, submission: Submission, connection: Connection) -> None:
        submission.connection = connection
        submission.pid = connection.info.backend_pid
        submission.set(Status.STARTED)
        together = submission.batch and not submission.auto_commit
        with connection.transaction() if together else contextlib.nullcontext():
            for number, part in enumerate(submission.parts, 1):
                if submission.cancelled:
                    raise psycopg.errors.QueryCanceled("canceling statement due to user request")
                self._execute_part(submission, part, number, connection, together=together)

    def _execute_part(
        self, submission: Submission, part: Part, number: int, connection: Connection, *, together: bool
    ) -> None:
        part.status, part.started = Status.STARTED, time.time()
        part.query_id = next(self._query_ids)
        try:
            statement = translate(part.sql, in_transaction=together)
            with connection.transaction() if _needs_transaction(statement) else contextlib.nullcontext():
                self._run_statement(statement, part, submission, connection)
        except (StatementError, psycopg.Error) as error:
            part.ended = time.time()
            part.status = Status.ABORTED if submission.cancelled else Status.FAILED
            part.error = _described(error)
            if submission.batch and not submission.cancelled:
                raise StatementError(f"Query #{number} failed with {part.error}") from error
            raise
        part.status, part.ended = Status.FINISHED, time.time()

    def _run_statement(self, statement: Statement, part: Part, submission: Submission, connection: Connection) -> None:
        if statement.command == "copy":
            part.rows = self._copy(statement, part, submission, connection)
        elif statement.command == "create external schema":
            external.create(connection, statement.tokens, submission.namespace)
            self._with_external.add((submission.namespace["namespaceId"], submission.database))
        else:
            self._read_external(statement, submission, connection)
            if statement.command == "unload":
                part.rows = unload(connection, statement.tokens, submission.namespace)
                return
            if statement.command not in CHANGE_SESSIONS:
                _run_and_note(statement, part, submission, connection)
                return
            # Before as well: a database that somebody is connected to cannot be dropped.
            self._warehouse.forget_sessions()
            try:
                _run_query(statement, part, submission, connection)
            finally:
                self._warehouse.forget_sessions()

    def _copy(self, statement: Statement, part: Part, submission: Submission, connection: Connection) -> int:
        """Carry out a COPY and keep what became of it. Bad rows are kept whatever becomes of its transaction."""
        try:
            outcome = transfer.copy(connection, statement.tokens, submission.namespace)
        except load_errors.LoadFailedError as error:
            self._note(submission, part.query_id, error.outcome, "aborted")
            raise
        if outcome.errors:
            self._note(submission, part.query_id, outcome, "completed")
        else:
            load_errors.note(connection, part.query_id, outcome, status="completed")
        return outcome.rows

    def _read_external(self, statement: Statement, submission: Submission, connection: Connection) -> None:
        """Bring the external tables that a statement names up to date."""
        if (submission.namespace["namespaceId"], submission.database) not in self._with_external:
            return  # most databases have none, and need not be asked
        tokens = statement.tokens
        if statement.command == "unload" and len(tokens) > 2:
            tokens = translate(tokens[2].value).tokens
        for schema, table in external.named_tables(connection, tokens):
            admin = submission.namespace["adminUsername"]
            with self._warehouse.connect(submission.namespace, submission.database, admin) as other:
                external.refresh(other, schema, table, submission.namespace)

    def _note(self, submission: Submission, query_id: int, outcome: load_errors.Loaded, status: str) -> None:
        with self._warehouse.connect(submission.namespace, submission.database, submission.user) as other:
            load_errors.note(other, query_id, outcome, status=status)


def _finish(submission: Submission, status: Status, error: str) -> None:
    for part in submission.parts:
        if not part.status.final:
            part.status = Status.ABORTED if submission.batch or status is Status.ABORTED else status
            part.error = part.error or ("" if submission.batch else error)
    submission.error = "" if status is Status.ABORTED else error
    submission.set(status)


def _needs_transaction(statement: Statement) -> bool:
    return statement.command in ("copy", "unload")


def _run_and_note(statement: Statement, part: Part, submission: Submission, connection: Connection) -> None:
    """Run a statement, and keep what PostgreSQL has no place for."""
    keys = table_keys.said(statement.tokens) if statement.command in DEFINE_TABLES else None
    if keys is None or (keys.only_if_new and table_keys.exists(connection, keys)):
        _run_query(statement, part, submission, connection)
        return
    with connection.transaction():
        _run_query(statement, part, submission, connection)
        table_keys.note(connection, keys)


def _run_query(statement: Statement, part: Part, submission: Submission, connection: Connection) -> None:
    _require_tables(statement, connection)
    given = {parameter["name"]: parameter.get("value") for parameter in submission.parameters}
    missing = [name for name in statement.parameters if name not in given]
    if missing:
        raise StatementError(f"there is no parameter :{missing[0]}")
    # Strings without a type: PostgreSQL gives each the type that its place asks for, as Redshift does.
    values = [given[name] for name in statement.parameters]
    with psycopg.RawCursor(connection) as cursor:
        cursor.execute(statement.sql.encode(), values or None)
        result = cursor.pgresult
        if result is not None and result.status == ExecStatus.TUPLES_OK:
            if statement.command not in ("call", "set"):
                part.result = read_result(result, connection)
                part.rows = len(part.result.rows)
        elif cursor.rowcount >= 0:
            part.rows = cursor.rowcount


def _require_tables(statement: Statement, connection: Connection) -> None:
    for name in statement.base_tables:
        row = connection.execute("SELECT relkind FROM pg_class WHERE oid = %s::regclass", (name,)).fetchone()
        if row is not None and row[0] not in ("r", "p"):
            raise Refused(f'MERGE: the source "{name}" must be a table, not a view')


def _described(error: Exception) -> str:
    """The error as the Data API reports it: Redshift's words where PostgreSQL has others."""
    if isinstance(error, StatementError):
        text = str(error)
        return text if text.startswith(("FATAL:", "ERROR:", "Query #")) else f"ERROR: {text}"
    if not isinstance(error, psycopg.Error):
        return f"ERROR: {error}"
    diagnostic = error.diag
    message = diagnostic.message_primary or str(error)
    if diagnostic.constraint_name and diagnostic.constraint_name.endswith(f"_{BYTES_CONSTRAINT}"):
        message = "value too long for its character type: Redshift counts bytes, in column " + repr(
            diagnostic.constraint_name.removesuffix(f"_{BYTES_CONSTRAINT}")
        )
    for kind in ("table", "view", "materialized view", "sequence"):
        message = message.replace(f"permission denied for {kind} ", "permission denied for relation ")
    extra = [
        f"\n  {label}: {text}"
        for label, text in (("Detail", diagnostic.message_detail), ("Hint", diagnostic.message_hint))
        if text
    ]
    return f"ERROR: {message}{''.join(extra)}"


def _fingerprint(submission: Submission) -> str:
    content = [
        [part.sql for part in submission.parts],
        submission.batch,
        submission.database,
        submission.workgroup,
        [dict(parameter) for parameter in submission.parameters],
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def new_identifier() -> str:
    """An id like AWS's."""
    return str(uuid.uuid4())
