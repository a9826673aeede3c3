"""What a record does not say and the estate's documents may: names, associations, a rule's direction.

The reader asks through ``Lookup``; whoever holds the documents answers (the ledger's are not in reach here). Every
answer must be one that does not change while the thing lives, or an event read late would be read wrongly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from doorward.model.change import Kind, Place, RuleFact


class Lookup(Protocol):
    """What is known already."""

    def group(self, place: Place, name: str, vpc: str | None) -> str | None:
        """The id of the group of this name (in this VPC, when given), or None when it is not known or ambiguous."""

    def rule(self, place: Place, group: str, id: str) -> RuleFact | None:
        """The rule ``sgr-…`` of a group as last known, or None. Only its direction is relied upon."""

    def holders(self, place: Place, kind: Kind, by: str, value: str) -> Sequence[str]:
        """Ids of known documents of ``kind`` that hold ``value`` in the sense of ``by``; empty when none is known.

        =============  ===========================================================================================
        by             value
        =============  ===========================================================================================
        association    id of an association of a route table (``rtbassoc-…``), ACL (``aclassoc-…``), address
        attachment     id of an interface's attachment (``eni-attach-…``)
        address        a public IPv4 address of an interface
        instance       id of an instance; of interfaces
        load-balancer  ARN or (classic) name of a load balancer; of interfaces
        owner          id or name of what else has interfaces (database, mount target, cluster …); of interfaces
        subnet         id of a subnet that an ACL or a route table is associated with explicitly
        default-of     id of a VPC; of its default ACL, main route table and default group
        vpc            id of a VPC; of everything in it
        =============  ===========================================================================================
        """

    def has_ipv6(self, place: Place, vpc: str) -> bool | None:
        """Whether a VPC has an IPv6 block; None when not known."""


class KnowsNothing:
    """The ``Lookup`` of somebody who has no documents: all that needs one is asked."""

    def group(self, place: Place, name: str, vpc: str | None) -> str | None:
        """None."""
        return None

    def rule(self, place: Place, group: str, id: str) -> RuleFact | None:
        """None."""
        return None

    def holders(self, place: Place, kind: Kind, by: str, value: str) -> Sequence[str]:
        """Nothing."""
        return ()

    def has_ipv6(self, place: Place, vpc: str) -> bool | None:
        """None."""
        return None


KNOWS_NOTHING = KnowsNothing()
