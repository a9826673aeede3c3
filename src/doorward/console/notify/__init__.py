"""Alert routes: how people and machines hear of what the watch has found.

What lives here: the value that is told (`notice`), where it goes (`settings`, `table`), how it gets there (one module a
kind of route), and what became of it (`outcome`). What does not: which alert there is to tell (`duty`), and the queue
that survives a crash (the daemon's).
"""
