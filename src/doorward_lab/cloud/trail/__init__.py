"""CloudTrail's records of the lab's API calls, and their way through EventBridge into queues.

`log.Trail` is what the daemon uses; `record.records` makes records; `emit.Emitter` delivers them, with faults on
demand. Nothing here answers API calls or knows of the data plane.
"""

from doorward_lab.cloud.trail.emit import Counts, Emitter
from doorward_lab.cloud.trail.faults import Faults
from doorward_lab.cloud.trail.identity import Identity, Registry
from doorward_lab.cloud.trail.log import Trail
from doorward_lab.cloud.trail.record import records
from doorward_lab.cloud.trail.style import Style

__all__ = ["Counts", "Emitter", "Faults", "Identity", "Registry", "Style", "Trail", "records"]
