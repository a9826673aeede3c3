"""The least rights that reverts need, as IAM policies: what remedy's role may do, and who may become it.

Source: Service Authorization Reference, *Actions, resources, and condition keys for Amazon EC2*, *… for AWS Elastic
Load Balancing V2*. Describe actions of EC2 know no resources, so they are granted on all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from doorward.errors import InvalidInput

READS = (
    "ec2:DescribeInstances", "ec2:DescribeManagedPrefixLists", "ec2:DescribeNetworkAcls",
    "ec2:DescribeNetworkInterfaces", "ec2:DescribeRouteTables", "ec2:DescribeSecurityGroupRules",
    "ec2:DescribeSecurityGroups", "ec2:GetManagedPrefixListEntries", "elasticloadbalancing:DescribeLoadBalancers",
)  # fmt: skip

WRITES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "rules": (
        (
            "ec2:AuthorizeSecurityGroupEgress", "ec2:AuthorizeSecurityGroupIngress", "ec2:ModifySecurityGroupRules",
            "ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress",
        ),
        ("ec2:security-group/*", "ec2:security-group-rule/*", "ec2:prefix-list/*"),
    ),
    "interfaces": (
        ("ec2:ModifyInstanceAttribute", "ec2:ModifyNetworkInterfaceAttribute"),
        ("ec2:instance/*", "ec2:network-interface/*", "ec2:security-group/*"),
    ),
    "load-balancers": (("elasticloadbalancing:SetSecurityGroups",), ("elasticloadbalancing:loadbalancer/*",)),
    "acls": (
        ("ec2:CreateNetworkAclEntry", "ec2:DeleteNetworkAclEntry", "ec2:ReplaceNetworkAclEntry"),
        ("ec2:network-acl/*",),
    ),
    "routes": (("ec2:CreateRoute", "ec2:DeleteRoute", "ec2:ReplaceRoute"), ("ec2:route-table/*",)),
    "prefix-lists": (("ec2:ModifyManagedPrefixList",), ("ec2:prefix-list/*",)),
}  # fmt: skip
"""What can be reverted, with the actions and the resources of each."""


def policy(
    *, what: Iterable[str] | None = None, account: str = "*", region: str = "*", partition: str = "aws"
) -> dict[str, Any]:
    """The policy of remedy's role. ``what`` narrows it (``rules``, ``interfaces``, …). Raises ``InvalidInput``."""
    chosen = list(WRITES) if what is None else list(dict.fromkeys(what))
    unknown = [one for one in chosen if one not in WRITES]
    if unknown:
        raise InvalidInput(f"{', '.join(unknown)} cannot be reverted", hint=f"expected some of {', '.join(WRITES)}")
    statements: list[dict[str, Any]] = [{"Sid": "Describe", "Effect": "Allow", "Action": list(READS), "Resource": "*"}]
    for one in chosen:
        actions, resources = WRITES[one]
        statements.append(
            {
                "Sid": "Revert" + "".join(word.title() for word in one.split("-")),
                "Effect": "Allow",
                "Action": list(actions),
                "Resource": [_arn(each, partition, region, account) for each in resources],
            }
        )
    return {"Version": "2012-10-17", "Statement": statements}


def trust(principal: str) -> dict[str, Any]:
    """Who may become remedy's role: ``principal`` (an ARN) alone, and only in sessions that name their revert."""
    actions = ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": principal},
                "Action": actions,
                "Condition": {"StringLike": {"sts:SourceIdentity": "rv-*"}},
            }
        ],
    }


def _arn(resource: str, partition: str, region: str, account: str) -> str:
    service, _, rest = resource.partition(":")
    return f"arn:{partition}:{service}:{region}:{account}:{rest}"
