"""The contract language: what is read, and what each refusal says."""

from __future__ import annotations

import pytest

from doorward.contracts.contract import Contract
from doorward.contracts.language import parse_contracts, read_all
from doorward.errors import InvalidContract, Unreadable
from doorward.model.addresses import INTERNET, INTERNET_V4, INTERNET_V6, parse_network
from doorward.model.intervals import Intervals
from doorward.model.services import parse_service


def file_of(body: str) -> str:
    """A contracts file with one contract ``c``; later keys win over the usual ones."""
    usual = {"must": "reach", "from": "internet", "to": "group:web", "service": "tcp/443"}
    for line in body.splitlines():
        usual.pop(line.partition(":")[0], None)
    lines = [f"{key}: {value}" for key, value in usual.items()] + body.splitlines()
    return "version: 1\ncontracts:\n  c:\n" + "".join(f"    {line}\n" for line in lines)


def one(body: str) -> Contract:
    """The one contract of ``file_of``."""
    (contract,) = parse_contracts(file_of(body), "c.yaml")
    return contract


def refusal(text: str | bytes) -> InvalidContract:
    """The refusal of a file."""
    with pytest.raises(InvalidContract) as caught:
        parse_contracts(text, "c.yaml")
    return caught.value


EXAMPLE = """\
# doorward.yaml
version: 1
contracts:
  people-can-log-in:
    must: reach
    from: internet
    to: lb:web
    service: tcp/443
    why: people log in here
    owner: team-identity
    severity: critical
  only-the-web-tier-talks-to-auth:
    must: only-from
    from: [group:web, 10.9.0.0/16]
    to: group:auth
    service: [tcp/8443, icmp/8]
    ephemeral: 32768-60999
"""


def test_example() -> None:
    """The example of the design is read field by field, with lines and defaults."""
    first, second = parse_contracts(EXAMPLE, "doorward.yaml")
    assert ("people-can-log-in", "reach", "critical") == (first.name, first.must, first.severity)
    assert ("people log in here", "team-identity") == (first.why, first.owner)
    assert (4, "doorward.yaml") == (first.line, first.file)
    assert (1024, 65535) == first.ephemeral
    assert ["internet"] == [selector.kind for selector in first.sources]
    assert ["group", "cidr"] == [selector.kind for selector in second.sources]
    assert parse_service("tcp/8443") | parse_service("icmp/8") == second.services
    assert (32768, 60999) == second.ephemeral
    assert ("high", None, None) == (second.severity, second.why, second.owner)


def test_json_is_read() -> None:
    """A JSON file is a contracts file too."""
    body = '{"must": "reach", "from": "internet", "to": ["group:a"], "service": "all"}'
    text = f'{{"version": 1, "contracts": {{"c": {body}}}}}'
    assert ["c"] == [contract.name for contract in parse_contracts(text)]


@pytest.mark.parametrize("data", [b"\xef\xbb\xbf" + EXAMPLE.encode(), memoryview(EXAMPLE.encode()), EXAMPLE])
def test_bytes_and_byte_order_mark(data: bytes | memoryview | str) -> None:
    """Bytes, mapped memory and text are the same, a UTF-8 byte order mark changes nothing."""
    assert parse_contracts(EXAMPLE) == parse_contracts(data)


@pytest.mark.parametrize(
    ("text", "kind", "value", "addresses"),
    [
        ("internet", "internet", "", INTERNET),
        ("internet:v4", "internet", "v4", INTERNET_V4),
        ("internet:v6", "internet", "v6", INTERNET_V6),
        ("10.9.0.0/16", "cidr", "10.9.0.0/16", Intervals([parse_network("10.9.0.0/16")])),
        ("10.9.0.1", "cidr", "10.9.0.1", Intervals([parse_network("10.9.0.1/32")])),
        ("2001:db8::/32", "cidr", "2001:db8::/32", Intervals([parse_network("2001:db8::/32")])),
        ("::/0", "cidr", "::/0", Intervals([parse_network("::/0")])),
        ("group:module.app.aws_security_group.web", "group", "module.app.aws_security_group.web", Intervals()),
        ("lb:arn:aws:elasticloadbalancing:x:1:y", "lb", "arn:aws:elasticloadbalancing:x:1:y", Intervals()),
        ("instance:i-1", "instance", "i-1", Intervals()),
        ("interface:eni-1", "interface", "eni-1", Intervals()),
        ("subnet:subnet-1", "subnet", "subnet-1", Intervals()),
        ("vpc:main vpc", "vpc", "main vpc", Intervals()),
        ("db:auth", "db", "auth", Intervals()),
        ("tag:Tier=web=1", "tag", "Tier=web=1", Intervals()),
        ("tag:Empty=", "tag", "Empty=", Intervals()),
    ],
)
def test_selectors(text: str, kind: str, value: str, addresses: Intervals) -> None:
    """Every kind of selector is read with its value and addresses, and keeps its text."""
    (selector,) = one(f"to: '{text}'\nfrom: 10.0.0.0/8").targets
    assert (kind, value, text, addresses) == tuple(selector)


@pytest.mark.parametrize(
    ("body", "where", "says", "hint"),
    [
        ("must: reech", "c.yaml:7:11", "contracts.c.must: got 'reech'; expected one of reach", "did you mean reach?"),
        ("must: deny", "c.yaml:7:11", "expected one of", "did you mean never-reach?"),
        ("service: 443", "c.yaml:7:14", "got '443'", "did you mean tcp/443?"),
        ("service: https", "c.yaml:7:14", "got 'https'", "did you mean tcp/443?"),
        ("service: 443/tcp", "c.yaml:7:14", "got '443/tcp'", "did you mean tcp/443?"),
        ("service: tcp:80", "c.yaml:7:14", "got 'tcp:80'", "did you mean tcp/80?"),
        ("service: tcp/90-80", "c.yaml:7:14", "the lower first", "did you mean tcp/80-90?"),
        ("service: tcp/65536", "c.yaml:7:14", "ports are 0 to 65535", None),
        ("service: TCP/80", "c.yaml:7:14", "small letters", "did you mean tcp/80?"),
        ("service: ['tcp/80,tcp/81']", "c.yaml:7:15", "got 'tcp/80,tcp/81'", "a list: [tcp/80, tcp/81]"),
        ("service: -1", "c.yaml:7:14", "got '-1'", "did you mean all?"),
        ("service: on", "c.yaml:7:14", "got 'on'", None),
        ("service: []", "c.yaml:7:14", "empty list", None),
        ("from:", "c.yaml:7:10", "got nothing", None),
        ("from: {cidr: 10.0.0.0/8}", "c.yaml:7:11", "got a mapping", None),
        ("from: sg-012", "c.yaml:7:11", "got 'sg-012'", "did you mean group:sg-012?"),
        ("from: sg:web", "c.yaml:7:11", "got 'sg:web'", "did you mean group:web?"),
        ("from: gruop:web", "c.yaml:7:11", "got 'gruop:web'", "did you mean group:web?"),
        ("from: web", "c.yaml:7:11", "got 'web'", "did you mean group:web?"),
        ("from: internett", "c.yaml:7:11", "got 'internett'", "did you mean internet?"),
        ("from: internet:ipv4", "c.yaml:7:11", "got 'internet:ipv4'", "did you mean internet:v4?"),
        ("from: 'group: web'", "c.yaml:7:11", "expected a name or id after group:", None),
        ("from: 443", "c.yaml:7:11", "got 443", "service: tcp/443"),
        ("from: 10.0.1.5/16", "c.yaml:7:11", "the network is 10.0.0.0/16", "write 10.0.0.0/16, or 10.0.1.5/32"),
        ("from: 2001:db8::1/32", "c.yaml:7:11", "the network is 2001:db8::/32", "or 2001:db8::1/128"),
        ("from: 10.0.0.0/33", "c.yaml:7:11", "expected a CIDR", None),
        ("from: 010.0.0.0/8", "c.yaml:7:11", "leading zero", None),
        ("from: tag:Tier", "c.yaml:7:11", "expected tag:Key=Value", None),
        ("from: internet\nto: internet:v4", "c.yaml:4:5", "both from and to are the internet", None),
        ("ephemeral: 80", "c.yaml:8:16", "expected first-last", None),
        ("ephemeral: 65535-1024", "c.yaml:8:16", "the lower first", "write 1024-65535"),
        ("ephemeral: [1024]", "c.yaml:8:16", "got [1024]", None),
        ("ephemeral: [1024, 70000]", "c.yaml:8:16", "0 to 65535", None),
        ("severity: sev1", "c.yaml:8:15", "expected one of critical, high", None),
        ("owner: 443", "c.yaml:8:12", "got the number 443", 'put it in quotes: "443"'),
        ("why: true", "c.yaml:8:10", "got the truth value true", 'put it in quotes: "true"'),
        ("why: ~", "c.yaml:8:10", "got the null ~", None),
        ("why:", "c.yaml:8:9", "got nothing", None),
        ("sevrity: high", "c.yaml:8:5", "the key 'sevrity' is not known", "did you mean severity?"),
        ("port: 443", "c.yaml:8:5", "the key 'port' is not known", "did you mean service?"),
    ],
)
def test_refusals(body: str, where: str, says: str, hint: str | None) -> None:
    """Each mistake is refused at its line and column, with what was got and what to do."""
    error = refusal(file_of(body))
    assert where == error.where
    assert says in error.message
    if hint is not None:
        assert hint in (error.hint or "")


@pytest.mark.parametrize("body", ["owner: on", "owner: 'yes'", "owner: '443'", 'why: "true"', "why: 1 team"])
def test_texts_stay_as_written(body: str) -> None:
    """``on`` and ``yes`` are text, as are quoted numbers: the field says what a scalar is."""
    contract = one(body)
    assert body.partition(": ")[2].strip("'\"") in (contract.owner, contract.why)


@pytest.mark.parametrize("key", ["must", "from", "to", "service"])
def test_required_keys(key: str) -> None:
    """A missing key is named, at the contract's own line."""
    lines = [line for line in file_of("").splitlines() if not line.strip().startswith(f"{key}:")]
    error = refusal("\n".join(lines))
    assert f"contracts.c: the key {key} is missing" == error.message
    assert "c.yaml:3:3" == error.where


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("version: 1\ncontracts: {}", "got none; expected at least one"),
        ("version: 1\ncontracts:", "contracts: got nothing"),
        ("version: 1\ncontracts: [a]", "contracts: got a list"),
        ("version: 2\ncontracts: {a: {}}", "version: got 2; expected 1"),
        ("version: '1'\ncontracts: {a: {}}", "version: got '1'; expected 1"),
        ("contracts: {a: {}}", "the key version is missing"),
        ("version: 1", "the key contracts is missing"),
        ("version: 1\ncontract: {}", "the key 'contract' is not known"),
        ("version: 1\ncontracts: {a: reach}", "contracts.a: got reach; expected the keys"),
        ("version: 1\ncontracts: {'': {}}", "is not a name"),
        ('version: 1\ncontracts: {"a\\nb": {}}', "is not a name"),
        ("- a", "got a list; expected the keys version and contracts"),
        ('{"format_version": "1.2", "resource_changes": []}', "this is a Terraform plan; expected a contracts file"),
        ('{"SecurityGroups": []}', "this is an answer of the AWS API"),
        ("version: 1\ncontracts: {a: {must: reach}, a: {}}", "the key 'a' stands twice: first in line 2"),
        ("version: 1\nversion: 1\ncontracts: {}", "the key 'version' stands twice"),
        (file_of("why: a\nwhy: b"), "the key 'why' stands twice: first in line 8"),
    ],
)
def test_whole_file(text: str, says: str) -> None:
    """A file that is not a mapping of contracts, or says a thing twice, is refused as a whole."""
    assert says in refusal(text).message


def test_nothing_is_kept_by_mistake() -> None:
    """One bad contract makes the file invalid: the others are not judged without it."""
    text = file_of("must: reech") + "  fine:\n    {must: reach, from: internet, to: group:a, service: all}\n"
    assert "contracts.c.must" in refusal(text).message


def test_every_mistake_is_listed() -> None:
    """All mistakes of a file come in one run, and the error of the first says how many more there are."""
    text = file_of("must: reech\nservice: 443\nsevrity: low")
    contracts, mistakes = read_all(text, "c.yaml")
    assert () == contracts
    assert ["c.yaml:8:5", "c.yaml:6:11", "c.yaml:7:14"] == [mistake.where for mistake in mistakes]
    assert "and 2 more: doorward lint c.yaml lists all" in (refusal(text).hint or "")


@pytest.mark.parametrize("text", ["", "   \n", "# only a comment\n"])
def test_empty(text: str) -> None:
    """An empty file is unreadable, not a file of no contracts that are all kept."""
    with pytest.raises(Unreadable):
        parse_contracts(text, "c.yaml")
