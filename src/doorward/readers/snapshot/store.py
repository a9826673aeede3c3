"""Writing a snapshot so that it is there whole or not at all.

Answers go into a new folder beside the output; only when all are there does it take the output's place.
What does not live here: what is written (``collect``).
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from doorward.errors import InvalidInput

MANIFEST = "doorward-snapshot.json"
FORMAT_VERSION = 1


@contextmanager
def new_folder(output: Path) -> Iterator[Path]:
    """A folder that becomes ``output`` when the block ends well, and vanishes when it does not.

    Raises ``InvalidInput`` when ``output`` exists and is neither empty nor a former snapshot.
    """
    output = output.absolute()
    refuse_foreign(output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{output.name}.new-", dir=output.parent))
    except OSError as error:
        raise InvalidInput(f"cannot be written: {error}", where=str(output), hint="choose another --output") from error
    try:
        yield work
        _put_in_place(work, output)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def refuse_foreign(output: Path) -> None:
    """Raise ``InvalidInput`` when writing to ``output`` would destroy anything but a former snapshot."""
    hint = "choose another --output, or remove it yourself"
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        raise InvalidInput("exists and is not a folder", where=str(output), hint=hint)
    if output.is_dir() and any(output.iterdir()) and not (output / MANIFEST).is_file():
        raise InvalidInput("is not empty and is no snapshot that could be replaced", where=str(output), hint=hint)


def _put_in_place(work: Path, output: Path) -> None:
    """Rename, keeping the former snapshot until the new one stands."""
    refuse_foreign(output)
    os.chmod(work, 0o755)  # noqa: S103  a snapshot is as readable as any folder that the user makes
    try:
        if not output.exists():
            work.rename(output)
            return
        former = Path(tempfile.mkdtemp(prefix=f".{output.name}.old-", dir=output.parent))
        output.rename(former / "snapshot")
        try:
            work.rename(output)
        except OSError:
            (former / "snapshot").rename(output)
            raise
        finally:
            shutil.rmtree(former, ignore_errors=True)
    except OSError as error:
        raise InvalidInput(f"cannot be written: {error}", where=str(output)) from error


def write_list(path: Path, key: str, pages: Iterable[list[Any]], extra: Mapping[str, Any] | None = None) -> int:
    """``{key: [...]}`` page by page, so that no more than a page is in memory. Returns the number of elements.

    Nothing is left behind when a page fails.
    """
    count = 0
    whole = False
    try:
        with path.open("w", encoding="utf-8") as stream:
            stream.write("{\n" + json.dumps(key) + ": [")
            for page in pages:
                for item in page:
                    stream.write(("," if count else "") + "\n" + json.dumps(item, default=_plain, indent=1))
                    count += 1
            stream.write("\n]")
            for name, value in (extra or {}).items():
                stream.write(",\n" + json.dumps(name) + ": " + json.dumps(value, default=_plain))
            stream.write("\n}\n")
        whole = True
    finally:
        if not whole:
            path.unlink(missing_ok=True)
    return count


def write_object(path: Path, value: Mapping[str, Any]) -> None:
    """One JSON object."""
    path.write_text(json.dumps(value, default=_plain, indent=1) + "\n", encoding="utf-8")


def _plain(value: object) -> str:
    """Times as the AWS CLI writes them."""
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
