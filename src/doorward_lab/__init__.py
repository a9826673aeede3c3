"""The lab: a miniature cloud on one Linux machine, in which security groups filter real packets.

The control plane is moto behind a wrapper that corrects it where it deviates from AWS; the data plane is one network
namespace per interface, with the rules compiled to nftables. `doorward` never imports this package.
"""
