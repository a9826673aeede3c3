"""One call as the modules of effects see it: where, which, with what parameters, and with what answer.

Also the words that they share: keys, what ids name, asking. What does not live here: what any call does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import msgspec

from doorward.model.change import Ask, Effect, Key, Kind, Place
from doorward.readers.cloudtrail.lookup import Lookup
from doorward.readers.cloudtrail.tree import TooDeep, Tree, plain, scalars, text
from doorward.readers.cloudtrail.wire import Record

EVERY = "*"
"""Id of a question about every resource of a kind in a place: the record does not say which one."""
_decode = msgspec.json.Decoder().decode
_SAID_MOST = 240
_ASKED_MOST = 1000
"""Questions of one kind that one call leads to: what names more is hostile, or about everything."""
_ID = re.compile(r"([a-z]+(?:-[a-z]+)?(?:-[a-z]+)?)-[0-9a-z]{1,40}")
_ARN = re.compile(r"arn:[a-z-]+:elasticloadbalancing:[a-z0-9-]*:\d*:(loadbalancer|targetgroup)/\S{1,400}")
KINDS: dict[str, Kind] = {
    "sg": "group", "eni": "interface", "acl": "acl", "rtb": "route-table", "pl": "prefix-list", "pcx": "peering",
    "igw": "internet-gateway", "eigw": "egress-only-gateway", "nat": "nat-gateway", "tgw": "transit-gateway",
    "tgw-attach": "transit-gateway", "tgw-rtb": "transit-gateway", "vpc": "vpc", "subnet": "subnet",
    "vpce": "endpoint", "i": "instance",
}  # fmt: skip
"""Prefix of an id -> kind. A transit gateway's attachments and route tables are questions about transit gateways."""


class Unclear(ValueError):
    """The record does not tell enough, or not in a way that is understood: what it names must be asked."""


@dataclass
class Call:
    """A call that succeeded and may have changed something."""

    place: Place
    service: str  # "ec2"
    name: str  # "AuthorizeSecurityGroupIngress", without a version at its end
    record: Record
    lookup: Lookup
    strict: bool = True
    """Whether parameters or an answer that cannot be read stop the reading; else what can be read is used."""

    @cached_property
    def request(self) -> Tree:
        """The parameters as a plain tree. Raises ``Unclear``."""
        return self._tree(self.record.request)

    @cached_property
    def response(self) -> Tree:
        """The answer as a plain tree; empty when there was none. Raises ``Unclear``."""
        return self._tree(self.record.response)

    def _tree(self, raw: msgspec.Raw) -> Tree:
        try:
            tree = plain(_decode(raw), self.name)
        except TooDeep as error:
            raise Unclear(str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Unclear(f"not readable: {error}") from error
        if tree.get("omitted") is True:
            # CloudTrail User Guide, "CloudTrail record contents": a field over its maximum size is left out so.
            raise Unclear("left out of the record, being too large")
        return tree

    @property
    def trees(self) -> list[Tree]:
        """Parameters and answer. Raises ``Unclear`` when one cannot be read; not ``strict``, it is left out."""
        found = []
        for part in ("request", "response"):
            try:
                found.append(getattr(self, part))
            except Unclear:
                if self.strict:
                    raise
        return found

    def key(self, kind: Kind, id: str) -> Key:
        """The name of a document in this call's place."""
        return Key(self.place, kind, id)

    def need(self, *path: str) -> str:
        """A text that the parameters must have. Raises ``Unclear``."""
        found = text(self.request, *path)
        if found is None:
            raise Unclear(f"no {'.'.join(path)}")
        return found

    def ask(self, kind: Kind, ids: Iterable[str], why: str | None = None) -> list[Effect]:
        """Questions about each of ``ids``, or about every resource of the kind when there are none, or very many."""
        reason = why or self.said
        once = dict.fromkeys(ids)
        if not 0 < len(once) <= _ASKED_MOST:
            return [Ask(self.key(kind, EVERY), reason)]
        return [Ask(self.key(kind, id), reason) for id in once]

    @property
    def said(self) -> str:
        """The call in a line: its name and what it said, for people."""
        words = [f"{key} {value}" for tree in self.trees[:1] for key, value in tree.items() if _is_scalar(value)]
        return f"{self.name}: {', '.join(words)}"[:_SAID_MOST].removesuffix(": ")

    @cached_property
    def named(self) -> dict[Kind, list[str]]:
        """Ids of resources that the parameters or the answer name anywhere, by kind, in the order of the record."""
        found: dict[Kind, dict[str, None]] = {}
        for tree in self.trees:
            for word in scalars(tree):
                kind = kind_of(word)
                if kind is not None:
                    found.setdefault(kind, {})[word] = None
        return {kind: list(ids) for kind, ids in found.items()}

    def ask_named(self, *kinds: Kind, why: str | None = None) -> list[Effect]:
        """Questions about all resources of these kinds that the record names; about every one of the first kind when
        it names none. Without kinds: about all resources of any kind that it names."""
        wanted = kinds or tuple(self.named)
        effects = [effect for kind in wanted if kind in self.named for effect in self.ask(kind, self.named[kind], why)]
        return effects or ([*self.ask(kinds[0], (), why)] if kinds else [])


Handler: TypeAlias = Callable[[Call], list[Effect]]


def kind_of(id: str) -> Kind | None:
    """What an id is about, as its prefix says."""
    if len(id) > 512:
        return None
    if id.startswith("arn:"):
        found = _ARN.fullmatch(id)
        if found is None:
            return None
        return "load-balancer" if found[1] == "loadbalancer" else "target-group"
    match = _ID.fullmatch(id)
    return KINDS.get(match[1]) if match is not None else None


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float) and value != ""
