"""Everything else, by Apprise (optional: ``pip install doorward[notify]``): some hundred services, one URL each.

The URL is a secret. Apprise runs in a process of its own, see `apprise_child`. It tells success or failure and nothing
more, so every failure counts as passing until the retries are used up. No key against repetition: a lost answer may
show a message twice.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta

from doorward.console.notify.notice import Notice, one_line, plain, shorten
from doorward.console.notify.outcome import Delivered, NotDelivered
from doorward.console.notify.secret import Secret
from doorward.errors import InvalidInput

INSTALL = "pip install 'doorward[notify]'"
TYPES = {"critical": "failure", "high": "failure", "medium": "warning", "low": "warning", "info": "info"}
MAX_BODY = 30_000


@dataclass(frozen=True, slots=True)
class Others:
    """``url`` is an Apprise URL such as ``tgram://…`` or ``msteams://…``."""

    name: str
    url: Secret
    allow_private: bool = False
    seconds: float = 60.0
    resend: timedelta | None = None

    def check(self) -> None:
        """Whether Apprise is installed and the URL can be read."""
        if importlib.util.find_spec("apprise") is None:
            raise InvalidInput("a route of kind apprise, and Apprise is not installed", where=self.name, hint=INSTALL)
        self.url.reveal()

    def send(self, notice: Notice) -> Delivered:
        """Delivered when Apprise says so."""
        url = self.url.reveal()
        given = json.dumps({**message(notice), "url": url, "allow_private": self.allow_private})
        environment = {
            name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "SSL_CERT_FILE")
        }
        word = "late"
        child = subprocess.Popen(
            [sys.executable, "-m", "doorward.console.notify.apprise_child"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True,
        )  # fmt: skip
        try:
            word = child.communicate(given, timeout=self.seconds)[0]
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
        if word == "ok":
            return Delivered(self.name, notice.id)
        why, passing, hint = WORDS.get(word, WORDS["refused"])
        raise NotDelivered(why, passing=passing, where=self.name, hint=hint)


WORDS: dict[str, tuple[str, bool, str | None]] = {
    "absent": ("Apprise is not installed", False, INSTALL),
    "url": ("Apprise does not know this URL", False, "see the list of services at github.com/caronc/apprise"),
    "forbidden": ("the service leads to an address that is not public; refused", False,
                  "if that is meant, set allow_private: true on this route"),
    "refused": ("the service did not take it (Apprise does not tell why)", True, None),
    "late": ("not done in time", True, None),
}  # fmt: skip


def message(notice: Notice) -> dict[str, str]:
    """Title, body, format and type in Apprise's words."""
    facts = "\n".join(f"{name}: {one_line(value)}" for name, value in notice.facts)
    revert = f"\n\nProposed revert:\n\n{plain(notice.revert)}" if notice.revert.strip() else ""
    links = "".join(f"\n{one_line(link.text)}: {link.url}" for link in notice.pages)
    return {
        "title": shorten(f"{notice.status.upper()} {one_line(notice.title)}", 250),
        "body": shorten(f"{facts}\n\n{plain(notice.text)}{revert}\n{links}".strip(), MAX_BODY),
        "format": "text",
        "type": "success" if notice.over else TYPES[notice.severity],
    }
