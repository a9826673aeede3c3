"""The web stack of the outage: load balancer, portal, login service, database, users, monitoring."""
