"""Reverts as durable workflows of DBOS Transact: killed at any step, they resume where they were.

One workflow for each revert, named by its id: to start it twice is to start it once. The system database is SQLite or
PostgreSQL; inputs and results in it are JSON. What does not live here: what each step does (``course``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dbos import DBOS, DBOSConfig, DBOSConfiguredInstance, SetWorkflowID, WorkflowHandle, WorkflowSerializationFormat

from doorward.errors import InvalidInput, LedgerUnreachable
from doorward.model.revert import Revert, load
from doorward.remedy.course import Plan, Steps, course, planned

VERSION = "doorward-1"
"""Of the courses in the database: reverts that were started under another one are not resumed. It changes only when
a course of an older one could not be carried on by this."""
RECOVERIES = 1_000
"""How often a killed course is resumed before DBOS gives it up."""


@DBOS.dbos_class(class_name="doorward.Remedy")
class Remedy(DBOSConfiguredInstance):
    """Performs reverts. Make one before ``launch`` (or before ``DBOS.launch()`` of whoever owns DBOS here)."""

    def __init__(self, steps: Steps, *, name: str = "remedy") -> None:
        super().__init__(name)
        self.steps = steps

    def start(self, revert: Revert) -> None:
        """Start a planned revert; one that was started before is left as it is. Raises ``InvalidInput``."""
        if revert.state != "planned":
            raise InvalidInput(f"the revert is {revert.state}", where=revert.id, hint="only a planned one is started")
        with SetWorkflowID(revert.id):
            DBOS.start_workflow(self.perform, planned(revert))

    def wait(self, id: str, *, every: float = 0.5) -> Revert:
        """Wait for the end of a revert that was started, here or before, asking each ``every`` seconds; return it."""
        handle: WorkflowHandle[Plan] = DBOS.retrieve_workflow(id)
        return load(handle.get_result(polling_interval_sec=every))

    @DBOS.workflow(
        name="revert", max_recovery_attempts=RECOVERIES, serialization_type=WorkflowSerializationFormat.PORTABLE
    )
    def perform(self, plan: Plan) -> Plan:
        """The durable course of a revert. See ``start``."""
        return course(self.steps, plan, _durable, DBOS.sleep)


def _durable(name: str, function: Callable[..., dict[str, Any]], *arguments: object) -> dict[str, Any]:
    made = DBOS.run_step(
        {
            "name": name,
            "retries_allowed": True,
            "interval_seconds": 1.0,
            "max_attempts": 10,
            "should_retry": lambda error: isinstance(error, LedgerUnreachable),
        },
        function,
        *arguments,
    )
    return dict(made)


def settings(url: str, *, executor: str = "local") -> DBOSConfig:
    """DBOS's configuration: the system database's URL (``sqlite:///file`` or ``postgresql://…``), and this worker's
    name: lasting, and each worker's own, for a worker resumes after a restart what it had begun under its name."""
    return {
        "name": "doorward",
        "system_database_url": url,
        "application_version": VERSION,
        "executor_id": executor,
        "log_level": "ERROR",
        "enable_otlp": False,
    }


def launch(url: str, *, executor: str = "local", more: Mapping[str, Any] | None = None) -> None:
    """Start DBOS in this process; what was killed in its midst is resumed at once, in the background."""
    config = settings(url, executor=executor)
    config.update(more or {})  # type: ignore[typeddict-item]
    DBOS(config=config)
    DBOS.launch()


def adopt(executors: Iterable[str]) -> list[str]:
    """Resume what workers had begun that will not come back; the ids. Only call it for workers that are gone."""
    return [one.get_workflow_id() for one in DBOS._recover_pending_workflows(list(executors))]


def close(seconds: int = 10) -> None:
    """End DBOS in this process, waiting so long for courses that run; what is not ended resumes at the next start."""
    DBOS.destroy(workflow_completion_timeout_sec=seconds)
