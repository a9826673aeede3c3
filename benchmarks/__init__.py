"""Measures of speed: `python -m benchmarks.generate` makes estates, `python -m benchmarks.run` measures on them."""
