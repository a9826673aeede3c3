"""The plain values of an estate."""

from __future__ import annotations

from doorward.model import estate
from doorward.model.estate import Interface


def test_places_of_fields_are_those_of_the_interface() -> None:
    """Each ``AT_…`` says where the field of that name stands."""
    places = {name: value for name, value in vars(estate).items() if name.startswith("AT_")}
    assert {name: Interface._fields.index(name[3:].lower()) for name in places} == places
    assert "AT_ID" in places
