"""Writes the example's files, so that account, Terraform sources and plans always agree: `python build.py`.

Kept by hand: README.md, doorward.yaml and terraform/before/main.tf. Everything else here is written by this script;
`python build.py --check` says whether it would write something else.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import account
from parts import ref
from plans import plan, resources

HERE = Path(__file__).resolve().parent
ROUTINE = [
    # The update as everybody meant it: release, images, one description, the clients of auth as a list of their own.
    ('Release = "2024.06" }', 'Release = "2024.07" }'),
    ('image_id               = "ami-0b1a2c3d4e5f60606"', 'image_id               = "ami-0c9d8e7f6a5b40707"'),
    ('description                  = "accounts"', 'description                  = "accounts and sessions"'),
    (
        "security_groups = [aws_security_group.web.id, aws_security_group.portal.id]",
        "security_groups = local.auth_clients",
    ),
]
LISTS = {
    "good": "  auth_clients = [aws_security_group.web.id, aws_security_group.portal.id]\n",
    # What went unnoticed: the list was typed anew, and the portal was forgotten.
    "bad": "  auth_clients = [aws_security_group.web.id]\n",
}


def sources(kind: str) -> str:
    """The Terraform source after the good or the bad update."""
    text = (HERE / "terraform" / "before" / "main.tf").read_text(encoding="utf-8")
    for old, new in ROUTINE:
        if old not in text:
            raise SystemExit(f"terraform/before/main.tf no longer has: {old}")
        text = text.replace(old, new)
    return text.replace('2024.07" }\n', '2024.07" }\n\n' + LISTS[kind], 1)


def plan_for(kind: str) -> dict[str, Any]:
    """The plan of the good or the bad update."""
    before = resources("2024.06", ["web", "portal"], described="accounts")
    clients = ["web", "portal"] if kind == "good" else ["web"]
    after = resources("2024.07", clients, ref("local.auth_clients"), described="accounts and sessions")
    return plan(before, after, "2024-02-15T10:21:33Z")


def files() -> dict[str, str]:
    """Path → contents of everything that is written."""
    out = {f"estate/{name}.json": json.dumps(found, indent=4) + "\n" for name, found in account.documents().items()}
    for kind in ("good", "bad"):
        out[f"terraform/{kind}/main.tf"] = sources(kind)
        out[f"plan-{kind}.json"] = json.dumps(plan_for(kind), indent=1) + "\n"
    return out


def main(arguments: list[str]) -> int:
    """Write, or with ``--check`` compare."""
    different = []
    for name, text in files().items():
        path = HERE / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        different.append(name)
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for name in different:
        print(f"{'differs' if '--check' in arguments else 'written'}: {name}")
    return 1 if different and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
