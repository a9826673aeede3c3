"""Engine against kernel: random estates, every pair probed, every difference written out as a small case."""
