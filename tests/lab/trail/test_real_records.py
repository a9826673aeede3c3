"""The trail's records against AWS's own: a public data set of 2,900 events, outside this repository.

Each real request is written out as the boto3 arguments that make it, sent through botocore's serialiser and recorded;
each real answer is written as the XML that carried it. Skipped where the data set is absent.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from moto.core.utils import get_service_model

from doorward_lab.cloud.call import Call
from doorward_lab.cloud.trail import Identity, Style, camel, records
from tests.lab.trail.wire import elements, result, sent

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "cloudtrail" / "CloudTrail"

# Real request → boto3 arguments, event by event. A word `Name` is the scalar `name`; `Names=set/field` a list of
# plain elements; `Filters` and `TagSpecifications` are what they say; the rest is in `SPECIAL`.
PLAIN = {
    "AllocateAddress": "Domain TagSpecifications",
    "AssociateRouteTable": "RouteTableId SubnetId",
    "AttachInternetGateway": "InternetGatewayId VpcId",
    "AuthorizeSecurityGroupEgress": "GroupId IpPermissions",
    "AuthorizeSecurityGroupIngress": "GroupId IpPermissions IpProtocol FromPort ToPort CidrIp",
    "CreateInternetGateway": "TagSpecifications",
    "CreateNetworkInterface": "SubnetId Description Groups=groupSet/groupId PrivateIpAddresses Ipv6AddressCount "
    "TagSpecifications ClientToken",
    "CreateRoute": "RouteTableId DestinationCidrBlock GatewayId NatGatewayId",
    "CreateRouteTable": "VpcId TagSpecifications",
    "CreateSecurityGroup": "GroupName Description=groupDescription VpcId TagSpecifications",
    "CreateSnapshot": "VolumeId TagSpecifications",
    "CreateSubnet": "VpcId CidrBlock AvailabilityZone TagSpecifications",
    "CreateTags": "Resources=resourcesSet/resourceId Tags=tagSet",
    "CreateVolume": "Size AvailabilityZone=zone TagSpecifications ClientToken",
    "CreateVpc": "CidrBlock TagSpecifications",
    "DeleteInternetGateway": "InternetGatewayId",
    "DeleteNetworkInterface": "NetworkInterfaceId",
    "DeleteRoute": "RouteTableId DestinationCidrBlock",
    "DeleteRouteTable": "RouteTableId",
    "DeleteSecurityGroup": "GroupId",
    "DeleteSnapshot": "SnapshotId",
    "DeleteSubnet": "SubnetId",
    "DeleteVolume": "VolumeId",
    "DeleteVpc": "VpcId",
    "DeregisterImage": "ImageId",
    "DescribeAccountAttributes": "AttributeNames=accountAttributeNameSet/attributeName",
    "DescribeAddresses": "Filters PublicIps=publicIpsSet/publicIp AllocationIds=allocationIdsSet/allocationId",
    "DescribeAvailabilityZones": "Filters",
    "DescribeCustomerGateways": "Filters",
    "DescribeDhcpOptions": "MaxResults",
    "DescribeImages": "ImageIds=imagesSet/imageId Owners=ownersSet/owner Filters IncludeDeprecated",
    "DescribeInstanceAttribute": "InstanceId Attribute",
    "DescribeInstanceStatus": "MaxResults",
    "DescribeInstances": "InstanceIds=instancesSet/instanceId Filters MaxResults",
    "DescribeInternetGateways": "InternetGatewayIds=internetGatewayIdSet/internetGatewayId Filters MaxResults",
    "DescribeKeyPairs": "Filters",
    "DescribeNetworkAcls": "Filters MaxResults",
    "DescribeNetworkInterfaces": "NetworkInterfaceIds=networkInterfaceIdSet/networkInterfaceId Filters",
    "DescribePlacementGroups": "Filters",
    "DescribeRegions": "AllRegions",
    "DescribeRouteTables": "RouteTableIds=routeTableIdSet/routeTableId Filters MaxResults",
    "DescribeSecurityGroups": "GroupIds=securityGroupIdSet/groupId Filters MaxResults",
    "DescribeSnapshots": "SnapshotIds=snapshotSet/snapshotId OwnerIds=ownersSet/owner Filters MaxResults",
    "DescribeSubnets": "SubnetIds=subnetSet/subnetId Filters MaxResults",
    "DescribeTags": "Filters MaxResults",
    "DescribeVolumeStatus": "MaxResults",
    "DescribeVolumes": "VolumeIds=volumeSet/volumeId Filters MaxResults",
    "DescribeVpcAttribute": "VpcId",
    "DescribeVpcPeeringConnections": "MaxResults",
    "DescribeVpcs": "VpcIds=vpcSet/vpcId Filters MaxResults",
    "DescribeVpnConnections": "Filters",
    "DescribeVpnGateways": "Filters",
    "DetachInternetGateway": "InternetGatewayId VpcId",
    "DetachNetworkInterface": "AttachmentId Force",
    "DisassociateRouteTable": "AssociationId",
    "GetPasswordData": "InstanceId",
    "ReleaseAddress": "AllocationId NetworkBorderGroup",
    "RevokeSecurityGroupEgress": "GroupId IpPermissions",
    "RevokeSecurityGroupIngress": "GroupId IpPermissions IpProtocol FromPort ToPort CidrIp",
    "TerminateInstances": "InstanceIds=instancesSet/instanceId",
}
SPECIAL: dict[str, Callable[[Any], dict[str, Any]]] = {
    "DescribeVpcClassicLink": lambda p: {"VpcIds": [one["vpcId"] for one in p["vpcSet"]["item"]]},
    "ModifyImageAttribute": lambda p: {"ImageId": p["imageId"], "LaunchPermission": _people(p["launchPermission"])},
    "ModifySnapshotAttribute": lambda p: {
        "SnapshotId": p["snapshotId"],
        "Attribute": "createVolumePermission",
        "CreateVolumePermission": _people(p["createVolumePermission"]),
    },
    "ModifyInstanceAttribute": lambda p: {
        "InstanceId": p["instanceId"],
        "DisableApiTermination": {"Value": p["disableApiTermination"]["value"]},
    },
    "RegisterImage": lambda p: {
        "BlockDeviceMappings": [_device(one) for one in p["blockDeviceMapping"]["items"]],
        **{_upper(name): value for name, value in p.items() if name != "blockDeviceMapping"},
    },
    "RunInstances": lambda p: _instances(p),  # noqa: PLW0108  # defined below
}
NEWER = {  # list members, by their form field
    "ResourceId": "ResourceIds",
    "FlowLogId": "FlowLogIds",
    "AllocationId": "AllocationIds",
    "InstanceId": "InstanceIds",
    "NatGatewayId": "NatGatewayIds",
    "VpcIds": "VpcIds",
    "TagSpecification": "TagSpecifications",
    "Tag": "Tags",
    "Value": "Values",
    "Filter": "Filters",
}
# Real records that no call to the lab makes, and why.
NOT_MADE = {
    "SharedSnapshotVolumeCreated": "an event of a service, not a call",
    "DescribeRecommendationGroups": "a call of the RDS console, not in the public API",
    "DescribeRecommendations": "the same",
    "StartSecretVersionDelete": "an event of a service",
    "EndSecretVersionDelete": "an event of a service",
    "UpdateInstanceInformation": "a call of the SSM agent, not in the public API",
    "UpdateInstanceAssociationStatus": "the same",
    "ListInstanceAssociations": "the same",
    "CreateLogGroup": "its tags' names are data, which the writing-out above would capitalise",
}


def _upper(name: str) -> str:
    return name[:1].upper() + name[1:]


def _people(change: Mapping[str, Any]) -> dict[str, Any]:
    return {_upper(way): [{"UserId": one["userId"]} for one in who["items"]] for way, who in change.items()}


def _device(one: Mapping[str, Any]) -> dict[str, Any]:
    return {"DeviceName": one["deviceName"], "Ebs": {_upper(name): value for name, value in one["ebs"].items()}}


def _instances(p: Mapping[str, Any]) -> dict[str, Any]:
    (launched,) = p["instancesSet"]["items"]
    made: dict[str, Any] = {"ImageId": launched["imageId"], "MinCount": launched["minCount"]}
    made |= {"MaxCount": launched["maxCount"], "InstanceType": p["instanceType"], "ClientToken": p["clientToken"]}
    for name in ("subnetId", "ebsOptimized"):
        if name in p:
            made[_upper(name)] = p[name]
    for one in p.get("networkInterfaceSet", {}).get("items", []):
        made.setdefault("NetworkInterfaces", []).append({_upper(name): value for name, value in one.items()})
    for name, field in (
        ("iamInstanceProfile", "name"),
        ("creditSpecification", "cpuCredits"),
        ("hibernationOptions", "configured"),
    ):
        if name in p:
            made[_upper(name)] = {_upper(field): p[name][field]}
    if "tagSpecificationSet" in p:
        made["TagSpecifications"] = _tag_specifications(p)
    return made


def _tag_specifications(p: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "ResourceType": one["resourceType"],
            "Tags": [{"Key": tag["key"], "Value": tag["value"]} for tag in one["tags"]],
        }
        for one in p["tagSpecificationSet"]["items"]
    ]


def _permission(one: Mapping[str, Any]) -> dict[str, Any]:
    made = {_upper(name): one[name] for name in ("ipProtocol", "fromPort", "toPort") if name in one}
    for name, field in (("ipRanges", "IpRanges"), ("ipv6Ranges", "Ipv6Ranges")):
        if one[name]:
            made[field] = [{_upper(key): value for key, value in peer.items()} for peer in one[name]["items"]]
    assert one["groups"] == one["prefixListIds"] == {}, "the data set has no such rule"
    return made


def older_arguments(name: str, p: Mapping[str, Any]) -> dict[str, Any]:
    """The boto3 arguments of a real request in the older form."""
    if name in SPECIAL:
        return dict(SPECIAL[name](p))
    made: dict[str, Any] = {}
    for word in PLAIN[name].split():
        argument, _, path = word.partition("=")
        key, _, field = (path or argument[:1].lower() + argument[1:]).partition("/")
        if argument == "Filters":
            made[argument] = [
                {"Name": one["name"], "Values": [value["value"] for value in one["valueSet"]["items"]]}
                for one in p.get("filterSet", {}).get("items", [])
            ]
        elif argument == "TagSpecifications":
            made |= {argument: _tag_specifications(p)} if "tagSpecificationSet" in p else {}
        elif argument == "Tags":
            made[argument] = [{"Key": tag["key"], "Value": tag["value"]} for tag in p[key]["items"]]
        elif argument == "IpPermissions":
            made |= {argument: [_permission(one) for one in p[key]["items"]]} if p[key] else {}
        elif argument == "PrivateIpAddresses":
            rows = p["privateIpAddressesSet"].get("items", [])
            made |= {argument: [{_upper(name): value for name, value in one.items()} for one in rows]} if rows else {}
        elif field:
            made[argument] = [one[field] for one in p.get(key, {}).get("items", [])]
        elif key in p:
            made[argument] = int(p[key]) if argument == "Size" else p[key]
    return {argument: value for argument, value in made.items() if value != []}


def newer_arguments(p: Any) -> dict[str, Any]:
    """The boto3 arguments of a real request in the newer form."""
    made = {}
    for field, value in (p or {}).items():
        if field == "tag":
            continue
        rows = value if isinstance(value, list) else [value]
        is_list = any(isinstance(one, dict) for one in rows)
        contents = [
            (str(one["content"]) if "content" in one else newer_arguments(one)) if isinstance(one, dict) else one
            for one in rows
        ]
        scalar = str(value).lower() if field == "Value" and isinstance(value, bool) else value
        made[NEWER[field] if is_list else field] = contents if is_list else scalar
    return made


def camel_arguments(value: Any) -> Any:
    """The boto3 arguments (or the result) of a service that lowers the first letter of each name."""
    if isinstance(value, dict):
        return {_upper(name): camel_arguments(inner) for name, inner in value.items()}
    return [camel_arguments(inner) for inner in value] if isinstance(value, list) else value


@cache
def real_records() -> tuple[dict[str, Any], ...]:
    """All records of the data set."""
    found: list[dict[str, Any]] = []
    for file in sorted(DATA.glob("*.json")):
        found += json.loads(file.read_text())["Records"]
    return tuple(found)


def _of(*services: str) -> Iterator[dict[str, Any]]:
    if not DATA.is_dir():
        pytest.skip(f"the data set invictus-ir/aws_dataset is not at {DATA}")
    for one in real_records():
        if one["eventSource"].removesuffix(".amazonaws.com") in services and one["eventName"] not in NOT_MADE:
            yield one


def who_of(real: Mapping[str, Any]) -> Identity:
    """The identity that the real record tells of."""
    user = real["userIdentity"]
    session = user.get("sessionContext") or {}
    attributes = session.get("attributes") or {}
    since = datetime.fromisoformat(attributes["creationDate"]) if attributes else None
    mfa = attributes.get("mfaAuthenticated") == "true"
    if user["type"] == "AssumedRole":
        issuer = session["sessionIssuer"]
        path = "/" + issuer["arn"].partition(":role/")[2].removesuffix(issuer["userName"])
        _, _, name = user["principalId"].partition(":")
        identity = Identity.of_role(
            user["accountId"], issuer["userName"], issuer["principalId"], name, path=path, since=since, mfa=mfa
        )
        return replace(identity, invoked_by=user.get("invokedBy"), instance_metadata=session.get("ec2RoleDelivery"))
    if user["type"] == "AWSService":
        return Identity("AWSService", real["recipientAccountId"], invoked_by=user["invokedBy"])
    console = real.get("sessionCredentialFromConsole") == "true"
    return Identity.of_user(
        user["accountId"], user["userName"], user["principalId"], since=since, mfa=mfa, console=console
    )


def made_of(real: Mapping[str, Any], model: str, arguments: Mapping[str, Any], answer: str) -> dict[str, Any]:
    """The record that the trail makes of the same call."""
    name, service = real["eventName"], real["eventSource"].removesuffix(".amazonaws.com")
    code = real.get("errorCode")
    call = Call(
        service=service,
        action=name,
        version=real.get("apiVersion") or get_service_model(model).api_version,
        region=real["awsRegion"],
        account=real["recipientAccountId"],
        access_key=real["userIdentity"].get("accessKeyId", ""),
        user_agent=real["userAgent"],
        source_address=real["sourceIPAddress"],
        at=datetime.fromisoformat(real["eventTime"]),
        params=sent(model, name, arguments),
        status=400 if code else 200,
        answer=f"<{name}Response>{answer}</{name}Response>".encode(),
        request_id=real["requestID"],
        error=code.removeprefix("Client.") if code else None,
        message=real.get("errorMessage"),
    )
    (made,) = records(call, who_of(real), Style(era="2023"))
    return made


def shape(value: Any) -> Any:
    """Keys and types, without values; the order of keys does not matter."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value).__name__


def _without(record: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in names}


# Sent by the console or by AWS's own network, not derivable from the call.
_PLACE = ("vpcEndpointId", "tlsDetails", "eventID", "sharedEventID", "additionalEventData")


def test_every_ec2_call_is_recorded_as_aws_did() -> None:
    """For each EC2 event of the data set, the same call makes the same record: request and answer value for value,
    every other field by name and value (but for ids of the event itself and what AWS's network adds)."""
    seen: Counter[str] = Counter()
    for real in _of("ec2"):
        name, request = real["eventName"], real["requestParameters"]
        if "denyAllIgwTraffic" in request:
            continue  # an argument of Amazon's own services, absent from the public API
        newer = f"{name}Request"
        arguments = newer_arguments(request[newer]) if newer in request else older_arguments(name, request)
        if name == "DescribeNatGateways" and "Filters" in arguments:
            arguments["Filter"] = arguments.pop("Filters")  # boto3's own word for this call
        answered = real["responseElements"] or {}
        made = made_of(real, "ec2", arguments, elements(_plain(answered.get(f"{name}Response", answered))))
        assert real["requestParameters"] == made["requestParameters"], name
        assert real["responseElements"] == made["responseElements"], name
        assert _without(real, *_PLACE) == _without(made, *_PLACE), name
        seen[name] += 1
    assert len(seen) >= 80 and sum(seen.values()) >= 880, "the data set should hold these"


def _plain(answered: Mapping[str, Any]) -> dict[str, Any]:
    return _without(answered, "xmlns")


def test_fields_stand_where_aws_puts_them() -> None:
    """The fields of an EC2 record come in AWS's own order: diffs of raw lines stay readable."""
    for real in _of("ec2"):
        if real["eventName"] == "RevokeSecurityGroupIngress":
            arguments = older_arguments(real["eventName"], real["requestParameters"])
            made = made_of(real, "ec2", arguments, elements(real["responseElements"]))
            assert list(real) == list(made)


_JAVA = ("%b %d, %Y %I:%M:%S %p", "%b %d, %Y, %I:%M:%S %p")


def _times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _times(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_times(inner) for inner in value]
    for form in _JAVA:
        try:
            return datetime.strptime(str(value), form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return value


def test_every_iam_rds_and_sts_call_is_recorded_as_aws_did() -> None:
    """For each IAM, RDS, STS and Elastic Load Balancing event of the data set the same call makes the same record:
    request and answer value for value, the words of dates and hidden secrets included."""
    seen: Counter[str] = Counter()
    for real in _of("iam", "rds", "sts", "elasticloadbalancing"):
        service, name = real["eventSource"].removesuffix(".amazonaws.com"), real["eventName"]
        model = service if service != "elasticloadbalancing" else "elbv2" if real["apiVersion"][:4] == "2015" else "elb"
        answered = _times(camel_arguments(real["responseElements"] or {}))
        output = get_service_model(model).operation_model(name).output_shape
        if model == "rds" and answered:
            ((only, described),) = output.members.items()
            answered = {only: {key: value for key, value in answered.items() if key in described.members}}
        made = made_of(real, model, camel_arguments(real["requestParameters"] or {}), result(model, name, answered))
        assert real["requestParameters"] == made["requestParameters"], name
        known = real["responseElements"]
        if model == "rds" and known:
            known = {key: value for key, value in known.items() if _upper(key) in answered[only]}
        assert known == made["responseElements"], name
        assert _without(real, *_PLACE, "responseElements") == _without(made, *_PLACE, "responseElements"), name
        seen[name] += 1
    assert len(seen) >= 60 and sum(seen.values()) >= 500, "the data set should hold these"


def test_every_call_of_a_json_service_is_recorded_as_aws_did() -> None:
    """For each event of Systems Manager, Secrets Manager, CloudTrail, CloudWatch Logs, KMS and Organizations, the same
    object in a call makes the same request and answer in the record."""
    seen: Counter[str] = Counter()
    for real in _of("ssm", "secretsmanager", "logs", "cloudtrail", "kms", "organizations"):
        model, name = real["eventSource"].removesuffix(".amazonaws.com"), real["eventName"]
        arguments = camel_arguments(real["requestParameters"] or {})
        answered = json.dumps(camel_arguments(real["responseElements"] or {})).encode()
        assert real["requestParameters"] == camel.request(model, name, arguments), name
        assert real["responseElements"] == camel.response(model, name, answered), name
        seen[name] += 1
    assert len(seen) >= 38 and sum(seen.values()) >= 940, "the data set should hold these"
