"""Slack's incoming webhooks, and what speaks like them (Mattermost, Rocket.Chat …).

Sources: "Sending messages using incoming webhooks", "Block Kit" (header ≤ 150, section ≤ 3,000, field ≤ 2,000
characters, ≤ 10 fields, ≤ 10 context elements, ≤ 50 blocks), "Formatting message text" (escape & < >), and
slackapi/bolt-js#2509 (all blocks together ≤ about 13,000 characters, undocumented: msg_blocks_too_long). Others than
Slack show only ``text``, so it says all that matters. A webhook's URL is itself the secret.

Slack has no key against repetition: when an answer is lost on the way back, the retry may show a message twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from doorward.console.notify.address import target
from doorward.console.notify.http import Poster
from doorward.console.notify.notice import Notice, one_line, plain
from doorward.console.notify.outcome import Delivered
from doorward.console.notify.route import Clock, encode, judge, now, telling
from doorward.console.notify.secret import Secret

MAX_HEADER = 150
MAX_SECTION = 3_000
MAX_FIELD = 2_000
MAX_FIELDS = 10
MAX_CONTEXT = 10
MAX_TEXT = 4_000
MAX_ALL = 12_000

ICON = {"critical": ":red_circle:", "high": ":large_orange_circle:", "medium": ":large_yellow_circle:",
        "low": ":large_blue_circle:", "info": ":white_circle:"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Slack:
    """``url`` is the webhook's URL: a secret."""

    name: str
    url: Secret
    poster: Poster = field(default_factory=Poster)
    resend: timedelta | None = None
    clock: Clock = now

    def check(self) -> None:
        """Reads the URL."""
        target(self.url.reveal(), allow_private=self.poster.guard.allow_private)

    def send(self, notice: Notice) -> Delivered:
        """200 is delivered; 400, 403, 404 and 410 come with a word such as ``channel_is_archived``."""
        url = self.url.reveal()
        to = target(url, allow_private=self.poster.guard.allow_private)
        answer = self.poster.post(to, encode(payload(notice)), {})
        if answer.status != 200:
            said = answer.body[:200].decode("utf-8", "replace")
            raise judge(answer, self.name, telling(url), said=said, clock=self.clock)
        return Delivered(self.name, notice.id)


def escape(text: str) -> str:
    """Text in which Slack finds no mention, link or channel: only these three characters begin one."""
    return plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def escaped(text: str, limit: int) -> str:
    """Escaped, without the three backticks that begin a block, at most ``limit`` long; never cut within an escape."""
    text = _unfenced(plain(text))
    whole = escape(text)
    if len(whole) <= limit:
        return whole
    out: list[str] = []
    size = 1
    for char in text:
        piece = escape(char)
        if size + len(piece) > limit:
            break
        out.append(piece)
        size += len(piece)
    return "".join(out) + "…"


def fenced(text: str, limit: int) -> str:
    """A preformatted block that ends where we end it."""
    return f"```\n{escaped(text, limit - 8)}\n```"


def _unfenced(text: str) -> str:
    return re.sub(r"`(?=`)", "`\u200b", text)


def link(text: str, url: str) -> str:
    """A link, or its text alone when the URL is none."""
    words = escaped(one_line(text), 200) or "link"
    if not url.startswith(("https://", "http://")) or any(char in url for char in " \n\t") or len(url) > 1_500:
        return words
    address = escape(url).replace("|", "%7C")
    return f"<{address}|{words.replace('|', '/')}>"


def payload(notice: Notice) -> dict[str, object]:
    """``text`` (complete, for receivers without blocks and for notifications) and ``blocks``."""
    mark = ":white_check_mark:" if notice.over else ICON[notice.severity]
    links = [link(item.text, item.url) for item in notice.pages[:MAX_CONTEXT]]
    facts = [f"*{escaped(name, 200)}*\n{escaped(value, MAX_FIELD - 210)}" for name, value in notice.facts[:MAX_FIELDS]]
    title = one_line(notice.title) or "Doorward"
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _cut(title, MAX_HEADER), "emoji": False}},
        {"type": "context", "elements": [_markdown(f"{mark} {notice.status} · {notice.severity}")]},
    ]
    used = 0
    fields = []
    for fact in facts:
        if used + len(fact) > 4_000:
            break
        used += len(fact)
        fields.append(_markdown(fact))
    if fields:
        blocks.append({"type": "section", "fields": fields})
    if notice.text.strip():
        blocks.append({"type": "section", "text": _markdown(fenced(notice.text, MAX_SECTION))})
    if notice.revert.strip() and not notice.over:
        label = "*Proposed revert*\n"
        blocks.append({"type": "section", "text": _markdown(label + fenced(notice.revert, MAX_SECTION - len(label)))})
    if links:
        blocks.append({"type": "context", "elements": [_markdown(item) for item in links][: 1_500 // 150]})
    return {"text": _text(notice, mark, title, links), "blocks": _fitting(blocks)}


def _text(notice: Notice, mark: str, title: str, links: list[str]) -> str:
    lines = [f"{mark} *{escaped(title, 300)}*", f"{notice.status} · {notice.severity}"]
    lines += [f"{escaped(name, 100)}: {escaped(value, 300)}" for name, value in notice.facts[2:8]]
    if notice.text.strip():
        lines.append(fenced(notice.text, 1_000))
    if notice.revert.strip() and not notice.over:
        lines += ["Proposed revert", fenced(notice.revert, 600)]
    for item in links:
        if sum(map(len, lines)) + len(lines) + len(item) <= MAX_TEXT - 10:
            lines.append(item)
    return "\n".join(lines)


def _fitting(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Blocks whose JSON stays below what Slack takes; what is left out is told."""
    kept: list[dict[str, Any]] = []
    size = 0
    for block in blocks:
        size += len(encode(block))
        if size > MAX_ALL:
            kept.append({"type": "context", "elements": [_markdown("_more in the history: doorward history_")]})
            break
        kept.append(block)
    return kept


def _markdown(text: str) -> dict[str, object]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
