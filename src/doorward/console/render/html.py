"""A report as one page that needs nothing else: no script, no outside style, font or picture.

What does not live here: the picture itself (``picture``), sentences (``words``).
"""

from __future__ import annotations

from doorward.console.render.clean import xml
from doorward.console.render.picture import explanation_svg, path_svg
from doorward.console.render.repairs import commands, terraform
from doorward.console.render.sheet import WORDS, Names, Sheet
from doorward.console.render.text import explanation_title
from doorward.console.render.words import (
    MARK,
    edit_text,
    established_text,
    must_text,
    place_text,
    reasons_of,
    times_text,
    witness_text,
)
from doorward.model.verdict import Explanation, Outcome, Verdict

_CSS = """:root{color-scheme:light dark;--t:#1f2328;--s:#59636e;--bg:#fff;--card:#f6f8fa;--edge:#d0d7de;
--broken:#cf222e;--cannot-tell:#9a6700;--kept:#1a7f37}
@media(prefers-color-scheme:dark){:root{--t:#f0f6fc;--s:#9198a1;--bg:#0d1117;--card:#151b23;--edge:#3d444d;
--broken:#f85149;--cannot-tell:#d29922;--kept:#3fb950}}
body{font:15px/1.5 system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;color:var(--t);background:var(--bg);
max-width:820px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin:0 0 .5rem}article{border:1px solid var(--edge);border-left-width:5px;
border-radius:8px;padding:1rem;margin:1rem 0}.broken{border-left-color:var(--broken)}
.cannot-tell{border-left-color:var(--cannot-tell)}.kept{border-left-color:var(--kept)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:.5rem 0}dt{color:var(--s)}dd{margin:0;
overflow-wrap:anywhere}pre{background:var(--card);border:1px solid var(--edge);border-radius:6px;padding:.75rem;
overflow-x:auto;font:13px/1.45 ui-monospace,"DejaVu Sans Mono",monospace}svg{max-width:100%;height:auto}
.s{color:var(--s)}
.o-broken{color:var(--broken)}.o-cannot-tell{color:var(--cannot-tell)}.o-kept{color:var(--kept)}"""


def report_html(sheet: Sheet) -> str:
    """The report."""
    bad = [one for one in sheet.ordered if sheet.outcome_of(one) is not Outcome.KEPT]
    kept = sheet.having(Outcome.KEPT)
    parts = [f'<h1><span class="o-{sheet.outcome.value}">{MARK[sheet.outcome]}</span> {xml(sheet.headline)}</h1>']
    if sheet.plan:
        parts.append(f'<p class="s">{xml(sheet.plan)}</p>')
    parts += [f"<p>⚠ {xml(text)}</p>" for text in sheet.warnings]
    parts += [_article(sheet, verdict) for verdict in bad]
    if kept:
        names = "".join(f"<li>{xml(one.name)}" + (f": {xml(one.why)}" if one.why else "") + "</li>" for one in kept)
        parts.append(f"<details><summary>✓ {len(kept)} kept</summary><ul>{names}</ul></details>")
    notices = sheet.notices
    if notices:
        items = "".join(f"<li><b>{xml(one.resource)}</b>: {xml(one.text)}</li>" for one in notices)
        parts.append(f"<details><summary>{len(notices)} notices</summary><ul>{items}</ul></details>")
    return _page(sheet.headline, parts)


def explanation_html(found: Explanation, names: Names) -> str:
    """One path."""
    return _page(explanation_title(found, names), [_unique(explanation_svg(found, names), 0)])


def _page(title: str, parts: list[str]) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>Doorward: {xml(title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _article(sheet: Sheet, verdict: Verdict) -> str:
    names = sheet.names
    outcome = sheet.outcome_of(verdict)
    reasons, during = reasons_of(sheet, verdict)
    contract = sheet.by_name.get(verdict.name)
    rows: list[tuple[str, str]] = [("contract", must_text(contract) or ""), ("protects", verdict.why or "")]
    rows += [("severity", verdict.severity), ("owner", verdict.owner or "")]
    rows.append(("packet", witness_text(verdict.witness, names) if verdict.witness else ""))
    rows += [("because", f"{reason.text} [{place_text(reason, names)}]") for reason in reasons]
    rows += [("apply", times_text(verdict) or ""), ("sessions", established_text(verdict) or "")]
    rows += [("safe order", step) for step in verdict.safe_order]
    rows += [("notice", note) for note in verdict.notices]
    rows += [("repair", edit_text(edit, names)) for edit in verdict.repair or ()]
    rows.append(("repair", verdict.repair_note or ""))
    listed = "".join(f"<dt>{name}</dt><dd>{xml(text)}</dd>" for name, text in rows if text)
    code = ""
    if verdict.repair:
        lines = [
            line
            for at, edit in enumerate(verdict.repair)
            for line in terraform(edit, names, f"{verdict.name}_{at + 1}" if at else verdict.name)
        ]
        code = f"<pre>{_lines(lines)}</pre>"
        shell = [line for edit in verdict.repair for line in commands(edit)]
        code += f"<pre>{_lines(shell)}</pre>" if shell else ""
    word = WORDS[outcome] + (" during the apply" if during else "")
    svg = path_svg(verdict, names, outcome, contract.must if contract else None)
    picture = _unique(svg, sheet.ordered.index(verdict))
    return (
        f'<article class="{outcome.value}">\n<h2><span class="o-{outcome.value}">{MARK[outcome]} {word}</span>: '
        f"{xml(verdict.name)}</h2>\n<dl>{listed}</dl>\n{picture}{code}\n</article>"
    )


def _lines(lines: list[str]) -> str:
    return "\n".join(xml(line) for line in lines)


def _unique(svg: str, at: int) -> str:
    """Ids are unique in a page."""
    return svg.replace("dw-title", f"dw-title-{at}", 2).replace("dw-desc", f"dw-desc-{at}", 2)
