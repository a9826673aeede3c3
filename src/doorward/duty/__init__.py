"""PURE. Decides, never acts: events in, commands out. The shell (``console.daemon``) performs what is decided here.

Nothing here has a clock, chance, a network or a database: time comes in events, everything else through Protocols
(``ports``). What does not live here: what can flow (``reach``), how a cloud is changed (``remedy``), how people are
told (``console.notify``), how things are remembered (``ledger``).
"""
