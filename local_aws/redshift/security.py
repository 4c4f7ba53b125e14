"""Users, groups, roles and grants: spelled differently in PostgreSQL, where all of them are roles."""

from __future__ import annotations

from collections.abc import Sequence

from local_aws.redshift.errors import Refused
from local_aws.redshift.expressions import _identifier
from local_aws.redshift.lexer import Kind, Token, parse
from local_aws.redshift.tables import quoted

Tokens = list[Token]

GRANTEE_KINDS = ("role", "group", "user")
PLAIN_OPTIONS = {
    "createdb": "CREATEDB",
    "nocreatedb": "NOCREATEDB",
    "createuser": "SUPERUSER CREATEROLE",
    "nocreateuser": "NOSUPERUSER NOCREATEROLE",
}


def create_user(parts: Sequence[Token]) -> Tokens:
    """CREATE USER name PASSWORD {DISABLE | 'text'} [options]."""
    options, with_password = _user_options(parts[3:])
    if not with_password:
        raise Refused("syntax error: CREATE USER needs PASSWORD; use PASSWORD DISABLE for users that sign in by IAM")
    return parse(f"CREATE ROLE {quoted(parts[2].name)} LOGIN {options}")


def alter_user(parts: Sequence[Token]) -> Tokens:
    """ALTER USER name with options, RENAME TO, SET or RESET."""
    if parts[3:4] and parts[3].word in ("rename", "set", "reset"):
        return [_identifier(token) for token in parts]
    options, _ = _user_options(parts[3:])
    return parse(f"ALTER ROLE {quoted(parts[2].name)} {options}")


def create_group(parts: Sequence[Token]) -> Tokens:
    """CREATE GROUP name [WITH USER a, b]."""
    words = [token.word for token in parts[3:5]]
    start = {("with", "user"): 5, ("user",): 4}.get(tuple(words[: 2 if words[:1] == ["with"] else 1]))
    members = f" ROLE {_names(parts[start:])}" if start else ""
    return parse(f"CREATE ROLE {quoted(parts[2].name)} NOLOGIN{members}")


def create_role(parts: Sequence[Token]) -> Tokens:
    """CREATE ROLE name."""
    if len(parts) != 3:
        raise Refused(f'syntax error at or near "{parts[3].text}": CREATE ROLE takes a name')
    return parse(f"CREATE ROLE {quoted(parts[2].name)} NOLOGIN")


def drop_role(parts: Sequence[Token]) -> Tokens:
    """DROP USER, GROUP or ROLE."""
    words = [token.word for token in parts]
    start = 4 if words[2:4] == ["if", "exists"] else 2
    if words[-1] == "force":
        raise Refused("DROP ROLE ... FORCE is not supported by the embedded Redshift; revoke first")
    exists = "IF EXISTS " if start == 4 else ""
    return parse(f"DROP ROLE {exists}{_names(parts[start:])}")


def grant(parts: Sequence[Token]) -> Tokens:
    """GRANT and REVOKE of privileges and of roles, and ALTER DEFAULT PRIVILEGES."""
    words = [token.word for token in parts]
    if "assumerole" in words:
        raise Refused("ASSUMEROLE is not supported by the embedded Redshift")
    if "datashare" in words or "model" in words or "external" in words:
        raise Refused("grants on datashares, models and external objects are not supported by the embedded Redshift")
    verb = "grant" if "grant" in words else "revoke"
    start = words.index(verb) + 1
    separator = _last(words, "to" if verb == "grant" else "from")
    if separator is None:
        raise Refused(f"syntax error: {verb.upper()} names no grantee")
    granted, grantees = list(parts[:separator]), list(parts[separator + 1 :])
    on = next((i for i, word in enumerate(words[start:separator], start) if word == "on"), None)
    scope_end = separator if on is None else on
    if "for" in words[start:scope_end] and words[start + 1 : start + 3] != ["option", "for"]:
        raise Refused("scoped permissions (GRANT ... FOR ... IN) are not supported by the embedded Redshift")
    if on is None:
        if words[start] != "role" and words[start : start + 3] != ["admin", "option", "for"]:
            raise Refused(
                "system permissions are not supported by the embedded Redshift; only roles can be granted to roles"
            )
        granted = [*granted[:start], *_without_kinds(granted[start:])]
    return [_identifier(token) for token in [*granted, parts[separator], *_without_kinds(grantees)]]


def _user_options(parts: Sequence[Token]) -> tuple[str, bool]:
    """The options of CREATE or ALTER USER for PostgreSQL, and whether a password was set or disabled."""
    options: list[str] = []
    with_password = False
    index = 0
    while index < len(parts):
        word = parts[index].word
        following = parts[index + 1] if index + 1 < len(parts) else Token(Kind.SYMBOL, "")
        if word == "with":
            index += 1
        elif word == "password":
            with_password = True
            options.append("PASSWORD NULL" if following.word == "disable" else f"PASSWORD {following.text}")
            index += 2
        elif word in PLAIN_OPTIONS:
            options.append(PLAIN_OPTIONS[word])
            index += 1
        elif word == "in" and following.word == "group":
            options.append(f"IN ROLE {_names(parts[index + 2 : index + 3])}")
            index += 3
        elif word == "valid" and following.word == "until":
            options.append(f"VALID UNTIL {parts[index + 2].text}")
            index += 3
        elif word == "connection" and following.word == "limit":
            limit = parts[index + 2].text
            options.append(f"CONNECTION LIMIT {-1 if limit.lower() == 'unlimited' else limit}")
            index += 3
        elif (word, following.word) in (("syslog", "access"), ("session", "timeout")):
            index += 3  # without meaning here: who reads which log, how long an idle session lives
        else:
            raise Refused(f'syntax error at or near "{parts[index].text}" in the options of a user')
    return " ".join(options), with_password


def _without_kinds(parts: Sequence[Token]) -> Tokens:
    """A list of grantees without the words that say what each is."""
    return [
        token
        for index, token in enumerate(parts)
        if not (token.word in GRANTEE_KINDS and index + 1 < len(parts) and parts[index + 1].text != ",")
    ]


def _names(parts: Sequence[Token]) -> str:
    return ", ".join(quoted(token.name) for token in parts if token.text != ",")


def _last(words: Sequence[str], wanted: str) -> int | None:
    return next((index for index in range(len(words) - 1, -1, -1) if words[index] == wanted), None)
