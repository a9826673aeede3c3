"""What hostile or damaged YAML may cost and cause: a line, never a crash, a hang or a value."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from doorward.contracts.language import parse_contracts
from doorward.contracts.yaml_safe import MAX_BYTES, load
from doorward.errors import InvalidContract, InvalidInput, Unreadable
from tests.contracts.test_language import EXAMPLE


def bomb(width: int = 10, depth: int = 20) -> str:
    """A "billion laughs": ten aliases of ten aliases of …"""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * width)}]" for at in range(1, depth)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\xff\xfev\x00", "UTF-16"),
        (b"version: 1\nname: caf\xe9\n", "byte 0xe9 is not UTF-8"),
        (b"\x00\x01\x02", "binary"),
        (b"version: 1\x00", "binary"),
        (b"version: \x1b[31m", "not YAML"),
        ("version: 1\ncontracts:\n\ta: b", "not YAML"),
        ("version: 1\ncontracts: {a: [", "not YAML"),
        ("a: b: c", "not YAML"),
        ('a: "unclosed', "not YAML"),
        ("%YAML 9.9\n---\na: b", "not YAML"),
        (b"x" * (MAX_BYTES + 1), "bytes; a contracts file may have"),
    ],
)
def test_unreadable(data: bytes | str, says: str) -> None:
    """What is no YAML text is unreadable, and the line says why."""
    with pytest.raises(Unreadable) as caught:
        load(data, "c.yaml")
    assert says in str(caught.value)
    assert (caught.value.where or "").startswith("c.yaml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (bomb(), "once aliases are written out"),
        ("a: " + "[" * 100_000, "nested deeper than 32 levels"),
        ("a: " + "{b: " * 100_000, "nested deeper than 32 levels"),
        ("\n".join("  " * at + f"k{at}:" for at in range(200)), "nested deeper than 32 levels"),
        ("- " * 50_000 + "x", "nested deeper than 32 levels"),
        ("a: &x [1, *x]", "stands inside what it names"),
        ("a: *nobody", "has no anchor before it"),
        ("a: !!python/object/apply:os.system [id]", "tags are not read"),
        ("a: !!int 1", "tags are not read"),
        ("a: 1\n---\nb: 2", "a second document"),
        ("? [a]\n: b", "a list or mapping as a key"),
        ("a: 1\na: 2", "stands twice"),
        ("a: &d {x: 1}\nb: {<<: *d}", "merge key"),
    ],
)
def test_refused(text: str, says: str) -> None:
    """YAML that could cost too much or mean two things is refused quickly, at its place."""
    start = time.perf_counter()
    with pytest.raises(InvalidContract) as caught:
        load(text, "c.yaml")
    assert says in caught.value.message
    assert (caught.value.where or "").startswith("c.yaml")
    assert time.perf_counter() - start < 5


def test_aliases_within_bounds() -> None:
    """An alias stands for the whole value that it names."""
    text = "version: 1\ncontracts:\n  a: &a {must: reach, from: internet, to: group:a, service: all}\n  b: *a\n"
    first, second = parse_contracts(text)
    assert ("a", "b") == (first.name, second.name)
    assert first.targets == second.targets


def test_own_parser_of_pyyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where libyaml is not built in, PyYAML's own parser gives the same contracts and refusals."""
    with_libyaml = parse_contracts(EXAMPLE)
    monkeypatch.delattr("yaml.CSafeLoader", raising=False)
    assert with_libyaml == parse_contracts(EXAMPLE)
    with pytest.raises(InvalidContract, match="nested deeper"):
        load("a: " + "[" * 1000, "c.yaml")
    with pytest.raises(Unreadable, match="not YAML"):
        load("a: [", "c.yaml")


PIECES = st.sampled_from([
    "version: 1\n", "contracts:\n", "  a:\n", "    must: reach\n", "    from: internet\n", "    to: group:x\n",
    "    service: tcp/443\n", "    service: [tcp/1, udp]\n", "&a ", "*a", "!!str ", "[", "]", "{", "}", "- ", "? ",
    "'", '"', "|\n", ">\n", "\t", "\x85", "\u2028", "<<: ", "---\n", "...\n", "%YAML 1.1\n", "#", "\r", "10.0.0.0/8",
    "tag:a=b", "\U0001f600", "\ufeff", "~", ": ",
])  # fmt: skip


@given(st.lists(st.one_of(PIECES, st.text(max_size=5)), max_size=25).map("".join))
@example("? ? ? ")
@example("a: |\n" + " " * 1000)
def test_any_text(text: str) -> None:
    """Any text gives contracts or an ``InvalidInput``, nothing else."""
    try:
        found = parse_contracts(text, "c.yaml")
    except InvalidInput as error:
        assert error.message
    else:
        assert found


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    """Any bytes give contracts or an ``InvalidInput``, nothing else."""
    try:
        parse_contracts(data, "c.yaml")
    except InvalidInput as error:
        assert error.message


@given(st.integers(0, len(EXAMPLE) - 1), st.sampled_from(["", "x", "[", "\0", "\n", ":", "\t"]))
def test_damaged_example(at: int, inserted: str) -> None:
    """The example cut short or with something put in is read or refused, and a cut never adds a contract."""
    for text in (EXAMPLE[:at], EXAMPLE[:at] + inserted + EXAMPLE[at:]):
        try:
            found = parse_contracts(text, "c.yaml")
        except InvalidInput:
            continue
        assert 1 <= len(found) <= 2


def test_thousand_contracts_are_quick() -> None:
    """1,000 contracts are read within a second on the slowest machine of CI (50 ms where it was measured)."""
    one = "  c{0}: {{must: reach, from: 'group:a{0}', to: [group:b, 10.0.0.0/8], service: tcp/443, why: reason {0}}}\n"
    text = "version: 1\ncontracts:\n" + "".join(one.format(at) for at in range(1000))
    start = time.perf_counter()
    assert 1000 == len(parse_contracts(text))
    assert time.perf_counter() - start < 1
