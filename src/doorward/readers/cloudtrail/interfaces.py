"""EC2 calls on interfaces, instances and addresses: who is in which group, and where interfaces are.

Sources: EC2 API Reference, *CreateNetworkInterface*, *ModifyNetworkInterfaceAttribute*, *ModifyInstanceAttribute*,
*RunInstances*, *AssociateAddress*; EC2 User Guide, "Elastic network interfaces".
"""

from __future__ import annotations

from doorward.model.change import Ask, Effect, Gone, Member, Put
from doorward.readers.cloudtrail.call import Call, Unclear
from doorward.readers.cloudtrail.tree import Tree, described, many, text, texts

_ABOUT_TRAFFIC = ("sourceDestCheck",)
"""Attributes of instances, beside groups, that decide what can flow."""


def _members(call: Call, interface: Tree) -> list[Effect]:
    """The groups of an interface in an answer."""
    id = text(interface, "networkInterfaceId")
    if id is None:
        raise Unclear("an interface without an id")
    groups = texts(interface.get("groupSet"), "groupId")
    if len(groups) != len(many(interface.get("groupSet"))):
        raise Unclear(f"groups of {id} without ids")
    return [Member(call.key("interface", id), tuple(groups))] if groups else []


def create(call: Call) -> list[Effect]:
    """CreateNetworkInterface: all of it is in the answer, the default group too where the request names none."""
    interface = call.response.get("networkInterface")
    if not isinstance(interface, dict):
        raise Unclear("no networkInterface")
    members = _members(call, interface)
    if not members:
        raise Unclear("the groups of the new interface are not told")
    document = described(interface)
    document["TagSet"] = document.pop("Tags", [])
    return [Put(members[0].interface, document), *members] if isinstance(members[0], Member) else members


def delete(call: Call) -> list[Effect]:
    """DeleteNetworkInterface."""
    return [Gone(call.key("interface", call.need("networkInterfaceId")))]


def attach(call: Call) -> list[Effect]:
    """AttachNetworkInterface."""
    attachment: Tree = {"InstanceId": call.need("instanceId"), "Status": "attached"}
    id, index = text(call.response, "attachmentId"), text(call.request, "deviceIndex")
    attachment |= {"AttachmentId": id} if id is not None else {}
    attachment |= {"DeviceIndex": int(index)} if index is not None and index.isdecimal() and len(index) < 9 else {}
    return [Put(call.key("interface", call.need("networkInterfaceId")), {"Attachment": attachment}, part=True)]


def detach(call: Call) -> list[Effect]:
    """DetachNetworkInterface names the attachment only."""
    return call.ask("interface", call.lookup.holders(call.place, "interface", "attachment", call.need("attachmentId")))


def modify(call: Call) -> list[Effect]:
    """ModifyNetworkInterfaceAttribute: exactly the groups that it names, or another attribute."""
    id = call.need("networkInterfaceId")
    key = call.key("interface", id)
    if many(call.request.get("groupSet")):
        return _members(call, call.request)
    for name in ("sourceDestCheck", "description"):
        told = call.request.get(name)
        value = told.get("value") if isinstance(told, dict) else told
        if isinstance(value, bool if name == "sourceDestCheck" else str):
            return [Put(key, {name[:1].upper() + name[1:]: value}, part=True)]
    return [Ask(key, call.said)]


def _of_instance(call: Call, id: str, why: str) -> list[Effect]:
    """Questions about an instance and the interfaces that it is known to have."""
    held = call.lookup.holders(call.place, "interface", "instance", id)
    return [*call.ask("instance", (id,), why), *(call.ask("interface", held, why) if held else ())]


def modify_instance(call: Call) -> list[Effect]:
    """ModifyInstanceAttribute: groups replace those of the instance's interface; of several, it is not told which."""
    id = call.need("instanceId")
    groups = texts(call.request.get("groupSet"), "groupId")
    if not groups and not many(call.request.get("groupSet")):
        attributes = {text(call.request, "attribute"), *call.request}
        return _of_instance(call, id, call.said) if attributes.intersection(_ABOUT_TRAFFIC) else []
    held = call.lookup.holders(call.place, "interface", "instance", id)
    if len(held) == 1 and len(groups) == len(many(call.request.get("groupSet"))):
        return [Member(call.key("interface", held[0]), tuple(groups))]
    return _of_instance(call, id, f"{call.name}: groups {', '.join(groups)} on one of its interfaces"[:240])


def run(call: Call) -> list[Effect]:
    """RunInstances: the interfaces and their groups are told, public addresses come later."""
    instances = [one for one in many(call.response.get("instancesSet")) if isinstance(one, dict)]
    if not instances:
        raise Unclear("no instances in the answer")
    effects: list[Effect] = []
    for instance in instances:
        id = text(instance, "instanceId")
        if id is None:
            raise Unclear("an instance without an id")
        effects.append(Ask(call.key("instance", id), "is being launched: its addresses are not told yet"))
        for interface in many(instance.get("networkInterfaceSet")):
            if isinstance(interface, dict):
                members = _members(call, interface)
                effects += members
                key = call.key("interface", text(interface, "networkInterfaceId") or "")
                effects.append(Ask(key, "is being launched: its addresses are not told yet"))
    return effects


def instances(call: Call) -> list[Effect]:
    """TerminateInstances, StopInstances, StartInstances: interfaces and public addresses go or come, with no event."""
    ids = texts(call.request.get("instancesSet"), "instanceId") or call.named.get("instance", [])
    if not ids:
        raise Unclear("no instance is named")
    return [effect for id in ids for effect in _of_instance(call, id, call.name)]


def address(call: Call) -> list[Effect]:
    """AssociateAddress and DisassociateAddress: the interface is asked, as the address itself is often not told.

    The interface that an address is taken from (``allowReassociation``) is asked too, where it is known.
    """
    ids: dict[str, None] = dict.fromkeys(call.named.get("interface", ()))
    for by, name in (("association", "associationId"), ("address", "publicIp"), ("instance", "instanceId"),
                     ("association", "allocationId")):  # fmt: skip
        value = text(call.request, name)
        if value is not None:
            ids |= dict.fromkeys(call.lookup.holders(call.place, "interface", by, value))
    instance = text(call.request, "instanceId")
    asked: list[Effect] = call.ask("instance", (instance,)) if instance is not None else []
    return asked + (call.ask("interface", ids) if ids or not asked else [])
