"""Scenes: a cloud written down in YAML, or taken from a snapshot or a plan, and built through the API."""

from doorward_lab.scenes.builder import build
from doorward_lab.scenes.built import Built, BuiltBalancer, BuiltHost
from doorward_lab.scenes.catalogue import load, names
from doorward_lab.scenes.clients import Clients, Connect
from doorward_lab.scenes.scene import Scene

__all__ = ["Built", "BuiltBalancer", "BuiltHost", "Clients", "Connect", "Scene", "build", "load", "names"]
