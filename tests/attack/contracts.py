"""What the application of ``stack`` promises."""

from __future__ import annotations

from tests.attack.run import contract

PROMISES = {
    "in": contract("reach", "internet", "lb:web"),
    "web": contract("reach", "group:lb", "group:web", "tcp/8080"),
    "db": contract("reach", "group:web", "group:db", "tcp/5432"),
    "out": contract("reach", "group:web", "internet:v4", "tcp/443"),
    "only": contract("only-from", "group:web", "group:db", "tcp/5432"),
    "private": contract("never-reach", "internet", "group:db", "all"),
    "no-shell": contract("never-reach", "internet", "group:web", "tcp/22"),
}
KEPT = ("kept", "kept", "kept")
GONE = ("kept", "broken", "broken")
GAP = ("kept", "broken", "kept")
NEW = ("cannot-tell", "kept", "kept")
