"""Faults: reproducible, seeded, healable ways in which the stack or its network fails."""
