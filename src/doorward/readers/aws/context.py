"""What the parts of the reader share: the answers of all files, notices, and the handling of what is given twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from doorward.errors import InvalidInput
from doorward.model.addresses import parse_network
from doorward.model.estate import Notice, Tags
from doorward.model.intervals import Span
from doorward.readers.aws.layout import Answer
from doorward.readers.aws.shapes import TagList

T = TypeVar("T")


class Context:
    """All answers, and the notices that arise from them."""

    def __init__(self, answers: list[Answer]) -> None:
        self.answers = answers
        self.notices: list[Notice] = [notice for answer in answers for notice in answer.notices]
        self._cidrs: dict[str, Span] = {}
        self._noticed: set[Notice] = set(self.notices)
        self._home: dict[str, set[Path]] = {}

    def each(self, name: str) -> Iterator[tuple[Answer, Any]]:
        """Every element of one kind of list with the file that it is from."""
        for answer in self.answers:
            for item in getattr(answer.top, name) or ():
                yield answer, item

    def has(self, *keys: str) -> bool:
        """Whether any file gives one of these top-level keys."""
        return any(key in answer.keys for answer in self.answers for key in keys)

    def covers(self, vpc: str, *keys: str) -> bool:
        """Whether calls that would list something of this VPC were read: in the VPC's own folder, or anywhere when the
        estate's VPCs come from one folder only."""
        if not self._home:
            for answer, item in self.each("vpcs"):
                self._home.setdefault(item.vpc_id, set()).add(answer.folder)
        folders = self._home.get(vpc)
        if not folders or len(set().union(*self._home.values())) <= 1:
            return self.has(*keys)
        return any(answer.folder in folders for answer in self.answers for key in keys if key in answer.keys)

    def notice(self, resource: str, text: str, vpc: str | None = None, could_block: bool = False) -> None:
        """Say it once."""
        made = Notice(resource, text, vpc, could_block)
        if made not in self._noticed:
            self._noticed.add(made)
            self.notices.append(made)

    def cidr(self, text: str, answer: Answer, what: str) -> Span:
        """A CIDR as a span; ``InvalidInput`` that names file and element otherwise."""
        found = self._cidrs.get(text)
        if found is None:
            try:
                found = parse_network(text)
            except ValueError as error:
                raise InvalidInput(f"{what}: {error}", where=answer.where) from error
            self._cidrs[text] = found
        return found

    def once(
        self,
        name: str,
        id_of: Callable[[Any], str],
        make: Callable[[Answer, Any], T],
        same: Callable[[T], object] = lambda made: made,
    ) -> dict[str, T]:
        """id -> element for one kind of list. An id that is given twice must say the same (as ``same`` sees it)."""
        made: dict[str, T] = {}
        source: dict[str, Answer] = {}
        for answer, item in self.each(name):
            id = id_of(item)
            element = make(answer, item)
            if id in made:
                if same(made[id]) != same(element):
                    raise conflict(id, source[id], answer)
                continue
            made[id] = element
            source[id] = answer
        return made


def conflict(id: str, first: Answer, second: Answer) -> InvalidInput:
    """The error for one id with two different contents."""
    if first is second:
        return InvalidInput(f"lists {id} twice with different contents", where=first.where, hint="keep one of them")
    return InvalidInput(
        f"lists {id} differently than {first.where}", where=second.where,
        hint="keep one of the files: an estate is one moment",
    )  # fmt: skip


def tags_of(tags: TagList) -> tuple[str, Tags]:
    """The Name tag, and all tags."""
    if not tags:
        return "", ()
    pairs = tuple([(tag.key, tag.value or "") for tag in tags])
    for key, value in pairs:
        if key == "Name":
            return value, pairs
    return "", pairs
