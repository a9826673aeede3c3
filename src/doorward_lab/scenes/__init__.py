"""Scenes: a cloud written down in YAML, or taken from a snapshot or a plan, and built through the API."""

from doorward_lab.scenes.builder import build
from doorward_lab.scenes.built import Built, BuiltBalancer, BuiltHost
from doorward_lab.scenes.catalogue import load, names
from doorward_lab.scenes.clients import Clients, Connect
from doorward_lab.scenes.estate import from_plan, from_snapshot
from doorward_lab.scenes.scene import LeftOut, Scene, Stack
from doorward_lab.scenes.schema import json_schema
from doorward_lab.scenes.write import dump

__all__ = [
    "Built", "BuiltBalancer", "BuiltHost", "Clients", "Connect", "LeftOut", "Scene", "Stack", "build", "dump",
    "from_plan", "from_snapshot", "json_schema", "load", "names",
]  # fmt: skip
