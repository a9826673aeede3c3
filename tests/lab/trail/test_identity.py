"""Who made a call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from doorward_lab.cloud.trail import Identity, Registry, Style, records
from tests.lab.trail.wire import ACCOUNT, AT, call

OTHER = "210987654321"


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """moto's IAM and STS in this process, empty."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield


def assumed(role: str, key: str, session: str = "deploy", by: str = "AKIAALICE", **params: str) -> Any:
    """The call that made a session of a role."""
    account, name = role.split(":")[4], role.rpartition("/")[2]
    answer = (
        f"<AssumeRoleResult><Credentials><AccessKeyId>{key}</AccessKeyId><SessionToken>t</SessionToken>"
        f"<SecretAccessKey>s</SecretAccessKey><Expiration>2024-02-15T11:30:00Z</Expiration></Credentials>"
        f"<AssumedRoleUser><AssumedRoleId>AROAROLE:{session}</AssumedRoleId>"
        f"<Arn>arn:aws:sts::{account}:assumed-role/{name}/{session}</Arn></AssumedRoleUser></AssumeRoleResult>"
    )
    arguments = {"RoleArn": role, "RoleSessionName": session} | params
    return call("AssumeRole", arguments, service="sts", answer=answer, access_key=by)


def test_user_by_access_key(moto: None) -> None:
    """An access key of a moto IAM user is that user, with its own id and ARN (path included)."""
    iam = boto3.client("iam", region_name="us-east-1")
    user = iam.create_user(UserName="alice", Path="/people/")["User"]
    key = iam.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"]
    made = call("DescribeVpcs", access_key=key)
    assert {
        "type": "IAMUser",
        "principalId": user["UserId"],
        "arn": f"arn:aws:iam::{ACCOUNT}:user/people/alice",
        "accountId": ACCOUNT,
        "accessKeyId": key,
        "userName": "alice",
    } == Registry().identify(made).element(key, "current", AT)


def test_session_that_only_moto_knows(moto: None) -> None:
    """A session made before the trail began is found in moto's STS: role, its id, the session's name."""
    iam, sts = boto3.client("iam", region_name="us-east-1"), boto3.client("sts", region_name="us-east-1")
    role = iam.create_role(RoleName="ci", AssumeRolePolicyDocument="{}")["Role"]
    session = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="build-7")
    key = session["Credentials"]["AccessKeyId"]
    element = Registry().identify(call("DescribeVpcs", access_key=key)).element(key, "current", AT)
    assert "AssumedRole" == element["type"]
    assert f"{role['RoleId']}:build-7" == element["principalId"]
    assert f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/build-7" == element["arn"]
    assert {
        "type": "Role",
        "principalId": role["RoleId"],
        "arn": role["Arn"],
        "accountId": ACCOUNT,
        "userName": "ci",
    } == element["sessionContext"]["sessionIssuer"]


def test_learnt_session_has_source_identity_and_time() -> None:
    """What STS was told is on every later record: source identity, when the session began, whether with MFA."""
    registry = Registry()
    alice = Identity.of_user(ACCOUNT, "alice", "AIDA")
    made = assumed(
        f"arn:aws:iam::{ACCOUNT}:role/team/ci",
        "ASIAONE",
        SourceIdentity="alice",
        SerialNumber="mfa",
        TokenCode="123456",
    )
    registry.learn(made, alice)
    later = call("DescribeVpcs", access_key="ASIAONE", at=AT + timedelta(minutes=5))
    element = registry.identify(later).element("ASIAONE", "current", later.at)
    assert {
        "sessionIssuer": {
            "type": "Role",
            "principalId": "AROAROLE",
            "arn": f"arn:aws:iam::{ACCOUNT}:role/team/ci",
            "accountId": ACCOUNT,
            "userName": "ci",
        },
        "attributes": {"creationDate": "2024-02-15T10:30:00Z", "mfaAuthenticated": "true"},
        "sourceIdentity": "alice",
    } == element["sessionContext"]


def test_source_identity_survives_chaining() -> None:
    """IAM User Guide, "Monitor and control actions taken with assumed roles": the source identity stays through role
    chaining and cannot be changed."""
    registry = Registry()
    first = assumed(f"arn:aws:iam::{ACCOUNT}:role/one", "ASIAONE", SourceIdentity="alice")
    registry.learn(first, Identity.root(ACCOUNT))
    second = assumed(f"arn:aws:iam::{OTHER}:role/two", "ASIATWO", by="ASIAONE", SourceIdentity="mallory")
    registry.learn(second, registry.identify(second))
    assert "alice" == registry.identify(call("DescribeVpcs", access_key="ASIATWO")).source_identity


def test_failed_assume_role_teaches_nothing() -> None:
    """A refused AssumeRole makes no session."""
    registry = Registry()
    refused = replace(assumed(f"arn:aws:iam::{ACCOUNT}:role/one", "ASIAONE"), error="AccessDenied", status=403)
    registry.learn(refused, Identity.root(ACCOUNT))
    assert "Root" == registry.identify(call("DescribeVpcs", access_key="ASIAONE")).kind


def test_unknown_key_is_root_and_register_overrides() -> None:
    """A key that nobody has is the account's root, until somebody is registered for it."""
    registry = Registry()
    element = registry.identify(call("DescribeVpcs", access_key="testing")).element("testing", "current", AT)
    assert {
        "type": "Root",
        "principalId": ACCOUNT,
        "arn": f"arn:aws:iam::{ACCOUNT}:root",
        "accountId": ACCOUNT,
        "accessKeyId": "testing",
    } == element
    registry.register("testing", Identity.of_user(ACCOUNT, "bob", "AIDABOB"))
    assert "bob" == registry.identify(call("DescribeVpcs", access_key="testing")).user


def test_2023_sessions_have_web_identity_data() -> None:
    """eventVersion 1.08 wrote `webIdFederationData` and an empty issuer for users' sessions; later versions do not."""
    alice = Identity.of_user(ACCOUNT, "alice", "AIDA", since=AT)
    then = alice.element("ASIA", "2023", AT)["sessionContext"]
    now = alice.element("ASIA", "current", AT)["sessionContext"]
    assert ({}, {}) == (then["sessionIssuer"], then["webIdFederationData"])
    assert {"attributes"} == set(now)


def test_role_assumed_across_accounts_is_told_to_both() -> None:
    """CloudTrail User Guide, "CloudTrail record contents": both accounts get an event of their own with one
    `sharedEventID`; the role's owner sees of the caller its account only."""
    alice = Identity.of_user(ACCOUNT, "alice", "AIDA")
    role = f"arn:aws:iam::{OTHER}:role/audit"
    mine, theirs = records(assumed(role, "ASIAONE"), alice)
    assert (ACCOUNT, OTHER) == (mine["recipientAccountId"], theirs["recipientAccountId"])
    assert mine["sharedEventID"] == theirs["sharedEventID"]
    assert mine["eventID"] != theirs["eventID"]
    assert "alice" == mine["userIdentity"]["userName"]
    assert {"type": "AWSAccount", "principalId": "AIDA", "accountId": ACCOUNT} == theirs["userIdentity"]
    assert [{"accountId": OTHER, "type": "AWS::IAM::Role", "ARN": role}] == mine["resources"]
    assert mine["readOnly"] and "secretAccessKey" not in mine["responseElements"]["credentials"]


def test_role_of_the_own_account_is_told_once() -> None:
    """A role of the same account: one record, no `sharedEventID`."""
    (made,) = records(assumed(f"arn:aws:iam::{ACCOUNT}:role/ci", "ASIAONE"), Identity.of_user(ACCOUNT, "alice", "AIDA"))
    assert "sharedEventID" not in made


def test_service_acts_through_its_role() -> None:
    """A service's call: `invokedBy`, its name as address and agent, the service-linked role's session, no access key
    and no TLS (as rds.amazonaws.com in the public data set)."""
    service = "elasticloadbalancing.amazonaws.com"
    who = Identity.of_service(ACCOUNT, service, "AWSServiceRoleForElasticLoadBalancing", "ElasticLoadBalancing", AT)
    made = call("DeleteNetworkInterface", {"NetworkInterfaceId": "eni-1"}, answer="<return>true</return>")
    (record,) = records(made, who, Style(era="2023"))
    assert (service, service) == (record["sourceIPAddress"], record["userAgent"])
    assert service == record["userIdentity"]["invokedBy"]
    assert not {"accessKeyId", "userName"} & set(record["userIdentity"])
    assert "tlsDetails" not in record
    issuer = record["userIdentity"]["sessionContext"]["sessionIssuer"]
    assert issuer["arn"].endswith(f":role/aws-service-role/{service}/AWSServiceRoleForElasticLoadBalancing")
