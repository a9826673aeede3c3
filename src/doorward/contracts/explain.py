"""``explain FROM TO SERVICE``: one packet hop by hop, chosen so that it decides."""

from __future__ import annotations

from doorward.contracts.contract import Contract, Selector
from doorward.contracts.selectors import Matcher
from doorward.contracts.terms import parse_selector
from doorward.errors import InvalidInput
from doorward.model.addresses import parse_address
from doorward.model.estate import Estate
from doorward.model.intervals import Intervals
from doorward.model.services import parse_service
from doorward.model.verdict import Explanation, Hop, Outcome
from doorward.reach.ends import ends_of
from doorward.reach.judge import judge
from doorward.reach.packet import OUTSIDE, Packet
from doorward.reach.question import Question
from doorward.reach.trace import hops
from doorward.reach.world import Bound, World

_KINDS = ("interface", "instance", "group", "lb", "db", "subnet", "vpc")


def explain(estate: Estate, source: str, target: str, service: str) -> Explanation:
    """The path of a packet that decides whether ``source`` opens connections to ``target``. Raises ``InvalidInput``."""
    world = World(estate)
    matcher = Matcher(world)
    try:
        services = parse_service(service)
    except ValueError as error:
        raise InvalidInput(str(error)) from error
    contract = Contract(
        "explain", "reach", (selector(matcher, source),), (selector(matcher, target),), services
    )  # fmt: skip
    question = matcher.question(contract)
    finding = judge(world, question)
    packet = finding.packet or representative(world, question)
    if packet is None:
        raise InvalidInput(
            finding.nobody or f"there is nobody between '{source}' and '{target}' to try",
            hint="name an interface, instance, group, load balancer, address or 'internet'",
        )
    path = hops(world, packet, question.ephemeral)
    outcome = finding.outcome if finding.packet is not None else _outcome(path)
    return Explanation(
        outcome, _label(world, packet.source), _label(world, packet.target), packet.service,
        packet.source_address, packet.target_address, path,
    )  # fmt: skip


def _outcome(path: tuple[Hop, ...]) -> Outcome:
    if any(hop.passes == "no" for hop in path):
        return Outcome.BROKEN
    return Outcome.CANNOT_TELL if any(hop.passes == "unknown" for hop in path) else Outcome.KEPT


def _label(world: World, id: str) -> str:
    found = world.estate.interfaces.get(id)
    return f"{found.name} ({id})" if found is not None and found.name and found.name != id else id


def selector(matcher: Matcher, text: str) -> Selector:
    """A selector from what people type: ``internet``, an address, ``kind:name``, or a bare id or name."""
    try:
        address = parse_address(text)
    except ValueError:
        pass
    else:
        return _by_address(matcher, text, address)
    kind, colon, _ = text.partition(":")
    if text == "internet" or "/" in text or (colon and kind in (*_KINDS, "internet", "tag")):
        return _parsed(text)
    for kind in _KINDS:
        if text in matcher.names(kind):
            return _parsed(f"{kind}:{text}")
    raise InvalidInput(
        f"'{text}' names nothing of the estate",
        hint="give internet, an address, an id (eni-…, i-…, sg-…), a name, or kind:name such as group:auth",
    )


def _parsed(text: str) -> Selector:
    found = parse_selector(text)
    if isinstance(found, Selector):
        return found
    raise InvalidInput(found.message, hint=found.hint)


def _by_address(matcher: Matcher, text: str, address: int) -> Selector:
    for interface in matcher.estate.interfaces.values():
        if any(public == address for _, public in interface.public):
            return Selector("interface", interface.id, text)
    return Selector("cidr", text, text, Intervals.point(address))


def representative(world: World, question: Question) -> Packet | None:
    """Some packet of a question whose packets all fare alike."""
    sources = ends_of(world, question.sources, Bound.UPPER)
    targets = ends_of(world, question.targets, Bound.UPPER)
    common = parse_service("tcp/443").first
    service = common if common in question.services else question.services.first
    outside, beyond = question.sources.outside, question.targets.outside
    for there, to in targets.items():
        target = (to & -to).bit_length() - 1
        where = there.interface_of(target).id
        for here, from_ in sources.items():
            rest = from_ & ~there.of_interface(where) if here is there else from_
            same_family = rest & (here.v4 if to & -to & there.v4 else here.v6)
            pick = same_family or rest
            if pick:
                source = (pick & -pick).bit_length() - 1
                packet = Packet(
                    here.interface_of(source).id, here.span_of(source)[0], where, there.span_of(target)[0], service
                )
                return packet if here is there else packet._replace(way="public")
        if outside:
            return Packet(OUTSIDE, outside.first, where, there.span_of(target)[0], service, "arrival")
    for here, from_ in sources.items():
        if beyond:
            source = (from_ & -from_).bit_length() - 1
            return Packet(
                here.interface_of(source).id, here.span_of(source)[0], OUTSIDE, beyond.first, service, "departure"
            )
    return None
