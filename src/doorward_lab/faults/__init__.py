"""Faults: reproducible, seeded, healable ways in which the stack or its network fails."""

from doorward_lab.faults.catalogue import get, names
from doorward_lab.faults.experiment import experiment
from doorward_lab.faults.fault import Act, Fault, Injected, Lab, Parameter

__all__ = ["Act", "Fault", "Injected", "Lab", "Parameter", "experiment", "get", "names"]
