"""The repair of a broken contract: the smallest set of rule changes that mends it and harms no other contract.

1. What a plan takes away and puts the contract right when put back, is the repair.
2. ``reach``: the fewest exact rules; ``never-reach`` and ``only-from``: the fewest removals, and exactly that put back
   which other ``reach`` contracts need.
3. Every candidate is proven on the edited estate: the contract is kept, no other contract is worse, and nothing flows
   that did not flow before and is not the contract's own traffic.

What does not live here: how rules are found (``reach.repair``), how a repair is written as Terraform (``console``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from doorward.contracts.contract import Contract
from doorward.contracts.harm import Others
from doorward.model.addresses import FAMILY_ALL
from doorward.model.rules import Rule
from doorward.model.services import show_span
from doorward.model.verdict import Edit, Outcome
from doorward.reach import never
from doorward.reach.cut import Closing, fewest_removals, stop_text
from doorward.reach.demand import Own, owns, publicly
from doorward.reach.draft import Change, Draft, peer_text
from doorward.reach.extra import Extra, extras
from doorward.reach.hop import group_label
from doorward.reach.judge import judge, nobody_to_judge
from doorward.reach.question import Question
from doorward.reach.repair import Opening, closing, open_up, restorations, tastes
from doorward.reach.world import Bound, World

MOST_EXTRAS = 50
MOST_SHARED = 4
"""Other groups tried in place of those whose other members would gain by a rule."""
MOST_RESTORATIONS = 64
"""Ways of putting back that are checked against the other contracts."""


@dataclass(frozen=True, slots=True)
class Mended:
    """A repair, or why there is none. ``note`` is the certificate: what was re-checked, or what forbids a repair."""

    edits: tuple[Edit, ...] | None
    note: str | None = None


def mend(
    contracts: Sequence[Contract], questions: Sequence[Question | None], index: int, world: World, *,
    removed: Sequence[tuple[str, Rule]] = (), added: Sequence[tuple[str, Rule]] = (),
) -> Mended:  # fmt: skip
    """The repair of one broken contract. For several of one estate use ``Mender``, which shares what it learns."""
    return Mender(contracts, questions, world, removed=removed, added=added).mend(index)


class _Found(NamedTuple):
    """A candidate that holds."""

    edits: tuple[Edit, ...]
    note: str
    certified: bool
    undoes: bool
    """It does no more than undo what the plan does."""
    beyond: int
    """Rules taken away that admit more than the contract forbids."""

    @property
    def rank(self) -> tuple[bool, int, int]:
        return not self.undoes, len(self.edits), self.beyond


class Mender:
    """Repairs for the broken contracts of one estate.

    ``questions`` are the contracts resolved, in their order (None: cannot be resolved, left alone); ``removed`` are
    (group id, rule) that a plan takes away or narrows, ``added`` those that it adds or widens (as they are in the
    world's groups); ``before`` are outcomes in the world that are already known, by index.
    """

    def __init__(
        self, contracts: Sequence[Contract], questions: Sequence[Question | None], world: World, *,
        removed: Iterable[tuple[str, Rule]] = (), added: Iterable[tuple[str, Rule]] = (),
        before: dict[int, Outcome] | None = None,
    ) -> None:  # fmt: skip
        self.contracts = contracts
        self.questions = questions
        self.world = world
        self.removed = tuple(removed)
        self.added = frozenset(added)
        self.others = Others(world, questions, before)

    def mend(self, index: int) -> Mended:
        """The repair of the contract at a position, which is broken."""
        question = self.questions[index]
        if question is None:
            return Mended(None, "what it names does not exist in the estate: there is nothing to change rules of")
        nobody = nobody_to_judge(self.world, question)
        if nobody is not None:
            return Mended(None, nobody)
        return self._open(index, question) if question.must == "reach" else self._close(index, question)

    # --- reach --------------------------------------------------------------------------------------------------

    def _open(self, index: int, question: Question) -> Mended:
        restored = self._restored(index, question, Bound.LOWER)
        if restored is not None:
            return restored
        opening = open_up(self.world, question, Bound.LOWER)
        bound, doubt = Bound.LOWER, ""
        if opening.draft is None:
            less = open_up(self.world, question, Bound.UPPER)
            if less.draft is None:
                proof = "no security group rule can mend it" if less.proven else "no repair is offered"
                return Mended(None, f"{proof}: {less.stuck}")
            restored = self._restored(index, question, Bound.UPPER)
            if restored is not None:
                return restored
            doubt = f" Then it is no longer broken, but cannot be told for certain: {opening.stuck}."
            opening, bound = less, Bound.UPPER
        failed = self._unsafe(index, question, opening)
        if failed is not None and opening.proposal.wide:
            exact = open_up(self.world, question, bound, exact=True)
            if exact.draft is not None and self._unsafe(index, question, exact) is None:
                opening, failed = exact, None
        avoid = frozenset(opening.proposal.shared)
        for _ in range(MOST_SHARED):
            if failed is None or not opening.proposal.shared:
                break
            other = open_up(self.world, question, bound, avoid=avoid)
            if other.draft is None:
                break
            avoid |= frozenset(other.proposal.shared)
            if not other.proposal.wide and self._unsafe(index, question, other) is None:
                opening, failed = other, None
        if failed is not None:
            return Mended(None, failed)
        assert opening.draft is not None
        fewest = opening.proposal.fewest
        note = self._certificate(index, opening.draft, fewest, bound) + doubt + self._wide(question, opening)
        return Mended(opening.draft.edits(self.removed), note)

    def _restored(self, index: int, question: Question, bound: Bound) -> Mended | None:
        """Putting back what the plan takes away, if that mends it and harms nobody."""
        if not self.removed:
            return None
        for tried, draft in enumerate(restorations(self.world, question, bound, self.removed)):
            if tried >= MOST_RESTORATIONS:
                return None
            if not self.others.harmed(draft, index):
                also = [one.text for one in self._extras(draft, question, public=False)]
                note = "puts back what the plan takes away. " + self._rechecked(index, draft, bound, own=not also)
                if also:
                    note += f" As before the plan, it also opens {_listed(also)}."
                return Mended(draft.edits(draft.adds), note)
        return None

    def _unsafe(self, index: int, question: Question, opening: Opening) -> str | None:
        """Why an opening must not be offered: what else it opens, or whom it harms."""
        draft = opening.draft
        assert draft is not None
        beyond = self._extras(draft, question, public=opening.proposal.public)
        if opening.proposal.wide:
            beyond = [one for one in beyond if not one.inside]
        if beyond:
            shared = ", ".join(group_label(self.world.estate.groups.get(id), id) for id in opening.proposal.shared)
            why = f"{shared} has other members too" if shared else "no narrower rule does it"
            return f"rules that mend it would also open {_listed([one.text for one in beyond])}: {why}"
        harmed = self.others.harmed(draft, index)
        if harmed:
            names = _listed([f"'{self.contracts[one].name}'" for one in harmed])
            return (
                f"no security group rule can mend it while {names} holds: the traffic that this contract asks for is "
                "forbidden there"
            )
        return None

    def _extras(self, draft: Draft, question: Question, *, public: bool) -> list[Extra]:
        found: dict[Extra, None] = {}
        own = owns(draft.world, question)
        if public:
            own = [publicly(one) for one in own]
        for one in extras(self.world, draft.world, draft.adds, own):
            found[one] = None
            if len(found) >= MOST_EXTRAS:
                break
        return list(found)

    def _wide(self, question: Question, opening: Opening) -> str:
        draft = opening.draft
        if draft is None or not any(rule.peer in FAMILY_ALL.values() for _, rule in draft.adds):
            return ""
        inside = [one.text for one in self._extras(draft, question, public=opening.proposal.public) if one.inside]
        peers = [rule.peer for _, rule in draft.adds if rule.peer in FAMILY_ALL.values()]
        named = " and ".join(dict.fromkeys(peer_text(peer) for peer in peers))
        text = f" {named} is how a rule names the internet"
        if inside:
            return f"{text}; it names addresses inside the estate as well, which opens {_listed(inside)}."
        return f"{text}; nobody else that it names gets there."

    # --- never-reach, only-from ---------------------------------------------------------------------------------

    def _close(self, index: int, question: Question) -> Mended:
        best: _Found | None = None
        other: _Found | None = None
        failed: str | None = None
        seen: set[frozenset[Change]] = set()
        for taste in tastes(self.added):
            most = None if best is None else len(best.edits)
            made = closing(self.world, question, Bound.UPPER, taste, self.added, most)
            if made.stuck is not None:
                return self._close_partly(index, question, made)
            key = frozenset(made.draft.revokes)
            if made.given_up or key in seen:
                continue
            seen.add(key)
            found = self._closed(index, question, made, Bound.UPPER)
            if isinstance(found, str):
                failed = failed or found
            elif best is None or found.rank < best.rank:
                best, other = found, best
            elif other is None:
                other = found
            forced = all(len(cuts) == 1 for cuts in made.choices)
            if best is not None and best.certified and (best.undoes or not best.beyond or forced):
                break
        if best is None:
            return Mended(None, failed or "no removal of security group rules mends it")
        if other is not None and best.beyond > other.beyond:
            return Mended(best.edits, f"{best.note} What takes away less, with more changes: {_steps(other.edits)}.")
        return Mended(best.edits, best.note)

    def _close_partly(self, index: int, question: Question, made: Closing) -> Mended:
        """No removal makes it certain; perhaps some stops what flows for certain."""
        assert made.stuck is not None
        unfiltered = f"{stop_text(made.stuck)} passes no security group whose rules could be taken away"
        for taste in tastes(self.added):
            less = closing(self.world, question, Bound.LOWER, taste, self.added)
            if less.stuck is not None:
                break
            found = self._closed(index, question, less, Bound.LOWER)
            if not isinstance(found, str):
                return Mended(
                    found.edits,
                    f"{found.note} Then it is no longer broken, but cannot be told for certain: {unfiltered}.",
                )
        return Mended(None, f"no security group rule can mend it: {unfiltered}")

    def _closed(self, index: int, question: Question, made: Closing, bound: Bound) -> _Found | str:
        """A closing with what other contracts need put back, proven; or why it cannot be had."""
        draft = made.draft.copy()
        removals = len(draft.revokes)
        put_back: list[Own] = []
        for other in self.others.harmed(draft, index):
            asked = self.questions[other]
            assert asked is not None
            wanted = Bound.LOWER if self.others.outcome(other) is Outcome.KEPT else Bound.UPPER
            opening = self._reopened(draft, asked, wanted)
            if opening is None:
                return f"'{self.contracts[other].name}' needs what would have to be taken away"
            draft.change(adds=opening)
            put_back += owns(draft.world, asked)
        if never.found(draft.world, question, bound) is not None:
            names = [f"'{self.contracts[one].name}'" for one in self.others.harmed(made.draft, index)]
            what = "traffic that it asks for is forbidden here"
            return f"no security group rule can mend it while {_listed(names)} holds: {what}"
        harmed = self.others.harmed(draft, index)
        if harmed:
            return f"taking the rules away harms {_listed([repr(self.contracts[one].name) for one in harmed])}"
        opened = next(iter(extras(self.world, draft.world, draft.adds, put_back)), None)
        if opened is not None:
            return f"putting back what other contracts need would open {opened.text}"
        forced = all(len(cuts) == 1 for cuts in made.choices)
        few = fewest_removals(made.choices)
        certified = removals in (1, few) and (not draft.adds or (forced and len(draft.adds) == 1))
        note = self._certificate(index, draft, certified, bound) + self._also_closed(question, draft)
        edits = draft.edits(self.removed)
        undoes = self.added >= draft.revokes.keys() and all(edit.restores or edit.action == "revoke" for edit in edits)
        if undoes:
            note = f"undoes what the plan does. {note}"
        return _Found(edits, note, certified, undoes, len(_beyond(question, draft)))

    def _reopened(self, draft: Draft, question: Question, bound: Bound) -> list[Change] | None:
        """What a ``reach`` contract needs back on an edited estate: rules that the plan takes away before new ones."""
        if judge(draft.world, question).outcome is Outcome.KEPT:
            return []
        for one in restorations(draft.world, question, bound, self.removed):
            return list(one.adds)
        opening = open_up(draft.world, question, bound)
        return None if opening.draft is None else list(opening.draft.adds)

    def _also_closed(self, question: Question, draft: Draft) -> str:
        """What goes beyond the contract with the rules that are taken away."""
        wide = [
            f"{show_span(rule.service)} {'from' if rule.direction == 'ingress' else 'to'} {peer_text(rule.peer)}"
            for rule in _beyond(question, draft)
        ]
        if not wide:
            return ""
        return f" What the rules admit beyond this contract goes with them, no contract asks for it: {_listed(wide)}."

    # --- words --------------------------------------------------------------------------------------------------

    def _certificate(self, index: int, draft: Draft, fewest: bool, bound: Bound) -> str:
        less = "That no smaller set does it is not certified."
        if fewest:
            less = "No smaller set of rules that name only the contract's own sides does it."
        if len(draft) == 1:
            less = ""
        return " ".join(part for part in (self._rechecked(index, draft, bound), less) if part)

    def _rechecked(self, index: int, draft: Draft, bound: Bound, own: bool = True) -> str:
        judged, all_ = self.others.judged(draft, index), len(self.questions) - 1
        others = (
            "there are no other contracts"
            if not all_
            else (f"no other contract gets worse ({all_ - judged} of {all_} cannot, {judged} judged again)")
        )
        sure = bound is (Bound.LOWER if self.contracts[index].must == "reach" else Bound.UPPER)
        now = "the contract is kept" if sure else "the contract is not broken"
        opened = ", nothing but its own traffic is opened" if draft.adds and own else ""
        opened = opened if draft.adds else ", nothing is opened"
        return f"Re-checked with it: {now}, {others}{opened}."


def _beyond(question: Question, draft: Draft) -> list[Rule]:
    """Rules taken away that admit services which the contract says nothing about."""
    return [rule for _, rule in draft.revokes if not question.services.holds(*rule.service)]


def _steps(edits: Sequence[Edit]) -> str:
    return _listed(
        [
            f"{edit.action} {edit.group} {edit.direction} {show_span(edit.service)} "
            f"{'from' if edit.direction == 'ingress' else 'to'} {edit.peer}"
            for edit in edits
        ],
        6,
    )


def _listed(texts: Sequence[str], most: int = 3) -> str:
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


__all__ = ["Mended", "Mender", "mend"]
