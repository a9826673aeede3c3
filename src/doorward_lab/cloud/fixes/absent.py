"""What the lab's accounts have none of, said as AWS says it: an empty list, or a feature that is off.

Callers that read a whole network ask for these; without an answer they would have to count them as unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from doorward_lab.cloud.turn import Turn, corrects


@corrects("DescribeVpcBlockPublicAccessOptions")
def block_public_access(turn: Turn) -> Mapping[str, Any]:
    """VPC User Guide, "Block public access to VPCs and subnets": off until somebody turns it on (which the lab's cloud
    does not model: ModifyVpcBlockPublicAccessOptions is UnsupportedOperation)."""
    return {
        "VpcBlockPublicAccessOptions": {
            "AwsAccountId": turn.request.account,
            "AwsRegion": turn.request.region,
            "State": "default-state",
            "InternetGatewayBlockMode": "off",
            "ManagedBy": "account",
            "ExclusionsAllowed": "allowed",
        }
    }


@corrects("DescribeVpcBlockPublicAccessExclusions")
def exclusions(turn: Turn) -> Mapping[str, Any]:
    """There are none."""
    return {"VpcBlockPublicAccessExclusions": []}


@corrects("DescribeLocalGatewayRouteTableVpcAssociations")
def local_gateways(turn: Turn) -> Mapping[str, Any]:
    """There is no Outpost."""
    return {"LocalGatewayRouteTableVpcAssociations": []}
