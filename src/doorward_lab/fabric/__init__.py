"""The data plane: the state of the cloud compiled to namespaces, links, routes and nftables. Shares no code with doorward."""
