"""Changes and entries for the tests: a small history whose truth is easy to tell, and strategies for any change."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import get_args

from hypothesis import strategies as st

from doorward.ledger.entry import Entry
from doorward.model.change import (
    Ask,
    Change,
    Gone,
    Key,
    Kind,
    Member,
    Place,
    Put,
    RuleAdded,
    RuleFact,
    RuleRemoved,
    RuleSet,
    Source,
    Who,
)

START = datetime(2024, 2, 15, 10, 30, tzinfo=UTC)
PLACE = Place("111122223333", "eu-west-1")
DEPLOYER = Who("arn:aws:iam::111122223333:role/deployer", "AssumedRole", "terraform-run", agent="HashiCorp Terraform")


def after(seconds: float) -> datetime:
    """A moment of the history."""
    return START + timedelta(seconds=seconds)


def group(id: str, place: Place = PLACE) -> Key:
    """The name of a group's document."""
    return Key(place, "group", id)


def rule(number: int) -> RuleFact:
    """Rules that differ by number."""
    return RuleFact(
        False, "tcp", (443, 443), cidr=f"10.{number >> 8 & 255}.{number & 255}.0/24", id=f"sgr-{number:08x}"
    )


def change(number: int, *, at: float | None = None, learned: float | None = None, on: str | None = None) -> Change:
    """The change `number`: a rule is added to one of fifty groups; by default one a second, learned 7 s later."""
    when = number if at is None else at
    heard = when + 7 if learned is None else learned
    key = group(on or f"sg-{number % 50:08x}")
    name = hashlib.sha256(str(number).encode()).hexdigest()[:36]
    call = "ec2:AuthorizeSecurityGroupIngress"
    return Change(name, after(when), after(heard), PLACE, call, DEPLOYER, (RuleAdded(key, rule(number)),))


def entries(first: int, last: int) -> list[Entry]:
    """Entries of the changes from `first` to before `last`."""
    return [Entry.of(change(number)) for number in range(first, last)]


def note(text: str, seconds: float = 0.0, key: str | None = None, about: tuple[str, ...] = ()) -> Entry:
    """An entry that tells no change."""
    return Entry("note", {"text": text}, after(seconds), after(seconds), key, "arn:aws:iam::1:user/ann", about)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
KEYS = st.builds(Key, st.builds(Place, TEXT, TEXT), st.sampled_from(get_args(Kind)), TEXT)
PORT = st.integers(-1, 65535)
FACTS = st.builds(
    RuleFact,
    st.booleans(),
    TEXT,
    st.none() | st.tuples(PORT, PORT),
    *[st.none() | TEXT] * 5,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | TEXT
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
DOCUMENTS = st.dictionaries(TEXT, JSON, max_size=4)
EFFECTS = st.one_of(
    st.builds(RuleAdded, KEYS, FACTS),
    st.builds(RuleRemoved, KEYS, st.none() | TEXT, st.none() | FACTS),
    st.builds(RuleSet, KEYS, TEXT, FACTS),
    st.builds(Member, KEYS, st.lists(TEXT, max_size=3).map(tuple)),
    st.builds(Put, KEYS, DOCUMENTS, st.booleans()),
    st.builds(Gone, KEYS),
    st.builds(Ask, KEYS, TEXT),
)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
CHANGES = st.builds(
    Change,
    TEXT,
    MOMENTS,
    MOMENTS,
    st.builds(Place, TEXT, TEXT),
    TEXT,
    st.builds(Who, *[TEXT] * 8, st.booleans()),
    st.lists(EFFECTS, max_size=4).map(tuple),
    st.sampled_from(get_args(Source)),
    TEXT,
    st.none() | TEXT,
    st.none() | TEXT,
    st.lists(TEXT, max_size=2).map(tuple),
)
