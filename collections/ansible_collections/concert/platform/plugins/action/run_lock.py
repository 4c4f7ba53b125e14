"""Takes and gives up the run lock of a deployment target. See modules/run_lock.py for the documentation."""

from __future__ import annotations

import os
import platform
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.concert.platform.plugins.module_utils.connection import CONNECTION_ARGUMENT_SPEC, Connection
from ansible_collections.concert.platform.plugins.module_utils.run_lock import keeper, processes
from ansible_collections.concert.platform.plugins.module_utils.run_lock.errors import JournalError, RunLockError
from ansible_collections.concert.platform.plugins.module_utils.run_lock.journal import ParameterJournal
from ansible_collections.concert.platform.plugins.module_utils.run_lock.lock import RunLock
from ansible_collections.concert.platform.plugins.module_utils.run_lock.model import Process, Run, clock, loss

_ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "parameter": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["held", "released"], "default": "held"},
    "who": {"type": "str", "default": "somebody"},
    "lease": {"type": "int", "default": 120},
}

display = Display()


class ActionModule(ActionBase):  # type: ignore[misc]
    """A lock is not what a run is for, so neither taking nor giving it up counts as a change."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The task's result, as the module's documentation describes it."""
        super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=_ARGUMENT_SPEC | CONNECTION_ARGUMENT_SPEC)
        if self._task.check_mode:
            return {"changed": False, "skipped": True, "msg": "A plan changes nothing, so it needs no lock."}
        # A task runs in a worker; the run is the process that forked it.
        run = processes.described(os.getppid())
        act = self._hold if options["state"] == "held" else self._release
        try:
            return {"changed": False, **act(options, run)}
        except RunLockError as error:
            return {"failed": True, "changed": False, "msg": str(error)}

    def _hold(self, options: dict[str, Any], process: Process) -> dict[str, Any]:
        if options["lease"] < 4:
            raise RunLockError(f"lease is {options['lease']}; a lease has 4 seconds or more.")
        run_id = f"{datetime.now(UTC):%Y%m%d%H%M%S}-{uuid.uuid4().hex[:6]}"
        me = Run(run_id, options["who"], platform.node(), process, Process("", 0, ""))
        # The keeper outlives the worker that forks it; it watches the run by itself.
        connection = replace(Connection.from_options(options), run=None)

        def lock(run: Run) -> RunLock:
            journal = ParameterJournal(connection.client("ssm"), options["parameter"])
            return RunLock(journal, options["parameter"], run, options["lease"], processes.alive, time.sleep)

        # The keeper learns its own number only now; it makes a client of its own, since it is another process.
        helper = keeper.Keeper(
            lambda: keeper.keep_renewing(
                lock(Run(me.run_id, me.who, me.host, me.process, processes.described(os.getpid()))), process
            )
        )
        kept = False
        try:
            taken = lock(Run(me.run_id, me.who, me.host, me.process, helper.process)).take()
            kept = taken.fresh
        finally:
            if kept:
                helper.go()
            else:
                helper.dismiss()
        if taken.from_whom:
            dead = taken.from_whom
            display.display(f"  run lock taken over from run {dead.run_id} of {dead.who} on {dead.host}: {taken.why}")
        run_id = me.run_id if taken.fresh or not taken.holder else taken.holder.run.run_id
        return {"run_id": run_id, "msg": f"Run {run_id} holds {options['parameter']}."}

    def _release(self, options: dict[str, Any], process: Process) -> dict[str, Any]:
        journal = ParameterJournal(Connection.from_options(options).client("ssm"), options["parameter"])
        nobody = Run("", "", "", process, Process("", 0, ""))
        lock = RunLock(journal, options["parameter"], nobody, options["lease"], processes.alive, time.sleep)
        try:
            now = lock.look()
            if now.holder is None or now.holder.run.process != process:
                raise RunLockError(loss(options["parameter"], now))
            lock.run = now.holder.run
            keeper.stop(now.holder.run.keeper)
            lock.release()
        except JournalError as error:
            # What the run did stands; the keeper or the lease's end gives the lock up.
            display.warning(f"The run lock was not released; it ends by itself within its lease. {error}")
            return {"msg": "not released"}
        return {"run_id": now.holder.run.run_id, "msg": f"Held since {clock(now.holder.since)}, released."}
