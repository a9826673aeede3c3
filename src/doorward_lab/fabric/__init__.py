"""The data plane: the state of the cloud as namespaces, links, routes and nftables. Shares no code with doorward."""
