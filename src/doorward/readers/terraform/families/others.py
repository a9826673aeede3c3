"""Resources that are not modelled and could matter: each becomes a notice, so that no verdict rests on its absence.

Resource types that are named nowhere cannot alter what flows between interfaces and are passed over in silence.
"""

from __future__ import annotations

from doorward.readers.terraform.scene import Scene

FILTERS: dict[str, str] = {
    "aws_networkfirewall_firewall": "a network firewall is not looked into",
    "aws_networkfirewall_vpc_endpoint_association": "a network firewall endpoint is not looked into",
    "aws_vpc_block_public_access_options": "blocking of public access is not modelled",
    "aws_vpc_block_public_access_exclusion": "an exclusion from blocking of public access is not modelled",
    "aws_ec2_traffic_mirror_session": "",
    "aws_route_server_association": "routes from a route server are not looked into",
    "aws_vpc_route_server": "routes from a route server are not looked into",
    "aws_vpc_route_server_propagation": "routes from a route server are not looked into",
    "aws_vpn_gateway_route_propagation": "routes propagated by a virtual private gateway are not known",
    "aws_networkmanager_vpc_attachment": "a core network is not looked into",
    "aws_ec2_local_gateway_route": "a local gateway is not looked into",
    "aws_ec2_local_gateway_route_table_vpc_association": "a local gateway is not looked into",
    "aws_dx_gateway_association": "a Direct Connect gateway is not looked into",
    "aws_vpc_endpoint_service": "",
    "aws_ec2_transit_gateway_prefix_list_reference": "prefix lists in transit gateway tables are not modelled",
    "aws_ec2_transit_gateway_policy_table": "transit gateway policy tables are not modelled",
    "aws_ec2_transit_gateway_connect_peer": "routes learned by a connect peer are not known",
    "aws_vpc_peering_connection_options": "",
    "aws_vpclattice_service_network_vpc_association": "VPC Lattice carries traffic outside of groups and routes",
}
"""Type → what to say; an empty text: known and of no account."""
HOLDERS: dict[str, str] = {
    "aws_eks_cluster": "its interfaces are not in a plan",
    "aws_eks_node_group": "its instances are not in a plan",
    "aws_elasticache_cluster": "its interfaces are not in a plan",
    "aws_elasticache_replication_group": "its interfaces are not in a plan",
    "aws_elasticache_serverless_cache": "its interfaces are not in a plan",
    "aws_memorydb_cluster": "its interfaces are not in a plan",
    "aws_redshift_cluster": "its interfaces are not in a plan",
    "aws_redshiftserverless_workgroup": "its interfaces are not in a plan",
    "aws_opensearch_domain": "its interfaces are not in a plan",
    "aws_elasticsearch_domain": "its interfaces are not in a plan",
    "aws_docdb_cluster": "its interfaces are not in a plan",
    "aws_neptune_cluster": "its interfaces are not in a plan",
    "aws_db_proxy": "its interfaces are not in a plan",
    "aws_efs_mount_target": "its interface is not in a plan",
    "aws_fsx_lustre_file_system": "its interfaces are not in a plan",
    "aws_fsx_ontap_file_system": "its interfaces are not in a plan",
    "aws_fsx_windows_file_system": "its interfaces are not in a plan",
    "aws_fsx_openzfs_file_system": "its interfaces are not in a plan",
    "aws_msk_cluster": "its interfaces are not in a plan",
    "aws_mq_broker": "its interfaces are not in a plan",
    "aws_dms_replication_instance": "its interface is not in a plan",
    "aws_directory_service_directory": "its interfaces and group are not in a plan",
    "aws_workspaces_workspace": "its interface is not in a plan",
    "aws_sagemaker_notebook_instance": "its interface is not in a plan",
    "aws_apprunner_vpc_connector": "its interfaces are not in a plan",
    "aws_spot_fleet_request": "its instances are not in a plan",
    "aws_ec2_fleet": "its instances are not in a plan",
    "aws_batch_compute_environment": "its instances are not in a plan",
    "aws_emr_cluster": "its instances and groups are not in a plan",
    "aws_ec2_client_vpn_endpoint": "its interfaces are not in a plan",
    "aws_route53_resolver_endpoint": "its interfaces are not in a plan",
    "aws_elastic_beanstalk_environment": "its instances and groups are not in a plan",
    "aws_glue_connection": "its interfaces are not in a plan",
    "aws_codebuild_project": "",
    "aws_transfer_server": "its interfaces are not in a plan",
    "aws_db_security_group": "EC2-Classic database groups no longer filter anything",
    "aws_elasticache_security_group": "EC2-Classic cache groups no longer filter anything",
    "aws_redshift_security_group": "EC2-Classic warehouse groups no longer filter anything",
}
"""Holders of interfaces that are not modelled: what they can reach or be reached by is not judged."""
OTHER_CLOUDS = (
    ("azurerm_", ("network_security", "firewall", "application_security_group", "route")),
    ("azapi_", ("resource",)),
    ("google_", ("firewall", "network_security", "compute_route")),
    ("openstack_", ("secgroup",)),
    ("oci_", ("security_list", "network_security_group")),
    ("alicloud_", ("security_group",)),
    ("awscc_", ("security_group", "network_acl", "ec2_route", "ec2_transit", "ec2_vpc", "ec2_subnet")),
)


def read_others(scene: Scene) -> None:
    """Notices for what is not modelled."""
    document = scene.world.document
    found = document.before if scene.side == "before" else document.after
    clouds: dict[str, list[str]] = {}
    for one in found.values():
        if one.mode != "managed":
            continue
        view = scene.world.view(one)
        if text := FILTERS.get(one.type):
            vpc = view.one("vpc_id", "vpc").id or view.one("vpc_arn", "vpc").id
            scene.notice(one.address, text, vpc, could_block=True)
        elif text := HOLDERS.get(one.type):
            scene.notice(one.address, text)
        else:
            for prefix, words in OTHER_CLOUDS:
                if one.type.startswith(prefix) and any(word in one.type for word in words):
                    clouds.setdefault(prefix.rstrip("_"), []).append(one.address)
    for cloud, addresses in clouds.items():
        more = f" and {len(addresses) - 3} more" if len(addresses) > 3 else ""
        scene.notice(
            ", ".join(addresses[:3]) + more,
            f"network rules of the provider {cloud} are not modelled: they are not judged",
        )
    for view in scene.instances("aws_vpc_security_group_vpc_association", data=False):
        group, vpc = view.one("security_group_id", "group").id, view.one("vpc_id", "vpc").id
        if group is not None and vpc is not None:
            scene.extend("vpcs", vpc, "shared_groups", (group,))
            scene.ensure("groups", group)
        else:
            scene.notice(view.address, "which group it shares with which VPC is not known before the apply", vpc)
