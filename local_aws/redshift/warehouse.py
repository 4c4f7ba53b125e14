"""A namespace's databases: created on first need, entered as a database user, never as PostgreSQL's own superuser."""

from __future__ import annotations

import json
import select
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from ministack.services import secretsmanager
from psycopg import sql
from psycopg.pq import TransactionStatus

from local_aws.postgres import Postgres
from local_aws.redshift import load_errors, privileges, table_keys
from local_aws.redshift.compatibility import SETUP
from local_aws.redshift.errors import StatementError
from local_aws.redshift.identity import database_user
from local_aws.service import AwsError, Caller

RELIES_ON = ("ministack.services.secretsmanager:resolve_secret_string",)

SESSION_OPTIONS = "-c statement_timeout=600000 -c lock_timeout=120000 -c client_min_messages=warning"
#: Connections that are kept for the next statement, of all namespaces together.
MAX_IDLE = 12


@dataclass(frozen=True)
class Session:
    """A connection that nobody else uses, with nothing in it from those who did before."""

    connection: psycopg.Connection[tuple[Any, ...]]
    key: tuple[str, str, str]
    """Namespace, database and user."""
    era: int


class Warehouse:
    """Opens connections to the databases of namespaces.

    A new one costs PostgreSQL a process that knows nothing of the catalog yet: more than most statements. So a few are
    kept, emptied of all that a session leaves.
    """

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._lock = threading.Lock()
        self._prepared: set[str] = set()
        self._users: set[tuple[str, str, bool]] = set()
        self._idle: list[Session] = []
        self._idle_lock = threading.Lock()
        self._era = 0

    def enter(self, namespace: Mapping[str, Any], database: str, user: str) -> Session:
        """A session as `user`, to be given to `leave`. Raises as connect does."""
        key = (str(namespace["namespaceId"]), database, user)
        while True:
            with self._idle_lock:
                era = self._era
                found = next((session for session in reversed(self._idle) if session.key == key), None)
                if found is None:
                    break
                self._idle.remove(found)
            # PostgreSQL says nothing to who asks nothing, unless it ends.
            if not select.select([found.connection], [], [], 0)[0]:
                return found
            found.connection.close()
        return Session(self.connect(namespace, database, user), key, era)

    def leave(self, session: Session, *, reusable: bool = True) -> None:
        """End a session. Its connection is kept unless it may be in use elsewhere, as by a cancellation."""
        connection = session.connection
        if reusable and connection.info.transaction_status == TransactionStatus.IDLE:
            with suppress(psycopg.Error):
                connection.execute("DISCARD ALL")
                with self._idle_lock:
                    if session.era == self._era:
                        self._idle.append(session)
                        if len(self._idle) <= MAX_IDLE:
                            return
                        connection = self._idle.pop(0).connection
        connection.close()

    def forget_sessions(self) -> None:
        """Close what is kept, and keep no connection that is in use now: databases, users or settings change."""
        with self._idle_lock:
            self._era += 1
            idle, self._idle = self._idle, []
        for session in idle:
            session.connection.close()

    @contextmanager
    def session(
        self, namespace: Mapping[str, Any], database: str, user: str
    ) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """A connection for the block. Raises as connect does."""
        session = self.enter(namespace, database, user)
        try:
            yield session.connection
        finally:
            self.leave(session)

    def connect(self, namespace: Mapping[str, Any], database: str, user: str) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection as `user`, who is created without rights if new; the caller closes it.

        Raises StatementError when the database does not exist.
        """
        server = self._postgres.server(namespace["namespaceId"])
        self._make_ready(namespace, user)
        for attempt in (1, 2):
            try:
                return psycopg.connect(
                    server.dsn(database, user), autocommit=True, options=SESSION_OPTIONS, prepare_threshold=None
                )
            except psycopg.OperationalError as error:
                text = str(error).partition("FATAL:")[2].strip() or str(error)
                if attempt == 1 and f'role "{user}" does not exist' in text:  # dropped since we made it
                    self._make_ready(namespace, user, anew=True)
                    continue
                raise StatementError(f"FATAL: {text}") from error
        raise AssertionError("unreachable: the second attempt returns or raises")

    def _make_ready(self, namespace: Mapping[str, Any], user: str, *, anew: bool = False) -> None:
        identifier = namespace["namespaceId"]
        server = self._postgres.server(identifier)
        with self._lock:
            if identifier not in self._prepared:
                self._prepare(server.dsn("postgres"), server.dsn("template1"), namespace["dbName"])
                self._prepared.add(identifier)
            admin = user == namespace["adminUsername"]
            if anew or (identifier, user, admin) not in self._users:
                _ensure_user(server.dsn("postgres"), user, admin=admin)
                self._users.add((identifier, user, admin))

    def _prepare(self, maintenance: str, template: str, database: str) -> None:
        """Give every database Redshift's functions, and create the namespace's own."""
        with psycopg.connect(template, autocommit=True) as connection:
            connection.execute(SETUP + load_errors.SETUP + privileges.SETUP + table_keys.SETUP)
        with psycopg.connect(maintenance, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database.lower())))
            if database.lower() != "dev":
                connection.execute("CREATE DATABASE dev")


def _ensure_user(maintenance: str, user: str, *, admin: bool) -> None:
    """Create the user if it does not exist. The namespace's admin is a superuser, everyone else has no rights."""
    name = sql.Identifier(user)
    with psycopg.connect(maintenance, autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (user,)).fetchone() is None:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
        if admin:
            connection.execute(sql.SQL("ALTER ROLE {} SUPERUSER CREATEDB CREATEROLE").format(name))


def user_for(caller: Caller, namespace: Mapping[str, Any], workgroup: Mapping[str, Any], secret_arn: str | None) -> str:
    """The database user that a call acts as.

    With a secret, its user name, once the secret is readable for the caller; without, the one derived from the caller's
    principal, who needs redshift-serverless:GetCredentials. Raises StatementError when the secret's password is wrong.
    """
    if secret_arn is None:
        caller.require("redshift-serverless:GetCredentials", "redshift-serverless", workgroup["workgroupArn"])
        return database_user(caller.arn)
    caller.require("secretsmanager:GetSecretValue", "secretsmanager", secret_arn)
    text = secretsmanager.resolve_secret_string(secret_arn)
    if text is None:
        raise AwsError("ValidationException", f"Secrets Manager can't find the specified secret: {secret_arn}.")
    try:
        content = json.loads(text)
        user, password = str(content["username"]), str(content["password"])
    except (ValueError, KeyError, TypeError) as error:
        raise AwsError("ValidationException", "The secret must be JSON with username and password.") from error
    if user != namespace["adminUsername"]:
        raise AwsError("ValidationException", f"The secret's user {user} is not the namespace's admin user.")
    if password != namespace["_password"]:
        raise StatementError(f'FATAL: password authentication failed for user "{user}"')
    return user
