"""The keys of answers: those that the provider requires, and those that are left out.

An answer must have every key of the SDK's model except those in `left_out.txt`, which the emulator
never or only sometimes returns. So no present key can disappear unnoticed.
`python -m tests.localcloud.published.keys` writes it and `samples_absent.txt` from the answers in
tests.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.localcloud.published import samples

LEFT_OUT: Final = Path(__file__).with_name("left_out.txt")
_PAGE_TEST: Final = "test_published_parameters.py::test_the_coverage_page_is_up_to_date"
_OPTIONS: Final = ("-m", "unit", "-q", "-n", "2", f"--deselect=tests/localcloud/{_PAGE_TEST}")
"""The page is written from these files, so its test would fail here whenever they change."""
RECORD: Final = "LOCALCLOUD_RECORD_LEFT_OUT"
"""Environment variable that names a folder; absent keys are then written there, not reported."""

# The provider asserts on these (it crashes, or drops the resource), in its `Read` of each
# resource; or they are the ids that a client has to learn.
ASSERTED: Final = (
    "BssOpenApi.QueryAvailableInstances.Data.InstanceList",
    "Ecs.CreateNetworkInterface.NetworkInterfaceId",
    "Ecs.CreateSecurityGroup.SecurityGroupId",
    "Ecs.DescribeDisks.Disks.Disk[].InstanceId",
    "Ecs.DescribeInstanceAttribute.InstanceId",
    (
        "Ecs.DescribeInstanceMaintenanceAttributes.MaintenanceAttributes.MaintenanceAttribute[]"
        ".ActionOnMaintenance"
    ),
    (
        "Ecs.DescribeInstanceMaintenanceAttributes.MaintenanceAttributes.MaintenanceAttribute[]"
        ".InstanceId"
    ),
    "Ecs.DescribeInstances.Instances.Instance[].Status",
    "Ecs.DescribeInstances.Instances.Instance[].VpcAttributes",
    "Ecs.DescribeKeyPairs.KeyPairs.KeyPair[].KeyPairName",
    (
        "Ecs.DescribeNetworkInterfaces.NetworkInterfaceSets.NetworkInterfaceSet[].Ipv4PrefixSets"
        ".Ipv4PrefixSet"
    ),
    "Ecs.DescribeNetworkInterfaces.NetworkInterfaceSets.NetworkInterfaceSet[].Ipv6Sets.Ipv6Set",
    "Ecs.DescribeNetworkInterfaces.NetworkInterfaceSets.NetworkInterfaceSet[].MacAddress",
    (
        "Ecs.DescribeNetworkInterfaces.NetworkInterfaceSets.NetworkInterfaceSet[].PrivateIpSets"
        ".PrivateIpSet[].Primary"
    ),
    (
        "Ecs.DescribeNetworkInterfaces.NetworkInterfaceSets.NetworkInterfaceSet[].SecurityGroupIds"
        ".SecurityGroupId"
    ),
    "Ecs.DescribeNetworkInterfaces.NetworkInterfaceSets.NetworkInterfaceSet[].SourceDestCheck",
    "Ecs.RunInstances.InstanceIdSets.InstanceIdSet",
    "Nlb.CreateListener.ListenerId",
    "Nlb.CreateLoadBalancer.LoadbalancerId",
    "Nlb.CreateServerGroup.ServerGroupId",
    "Nlb.DeleteLoadBalancer.JobId",
    "Nlb.GetListenerAttribute.ListenerStatus",
    "Nlb.GetLoadBalancerAttribute.DNSName",
    "Nlb.GetLoadBalancerAttribute.LoadBalancerStatus",
    "Nlb.GetLoadBalancerAttribute.SecurityGroupIds",
    "Nlb.GetLoadBalancerAttribute.ZoneMappings[].LoadBalancerAddresses[].PrivateIPv4Address",
    "Nlb.ListServerGroupServers.Servers[].Status",
    "Nlb.ListServerGroups.ServerGroups[].ServerGroupStatus",
    "Ram.CreateAccessKey.AccessKey.AccessKeySecret",
    "Ram.CreateRole.Role.RoleName",
    "Ram.GetPolicy.DefaultPolicyVersion.PolicyDocument",
    "Ram.GetPolicy.DefaultPolicyVersion.VersionId",
    "Ram.GetRole.Role.Arn",
    "Ram.GetRole.Role.AssumeRolePolicyDocument",
    "Slb.CreateLoadBalancer.LoadBalancerId",
    "Slb.DescribeLoadBalancerAttribute.LoadBalancerStatus",
    "Vpc.AllocateEipAddress.AllocationId",
    "Vpc.AllocateIpv6Address.Ipv6AddressId",
    "Vpc.AllocateIpv6InternetBandwidth.InternetBandwidthId",
    "Vpc.CreateIpv6Gateway.Ipv6GatewayId",
    "Vpc.CreateNatGateway.NatGatewayId",
    "Vpc.CreateSnatEntry.SnatEntryId",
    "Vpc.CreateVSwitch.VSwitchId",
    "Vpc.CreateVpc.VpcId",
    "Vpc.DescribeEipAddresses.EipAddresses.EipAddress[].Bandwidth",
    "Vpc.DescribeEipAddresses.EipAddresses.EipAddress[].InstanceId",
    "Vpc.DescribeIpv6Addresses.Ipv6Addresses.Ipv6Address[].Ipv6InternetBandwidth.Bandwidth",
    "Vpc.DescribeIpv6GatewayAttribute.Status",
    "Vpc.DescribeNatGateways.NatGateways.NatGateway[].ForwardTableIds",
    "Vpc.DescribeNatGateways.NatGateways.NatGateway[].InstanceChargeType",
    "Vpc.DescribeNatGateways.NatGateways.NatGateway[].NatGatewayPrivateInfo.VswitchId",
    "Vpc.DescribeNatGateways.NatGateways.NatGateway[].SnatTableIds",
    "Vpc.DescribeRouteTableList.RouterTableList.RouterTableListType[].RouteTableType",
    "Vpc.DescribeSnatTableEntries.SnatTableEntries.SnatTableEntry[].SnatIp",
    "Vpc.DescribeVSwitchAttributes.VSwitchId",
    "Vpc.DescribeVpcAttribute.VpcId",
    "Vpc.DescribeVpcs.Vpcs.Vpc[].SecondaryCidrBlocks",
)

# How the API reports an absent resource: an answer with this key empty, and little else.
GONE: Final = {
    "DescribeVpcAttribute": "VpcId",
    "DescribeVSwitchAttributes": "VSwitchId",
    "DescribeIpv6GatewayAttribute": "Ipv6GatewayId",
}


@functools.cache
def left_out() -> frozenset[str]:
    """The keys that an answer may leave out."""
    return frozenset(LEFT_OUT.read_text().split())


def record(folder: str, keys: list[str]) -> None:
    """Note absent keys, one file for each process."""
    with (Path(folder) / str(os.getpid())).open("a") as notes:
        notes.writelines(f"{key}\n" for key in keys)


def main() -> int:
    """Run the tests of the SDKs and write the keys that their answers leave out."""
    here = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(  # noqa: S603  # our own tests
            [sys.executable, "-m", "pytest", str(here), *_OPTIONS],
            env={**os.environ, RECORD: folder},
            check=False,
        )
        seen = {key for notes in Path(folder).glob("[0-9]*") for key in notes.read_text().split()}
        shown = samples.recorded(folder)
    wrong = sorted(seen & set(ASSERTED))
    for key in wrong:
        sys.stderr.write(f"{key} must not be left out: clients need it.\n")
    if done.returncode or wrong:
        return 1
    LEFT_OUT.write_text("".join(f"{key}\n" for key in sorted(seen)))
    samples.write_absent(shown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
