"""The shell of the lab: `doorward-lab`, the daemon inside the universe, and what they say to each other."""
