"""Says where a deployed platform answers and how to try it. See modules/summary.py for the documentation."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.concert.platform.plugins.module_utils.connection import (
    CONNECTION_ARGUMENT_SPEC,
    Connection,
)
from ansible_collections.concert.platform.plugins.module_utils.verification.checks import DASHBOARDS
from ansible_collections.concert.platform.plugins.module_utils.verification.model import Settings
from ansible_collections.concert.platform.plugins.module_utils.verification.platform import Platform

_ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "environment": {"type": "str", "required": True},
    "account_id": {"type": "str", "required": True},
    "name_suffix": {"type": "str", "default": ""},
    "api_url_format": {"type": "str", "required": True},
    "dashboard_url_format": {"type": "str", "default": "{name}"},
    "show_api_key": {"type": "bool", "default": False},
    "hints": {"type": "list", "elements": "str", "default": []},
}


class ActionModule(ActionBase):  # type: ignore[misc]
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Prints the summary; the key itself only where the inventory allows it, and never in the result."""
        super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=_ARGUMENT_SPEC | CONNECTION_ARGUMENT_SPEC)
        if self._task.check_mode:
            return {"changed": False, "skipped": True, "msg": "There is nothing to summarise in check mode."}
        platform = Platform(
            Settings(
                environment=options["environment"],
                account_id=options["account_id"],
                region=options["region"],
                name_suffix=options["name_suffix"],
                api_url_format=options["api_url_format"],
                sample_data_directory=None,
                sample_data_parameter="",
                top_n=0,
                min_events=0,
                timeout=30,
            ),
            Connection.from_options(options),
        )
        for text in summary(platform, options):
            Display().display(text)
        return {"changed": False, "api_url": platform.api_url}


def summary(platform: Platform, options: dict[str, Any]) -> list[str]:
    """The lines to print."""
    s, url = platform.settings, platform.api_url
    if options["show_api_key"]:
        key, shown = platform.api_key, platform.api_key
    else:
        identity = platform.outputs("compute")["ApiKeyId"]
        key = "$API_KEY"
        shown = (
            f"API_KEY=$(aws apigateway get-api-key --api-key {identity} --include-value --query value --output text)"
        )
    dashboards = [
        options["dashboard_url_format"].format(region=s.region, name=f"{name}-{s.environment}{s.name_suffix}")
        for name in DASHBOARDS
    ]
    logs = f"/aws/lambda/concert-…-{s.environment}, /aws/apigateway/concert-ai-api-{s.environment}/access"
    return [
        "",
        f"The Concert Data Platform is up: {s.environment}, account {s.account_id}, {s.region}.",
        "",
        f"  API         {url}",
        f"  API key     {shown}",
        f"  Try         curl -H 'x-api-key: {key}' '{url}/venues/popularity?top_n=3'",
        "  Dashboards  " + "\n              ".join(dashboards),
        f"  Logs        {logs}",
        *(f"  {hint}" for hint in options["hints"]),
        "",
    ]
