"""What the command line prints for people. Not here: what it asks, and what it prints for machines."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from doorward_lab.console.rundir import Card

SHOWN = 10
"""How many of what was left out are printed."""


def up(card: Card, environment: Mapping[str, str], *, stack: bool) -> None:
    """A lab is ready: where it is, and what to try."""
    print(f"the lab {card.name!r} is up: scene {card.scene}")
    for what, address in (
        ("API", card.endpoint),
        ("web", card.web),
        ("Prometheus", card.prometheus),
        ("Alertmanager", card.alertmanager),
    ):
        if address:
            print(f"  {what:12} {address}")
    print("\nin this shell:")
    for key, value in environment.items():
        print(f"  export {key}={value}")
    which = "" if card.name == "lab" else f" --name {card.name}"
    print(f"\n  aws ec2 describe-security-groups --endpoint-url {card.endpoint}")
    tries = ["status", "users", "fault sg-ingress-removed", "down"] if stack else ["status", "down"]
    print("  " + "; ".join(f"doorward-lab {one}{which}" for one in tries))


def left_out(found: Sequence[str], stream: TextIO) -> None:
    """What of a snapshot or plan the lab does not have."""
    if not found:
        return
    print(f"left out, as the lab has nothing like it or it is not known ({len(found)}):", file=stream)
    for line in found[:SHOWN]:
        print(f"  - {line}", file=stream)
    if len(found) > SHOWN:
        print(f"  and {len(found) - SHOWN} more: doorward-lab status --json", file=stream)


def status(one: Mapping[str, Any]) -> None:
    """How a lab is."""
    print(f"{one['name']}: scene {one['scene']}, up {one['uptime']} s, {one['memory_mib']} MiB, {one['endpoint']}")
    events = one["events"]
    told = ", ".join(f"{count} {word}" for word, count in events.items() if count and word != "received")
    print(
        f"{one['interfaces']} interfaces; {one['calls']} API calls; {events['received']} events"
        + (f" ({told})" if told else "")
    )
    if one["left_out"]:
        print(f"{len(one['left_out'])} thing(s) of what was given are left out; --json names them")
    if one["faults"]:
        print(f"faults in effect: {', '.join(one['faults'])}")
    if one["faults_ended"]:
        print(f"faults that have ended by themselves: {', '.join(one['faults_ended'])}")
    states = one["services"]
    seated = {host["runs"] for host in one["hosts"]}
    rows = [("HOST", "ID", "RUNS", "ADDRESSES")]
    rows += [(h["name"], h["id"], _state(h["runs"], states), " ".join(h["addresses"])) for h in one["hosts"]]
    rows += [("internet", "", _state(name, states), "") for name in states if name not in seated]
    print()
    columns(rows)


def _state(service: str, states: Mapping[str, str]) -> str:
    return f"{service} (dead)" if states.get(service) == "dead" else service


def users(found: Mapping[str, Any]) -> None:
    """How the users fare."""
    rows = [
        ("rate", f"{found['rate']:g} a second"),
        (f"in the last {found['seconds']:g} s", f"{found['acts']} acts, {found['failed']} failed"),
        ("login, median", _ms(found["login_p50_ms"])),
        ("login, 95 of 100 within", _ms(found["login_p95_ms"])),
    ]
    for kind, outcomes in found["outcomes"].items():
        rows += [(f"{kind} {outcome}", str(count)) for outcome, count in outcomes.items()]
    for key, value in found.items():
        if key.startswith(("first_", "last_")):
            label = key.removesuffix("_ms").replace("_", " ")
            rows.append((label, "none" if value is None else f"{value:g} ms after the moment given"))
    columns(rows)


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:g} ms"


def rules(host: str, found: Mapping[str, Any]) -> None:
    """What filters a host."""
    print(
        f"{host} ({found['interface']}): security-group rules, and the first packets of connections that they let pass"
    )
    rows = [("DIRECTION", "PACKETS", "BYTES", "GROUP", "RULE", "ID")]
    rows += [
        (one["direction"], str(one["packets"]), str(one["bytes"]), one["group"], one["text"], one["rule"])
        for one in found["rules"]
    ]
    columns(rows)
    print(f"\nas nftables has it:\n{found['nft'].rstrip()}")


def columns(rows: Sequence[Sequence[str]]) -> None:
    """Rows with their columns aligned; the last one is as long as it is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def table(found: Mapping[str, str]) -> None:
    """Names and what they are, wrapped to the terminal's width; on one line each where there is none."""
    name = max(map(len, found), default=0) + 2
    room = shutil.get_terminal_size().columns - name if sys.stdout.isatty() else 0
    for key, text in found.items():
        lines: Iterable[str] = textwrap.wrap(text, max(room, 20)) if room > 0 else [text]
        print(f"{key:{name}}" + f"\n{'':{name}}".join(lines))
