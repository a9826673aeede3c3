"""Linux primitives: the universe (namespaces), netlink, nftables, processes. Knows nothing of clouds."""
