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
from doorward.contracts.contract import Must
from doorward.model.services import show_span
from doorward.model.verdict import Explanation, Hop, Outcome, Reason, Verdict

WIDTH = 760
_LEFT, _TEXT, _COLUMNS, _CARD = 52, 90, 82, 56
_ICON = {"yes": "M-4.5 0.5 L-1.5 3.5 L4.5 -3.5", "no": "M-3.5 -3.5 L3.5 3.5 M-3.5 3.5 L3.5 -3.5"}
_STYLE = (
    ".bg{fill:#ffffff;stroke:#d0d7de}.t{fill:#1f2328}.s{fill:#59636e}.card{fill:#f6f8fa;stroke:#d0d7de}"
    ".yes{fill:#1a7f37}.no{fill:#cf222e}.unknown{fill:#9a6700}.none{fill:#818b98}.f{fill:#cf222e}"
    ".line{stroke-width:3;fill:none}.lyes{stroke:#1a7f37}.lno{stroke:#cf222e}.lunknown{stroke:#9a6700}"
    ".lnone{stroke:#afb8c1;stroke-dasharray:2 6;stroke-linecap:round}"
    ".icon{stroke:#ffffff;stroke-width:2.2;fill:none;stroke-linecap:round;stroke-linejoin:round}"
    ".q{fill:#ffffff;font-weight:700;font-size:14px;text-anchor:middle}"
    "text{font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;font-size:14px}"
    ".h{font-weight:600;font-size:16px}.b{font-weight:600}.small{font-size:12px}"
    ".m{font-family:ui-monospace,'DejaVu Sans Mono',monospace}"
    "@media (prefers-color-scheme:dark){.bg{fill:#0d1117;stroke:#3d444d}.t{fill:#f0f6fc}.s{fill:#9198a1}"
    ".card{fill:#151b23;stroke:#3d444d}.yes{fill:#238636}.no{fill:#da3633}.unknown{fill:#9e6a03}.none{fill:#656c76}.f{fill:#f85149}"
    ".lyes{stroke:#3fb950}.lno{stroke:#f85149}.lunknown{stroke:#d29922}.lnone{stroke:#656c76}}"
)


@dataclass(frozen=True, slots=True)
class _Row:
    """One stop of the path."""

    state: str
    """yes, no, unknown, or none for what the packet never gets to."""
    lines: tuple[str, ...]
    place: str
    back: bool


@dataclass(frozen=True, slots=True)
class _Scene:
    """What is drawn."""

    title: str
    why: str
    source: tuple[str, str] | None
    target: tuple[str, str] | None
    """None: no packet was found to draw; the reasons stand alone."""
    service: str
    rows: tuple[_Row, ...]
    leak: bool
    """The packet arrives though it must not: what passes is drawn as the fault that it is."""

    @property
    def description(self) -> str:
        """For those who hear the picture."""
        steps = "; ".join(f"{_spoken(row)}: {' '.join(row.lines)}" for row in self.rows)
        on = f" on {self.service}" if self.service else ""
        end = ". It arrives, though it must not." if self.leak else ""
        ends = f"From {self.source[0]} to {self.target[0]}{on}: " if self.source and self.target else ""
        return f"{ends}{steps}{end}"


def path_svg(
    verdict: Verdict, names: Names | None = None, outcome: Outcome | None = None, must: Must | None = None
) -> str:
    """The path of a verdict's witness; of its reasons where no path was looked for.

    ``names`` gives resources their names; ``outcome`` is what the verdict counts as, where that is not its own;
    ``must`` is what the contract asks for (guessed from the path when left out).
    """
    names = names or Names()
    outcome = outcome or verdict.outcome
    witness = verdict.witness
    source = target = None
    service = ""
    if witness:
        source = _end(names, witness.source, witness.source_address)
        target = _end(names, witness.target, witness.target_address)
        service = show_span((witness.service, witness.service))
    steps: Sequence[Hop | Reason] = verdict.hops or verdict.during_reasons or verdict.reasons
    if verdict.outcome is not Outcome.KEPT and not verdict.hops:
        steps = verdict.reasons
    forbidden = must in ("never-reach", "only-from")
    seen = Outcome.KEPT if forbidden and outcome is Outcome.BROKEN else outcome
    rows = _reached([_row(one, names, seen) for one in steps])
    passes = bool(verdict.hops) and all(row.state == "yes" for row in rows)
    leak = outcome is Outcome.BROKEN and (forbidden if must else passes)
    title = f"{verdict.name}: {WORDS[outcome]}"
    return _draw(_Scene(title, verdict.why or "", source, target, service, rows, leak))


def explanation_svg(found: Explanation, names: Names | None = None) -> str:
    """The path of an explanation."""
    names = names or Names()
    words = {Outcome.KEPT: "passes", Outcome.BROKEN: "is stopped", Outcome.CANNOT_TELL: "cannot be told"}
    service = show_span((found.service, found.service))
    source = _end(names, found.source, found.source_address)
    target = _end(names, found.target, found.target_address)
    title = f"{source[0]} → {target[0]} on {service}: {words[found.outcome]}"
    rows = _reached([_row(one, names, found.outcome) for one in found.hops])
    return _draw(_Scene(title, "", source, target, service, rows, leak=False))


def _end(names: Names, id: str, address: int) -> tuple[str, str]:
    name = names.short(id)
    shown = names.place(id, address)
    return name, f"{id} · {shown}" if name != id else shown


def _row(step: Hop | Reason, names: Names, outcome: Outcome) -> _Row:
    if isinstance(step, Hop):
        state = step.passes
    else:
        state = {Outcome.KEPT: "yes", Outcome.BROKEN: "no", Outcome.CANNOT_TELL: "unknown"}[outcome]  # type: ignore[assignment]
    return _Row(state, tuple(_wrapped(step.text or KIND_WORDS.get(step.kind, step.kind), 3)),
                _cut(place_text(step, names), 90), step.answer)  # fmt: skip


def _reached(rows: list[_Row]) -> tuple[_Row, ...]:
    """What stands behind the first stop is never got to; of an answer to nothing, nothing is drawn."""
    found: list[_Row] = []
    stopped = False
    for row in rows:
        if stopped and row.back and not any(one.back for one in found):
            break
        found.append(_Row("none", row.lines, row.place, row.back) if stopped and row.state == "yes" else row)
        stopped = stopped or row.state == "no"
    return tuple(found)


def _wrapped(text: str, most: int) -> list[str]:
    lines = textwrap.wrap(clean(text), _COLUMNS, break_long_words=True) or [""]
    if len(lines) > most:
        lines = [*lines[: most - 1], _cut(lines[most - 1] + " …", _COLUMNS)]
    return lines


def _cut(text: str, most: int) -> str:
    text = clean(text)
    return text if len(text) <= most else text[: most - 1] + "…"


def _draw(scene: _Scene) -> str:
    parts = [_text(24, 34, _cut(scene.title, 80), "t h")]
    y = 34
    for line in _wrapped(scene.why, 2) if scene.why else []:
        y += 20
        parts.append(_text(24, y, line, "s"))
    y += 20
    if scene.source is None or scene.target is None:
        for at, row in enumerate(scene.rows):
            y = _stop(parts, row, y - 14 if not at else y, scene.leak)
        return _svg(scene, parts, y + 14)
    parts.append(_card(y, scene.source, scene.service, "from", "s"))
    y += _CARD
    there = [row for row in scene.rows if not row.back]
    back = [row for row in scene.rows if row.back]
    y, passing = _way(parts, there, y, "yes", scene.leak)
    note, style = {"none": ("not reached", "s"), "unknown": ("perhaps reached", "s")}.get(passing, ("reached", "s"))
    if scene.leak:
        note, style = "reached, and must not be", "f b"
    parts.append(_card(y, scene.target, note, "to", style))
    y += _CARD
    if back:
        parts.append(_line(y, y + 30, passing, scene.leak))
        parts.append(_text(_TEXT, y + 22, "and the answer back", "s small"))
        y, passing = _way(parts, back, y + 30, passing, scene.leak)
        note = {"none": "no answer arrives", "unknown": "perhaps an answer arrives"}.get(passing, "the answer arrives")
        parts.append(_card(y, scene.source, note, "back to", "s"))
        y += _CARD
    return _svg(scene, parts, y + 20)


def _svg(scene: _Scene, parts: list[str], y: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img" '
        f'aria-labelledby="dw-title dw-desc">\n<title id="dw-title">{xml(scene.title)}</title>\n'
        f'<desc id="dw-desc">{xml(scene.description)}</desc>\n<style>{_STYLE}</style>\n'
        f'<rect class="bg" x="0.5" y="0.5" width="{WIDTH - 1}" height="{y - 1}" rx="10"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _way(parts: list[str], rows: Sequence[_Row], y: int, passing: str, leak: bool) -> tuple[int, str]:
    """Draw one way downwards from ``y``; returns where it ends and what is left of the packet there."""
    for row in rows:
        parts.append(_line(y, y + 26, passing, leak))
        passing = {"no": "none", "unknown": "unknown"}.get(row.state, passing) if passing != "none" else "none"
        parts.append(_line(y + 26, y + _height(row), passing, leak))
        y = _stop(parts, row, y, leak)
    parts.append(_line(y, y + 12, passing, leak))
    return y + 12, passing


def _height(row: _Row) -> int:
    return 32 + 19 * len(row.lines)


def _stop(parts: list[str], row: _Row, y: int, leak: bool) -> int:
    """Draw one stop; returns where it ends."""
    parts.append(_icon(y + 26, row.state, leak))
    at = y + 24
    for line in row.lines:
        parts.append(_text(_TEXT, at, line, {"none": "s", "no": "t b"}.get(row.state, "t")))
        at += 19
    parts.append(_text(_TEXT, at - 2, row.place, "s small m"))
    return y + _height(row)


def _spoken(row: _Row) -> str:
    return {"yes": "passes", "no": "stopped", "unknown": "cannot be told", "none": "never got to"}[row.state]


def _card(y: int, end: tuple[str, str], note: str, label: str, style: str) -> str:
    name, detail = end
    return "\n".join((
        f'<rect class="card" x="24" y="{y}" width="{WIDTH - 48}" height="{_CARD}" rx="8"/>',
        _text(34, y + 24, label, "s small"),
        _text(_TEXT, y + 24, _cut(name, 56), "t b"),
        _text(_TEXT, y + 44, _cut(detail, 84), "s small m"),
        f'<text class="{style}" x="{WIDTH - 40}" y="{y + 24}" text-anchor="end">{xml(_cut(note, 40))}</text>',
    ))  # fmt: skip


def _text(x: int, y: int, text: str, style: str) -> str:
    return f'<text class="{style}" x="{x}" y="{y}">{xml(text)}</text>'


def _line(top: int, bottom: int, state: str, leak: bool) -> str:
    colour = "no" if leak and state == "yes" else state
    return f'<path class="line l{colour}" d="M{_LEFT} {top} V{bottom}"/>'


def _icon(y: int, state: str, leak: bool) -> str:
    circle = f'<circle class="{"no" if leak and state == "yes" else state}" cx="{_LEFT}" cy="{y}" r="11"/>'
    if state == "unknown":
        return f'{circle}<text class="q" x="{_LEFT}" y="{y + 5}">?</text>'
    if state == "none":
        return circle
    return f'{circle}<path class="icon" transform="translate({_LEFT} {y})" d="{_ICON[state]}"/>'
