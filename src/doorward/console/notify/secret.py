"""Secrets: named by where they lie, read when they are used, never shown.

A settings file holds references only (``env:NAME`` or ``file:PATH``), so it can be committed. A `Secret` holds its
reference, not its value: nothing that prints, logs or pickles it can tell more. What others answer may repeat a secret:
`safe` finds it, also in other clothes (percent-encoded, base64, JSON-escaped, in part).
"""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote

from doorward.console.notify.notice import one_line, shorten
from doorward.errors import InvalidInput

MAX_BYTES = 64 << 10
"""Largest secret: a certificate chain would fit; a wrong file does not."""
TELLING = 8
"""So many characters of a secret in a row tell too much."""
HIDDEN = "(not shown: it repeats a secret)"


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret lies: ``env:NAME`` or ``file:PATH``."""

    reference: str

    def __post_init__(self) -> None:
        kind, colon, name = self.reference.partition(":")
        if kind not in ("env", "file") or not colon or not name.strip():
            # The text is not repeated: somebody may have written the secret itself here.
            raise InvalidInput(
                "a secret that is not a reference; expected env:NAME or file:PATH",
                hint="put the secret into an environment variable or a file, and name that",
            )

    def __str__(self) -> str:
        return self.reference

    def reveal(self) -> str:
        """Its value now, without the last newline. Read at each use, so that rotating it needs no restart.

        Raises `InvalidInput` when it is absent, empty, too long, or has control characters inside.
        """
        kind, _, name = self.reference.partition(":")
        value = self._of_file(Path(name)) if kind == "file" else self._of_environment(name)
        value = value.rstrip("\r\n")
        if not value:
            raise InvalidInput("the secret is empty", where=self.reference, hint="write the value there")
        if any(char < " " or char == "\x7f" for char in value):
            raise InvalidInput("the secret has control characters or several lines; expected one line",
                               where=self.reference, hint="write the value alone on one line")  # fmt: skip
        return value

    def _of_environment(self, name: str) -> str:
        value = os.environ.get(name)
        if value is None:
            raise InvalidInput("the environment variable is not set", where=self.reference,
                               hint=f"set {name} for this process")  # fmt: skip
        return value

    def _of_file(self, path: Path) -> str:
        why = ""
        data = b""
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                why = "not a regular file"
            else:
                with path.open("rb") as file:
                    data = file.read(MAX_BYTES + 1)
        except OSError as error:
            why = error.strerror or type(error).__name__
        if not why and len(data) > MAX_BYTES:
            why = f"longer than {MAX_BYTES:,} bytes"
        text = ""
        if not why:
            try:
                text = data.decode("utf-8")
            except UnicodeDecodeError:
                why = "not UTF-8"
        if why:  # outside the handlers: an exception of theirs would carry the bytes along
            raise InvalidInput(f"the secret's file cannot be used: {why}", where=self.reference,
                               hint="check the path, its owner and mode")  # fmt: skip
        return text


def reference(text: str, base: Path | None = None) -> Secret:
    """A reference as a settings file has it: a relative path is one beside that file."""
    secret = Secret(text)
    kind, _, name = text.partition(":")
    if kind == "file" and base is not None and not Path(name).is_absolute():
        return Secret(f"file:{base / name}")
    return secret


def clothes(secret: str) -> set[str]:
    """The forms in which a secret may come back."""
    raw = secret.encode("utf-8", "surrogatepass")
    forms = {secret, quote(secret, errors="replace"), quote(secret, safe="", errors="replace"),
             quote_plus(secret, errors="replace"), json.dumps(secret)[1:-1], unquote(secret)}  # fmt: skip
    for shift in range(3):  # base64 of a text that contains it, whatever stands before it
        coded = base64.b64encode(b"\0" * shift + raw).decode()
        inner = coded[4 if shift else 0 : len(coded) // 4 * 4 - 4] or coded
        forms |= {inner, inner.replace("+", "-").replace("/", "_")}
    forms |= {raw.hex(), repr(secret)[1:-1]}
    return {form for form in forms if form}


def tells(text: str, secrets: Iterable[str]) -> bool:
    """Whether a text repeats a secret, in any of its clothes, or `TELLING` characters of one in a row."""
    lower = text.lower()
    for secret in secrets:
        for form in clothes(secret):
            form = form.lower()
            size = min(len(form), TELLING)
            if any(form[i : i + size] in lower for i in range(len(form) - size + 1)):
                return True
    return False


def safe(text: str, secrets: Iterable[str], limit: int = 200) -> str:
    """What somebody else said, fit to be shown and kept: one line, short, and nothing at all if it repeats a secret."""
    secrets = list(secrets)
    return HIDDEN if tells(text, secrets) or tells(one_line(text), secrets) else shorten(one_line(text), limit)
