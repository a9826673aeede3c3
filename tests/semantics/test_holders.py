"""Databases, functions, ECS services, instances and endpoints are judged through their interfaces.

Sources: Amazon RDS guide, *Controlling access with security groups*; AWS Lambda guide, *VPC networking*; ECS guide,
*Task networking*; AWS PrivateLink guide, *Interface endpoints*.
"""

from __future__ import annotations

from tests.semantics.account import KEPT, OPENS, OWNER, STOPS, Account

WEB = "group:sg-web"


def client(account: Account) -> None:
    """``eni-web`` in ``sg-web``."""
    account.group("sg-web")
    account.interface("eni-web", "10.0.1.5", groups=["sg-web"])


def database(account: Account, name: str, group: str) -> None:
    """A database in both subnets with one group."""
    subnets = [{"SubnetIdentifier": one} for one in ("subnet-a", "subnet-b")]
    account.said.setdefault("DBInstances", []).append(
        {"DBInstanceIdentifier": name, "DBInstanceArn": f"arn:aws:rds:eu-west-1:{OWNER}:db:{name}",
         "DBSubnetGroup": {"VpcId": "vpc-1", "Subnets": subnets},
         "VpcSecurityGroups": [{"VpcSecurityGroupId": group}]}
    )  # fmt: skip


def test_database(account: Account) -> None:
    """RDS: a database's security groups filter at its interface, which the account lists as RDSNetworkInterface."""
    client(account)
    account.group("sg-db", "tcp 5432 sg-web")
    account.group("sg-rest")
    account.interface("eni-db", "10.0.2.50", groups=["sg-db"], description="RDSNetworkInterface")
    account.interface("eni-rest", "10.0.2.51", groups=["sg-rest"], description="RDSNetworkInterface")
    database(account, "auth-db", "sg-db")
    assert OPENS == account.both(WEB, "db:auth-db", "tcp/5432")
    assert STOPS == account.both(WEB, "db:auth-db", "tcp/5433")
    assert KEPT == account.only_from(WEB, "db:auth-db", "all")


def test_database_without_interface(account: Account) -> None:
    """A database whose interface was not read cannot be judged."""
    client(account)
    account.group("sg-db", "tcp 5432 sg-web")
    database(account, "auth-db", "sg-db")
    assert "cannot-tell" == account.reach(WEB, "db:auth-db", "tcp/5432")
    assert "cannot-tell" == account.never_reach(WEB, "db:auth-db", "tcp/5432")


def test_function(account: Account) -> None:
    """Lambda: a function in a VPC sends through an interface with its groups; AWS lists it as type lambda."""
    account.group("sg-fn", egress=["tcp 5432 sg-db"])
    account.group("sg-db", "tcp 5432 sg-fn")
    account.interface("eni-fn", "10.0.1.60", groups=["sg-fn"], kind="lambda", description="AWS Lambda VPC ENI-fn-1")
    account.interface("eni-db", "10.0.2.7", groups=["sg-db"])
    account.said["Functions"] = [
        {"FunctionName": "fn", "FunctionArn": f"arn:aws:lambda:eu-west-1:{OWNER}:function:fn",
         "VpcConfig": {"SubnetIds": ["subnet-a"], "SecurityGroupIds": ["sg-fn"]}}
    ]  # fmt: skip
    assert OPENS == account.both("group:sg-fn", "group:sg-db", "tcp/5432")
    assert STOPS == account.both("group:sg-fn", "group:sg-db", "tcp/22")


def test_ecs_task(account: Account) -> None:
    """ECS: with awsvpc networking each task has an interface with the service's groups."""
    client(account)
    account.group("sg-task", "tcp 8080 sg-web")
    account.interface(
        "eni-task", "10.0.2.60", groups=["sg-task"], description=f"arn:aws:ecs:eu-west-1:{OWNER}:attachment/1"
    )
    details = [{"name": "networkInterfaceId", "value": "eni-task"}]
    account.said["tasks"] = [
        {"taskArn": f"arn:aws:ecs:eu-west-1:{OWNER}:task/c/1", "group": "service:api", "lastStatus": "RUNNING",
         "attachments": [{"type": "ElasticNetworkInterface", "details": details}]}
    ]  # fmt: skip
    assert OPENS == account.both(WEB, "group:sg-task", "tcp/8080")


def test_interface_endpoint(account: Account) -> None:
    """PrivateLink: "You can associate security groups with the endpoint network interfaces"; clients are filtered
    there."""
    client(account)
    account.group("sg-ep", "tcp 443 sg-web")
    account.interface("eni-ep", "10.0.2.60", groups=["sg-ep"], kind="vpc_endpoint")
    account.said["VpcEndpoints"].append(
        {"VpcEndpointId": "vpce-1", "VpcEndpointType": "Interface", "VpcId": "vpc-1", "State": "available",
         "ServiceName": "com.amazonaws.eu-west-1.sts", "NetworkInterfaceIds": ["eni-ep"]}
    )  # fmt: skip
    assert OPENS == account.both(WEB, "interface:eni-ep", "tcp/443")
    assert STOPS == account.both(WEB, "interface:eni-ep", "tcp/80")


def test_instance(account: Account) -> None:
    """EC2: an instance is all its interfaces, each with groups of its own."""
    client(account)
    account.group("sg-one", "tcp 443 sg-web")
    account.group("sg-two")
    account.interface("eni-1", "10.0.2.7", groups=["sg-one"], instance="i-1")
    assert OPENS == account.both(WEB, "instance:i-1", "tcp/443")
    account.interface("eni-2", "10.0.1.7", groups=["sg-two"], instance="i-1")
    assert ("broken", "broken") == account.both(WEB, "instance:i-1", "tcp/443")


def test_instances_alone(account: Account) -> None:
    """``describe-instances`` tells of interfaces too, where ``describe-network-interfaces`` was not read."""
    account.group("sg-web", "tcp 443 sg-web")
    del account.said["NetworkInterfaces"]
    machines = []
    for number in (5, 6):
        machines.append(
            {"InstanceId": f"i-{number}", "VpcId": "vpc-1", "SubnetId": "subnet-a", "State": {"Name": "running"},
             "NetworkInterfaces": [
                 {"NetworkInterfaceId": f"eni-{number}", "VpcId": "vpc-1", "SubnetId": "subnet-a",
                  "Groups": [{"GroupId": "sg-web"}],
                  "PrivateIpAddresses": [{"PrivateIpAddress": f"10.0.1.{number}", "Primary": True}]}]}
        )  # fmt: skip
    account.said["Reservations"] = [{"Instances": machines}]
    assert OPENS == account.both("instance:i-5", "instance:i-6", "tcp/443")


def test_selectors_of_places(account: Account) -> None:
    """``subnet:``, ``vpc:`` and ``tag:`` mean the interfaces there."""
    client(account)
    account.group("sg-db", "tcp 443 sg-web")
    account.interface("eni-db", "10.0.2.7", groups=["sg-db"])
    account.one("NetworkInterfaces", "NetworkInterfaceId", "eni-db")["TagSet"] = [{"Key": "Tier", "Value": "db"}]
    assert OPENS == account.both("subnet:subnet-a", "subnet:subnet-b", "tcp/443")
    assert OPENS == account.both(WEB, "tag:Tier=db", "tcp/443")
    assert STOPS == account.both("vpc:vpc-1", WEB, "tcp/443")
