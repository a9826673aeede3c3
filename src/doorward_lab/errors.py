"""The lab's errors, one tree.

    LabError                 something that a person can act upon; the message says what was got, expected, and to do
    ├── Missing              a package, program, kernel feature or right is absent on this machine
    ├── Occupied             a port, a name or a folder that the lab needs is taken
    ├── BadScene             a scene, snapshot or plan that cannot be built
    ├── NotRunning           no lab runs under that name, or it has died
    └── Refused              the kernel (netlink, nftables, namespaces) refused what the lab asked of it

The console prints the message and exits with 2; nothing else catches these.
"""


class LabError(Exception):
    """Something that a person can act upon."""


class Missing(LabError):
    """A package, program, kernel feature or right is absent on this machine."""


class Occupied(LabError):
    """A port, a name or a folder that the lab needs is taken."""


class BadScene(LabError):
    """A scene, snapshot or plan that cannot be built."""


class NotRunning(LabError):
    """No lab runs under that name, or it has died."""


class Refused(LabError):
    """The kernel refused what the lab asked of it."""
