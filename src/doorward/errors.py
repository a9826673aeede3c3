"""The one tree of errors.

    DoorwardError
    ├── InvalidInput        what was given is wrong: exit status 2
    │   ├── Unreadable      the bytes are not what they should be (not JSON, truncated, wrong encoding, too deep)
    │   ├── InvalidContract a contract says something impossible or ambiguous
    │   └── BadSignature    a webhook that we did not sign, or that is too old (console.notify.signature)
    ├── NotDelivered        a receiver of alerts did not take one, for now or for good (console.notify.outcome)
    ├── CloudError          a cloud's API did not give what was asked (rights, throttling, network): exit status 2
    └── LedgerError         the ledger's database refused, or holds what it should not: exit status 2
        ├── LedgerUnreachable   no connection, locked for too long, or the connection was lost: try again
        ├── LedgerNewer         a newer Doorward has changed its schema: upgrade this one
        ├── LedgerBroken        its entries are not what was written: see `doorward ledger verify`
        ├── LedgerConflict      somebody else changed the same state first: read again, decide again
        │   └── LeaseLost       what was claimed is no longer held
        └── LedgerPruned        what is asked for was removed by retention

Each message says what was got, what was expected, and what to do next.
"Broken" is not an error: it is a verdict.
"""

from __future__ import annotations


class DoorwardError(Exception):
    """Base of everything that Doorward raises on purpose.

    ``where`` names the input (path, resource or contract); ``hint`` is what to do next.
    """

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text} ({self.hint})" if self.hint else text


class InvalidInput(DoorwardError):
    """An input that can be read but does not say anything usable."""


class Unreadable(InvalidInput):
    """An input whose bytes cannot be read as the format that they should have."""


class InvalidContract(InvalidInput):
    """A contract that cannot be judged: unknown key, bad selector, nothing matched."""


class CloudError(DoorwardError):
    """A cloud's API refused, failed or could not be reached."""


class LedgerError(DoorwardError):
    """The ledger's database refused, or holds what it should not. No message ever holds a password."""


class LedgerUnreachable(LedgerError):
    """No connection to the database, locked for too long, or lost in between: the same call may be made again."""


class LedgerNewer(LedgerError):
    """A newer Doorward has changed the ledger's schema: this one would not know what it reads."""


class LedgerBroken(LedgerError):
    """An entry is not what was written."""


class LedgerConflict(LedgerError):
    """Somebody else changed the same state first: what was decided on is no longer so."""


class LeaseLost(LedgerConflict):
    """What was claimed is no longer held: the lease ran out, and perhaps another worker has it."""


class LedgerPruned(LedgerError):
    """What is asked for lies before the retention's edge."""
