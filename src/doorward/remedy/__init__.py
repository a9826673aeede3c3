"""The only part of Doorward that changes a cloud: it performs reverts, under credentials of its own.

Lives here: an act as exact calls (``calls``), what is there now compared with what must be there (``look``), sessions
of its own (``sessions``) with the least rights (``policy``), and the durable course of a revert (``course``,
``perform``). Not here: which steps undo a change and whether they may be taken (``duty``).

Nothing is imported here: boto3 and DBOS cost more than everything else at start-up.
"""
