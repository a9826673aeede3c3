"""EC2 calls from before 2015: CloudTrail logs them in the words of EC2's old SOAP interface.

Lists are `{"items": […]}`, empty ones `{}`; an element that is a plain text becomes an object (`{"groupId": "sg-…"}`).
Some lists and defaults stand in the record whether the client sent them or not (`_ALWAYS`). Names that differ from the
query interface's are in the tables below, taken from the records of the public data set invictus-ir/aws_dataset and
elastic/integrations' CloudTrail tests; names marked *hint* follow the pattern, no record of them is public.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from doorward_lab.cloud.trail import shapes

# Form field of a list → its name in the record, and the name that a plain element gets (None: elements are objects).
_LISTS: dict[str, tuple[str, str | None]] = {
    "AllocationId": ("allocationIdsSet", "allocationId"),
    "AttributeName": ("accountAttributeNameSet", "attributeName"),
    "BlockDeviceMapping": ("blockDeviceMapping", None),
    "CustomerGatewayId": ("customerGatewaySet", "customerGatewayId"),
    "DhcpOptionsId": ("dhcpOptionsSet", "dhcpOptionsId"),
    "ExecutableBy": ("executableBySet", "user"),
    "Filter": ("filterSet", None),
    "GroupId": ("securityGroupIdSet", "groupId"),
    "GroupName": ("securityGroupSet", "groupName"),
    "Groups": ("groups", None),
    "ImageId": ("imagesSet", "imageId"),
    "InstanceId": ("instancesSet", "instanceId"),
    "InternetGatewayId": ("internetGatewayIdSet", "internetGatewayId"),
    "IpPermissions": ("ipPermissions", None),
    "IpRanges": ("ipRanges", None),
    "Ipv6Addresses": ("ipv6AddressesSet", "ipv6Address"),
    "Ipv6Ranges": ("ipv6Ranges", None),
    "KeyName": ("keySet", "keyName"),
    "KeyPairId": ("keyPairIdSet", "keyPairId"),
    "NetworkAclId": ("networkAclIdSet", "networkAclId"),
    "NetworkInterface": ("networkInterfaceSet", None),
    "NetworkInterfaceId": ("networkInterfaceIdSet", "networkInterfaceId"),
    "Owner": ("ownersSet", "owner"),
    "PrefixListIds": ("prefixListIds", None),
    "PrivateIpAddress": ("privateIpAddressesSet", "privateIpAddress"),
    "PrivateIpAddresses": ("privateIpAddressesSet", None),
    "PublicIp": ("publicIpsSet", "publicIp"),
    "RegionName": ("regionSet", "regionName"),
    "ResourceId": ("resourcesSet", "resourceId"),
    "RestorableBy": ("sharedUsersSet", "user"),
    "RouteTableId": ("routeTableIdSet", "routeTableId"),
    "SecurityGroup": ("groupSet", "groupName"),
    "SecurityGroupId": ("groupSet", "groupId"),
    "SecurityGroupRuleId": ("securityGroupRuleIds", "securityGroupRuleId"),  # hint
    "SnapshotId": ("snapshotSet", "snapshotId"),
    "SubnetId": ("subnetSet", "subnetId"),
    "Tag": ("tagSet", None),
    "TagSpecification": ("tagSpecificationSet", None),
    "Value": ("valueSet", "value"),
    "VolumeId": ("volumeSet", "volumeId"),
    "VpcId": ("vpcSet", "vpcId"),
    "VpcPeeringConnectionId": ("vpcPeeringConnectionIdSet", "vpcPeeringConnectionId"),
    "VpnConnectionId": ("vpnConnectionSet", "vpnConnectionId"),
    "VpnGatewayId": ("vpnGatewaySet", "vpnGatewayId"),
    "ZoneId": ("availabilityZoneIdSet", "zoneId"),
    "ZoneName": ("availabilityZoneSet", "zoneName"),
}
_LISTS_OF: dict[str, dict[str, tuple[str, str | None]]] = {
    "ModifyInstanceAttribute": {"GroupId": ("groupSet", "groupId")},  # hint
    "DescribePlacementGroups": {
        "GroupName": ("placementGroupSet", "groupName"),
        "GroupId": ("placementGroupIdSet", "groupId"),
    },
}
_NAMES: dict[str, dict[str, str]] = {
    "CreateNetworkAclEntry": {"Protocol": "aclProtocol", "Icmp": "icmpTypeCode"},
    "ReplaceNetworkAclEntry": {"Protocol": "aclProtocol", "Icmp": "icmpTypeCode"},
    "CreateVolume": {"AvailabilityZone": "zone"},
}
_PERMISSIONS: dict[str, Any] = {"ipPermissions": {}}
_SETS = {
    "AccountAttributes": "accountAttributeNameSet filterSet",
    "Addresses": "publicIpsSet filterSet allocationIdsSet",
    "AvailabilityZones": "availabilityZoneSet availabilityZoneIdSet",
    "CustomerGateways": "customerGatewaySet filterSet",
    "DhcpOptions": "dhcpOptionsSet filterSet",
    "Images": "executableBySet imagesSet ownersSet filterSet",
    "InstanceStatus": "instancesSet filterSet",
    "Instances": "instancesSet filterSet",
    "InternetGateways": "internetGatewayIdSet filterSet",
    "KeyPairs": "keySet filterSet keyPairIdSet",
    "NetworkAcls": "networkAclIdSet filterSet",
    "NetworkInterfaces": "networkInterfaceIdSet filterSet",
    "PlacementGroups": "placementGroupSet placementGroupIdSet filterSet",
    "Regions": "regionSet",
    "RouteTables": "routeTableIdSet filterSet",
    "SecurityGroups": "securityGroupSet securityGroupIdSet filterSet",
    "Snapshots": "snapshotSet ownersSet sharedUsersSet filterSet",
    "Subnets": "subnetSet filterSet",
    "Tags": "filterSet",
    "VolumeStatus": "volumeSet filterSet",
    "Volumes": "volumeSet filterSet",
    "VpcClassicLink": "vpcSet filterSet",
    "VpcPeeringConnections": "vpcPeeringConnectionIdSet filterSet",
    "Vpcs": "vpcSet filterSet",
    "VpnConnections": "vpnConnectionSet filterSet",
    "VpnGateways": "vpnGatewaySet filterSet",
}
# What a record holds though the client did not send it.
_ALWAYS: dict[str, dict[str, Any]] = {
    "AuthorizeSecurityGroupEgress": _PERMISSIONS,
    "AuthorizeSecurityGroupIngress": _PERMISSIONS,
    "RevokeSecurityGroupEgress": _PERMISSIONS,
    "RevokeSecurityGroupIngress": _PERMISSIONS,
    "CreateNetworkAclEntry": {"portRange": {}, "icmpTypeCode": {}},
    "CreateNetworkInterface": {"groupSet": {}, "privateIpAddressesSet": {}},
    "CreateVpc": {"instanceTenancy": "default", "amazonProvidedIpv6CidrBlock": False},
    "DeleteSnapshot": {"force": False},
    "DeleteVolume": {"reportVolumeFailure": False},
    "ReplaceNetworkAclEntry": {"portRange": {}, "icmpTypeCode": {}},
    "RunInstances": {
        "blockDeviceMapping": {},
        "monitoring": {"enabled": False},
        "disableApiTermination": False,
        "disableApiStop": False,
    },
} | {f"Describe{name}": {key: {} for key in sets.split()} for name, sets in _SETS.items()}
_ALWAYS["DescribeInstanceStatus"] |= {"includeAllInstances": False}
_ALWAYS["DescribeKeyPairs"] |= {"includePublicKey": False}

# Calls that have neither lists nor defaults of their own.
_PLAIN = """
AcceptVpcPeeringConnection AllocateAddress AssignIpv6Addresses AssignPrivateIpAddresses AssociateAddress
AssociateDhcpOptions AssociateRouteTable AttachInternetGateway AttachNetworkInterface AttachVolume AttachVpnGateway
CopyImage CopySnapshot CreateCustomerGateway CreateDhcpOptions CreateImage CreateInternetGateway CreateKeyPair
CreateNetworkAcl CreatePlacementGroup CreateRoute CreateRouteTable CreateSecurityGroup CreateSnapshot CreateSubnet
CreateTags CreateVolume CreateVpcPeeringConnection CreateVpnConnection CreateVpnGateway DeleteCustomerGateway
DeleteDhcpOptions DeleteInternetGateway DeleteKeyPair DeleteNetworkAcl DeleteNetworkAclEntry DeleteNetworkInterface
DeletePlacementGroup DeleteRoute DeleteRouteTable DeleteSecurityGroup DeleteSubnet DeleteTags DeleteVpc
DeleteVpcPeeringConnection DeleteVpnConnection DeleteVpnGateway DeregisterImage DescribeInstanceAttribute
DescribeVpcAttribute DetachInternetGateway DetachNetworkInterface DetachVolume DetachVpnGateway DisassociateAddress
DisassociateRouteTable GetConsoleOutput GetPasswordData ImportKeyPair ModifyImageAttribute ModifyInstanceAttribute
ModifyNetworkInterfaceAttribute ModifySnapshotAttribute ModifySubnetAttribute ModifyVpcAttribute MonitorInstances
RebootInstances RegisterImage RejectVpcPeeringConnection ReleaseAddress ReplaceNetworkAclAssociation ReplaceRoute
ReplaceRouteTableAssociation ResetInstanceAttribute ResetNetworkInterfaceAttribute StartInstances StopInstances
TerminateInstances UnassignPrivateIpAddresses UnmonitorInstances
"""
CALLS = frozenset(_PLAIN.split()) | frozenset(_ALWAYS)

_PERMISSION_LISTS = ("groups", "ipRanges", "ipv6Ranges", "prefixListIds")
_LAUNCHED = ("imageId", "minCount", "maxCount", "keyName")
_TEXT = {"size", "volumeSize"}  # CreateVolume and CreateSnapshot log these numbers as text
_UNLOGGED = {"DryRun"}
_ITEM = {"privateIpAddressesSet"}  # of an answer: `item`, where every other list has `items`
_RETURNS = {"CreateSecurityGroup"}  # answers `_return` beside its elements, though the model has none
_RULE_SETS = ("securityGroupRuleSet", "revokedSecurityGroupRuleSet")  # rules without tags have no `tagSet`
_REMOVED = "<sensitiveDataRemoved>"


def request(action: str, params: Mapping[str, object]) -> dict[str, Any]:
    """The request of an older call."""
    described = shapes.operation("ec2", action)
    tree = {name: value for name, value in shapes.nest(params).items() if name not in _UNLOGGED}
    shape = described.input_shape if described else None
    fields = deepcopy(_ALWAYS.get(action, {})) | _fields(action, tree, shape)
    if "ipPermissions" in fields:
        for permission in fields["ipPermissions"].get("items", ()):
            for name in _PERMISSION_LISTS:
                permission.setdefault(name, {})
    if action == "RunInstances":
        launched = {name: fields.pop(name) for name in _LAUNCHED if name in fields}
        fields["instancesSet"] = {"items": [launched]}
    elif action == "DescribeVpcAttribute":
        fields.pop("attribute", None)
    elif action == "DescribeVpcClassicLink" and fields["vpcSet"]:
        fields["vpcSet"] = {"item": fields["vpcSet"]["items"]}
    elif action == "ModifyImageAttribute" and "launchPermission" in fields:
        fields["attributeType"] = "launchPermission"
        fields.pop("attribute", None)
    elif action == "ModifySnapshotAttribute" and "createVolumePermission" in fields:
        fields["attributeType"] = "CREATE_VOLUME_PERMISSION"
        fields.pop("attribute", None)
    return fields


def _fields(action: str, tree: Mapping[str, Any], shape: shapes.Shape | None) -> dict[str, Any]:
    members = {} if shape is None else getattr(shape, "members", {})
    by_field = {shapes.wire_name(name, inner): inner for name, inner in members.items()}
    fields = {}
    for name, value in tree.items():
        described = by_field.get(name)
        if isinstance(value, list):
            key, made = _list(action, name, value, described)
        elif isinstance(value, dict):
            key = _NAMES.get(action, {}).get(name, shapes.lower_first(name))
            made = _fields(action, value, described)
        else:
            key = _NAMES.get(action, {}).get(name, shapes.lower_first(name))
            kind = described.type_name if described is not None else None
            made = str(value) if action == "CreateVolume" and key in _TEXT else shapes.scalar(value, kind)
            made = _REMOVED if key == "userData" else made
        fields[key] = made
    return fields


def _list(action: str, name: str, value: list[Any], shape: shapes.Shape | None) -> tuple[str, Any]:
    known = _LISTS_OF.get(action, {}).get(name) or _LISTS.get(name)
    member = shape.member if shape is not None and shape.type_name == "list" else None
    if name in {"Add", "Remove"}:  # of launch and create-volume permissions
        known = (shapes.lower_first(name), None)
    key, element = known or (f"{shapes.lower_first(name)}Set", shapes.lower_first(name))
    if name == "TagSpecification":
        return key, {"items": [_tag_specification(inner) for inner in value]}
    kind = member.type_name if member is not None else None
    items: list[Any] = [
        _fields(action, inner, member) if isinstance(inner, dict) else {element: shapes.scalar(inner, kind)}
        for inner in value
    ]
    return key, {"items": items}


def _tag_specification(value: Mapping[str, Any]) -> dict[str, Any]:
    tags = [{shapes.lower_first(name): text for name, text in tag.items()} for tag in value.get("Tag", [])]
    return {"resourceType": value.get("ResourceType"), "tags": tags}


def response(action: str, answer: bytes, request_id: str) -> dict[str, Any]:
    """The answer of an older call: `requestId`, then its elements; a call that answers nothing says `_return: true`."""
    described = shapes.operation("ec2", action)
    shape = described.output_shape if described else None
    elements = _elements(action, shapes.xml(answer), shape)
    elements.pop("requestId", None)
    if shape is None or action in _RETURNS:
        elements.setdefault("_return", True)
    for rules in (elements.get(name) for name in _RULE_SETS):
        for rule in (rules or {}).get("items", ()):
            if not rule.get("tagSet"):
                rule.pop("tagSet", None)
    return {"requestId": request_id} | elements


def _elements(action: str, tree: Mapping[str, Any], shape: shapes.Shape | None) -> dict[str, Any]:
    members = {} if shape is None else getattr(shape, "members", {})
    by_element = {str(inner.serialization.get("name", name)): inner for name, inner in members.items()}
    made = {}
    for name, value in tree.items():
        if name.startswith("@"):
            continue
        key = "_return" if name == "return" else name
        element = _element(action, name, value, by_element.get(name))
        if element is not None:
            made[key] = element
    return made


def _element(action: str, name: str, value: Any, shape: shapes.Shape | None) -> Any:
    kind = shape.type_name if shape is not None else None
    if kind == "list" or (kind is None and isinstance(value, dict) and set(value) == {"item"}):
        items = (value or {}).get("item", [])
        items = items if isinstance(items, list) else [items]
        member = shape.member if shape is not None else None
        made = [_element(action, name, inner, member) for inner in items]
        return {"item" if name in _ITEM else "items": made} if made else {}
    if kind == "structure" or isinstance(value, dict):
        return _elements(action, value or {}, shape)
    if value is None:  # EC2 leaves out what is not set: an empty element is an object that the model does not have
        return {} if kind is None else None
    if kind == "timestamp":
        at = shapes.moment(value)
        return value if at is None else int(at.timestamp() * 1000)
    if action in {"CreateVolume", "CreateSnapshot"} and name in _TEXT:
        return value
    if kind is None:
        kind = "boolean"  # an element that the model does not have, such as `return`
    return shapes.scalar(value, kind)
