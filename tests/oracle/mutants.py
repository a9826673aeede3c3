"""Mutants of the engine: small faults put into its source, each of which the oracle must notice.

A mutant is a module, a piece of its text and what stands there instead. It is applied when the module is imported anew,
in this process; nothing on disk changes. When a piece of text is gone, the engine has been rewritten there: give the
mutant its new text. What does not live here: the faults (``mutants.toml``), the cases (``estates``,
``corners``), the comparison (``compare``).
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

from tests.oracle import corners, estates
from tests.oracle.compare import write_contracts, write_estate
from tests.oracle.judge import judge
from tests.oracle.world import World

Json = dict[str, Any]
SOURCE = Path(__file__).parents[2] / "src"


class Mutant(NamedTuple):
    """One fault."""

    name: str
    module: str
    old: str
    new: str
    more: tuple[tuple[str, str], ...] = ()
    """Further changes of the same module that belong to the same fault."""


def read_mutants() -> tuple[Mutant, ...]:
    """The table of faults."""
    listed = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())["mutant"]
    return tuple(
        Mutant(
            one["name"],
            one["module"],
            one["old"],
            one["new"],
            tuple((more["old"], more["new"]) for more in one.get("more", ())),
        )
        for one in listed
    )


MUTANTS = read_mutants()


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module of the engine, with the fault if it is the one."""

    def __init__(self, name: str, path: str, mutant: Mutant | None) -> None:
        super().__init__(name, path)
        self.mutant = mutant

    def get_code(self, fullname: str) -> CodeType | None:
        """Compiled from changed source; the byte code on disk is neither read nor written for it."""
        if self.mutant is None or self.mutant.module != fullname:
            return super().get_code(fullname)
        text = Path(self.path).read_text()
        for old, new in ((self.mutant.old, self.mutant.new), *self.mutant.more):
            text = text.replace(old, new, 1)
        return compile(text, self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    """Finds ``doorward`` in the source tree and loads it with ``_Loader``."""

    def __init__(self, mutant: Mutant | None) -> None:
        self.mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of a module or package of the engine."""
        if fullname.split(".")[0] != "doorward":
            return None
        base = SOURCE.joinpath(*fullname.split("."))
        file = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
        if not file.exists():
            return None
        return importlib.util.spec_from_file_location(
            fullname,
            file,
            loader=_Loader(fullname, str(file), self.mutant),
            submodule_search_locations=[str(base)] if base.is_dir() else None,
        )


def applies(mutant: Mutant) -> bool:
    """Is the piece of text still there?"""
    path = SOURCE.joinpath(*mutant.module.split(".")).with_suffix(".py")
    text = path.read_text() if path.exists() else ""
    return all(old in text for old, _ in ((mutant.old, ""), *mutant.more))


@contextlib.contextmanager
def engine(mutant: Mutant | None) -> Iterator[Any]:
    """``doorward.api``, imported anew with the fault; afterwards everything is as it was."""
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "doorward"}
    for name in before:
        del sys.modules[name]
    finder = _Finder(mutant)
    sys.meta_path.insert(0, finder)
    try:
        yield importlib.import_module("doorward.api")
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.split(".")[0] == "doorward"]:
            del sys.modules[name]
        sys.modules.update(before)


class Case(NamedTuple):
    """One estate on disk with its contracts and what the oracle says of them."""

    seed: int | str
    folder: Path
    expected: tuple[str, ...]


_FOLDER = tempfile.TemporaryDirectory(prefix="doorward-mutants-")


@cache
def case(seed: int | str) -> Case:
    """The case of a seed or a corner, written once."""
    if isinstance(seed, str):
        estate, contract = corners.CORNERS[seed][0]()
        contracts = [contract]
    else:
        estate, contracts = estates.from_seed(seed, 6)
    folder = Path(_FOLDER.name) / str(seed).replace("/", "-")
    (folder / "estate").mkdir(parents=True)
    write_estate(estate, folder / "estate")
    write_contracts(contracts, folder / "doorward.yaml")
    world = World(estate)
    return Case(seed, folder, tuple(judge(world, one) for one in contracts))


def outcomes(api: Any, one: Case) -> tuple[str, ...]:
    """What an engine says of a case; a crash is an outcome of its own."""
    try:
        report = api.check(api.read_contracts(one.folder / "doorward.yaml"), api.read_estate(one.folder / "estate"))
    except Exception as error:  # noqa: BLE001  (a mutant may fail in any way: that is how it is noticed)
        return (type(error).__name__,)
    found = {verdict.name: str(verdict.outcome) for verdict in report.verdicts}
    return tuple(found[f"contract-{at}"] for at in range(len(one.expected)))


def killed_by(mutant: Mutant, seeds: Sequence[int | str]) -> int | str | None:
    """The first case on which the mutant contradicts the oracle and the engine itself does not; None: it survives."""
    left = list(seeds)
    while left:
        with engine(mutant) as api:
            seed = next((seed for seed in left if outcomes(api, case(seed)) != case(seed).expected), None)
        if seed is None or not at_fault(seed):
            return seed
        left = left[left.index(seed) + 1 :]
    return None


@cache
def at_fault(seed: int | str) -> bool:
    """Does the engine without any fault disagree on this seed already? Then it proves nothing here."""
    from doorward import api

    return outcomes(api, case(seed)) != case(seed).expected
