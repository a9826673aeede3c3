"""Real packets by the thousand, and what became of each."""
