"""A route that waits for a slow warehouse: a timeout that names it, and nothing runs on behind it."""

from __future__ import annotations

from tests.integration.deployed_api import RANKING, Api, api, check

__all__ = ["api"]


def test_a_slow_warehouse_is_a_timeout_and_nothing_runs_on(api: Api) -> None:
    """The views' calendar is locked for longer than the function waits."""
    serverless, data = api.client("redshift-serverless"), api.client("redshift-data")
    name = "concert-namespace-development"
    secret = serverless.get_namespace(namespaceName=name)["namespace"]["adminPasswordSecretArn"]
    target = {"WorkgroupName": "concert-workgroup-development", "Database": "concerts", "SecretArn": secret}
    locked = data.batch_execute_statement(**target, Sqls=["LOCK concert_dw.calendar", "SELECT pg_sleep(22)"])["Id"]
    try:
        body = check(api, RANKING, 504)
        assert body["details"] == {"dependency": "warehouse"}
        started = [each for each in data.list_statements(Status="STARTED")["Statements"] if each["Id"] != locked]
        assert started == []
    finally:
        data.cancel_statement(Id=locked)
    check(api, RANKING, 200)
