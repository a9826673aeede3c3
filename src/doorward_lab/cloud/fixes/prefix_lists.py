"""Customer-managed prefix lists: versions that are checked and kept, names that stay, what refers to a list.

EC2 API Reference: Create-, Modify-, Delete-, RestoreManagedPrefixList(Version), GetManagedPrefixListEntries and
-Associations. AWS completes changes a moment later (`modify-in-progress`); the lab has completed them at once.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from doorward_lab.cloud.fixes import lookup
from doorward_lab.cloud.permissions import of_rule
from doorward_lab.cloud.turn import Turn, corrects
from doorward_lab.cloud.views import arn
from doorward_lab.cloud.wire import Answer, ApiError


def _one(turn: Turn, *, own: bool = False) -> Any:
    id = turn.params.get("PrefixListId")
    found = turn.ec2.managed_prefix_lists.get(id)
    if found is None or found.state.startswith("delete-"):
        raise ApiError("InvalidPrefixListID.NotFound", f"The prefix list ID '{id}' does not exist.")
    if own and found.owner_id != turn.request.account:
        text = f"The prefix list '{id}' is managed by {found.owner_id}; you cannot change it."
        raise ApiError("UnauthorizedOperation", text, 403)
    return found


def _entries(listed: Any, wanted: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    family = 6 if listed.address_family == "IPv6" else 4
    found = []
    for one in wanted:
        text = str(one.get("Cidr", ""))
        try:
            network = ipaddress.ip_network(text)
        except ValueError:
            raise ApiError("InvalidParameterValue", f"The CIDR ({text}) is not valid: it is no network.") from None
        if network.version != family:
            message = (
                f"The CIDR ({text}) does not match the address family of the prefix list ({listed.address_family})."
            )
            raise ApiError("InvalidParameterValue", message)
        found.append({"Cidr": str(network), "Description": str(one.get("Description") or "")})
    return found


def _fit(listed: Any, count: int, most: int) -> None:
    if count > most:
        text = f"You have exceeded the maximum number of entries ({most}) for prefix list {listed.id}."
        raise ApiError("PrefixListMaxEntriesExceeded", text)


def _current(listed: Any) -> list[dict[str, str]]:
    version = listed.version if listed.version is not None else max(listed.entries, default=1)
    return list(listed.entries.get(version) or ())


def _view(turn: Turn, listed: Any) -> dict[str, Any]:
    return {
        "PrefixListId": listed.id,
        "AddressFamily": listed.address_family,
        "State": listed.state,
        "PrefixListArn": arn(turn, "prefix-list", listed.id) if listed.owner_id != "AWS" else listed.prefix_list_arn,
        "PrefixListName": listed.prefix_list_name,
        "MaxEntries": listed.max_entries,
        "Version": listed.version,
        "Tags": turn.tags(listed.id),
        "OwnerId": listed.owner_id,
    }


@corrects("CreateManagedPrefixList")
def create(turn: Turn) -> Answer | Mapping[str, Any]:
    """Names of AWS's own are refused, and more entries than the list may have."""
    params = turn.params
    name = str(params.get("PrefixListName", ""))
    if name.startswith("com.amazonaws"):
        raise ApiError("InvalidParameterValue", "The prefix list name cannot start with com.amazonaws.")
    wanted = params.get("Entries") or []
    if len(wanted) > int(params.get("MaxEntries") or 0):
        text = "The number of entries is larger than the maximum number of entries of the prefix list."
        raise ApiError("PrefixListMaxEntriesExceeded", text)
    listed = turn.ec2.create_managed_prefix_list(
        address_family=params.get("AddressFamily"),
        max_entries=params.get("MaxEntries"),
        prefix_list_name=name,
        tags=turn.given_tags("prefix-list"),
    )
    try:
        listed.entries = {1: _entries(listed, wanted)}
    except ApiError:
        turn.ec2.managed_prefix_lists.pop(listed.id)
        raise
    return {"PrefixList": _view(turn, listed)}


def _check_version(listed: Any, given: int | None) -> None:
    if given is not None and int(given) != listed.version:
        text = f"The prefix list has the incorrect version number ({given}); its current version is {listed.version}."
        raise ApiError("PrefixListVersionMismatch", text)


@corrects("ModifyManagedPrefixList")
def modify(turn: Turn) -> Mapping[str, Any]:
    """Entries make a new version, a name does not; a stale version is refused, all or nothing.

    EC2 API Reference, ModifyManagedPrefixList: "If you specify a current version number that does not match the true
    current version number, the request fails"; entries and size cannot change in one call.
    """
    params, listed = turn.params, _one(turn, own=True)
    adding = _entries(listed, params.get("AddEntries") or [])
    removing = _entries(listed, params.get("RemoveEntries") or [])
    most = params.get("MaxEntries")
    if (adding or removing) and params.get("CurrentVersion") is None:
        raise ApiError("InvalidParameterValue", "The request must contain the parameter CurrentVersion")
    _check_version(listed, params.get("CurrentVersion"))
    for both in {one["Cidr"] for one in adding} & {one["Cidr"] for one in removing}:
        text = f"Request cannot contain Cidr {both} in both AddPrefixListEntries and RemovePrefixListEntries"
        raise ApiError("InvalidParameterValue", text)
    if most is not None and (adding or removing):
        text = "You cannot modify the entries of a prefix list and modify the size of a prefix list at the same time."
        raise ApiError("InvalidParameterCombination", text)
    have = {one["Cidr"]: one for one in _current(listed)}
    for one in removing:
        if have.pop(one["Cidr"], None) is None:
            raise ApiError("InvalidPrefixListModification", f"The CIDR ({one['Cidr']}) is not in the prefix list.")
    for one in adding:
        have[one["Cidr"]] = one
    _fit(listed, len(have), int(most or listed.max_entries))
    if adding or removing:
        listed.version += 1
        listed.entries[listed.version] = list(have.values())
    if params.get("PrefixListName"):
        listed.prefix_list_name = params["PrefixListName"]
    if most is not None:
        listed.max_entries = most
    listed.state = "modify-complete"
    return {"PrefixList": _view(turn, listed)}


@corrects("RestoreManagedPrefixListVersion")
def restore(turn: Turn) -> Mapping[str, Any]:
    """An old version's entries as a new version."""
    params, listed = turn.params, _one(turn, own=True)
    _check_version(listed, params.get("CurrentVersion"))
    previous = int(params.get("PreviousVersion") or 0)
    if previous not in listed.entries:
        raise ApiError("PrefixListVersionNotFound", f"The prefix list has no version {previous}.")
    old = list(listed.entries[previous])
    _fit(listed, len(old), int(listed.max_entries))
    listed.version += 1
    listed.entries[listed.version] = old
    listed.state = "restore-complete"
    return {"PrefixList": _view(turn, listed)}


@corrects("GetManagedPrefixListEntries")
def entries(turn: Turn) -> Mapping[str, Any]:
    """Of the current version, or of `TargetVersion`."""
    listed, version = _one(turn), turn.params.get("TargetVersion")
    if version is not None and int(version) not in listed.entries:
        raise ApiError("PrefixListVersionNotFound", f"The prefix list has no version {version}.")
    found = _current(listed) if version is None else listed.entries[int(version)]
    return {"Entries": list(found or ())}


def _users(turn: Turn, id: str) -> list[str]:
    found = [
        group.id
        for group in lookup.groups(turn)
        if any(of_rule(rule).peer == id for rule in (*group.ingress_rules, *group.egress_rules))
    ]
    for table in turn.ec2.route_tables.values():
        if any(one.destination_prefix_list and one.destination_prefix_list.id == id for one in table._routes.values()):
            found.append(table.id)
    return found


@corrects("GetManagedPrefixListAssociations")
def associations(turn: Turn) -> Mapping[str, Any]:
    """Groups and route tables that name the list."""
    listed = _one(turn)
    owner = turn.request.account
    found = [{"ResourceId": id, "ResourceOwner": owner} for id in _users(turn, listed.id)]
    return {"PrefixListAssociations": found}


@corrects("DeleteManagedPrefixList")
def delete(turn: Turn) -> Mapping[str, Any]:
    """Refused while something names it ("You must first remove all references to the prefix list")."""
    listed = _one(turn, own=True)
    users = _users(turn, listed.id)
    if users:
        text = f"The prefix list {listed.id} is referenced by: {', '.join(users[:10])}"
        raise ApiError("DependencyViolation", text)
    turn.ec2.managed_prefix_lists.pop(listed.id)
    listed.state = "delete-complete"
    answer = {"PrefixList": _view(turn, listed)}
    turn.ec2.tags.pop(listed.id, None)
    return answer


@corrects("DescribeManagedPrefixLists")
def describe(turn: Turn) -> Mapping[str, Any]:
    """Lists by id or filter (EC2 API Reference, DescribeManagedPrefixLists)."""
    every = {one.id: one for one in turn.ec2.managed_prefix_lists.values() if not one.state.startswith("delete-")}
    ids = turn.params.get("PrefixListIds") or []
    for id in ids:
        if id not in every:
            raise ApiError("InvalidPrefixListID.NotFound", f"The prefix list ID '{id}' does not exist.")
    known = {
        "owner-id": lambda one: (one.owner_id,),
        "prefix-list-id": lambda one: (one.id,),
        "prefix-list-name": lambda one: (one.prefix_list_name,),
    }
    found = [every[id] for id in dict.fromkeys(ids)] if ids else list(every.values())
    kept = lookup.chosen(turn, found, turn.params.get("Filters") or [], known)
    return {"PrefixLists": [_view(turn, one) for one in kept]}
