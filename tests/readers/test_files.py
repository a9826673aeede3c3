"""Reading files safely."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from doorward.errors import InvalidInput, Unreadable
from doorward.readers.files import MAP_FROM, looks_like_object, read_bytes, refuse_double_keys


def test_missing_file(tmp_path: Path) -> None:
    """A missing file is named, not a traceback."""
    with pytest.raises(Unreadable, match=r"none\.json: does not exist"):
        read_bytes(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "is empty"),
        ('{"a": 1}'.encode("utf-16"), "UTF-16"),
        ('{"a": 1}'.encode("utf-16-le"), "UTF-16"),
        (gzip.compress(b"{}", mtime=0), "gzip"),
        (b"PK\x03\x04rest", "zip"),
        (b"\x7fELF\0\0\0", "binary"),
    ],
)
def test_other_formats_are_named(tmp_path: Path, content: bytes, word: str) -> None:
    """What is no UTF-8 text is refused with the name of what it seems to be."""
    path = tmp_path / "input.json"
    path.write_bytes(content)
    with pytest.raises(Unreadable, match=word):
        read_bytes(path)


def test_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    """A UTF-8 byte order mark, as Windows tools write it, is accepted."""
    path = tmp_path / "input.json"
    path.write_bytes(b"\xef\xbb\xbf{}")
    assert b"{}" == bytes(read_bytes(path))


def test_large_files_are_mapped(tmp_path: Path) -> None:
    """A large file is a view of a mapping, with the same contents."""
    content = b"{" + b" " * MAP_FROM + b"}"
    path = tmp_path / "input.json"
    path.write_bytes(content)
    data = read_bytes(path)
    assert isinstance(data, memoryview)
    assert content == bytes(data)


def test_folder_and_pipe(tmp_path: Path) -> None:
    """What is no regular file is refused, and never waited for."""
    with pytest.raises(Unreadable, match="folder"):
        read_bytes(tmp_path)
    with pytest.raises(Unreadable, match="not a regular file"):
        read_bytes(Path(os.devnull))


def test_object_is_recognised() -> None:
    """Blanks before an object do not matter; an array is no object."""
    assert looks_like_object(b" \n\t{}")
    assert not looks_like_object(b"[]")


def test_double_keys_at_any_depth() -> None:
    """A key given twice is refused wherever it is; the same key in two objects is not."""
    with pytest.raises(InvalidInput, match="'b' twice"):
        refuse_double_keys(b'{"a": [{"b": 1, "b": 2}]}', "x")
    refuse_double_keys(b'{"a": [{"b": 1}, {"b": 2}]}', "x")
