"""The yardstick: the cloud resources of a benchmark's cluster in one flat program.

It has the network, the ENIs and the machines, and nothing of what the project adds: no component,
plan, check, hook or recorded setting. `flat:cloud` names the file with the resources,
`benchmarks.stacks.Cloud` as JSON: two programs are compared only where they ask the cloud for the
same.
"""

from __future__ import annotations

import json
from pathlib import Path

import pulumi
import pulumi_alicloud as alicloud
from pulumi_alicloud import ecs, vpc

cloud = json.loads(Path(pulumi.Config("flat").require("cloud")).read_text(encoding="utf-8"))
tags = cloud["tags"]
provider = alicloud.Provider(
    "cloud",
    region=cloud["region"],
    account_type="Domestic",
    protocol="HTTPS",
    access_key="localcloud",
    secret_key=pulumi.Output.secret("localcloud-secret-not-real"),
    endpoints=[
        alicloud.ProviderEndpointArgs(
            ecs=cloud["endpoint"],
            vpc=cloud["endpoint"],
            sts=cloud["endpoint"],
            bssopenapi=cloud["endpoint"],
            location=cloud["endpoint"],
        )
    ],
)
opts = pulumi.ResourceOptions(provider=provider)

network = vpc.Network("bench", vpc_name="bench", cidr_block=cloud["vpc_cidr"], tags=tags, opts=opts)
secondary = [
    vpc.Ipv4CidrBlock(
        f"secondary-{number}", vpc_id=network.id, secondary_cidr_block=cidr, opts=opts
    )
    for number, cidr in enumerate(cloud["secondary_cidrs"])
]
vswitches = {
    key: vpc.Switch(
        key,
        vswitch_name=vswitch["name"],
        vpc_id=network.id,
        cidr_block=vswitch["cidr"],
        zone_id=vswitch["zone"],
        tags=tags,
        opts=pulumi.ResourceOptions(provider=provider, depends_on=secondary),
    )
    for key, vswitch in cloud["vswitches"].items()
}
group = ecs.SecurityGroup(
    "bench",
    security_group_name="bench",
    vpc_id=network.id,
    inner_access_policy=cloud["inner_access_policy"],
    tags=tags,
    opts=opts,
)
for name, rule in cloud["rules"].items():
    ecs.SecurityGroupRule(
        name,
        security_group_id=group.id,
        nic_type="intranet",
        policy="accept",
        **rule,
        opts=opts,
    )

instances = {}
for name, machine in cloud["machines"].items():
    enis = {
        nic: ecs.EcsNetworkInterface(
            f"{name}-{nic}",
            network_interface_name=f"{name}-{nic}",
            vswitch_id=vswitches[eni["vswitch"]].id,
            security_group_ids=[group.id],
            primary_ip_address=eni["primary"],
            private_ip_addresses=eni["pods"],
            delete_on_release=False,
            tags=tags,
            opts=opts,
        )
        for nic, eni in machine["enis"].items()
    }
    instances[name] = ecs.Instance(
        name,
        instance_name=name,
        host_name=name,
        instance_type=machine["instance_type"],
        image_id=machine["image"],
        network_interface_id=enis["eth0"].id,
        network_interfaces=ecs.InstanceNetworkInterfacesArgs(network_interface_id=enis["eth1"].id),
        http_endpoint="enabled",
        http_tokens="required",
        system_disk_category=machine["disk_category"],
        system_disk_size=machine["disk_size"],
        instance_charge_type="PostPaid",
        tags=tags,
        opts=opts,
    )

pulumi.export("instances", {name: instance.id for name, instance in instances.items()})
