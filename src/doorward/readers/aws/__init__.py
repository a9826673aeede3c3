"""Describe answers of the AWS API -> an estate: ``read_estate``.

A file or a tree of folders of JSON as the AWS CLI prints it, or a snapshot of our own. ``layout`` reads one file,
``context`` puts files together, ``interfaces``, ``groups``, ``network``, ``gateways``, ``balancers`` and ``holders``
make the elements. What does not live here: taking snapshots (``readers.snapshot``), what can flow (``reach``).
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from doorward.errors import InvalidInput, Unreadable
from doorward.model.estate import Estate, Interface, Notice
from doorward.model.rules import Group
from doorward.readers.aws.balancers import read_balancers, read_target_groups
from doorward.readers.aws.context import Context
from doorward.readers.aws.gateways import (
    attach_gateways,
    read_nat_gateways,
    read_peerings,
    read_prefix_lists,
    read_transit_gateways,
)
from doorward.readers.aws.groups import read_groups
from doorward.readers.aws.holders import name_hidden, read_holders
from doorward.readers.aws.interfaces import InterfaceReader, read_interfaces
from doorward.readers.aws.layout import EXPECTED, FORMAT_VERSION, Answer, read_answer, refuse_first_pages
from doorward.readers.aws.network import (
    Targets,
    complete_vpcs,
    read_acls,
    read_route_tables,
    read_subnets,
    read_vpcs,
    resolve_subnets,
)

__all__ = ["read_estate"]


def read_estate(path: Path) -> Estate:
    """The estate that a file or a folder (with sub-folders) of describe answers shows.

    Raises ``Unreadable`` for what is missing or is not JSON, ``InvalidInput`` for what contradicts itself or holds
    nothing of a network. What is missing in part, or not understood, is named in ``Estate.notices``.
    """
    with _without_collection():
        reader = InterfaceReader()
        answers, skipped = _read_all(Path(path), reader)
        refuse_first_pages(answers)
        return _build(Context(answers), skipped, reader)


@contextmanager
def _without_collection() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _read_all(path: Path, reader: InterfaceReader) -> tuple[list[Answer], list[Notice]]:
    """Answers of all JSON files, and notices on other files."""
    if not path.exists():
        raise Unreadable("does not exist", where=str(path), hint="expected a file or folder of AWS CLI output")
    if not path.is_dir():
        return [read_answer(path, reader.taker)], []
    files: list[Path] = []
    skipped: list[Notice] = []
    for folder, folders, names in os.walk(path, onerror=_cannot_list):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(folder, name)
            if name.startswith("."):
                continue
            if name.lower().endswith(".json"):
                files.append(file)
            elif not name.lower().endswith((".md", ".txt")):
                skipped.append(Notice(str(file), "is not a .json file and was not read"))
    if not files:
        raise InvalidInput(
            "holds no .json file", where=str(path), hint="expected AWS CLI output, or take one with `doorward snapshot`"
        )
    return [read_answer(file, reader.taker) for file in files], skipped


def _cannot_list(error: OSError) -> None:
    raise Unreadable(f"cannot be listed: {error}", where=str(error.filename)) from error


def _build(context: Context, skipped: list[Notice], reader: InterfaceReader) -> Estate:
    context.notices += skipped
    _manifests(context)
    interfaces, holders = read_interfaces(context, reader)
    listed = len(interfaces)
    groups = read_groups(context)
    vpcs = read_vpcs(context)
    acls = read_acls(context)
    peerings = read_peerings(context)
    tables = read_route_tables(context, Targets(context, peerings))
    subnets = resolve_subnets(context, read_subnets(context), interfaces.values(), acls, tables)
    vpcs = complete_vpcs(context, vpcs, subnets, tables, interfaces.values(), groups)
    target_groups = read_target_groups(context)
    balancers = read_balancers(context, interfaces, subnets, target_groups)
    vpcs = attach_gateways(context, vpcs, tables, interfaces)
    nat_gateways = read_nat_gateways(context, interfaces)
    transit_gateways = read_transit_gateways(context)
    prefix_lists = read_prefix_lists(context)
    holders.update(read_holders(context, interfaces))
    name_hidden(context, vpcs, tables)
    assumed = len(interfaces) > listed or context.has("Reservations")
    if assumed or any(id not in groups for one in reader.group_sets for id in one):
        _name_missing_groups(context, interfaces, groups)
    if not any((interfaces, groups, vpcs, subnets, acls, tables, balancers, prefix_lists)) and not any(
        answer.keys for answer in context.answers
    ):
        said = context.notices[0].text if context.notices else "it is empty"
        raise InvalidInput(
            f"holds nothing of a network: {said}", where=context.answers[0].where, hint=f"expected {EXPECTED}"
        )
    return Estate(
        interfaces=interfaces, groups=groups, subnets=subnets, vpcs=vpcs, acls=acls, route_tables=tables,
        peerings=peerings, transit_gateways=transit_gateways, nat_gateways=nat_gateways, load_balancers=balancers,
        target_groups=target_groups, prefix_lists=prefix_lists, holders=holders, notices=tuple(context.notices),
    )  # fmt: skip


def _manifests(context: Context) -> None:
    """Check the version of our own snapshots, and name the calls that were denied when they were taken."""
    for answer in context.answers:
        manifest = answer.top.manifest
        if manifest is None:
            continue
        if manifest.version != FORMAT_VERSION:
            raise InvalidInput(
                f"snapshot has format version {manifest.version}, expected {FORMAT_VERSION}", where=answer.where,
                hint="take it again with `doorward snapshot`",
            )  # fmt: skip
        for scope in manifest.scopes:
            for denied in scope.denied:
                context.notice(
                    denied.key,
                    f"{denied.call} gave nothing in {scope.account} {scope.region} ({denied.code}): not known",
                )


def _name_missing_groups(context: Context, interfaces: dict[str, Interface], groups: dict[str, Group]) -> None:
    """One notice for each group that interfaces name and the input lacks: its rules are not known."""
    missing: dict[str, str] = {}
    for one in {interface.groups: interface for interface in interfaces.values()}.values():
        for id in one.groups:
            if id not in groups:
                missing.setdefault(id, one.vpc)
    for id, vpc in sorted(missing.items()):
        context.notice(
            id, "security group of an interface is not in the input: its rules are not known; add "
            "`aws ec2 describe-security-groups`", vpc or None,
        )  # fmt: skip
