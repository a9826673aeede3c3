"""``read_plan``: from ``terraform show -json PLAN`` to the estate before, the estate after, and the steps between.

Here the parts are put together; each part's own module says how it works.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from doorward.errors import InvalidInput
from doorward.model.estate import Acl, Estate, Notice, Subnet
from doorward.model.plan import Plan
from doorward.readers.terraform.build import aliases_of, assemble, build, estate_of, unite
from doorward.readers.terraform.document import Document, read_document
from doorward.readers.terraform.exclusive import enforce
from doorward.readers.terraform.families.vpcs import open_entries
from doorward.readers.terraform.load import load_plan, parse_plan
from doorward.readers.terraform.merge import annotate, merge
from doorward.readers.terraform.relevance import is_relevant
from doorward.readers.terraform.scene import Scene
from doorward.readers.terraform.steps import make_steps
from doorward.readers.terraform.unheld import open_ends
from doorward.readers.terraform.values import World


def read_plan(path: Path, estate: Estate | None = None) -> Plan:
    """What the plan at ``path`` does to ``estate``, or to its own prior state when there is no snapshot.

    Reads the JSON of ``terraform show -json`` and ``tofu show -json``, format 0.1 to 1.x. Raises ``Unreadable`` when
    the bytes are no such JSON and ``InvalidInput`` when they are something else than a plan.
    """
    return _placed(load_plan(path), str(path), estate)


def parse(raw: bytes, where: str = "plan", estate: Estate | None = None) -> Plan:
    """As ``read_plan``, from bytes; ``where`` names them in messages."""
    return _placed(parse_plan(raw, where), where, estate)


def _placed(raw: dict[str, Any], where: str, estate: Estate | None) -> Plan:
    try:
        return plan_of(read_document(raw), estate)
    except InvalidInput as error:
        error.where = error.where or where
        raise


def plan_of(document: Document, estate: Estate | None) -> Plan:
    """Both sides, the difference laid over the snapshot, and the steps."""
    world = World(document)
    before, after = build(world, "before", estate), build(world, "after", estate)
    assemble(before, None)
    assemble(after, before)
    if estate is None:
        open_ends(before, after)
        old, new = estate_of(before, complete=False), estate_of(after, complete=False)
        old, new = _with_default_acls(old, before), _with_default_acls(new, after)
    else:
        old = annotate(estate, before)
        new = merge(old, before, after)
        old = replace(old, aliases={**estate.aliases, **aliases_of(before)})
        new = replace(new, aliases={**estate.aliases, **aliases_of(after)})
    new = _settle(new, before, after)
    new, dropped = enforce(world, after, old, new)
    for address, given in dropped.items():
        before.given.setdefault(address, []).extend(given)
    steps = make_steps(document, before, after, old, new)
    own = (*_own_notices(document, world), *_left_behind(before, after, old, new))
    old = replace(old, notices=unite(estate.notices if estate is not None else (), tuple(before.notices)))
    new = replace(new, notices=unite(estate.notices if estate is not None else (), (*after.notices, *own)))
    return Plan(
        old, new, steps, unite(tuple(after.notices), own), document.terraform_version,
        tuple(change.address for change in document.changes if change.replaces and change.type == "aws_security_group"),
    )  # fmt: skip


def _with_default_acls(estate: Estate, scene: Scene) -> Estate:
    """Without a snapshot the plan's state is the estate: a VPC of it whose ACL it does not hold has AWS's default one.

    The default ACL passes everything (VPC User Guide, *Default network ACL*); that it was never changed by hand is an
    assumption, so it is said in a notice. VPCs that are only spoken of keep an unknown ACL.
    """
    acls, subnets = dict(estate.acls), dict(estate.subnets)
    assumed: dict[str, str] = {}
    for id, subnet in estate.subnets.items():
        vpc = subnet.vpc
        known = vpc in scene.elements["vpcs"] and not scene.is_stub("vpcs", vpc)
        if subnet.acl is not None or not known or id not in scene.elements["subnets"] or scene.is_stub("subnets", id):
            continue
        acl = scene.default_acls.get(vpc) or f"{vpc}/default-network-acl"
        if acl not in acls:
            acls[acl] = Acl(acl, vpc, open_entries(), is_default=True)
            assumed[vpc] = acl
        subnets[id] = replace(subnet, acl=acl)
    for vpc, acl in assumed.items():
        scene.notice(
            acl,
            f"the default ACL of {vpc} is not in the plan: taken as AWS makes it (it passes everything); "
            "give --estate to judge with the real one",
            vpc,
        )
    return replace(estate, acls=acls, subnets=subnets)


def _left_behind(before: Scene, after: Scene, old: Estate, new: Estate) -> tuple[Notice, ...]:
    """Groups that the plan deletes while interfaces are in them: AWS refuses that (DependencyViolation)."""
    gone = old.groups.keys() - new.groups.keys()
    for id in before.elements["groups"]:  # one that the plan deletes and still speaks of is a stub after it
        if not before.is_stub("groups", id) and (id not in after.elements["groups"] or after.is_stub("groups", id)):
            gone.add(id)
    members: dict[str, list[str]] = {}
    if gone:
        for interface in new.interfaces.values():
            for group in interface.groups:
                if group in gone:
                    members.setdefault(group, []).append(interface.id)
    return tuple(
        Notice(
            group,
            f"the plan deletes this group while {', '.join(sorted(left)[:3])}"
            f"{f' and {len(left) - 3} more' if len(left) > 3 else ''} will still be in it: AWS refuses that",
        )
        for group, left in sorted(members.items())
    )


def _settle(new: Estate, before: Scene, after: Scene) -> Estate:
    """Subnets without an association of their own follow their VPC's main table and default ACL."""
    tables = dict(new.route_tables)
    mains = {table.vpc: id for id, table in tables.items() if table.main and table.vpc}
    moved: dict[str, tuple[str, str]] = {}
    for vpc, main in after.mains.items():
        held = next((id for id, table in tables.items() if table.main and table.vpc == vpc and id != main), None)
        if before.mains.get(vpc) != main and held is not None and main in tables:
            moved[vpc] = held, main
            tables[held] = replace(tables[held], main=False)
            tables[main] = replace(tables[main], main=True)
        if main in tables:
            mains[vpc] = main
    defaults = {acl.vpc: id for id, acl in new.acls.items() if acl.is_default and acl.vpc}
    defaults.update({vpc: acl for vpc, acl in after.default_acls.items() if acl in new.acls})
    subnets: dict[str, Subnet] = dict(new.subnets)
    for id, subnet in new.subnets.items():
        fresh = (
            id not in before.elements["subnets"]
            and id in after.elements["subnets"]
            and not after.is_stub("subnets", id)
        )
        table, acl = subnet.route_table, subnet.acl
        if id not in after.tied:
            if subnet.vpc in moved and table == moved[subnet.vpc][0]:
                table = moved[subnet.vpc][1]
            elif table is None and (fresh or id in before.tied):
                table = mains.get(subnet.vpc)
        if id not in after.guarded and acl is None and (fresh or id in before.guarded):
            acl = defaults.get(subnet.vpc)
        if (table, acl) != (subnet.route_table, subnet.acl):
            subnets[id] = replace(subnet, route_table=table, acl=acl)
    return replace(new, subnets=subnets, route_tables=tables)


def _own_notices(document: Document, world: World) -> tuple[Notice, ...]:
    found: list[Notice] = []
    for address, kind in document.drift:
        if is_relevant(kind):
            found.append(Notice(address, "was changed outside of Terraform since its last apply; judged as it is now"))
    for address, kind in document.deferred:
        if is_relevant(kind):
            found.append(Notice(address, "its change is deferred to a later plan and not in this one", None, True))
    if not document.complete:
        found.append(Notice("plan", "the plan is not complete: a further plan and apply will follow it"))
    if world.loose:
        names = list(world.loose)
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        found.append(
            Notice(
                ", ".join(names[:4]) + more,
                "read from what the configuration refers to, as the value is not known before the apply; a literal "
                "id written beside the references would not show in a plan",
            )
        )
    return tuple(found)
