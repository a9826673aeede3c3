"""Scene files → scenes. Whatever the language does not know is refused at its place: FILE:LINE:COLUMN.

Steps, in order: 1. size and encoding, 2. YAML without tags, merge keys, double keys, depth or alias bombs (Doorward's
own reader of untrusted YAML), 3. keys and values by the table in `keys`, 4. what is short is written out
(`public` subnets, the only VPC), 5. what makes no sense together (`check`).
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from pathlib import Path
from typing import Any

from doorward.contracts import yaml_safe
from doorward.contracts.yaml_safe import Node
from doorward.errors import DoorwardError, InvalidContract
from doorward_lab.errors import BadScene
from doorward_lab.scenes import terms
from doorward_lab.scenes.check import check
from doorward_lab.scenes.keys import SECTIONS, TOP, Key
from doorward_lab.scenes.places import Places
from doorward_lab.scenes.reader import Reader
from doorward_lab.scenes.scene import Gateway, RouteTable, Scene
from doorward_lab.scenes.shapes import SHAPES

MAX_BYTES = 4 << 20
"""Largest scene file. A thousand hosts are about 100 kB."""


def load_file(path: Path) -> Scene:
    """The scene in a file. Raises `BadScene`."""
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MAX_BYTES else b" " * (MAX_BYTES + 1)
    except OSError as error:
        raise BadScene(f"{path}: cannot be read: {error.strerror or error}; expected a scene file") from error
    return load_text(data, str(path), path.parent)


def load_text(data: bytes | str, file: str = "scene", folder: Path | None = None) -> Scene:
    """The scene in a text; `folder` is where its contracts file lies. Raises `BadScene`."""
    if len(data) > MAX_BYTES:
        raise BadScene(f"{file}: more than {MAX_BYTES:,} bytes; a scene may have no more")
    try:
        node = yaml_safe.load(data, file)
    except InvalidContract as error:
        hint = "no scene needs more than five" if error.message.startswith("nested deeper") else error.hint
        raise BadScene(f"{error.where}: {error.message}{f' ({hint})' if hint else ''}") from error
    except DoorwardError as error:
        at = error.where or file
        if not str(data.decode("utf-8", "replace") if isinstance(data, bytes) else data).strip("\ufeff \t\r\n"):
            raise BadScene(f"{at}: the file is empty; expected version: 1 and vpcs:") from error
        if error.message.startswith(("no document", "binary data", "byte 0x")):
            said = error.message.split(";")[0]
            raise BadScene(f"{at}: {said}; expected a scene in YAML, which begins with version: 1") from error
        raise BadScene(f"{at}: {error.message}{f' ({error.hint})' if error.hint else ''}") from error
    return _scene(Reader(file, folder, SHAPES), node)


def _scene(reader: Reader, node: Node) -> Scene:
    top = reader.mapping(node, "a mapping that begins with version: 1")
    if "version" in top.items:
        reader.version(top.items["version"])
    reader.known(top, (*TOP, *(Key(one.name, "section", one.doc) for one in SECTIONS)), "a scene")
    fields: dict[str, Any] = {}
    for section in SECTIONS:
        if section.name in top.items:
            fields[section.field] = reader.section(section, top.items[section.name])
    values = reader.values(top, TOP, ())
    values.pop("version")
    stem = Path(reader.file).name.partition(".")[0]
    values.setdefault("name", stem if terms.NAME.fullmatch(stem) else "scene")
    made = _written_out(Scene(**values, **fields), reader.places)
    check(made, reader.places)
    return made


def _written_out(scene: Scene, places: Places) -> Scene:
    """The only VPC where none is named; tables and gateways of public subnets."""
    only = next(iter(scene.vpcs)) if len(scene.vpcs) == 1 else ""
    changed: dict[str, Any] = {}
    for name in ("subnets", "groups", "acls", "route_tables", "target_groups", "gateways"):
        made = {}
        for id, one in getattr(scene, name).items():
            needless = isinstance(one, Gateway) and one.kind == "nat"
            if not one.vpc and not needless:
                if not only:
                    raise places.bad((name.replace("_", "-"), id), f"{id!r} names no vpc, and there is not just one")
                one = replace(one, vpc=only)
            made[id] = one
        changed[name] = made
    return _with_public_tables(replace(scene, **changed))


def _with_public_tables(scene: Scene) -> Scene:
    subnets, tables, gateways = dict(scene.subnets), dict(scene.route_tables), dict(scene.gateways)
    made: dict[str, str] = {}
    for name, subnet in scene.subnets.items():
        if not subnet.public or subnet.route_table or subnet.vpc not in scene.vpcs:
            continue
        if subnet.vpc not in made:
            gateway = scene.internet_gateway(subnet.vpc)
            if gateway is None:
                gateway = Gateway(_free(f"{subnet.vpc}-igw", gateways), "internet", subnet.vpc)
                gateways[gateway.name] = gateway
            families = ("0.0.0.0/0", "::/0") if scene.vpcs[subnet.vpc].ipv6 else ("0.0.0.0/0",)
            table = _free(f"{subnet.vpc}-public", tables)
            tables[table] = RouteTable(table, subnet.vpc, dict.fromkeys(families, f"gateway:{gateway.name}"))
            made[subnet.vpc] = table
        subnets[name] = replace(subnet, route_table=made[subnet.vpc])
    return replace(scene, subnets=subnets, route_tables=tables, gateways=gateways)


def _free(name: str, taken: Container[str]) -> str:
    while name in taken:
        name += "-x"
    return name
