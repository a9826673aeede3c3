"""`Filters` of the Describe calls that the wrapper answers itself.

EC2 User Guide, "List and filter using the CLI and API": filters are joined with AND, the values of one with OR; values
are case-sensitive; * stands for zero or more characters, ? for zero or one, a backslash makes the next one literal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from doorward_lab.cloud.wire import ApiError

Values = Callable[[Any], Iterable[object]]


@lru_cache(maxsize=4096)
def _pattern(value: str) -> re.Pattern[str]:
    out, literal = [], False
    for sign in value:
        if literal or sign not in "*?\\":
            out.append(re.escape(sign))
            literal = False
        elif sign == "\\":
            literal = True
        else:
            out.append(".*" if sign == "*" else ".?")
    return re.compile("".join(out), re.DOTALL)


def matches(value: str, have: Iterable[object]) -> bool:
    """Whether one of the values that a resource has matches a filter's value."""
    if not any(sign in value for sign in "*?\\"):
        return any(value == _text(one) for one in have)
    pattern = _pattern(value)
    return any(pattern.fullmatch(_text(one)) for one in have)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def chosen(
    resources: Iterable[Any],
    asked: Iterable[Mapping[str, Any]],
    known: Mapping[str, Values],
    tags: Callable[[Any], Mapping[str, str]],
) -> list[Any]:
    """The resources that all filters let through. `known` maps a filter's name to the values that a resource has.

    Raises:
        ApiError: a filter that the action does not have.
    """
    found = list(resources)
    for one in asked:
        name, values = str(one.get("Name", "")), [str(value) for value in one.get("Values") or ()]
        if name.startswith("tag:"):
            have = _tag_values(tags, name.removeprefix("tag:"))
        elif name == "tag-key":
            have = tags
        elif name in known:
            have = known[name]
        else:
            raise ApiError("InvalidParameterValue", f"The filter '{name}' is invalid")
        found = [resource for resource in found if any(matches(value, list(have(resource))) for value in values)]
    return found


def _tag_values(tags: Callable[[Any], Mapping[str, str]], key: str) -> Values:
    def have(resource: Any) -> Iterable[object]:
        value = tags(resource).get(key)
        return () if value is None else (value,)

    return have
