"""The command ``doorward`` in this process, and contracts in few words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from doorward.console.cli import app

RUNNER = CliRunner()


def contract(must: str, source: Any, target: Any, service: str = "tcp/443", **more: Any) -> dict[str, Any]:
    """One contract."""
    return {"must": must, "from": source, "to": target, "service": service, **more}


def command(*words: object) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    result = RUNNER.invoke(app, [str(one) for one in words], catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


def gate(
    folder: Path, plan: dict[str, Any], contracts: dict[str, dict[str, Any]], *words: object, estate: Path | None = None
) -> tuple[int, dict[str, dict[str, Any]], dict[str, Any]]:
    """(exit status, rows by name, whole document) of ``doorward gate --format json``."""
    file, rules = folder / "plan.json", folder / "doorward.yaml"
    file.write_text(json.dumps(plan), encoding="utf-8")
    rules.write_text(json.dumps({"version": 1, "contracts": contracts}), encoding="utf-8")
    extra: list[object] = ["--estate", estate] if estate else []
    status, out, err = command("gate", file, "--contracts", rules, "--format", "json", *extra, *words)
    assert out, err
    document = json.loads(out)
    return status, {one["name"]: one for one in document["contracts"]}, document


def outcomes(row: dict[str, Any]) -> tuple[str, str, str]:
    """(before, during, after)."""
    return row["before"], row["during_apply"], row["outcome"]
