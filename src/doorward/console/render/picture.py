"""The picture of a path: who, through what, stopped where. SVG, readable in light and dark and to a screen reader.

A pure function of a verdict; it uses no script, no outside font and no link, so that it can be embedded anywhere.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from doorward.console.render.clean import clean, xml
from doorward.console.render.sheet import WORDS, Names
from doorward.console.render.words import KIND_WORDS, place_text
from doorward.model.addresses import show_address
from doorward.model.services import show_span
from doorward.model.verdict import Explanation, Hop, Outcome, Reason, Verdict

WIDTH = 760
_LEFT, _TEXT, _COLUMNS = 44, 78, 84
_ICON = {"yes": "M-4.5 0.5 L-1.5 3.5 L4.5 -3.5", "no": "M-3.5 -3.5 L3.5 3.5 M-3.5 3.5 L3.5 -3.5"}
_STYLE = (
    ".bg{fill:#ffffff;stroke:#d0d7de}.t{fill:#1f2328}.s{fill:#59636e}.card{fill:#f6f8fa;stroke:#d0d7de}"
    ".yes{fill:#1a7f37}.no{fill:#cf222e}.unknown{fill:#9a6700}.none{fill:#818b98}"
    ".line{stroke-width:3;fill:none}.lyes{stroke:#1a7f37}.lno{stroke:#cf222e}.lunknown{stroke:#9a6700}"
    ".lnone{stroke:#afb8c1;stroke-dasharray:2 6;stroke-linecap:round}"
    ".icon{stroke:#ffffff;stroke-width:2.2;fill:none;stroke-linecap:round;stroke-linejoin:round}"
    ".q{fill:#ffffff;font-weight:700;font-size:14px;text-anchor:middle}"
    "text{font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;font-size:14px}"
    ".h{font-weight:600;font-size:16px}.b{font-weight:600}.small{font-size:12px}"
    ".m{font-family:ui-monospace,'DejaVu Sans Mono',monospace}"
    "@media (prefers-color-scheme:dark){.bg{fill:#0d1117;stroke:#3d444d}.t{fill:#f0f6fc}.s{fill:#9198a1}"
    ".card{fill:#151b23;stroke:#3d444d}.yes{fill:#238636}.no{fill:#da3633}.unknown{fill:#9e6a03}.none{fill:#656c76}"
    ".lyes{stroke:#3fb950}.lno{stroke:#f85149}.lunknown{stroke:#d29922}.lnone{stroke:#656c76}}"
)


@dataclass(frozen=True, slots=True)
class _Row:
    """One stop of the path."""

    state: str
    """yes, no, unknown, or none for what the packet never gets to."""
    lines: tuple[str, ...]
    place: str


def path_svg(verdict: Verdict, names: Names | None = None, outcome: Outcome | None = None) -> str:
    """The path of a verdict's witness; of its reasons where no path was looked for."""
    names = names or Names()
    outcome = outcome or verdict.outcome
    title = f"{verdict.name}: {WORDS[outcome]}"
    witness = verdict.witness
    if witness:
        start = (names.short(witness.source), f"{witness.source} · {show_address(witness.source_address)}")
        end = (names.short(witness.target), f"{witness.target} · {show_address(witness.target_address)}")
        service = show_span((witness.service, witness.service))
    else:
        start, end, service = ("source", ""), ("target", ""), ""
    steps: Sequence[Hop | Reason] = verdict.hops or verdict.reasons
    rows = [_row(one, names, outcome) for one in steps]
    return _draw(title, verdict.why or "", outcome, start, end, service, _after_the_stop(rows))


def explanation_svg(found: Explanation, names: Names | None = None) -> str:
    """The path of an explanation."""
    names = names or Names()
    words = {Outcome.KEPT: "passes", Outcome.BROKEN: "is stopped", Outcome.CANNOT_TELL: "cannot be told"}
    service = show_span((found.service, found.service))
    start = (names.short(found.source), f"{found.source} · {show_address(found.source_address)}")
    end = (names.short(found.target), f"{found.target} · {show_address(found.target_address)}")
    title = f"{start[0]} → {end[0]} on {service}: {words[found.outcome]}"
    rows = _after_the_stop([_row(one, names, found.outcome) for one in found.hops])
    return _draw(title, "", found.outcome, start, end, service, rows)


def _row(step: Hop | Reason, names: Names, outcome: Outcome) -> _Row:
    if isinstance(step, Hop):
        state = step.passes
    else:
        state = {Outcome.KEPT: "yes", Outcome.BROKEN: "no", Outcome.CANNOT_TELL: "unknown"}[outcome]  # type: ignore[assignment]
    return _Row(state, tuple(_wrapped(step.text or KIND_WORDS.get(step.kind, step.kind), 3)),
                _cut(place_text(step, names), _COLUMNS + 14))  # fmt: skip


def _after_the_stop(rows: list[_Row]) -> list[_Row]:
    """What stands behind the first stop is never got to."""
    stopped = False
    found = []
    for row in rows:
        found.append(_Row("none", row.lines, row.place) if stopped and row.state == "yes" else row)
        stopped = stopped or row.state == "no"
    return found


def _wrapped(text: str, most: int) -> list[str]:
    lines = textwrap.wrap(clean(text), _COLUMNS, break_long_words=True) or [""]
    if len(lines) > most:
        lines = [*lines[: most - 1], _cut(lines[most - 1] + " …", _COLUMNS)]
    return lines


def _cut(text: str, most: int) -> str:
    text = clean(text)
    return text if len(text) <= most else text[: most - 1] + "…"


def _draw(
    title: str, why: str, outcome: Outcome, start: tuple[str, str], end: tuple[str, str], service: str, rows: list[_Row]
) -> str:
    parts: list[str] = []
    y = 34
    parts.append(_text(24, y, _cut(title, 80), "t h"))
    for line in _wrapped(why, 2) if why else []:
        y += 20
        parts.append(_text(24, y, line, "s"))
    y += 20
    parts.append(_card(y, start, service, "from"))
    y += 56
    passing = "yes"
    for row in rows:
        height = 26 + 19 * len(row.lines)
        centre = y + 26
        parts.append(_line(y, centre, passing))
        parts.append(_icon(centre, row.state))
        at = centre + 5 - 9 * (len(row.lines) - 1)
        at = max(at, y + 20)
        for line in row.lines:
            parts.append(_text(_TEXT, at, line, {"none": "s", "no": "t b"}.get(row.state, "t")))
            at += 19
        parts.append(_text(_TEXT, at - 2, row.place, "s small m"))
        following = passing if passing in ("no", "none") else row.state
        passing = "none" if following in ("no", "none") else following
        parts.append(_line(centre + 12, y + height + 12, passing))
        y += height + 12
    reached = outcome is not Outcome.BROKEN or passing == "yes"
    parts.append(_line(y, y + 12, passing))
    y += 12
    parts.append(_card(y, end, "" if reached else "not reached", "to"))
    y += 56 + 20
    words = "; ".join(f"{_spoken(row)}: {' '.join(row.lines)}" for row in rows)
    description = f"From {start[0]} to {end[0]} {('on ' + service) if service else ''}: {words}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img" '
        f'aria-labelledby="dw-title dw-desc">\n<title id="dw-title">{xml(title)}</title>\n'
        f'<desc id="dw-desc">{xml(description)}</desc>\n<style>{_STYLE}</style>\n'
        f'<rect class="bg" x="0.5" y="0.5" width="{WIDTH - 1}" height="{y - 1}" rx="10"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _spoken(row: _Row) -> str:
    return {"yes": "passes", "no": "stopped", "unknown": "cannot be told", "none": "never got to"}[row.state]


def _card(y: int, end: tuple[str, str], note: str, label: str) -> str:
    name, detail = end
    return "\n".join((
        f'<rect class="card" x="24" y="{y}" width="{WIDTH - 48}" height="56" rx="8"/>',
        _text(40, y + 24, label, "s small"),
        _text(_TEXT, y + 24, _cut(name, 60), "t b"),
        _text(_TEXT, y + 44, _cut(detail, 84), "s small m"),
        f'<text class="s" x="{WIDTH - 40}" y="{y + 24}" text-anchor="end">{xml(_cut(note, 30))}</text>' if note else "",
    ))  # fmt: skip


def _text(x: int, y: int, text: str, style: str) -> str:
    return f'<text class="{style}" x="{x}" y="{y}">{xml(text)}</text>'


def _line(top: int, bottom: int, state: str) -> str:
    return f'<path class="line l{state}" d="M{_LEFT} {top} V{bottom}"/>'


def _icon(y: int, state: str) -> str:
    circle = f'<circle class="{state}" cx="{_LEFT}" cy="{y}" r="11"/>'
    if state == "unknown":
        return f'{circle}<text class="q" x="{_LEFT}" y="{y + 5}">?</text>'
    if state == "none":
        return circle
    return f'{circle}<path class="icon" transform="translate({_LEFT} {y})" d="{_ICON[state]}"/>'
