"""RDS instances' interfaces: one in a subnet of the instance's subnet group, with its groups, gone with it.

Amazon RDS User Guide, "Controlling access with security groups"; EC2 User Guide, "Requester-managed network
interfaces" (description `RDSNetworkInterface`). moto makes none.
"""

from __future__ import annotations

from typing import Any

from moto.rds.models import rds_backends

from doorward_lab.cloud import interfaces
from doorward_lab.cloud.turn import Turn, corrects
from doorward_lab.cloud.wire import Answer, ApiError

DESCRIPTION = "RDSNetworkInterface"


def _backend(turn: Turn) -> Any:
    return rds_backends[turn.request.account][turn.request.region]


def _instance(turn: Turn) -> Any:
    return _backend(turn).databases.get(turn.params.get("DBInstanceIdentifier"))


def interface_of(ec2: Any, database: Any) -> Any | None:
    """The interface of a database instance, or None (AWS's API has no such link: people resolve its name)."""
    return ec2.enis.get(getattr(database, "lab_interface", None))


def _groups(turn: Turn, database: Any) -> list[Any]:
    found = [turn.ec2.get_security_group_from_id(id) for id in database.vpc_security_group_ids or ()]
    return [one for one in found if one is not None]


def _check(turn: Turn) -> None:
    for id in turn.params.get("VpcSecurityGroupIds") or ():
        if turn.ec2.get_security_group_from_id(id) is None:
            raise ApiError("InvalidParameterValue", f"Invalid security group , groupId= {id}, groupName=.")


def _subnet(turn: Turn, database: Any) -> Any | None:
    group = database.db_subnet_group
    if group is not None and not isinstance(group, str):
        subnets = list(group._subnets)  # `subnets` are answers, not objects
    else:
        vpc = turn.ec2.get_default_vpc()
        subnets = turn.ec2.describe_subnets(filters={"vpc-id": [vpc.id]}) if vpc is not None else []
    zone = getattr(database, "availability_zone", None)
    return next((one for one in subnets if one.availability_zone == zone), subnets[0] if subnets else None)


@corrects("CreateDBInstance", service="rds")
def create(turn: Turn) -> Answer:
    """RDS API Reference, CreateDBInstance; PubliclyAccessible gives a public address."""
    _check(turn)
    answer = turn.done()
    database = _instance(turn)
    subnet = _subnet(turn, database) if database is not None else None
    if subnet is None:
        return answer
    groups = _groups(turn, database)
    if not groups:
        default = turn.ec2.get_default_security_group(subnet.vpc_id)
        groups = [default] if default is not None else []
    public = interfaces.take_public(turn.ec2, turn.settings.pool) if database.publicly_accessible else None
    made = interfaces.place(
        turn.ec2, subnet, requester="amazon-rds", description=DESCRIPTION, groups=groups, public=public
    )
    database.lab_interface = made.id
    return answer


@corrects("ModifyDBInstance", "ModifyDBCluster", service="rds")
def modify(turn: Turn) -> Answer:
    """Groups replace those of the interface; public accessibility comes and goes."""
    _check(turn)
    answer = turn.done()
    for database in _backend(turn).databases.values():
        one = interface_of(turn.ec2, database)
        if one is None:
            continue
        groups = _groups(turn, database)
        if groups:
            one._group_set = groups
        if database.publicly_accessible and not one.public_ip:
            one.public_ip = interfaces.take_public(turn.ec2, turn.settings.pool)
        elif not database.publicly_accessible:
            one.public_ip = None
    return answer


@corrects("DeleteDBInstance", service="rds")
def delete(turn: Turn) -> Answer:
    """The interface goes with the instance."""
    database = _instance(turn)
    answer = turn.done()
    one = interface_of(turn.ec2, database) if database is not None else None
    if one is not None:
        interfaces.release(turn.ec2, one)
    return answer
