"""RAM policies for users who run this program: one for `pulumi up`, one for previews.

The actions are those that the released provider sends for the resources of this program and the
settings that it gives them (terraform-provider-alicloud v1.285.0, `alicloud/resource_alicloud_*.go`
and the functions of `service_alicloud_*.go` that they call). No action has a wildcard.

Most resources get their id from the cloud when they are created, so `Resource` is `*` for them. The
program itself names its RAM roles and policies, so the permissions for these are limited by name.
"""

from __future__ import annotations

from typing import Final

Object = dict[str, object]

_READS: Final = (
    "ecs:DescribeAutoSnapshotPolicyEx",
    "ecs:DescribeAvailableResource",
    "ecs:DescribeDisks",
    "ecs:DescribeImages",
    "ecs:DescribeInstanceAttachmentAttributes",
    "ecs:DescribeInstanceAttribute",
    "ecs:DescribeInstanceAutoRenewAttribute",
    "ecs:DescribeInstanceMaintenanceAttributes",
    "ecs:DescribeInstanceRamRole",
    "ecs:DescribeInstanceTypes",
    "ecs:DescribeInstances",
    "ecs:DescribeNetworkInterfaces",
    "ecs:DescribeSecurityGroupAttribute",
    "ecs:DescribeSecurityGroups",
    "ecs:DescribeUserData",
    "ecs:ListTagResources",
    "ram:GetPolicy",
    # Before the provider deletes a policy, it lists the entities that have it.
    "ram:ListEntitiesForPolicy",
    "ram:GetPolicyVersion",
    "ram:GetRole",
    "ram:ListPoliciesForRole",
    "ram:ListPolicyVersions",
    "ram:ListTagResources",
    "slb:DescribeAccessControlListAttribute",
    "slb:DescribeAccessControlLists",
    "slb:DescribeLoadBalancerAttribute",
    "slb:DescribeLoadBalancerListeners",
    "slb:DescribeLoadBalancerTCPListenerAttribute",
    "slb:DescribeLoadBalancers",
    "slb:DescribeVServerGroupAttribute",
    "slb:DescribeVServerGroups",
    "slb:ListTagResources",
    "vpc:DescribeEipAddresses",
    "vpc:DescribeHighDefinitionMonitorLogAttribute",
    "vpc:DescribeIpv6Addresses",
    "vpc:DescribeIpv6GatewayAttribute",
    "vpc:DescribeIpv6Gateways",
    "vpc:DescribeNatGateways",
    "vpc:DescribeRouteTableList",
    "vpc:DescribeSnatTableEntries",
    "vpc:DescribeVSwitchAttributes",
    "vpc:DescribeVSwitches",
    "vpc:DescribeVpcAttribute",
    "vpc:DescribeVpcs",
    "vpc:ListTagResources",
    "vpc:ListVSwitchCidrReservations",
)
_WRITES: Final = (
    "ecs:ApplyAutoSnapshotPolicy",
    "ecs:AssignIpv6Addresses",
    "ecs:AssignPrivateIpAddresses",
    "ecs:AttachDisk",
    "ecs:AttachInstanceRamRole",
    "ecs:AuthorizeSecurityGroup",
    "ecs:AuthorizeSecurityGroupEgress",
    "ecs:CancelAutoSnapshotPolicy",
    "ecs:CreateAutoSnapshotPolicy",
    "ecs:CreateDisk",
    "ecs:CreateNetworkInterface",
    "ecs:CreateSecurityGroup",
    "ecs:DeleteAutoSnapshotPolicy",
    "ecs:DeleteDisk",
    "ecs:DeleteInstance",
    "ecs:DeleteNetworkInterface",
    "ecs:DeleteSecurityGroup",
    "ecs:DetachDisk",
    "ecs:DetachInstanceRamRole",
    "ecs:ModifyAutoSnapshotPolicyEx",
    "ecs:ModifyDiskAttribute",
    "ecs:ModifyDiskSpec",
    "ecs:ModifyInstanceAttribute",
    "ecs:ModifyInstanceAutoRenewAttribute",
    "ecs:ModifyInstanceChargeType",
    "ecs:ModifyInstanceMetadataOptions",
    "ecs:ModifyInstanceSpec",
    "ecs:ModifyNetworkInterfaceAttribute",
    "ecs:ModifySecurityGroupAttribute",
    "ecs:ModifySecurityGroupEgressRule",
    "ecs:ModifySecurityGroupPolicy",
    "ecs:ModifySecurityGroupRule",
    "ecs:ResizeDisk",
    "ecs:RevokeSecurityGroup",
    "ecs:RevokeSecurityGroupEgress",
    "ecs:RunInstances",
    "ecs:StartInstance",
    "ecs:StopInstance",
    "ecs:TagResources",
    "ecs:UnassignIpv6Addresses",
    "ecs:UnassignPrivateIpAddresses",
    "ecs:UntagResources",
    "slb:AddAccessControlListEntry",
    "slb:AddVServerGroupBackendServers",
    "slb:CreateAccessControlList",
    "slb:CreateLoadBalancer",
    "slb:CreateLoadBalancerTCPListener",
    "slb:CreateVServerGroup",
    "slb:DeleteAccessControlList",
    "slb:DeleteLoadBalancer",
    "slb:DeleteLoadBalancerListener",
    "slb:DeleteVServerGroup",
    "slb:ModifyLoadBalancerInstanceSpec",
    "slb:RemoveAccessControlListEntry",
    "slb:RemoveVServerGroupBackendServers",
    "slb:SetAccessControlListAttribute",
    "slb:SetLoadBalancerDeleteProtection",
    "slb:SetLoadBalancerModificationProtection",
    "slb:SetLoadBalancerName",
    "slb:SetLoadBalancerStatus",
    "slb:SetLoadBalancerTCPListenerAttribute",
    "slb:SetVServerGroupAttribute",
    "slb:StartLoadBalancerListener",
    "slb:TagResources",
    "slb:UntagResources",
    "vpc:AllocateEipAddress",
    "vpc:AllocateIpv6InternetBandwidth",
    "vpc:AssociateEipAddress",
    "vpc:AssociateVpcCidrBlock",
    "vpc:CreateIpv6Gateway",
    "vpc:CreateNatGateway",
    "vpc:CreateSnatEntry",
    "vpc:CreateVSwitch",
    "vpc:CreateVSwitchCidrReservation",
    "vpc:CreateVpc",
    "vpc:DeleteIpv6Gateway",
    "vpc:DeleteIpv6InternetBandwidth",
    "vpc:DeleteNatGateway",
    "vpc:DeleteSnatEntry",
    "vpc:DeleteVSwitch",
    "vpc:DeleteVSwitchCidrReservation",
    "vpc:DeleteVpc",
    "vpc:DeletionProtection",
    "vpc:ModifyEipAddressAttribute",
    "vpc:ModifyIpv6GatewayAttribute",
    "vpc:ModifyIpv6InternetBandwidth",
    "vpc:ModifyNatGatewayAttribute",
    "vpc:ModifySnatEntry",
    "vpc:ModifyVSwitchAttribute",
    "vpc:ModifyVpcAttribute",
    "vpc:ReleaseEipAddress",
    "vpc:TagResources",
    "vpc:UnTagResources",
    "vpc:UnassociateEipAddress",
    "vpc:UnassociateVpcCidrBlock",
)
_ROLE_WRITES: Final = (
    "ram:AttachPolicyToRole",
    "ram:CreatePolicy",
    "ram:CreatePolicyVersion",
    "ram:CreateRole",
    "ram:DeletePolicy",
    "ram:DeletePolicyVersion",
    "ram:DeleteRole",
    "ram:DetachPolicyFromRole",
    "ram:PassRole",
    "ram:SetDefaultPolicyVersion",
    "ram:TagResources",
    "ram:UntagResources",
    "ram:UpdatePolicyDescription",
    "ram:UpdateRole",
)
_ROLES: Final = ("acs:ram:*:*:role/*-ccm", "acs:ram:*:*:policy/*-ccm")
"""What `planning.names.controller_role_name` calls the cloud controller's role and policy."""


def run_policy() -> Object:
    """What `pulumi up`, `refresh` and `destroy` need.

    It includes `ecs:DescribeUserData`, because the provider reads an instance's user-data: whoever
    has this policy can read the CAs' keys of the control planes.
    """
    return _document(
        _allowed(_READS, ("*",)), _allowed(_WRITES, ("*",)), _allowed(_ROLE_WRITES, _ROLES)
    )


def preview_policy() -> Object:
    """What `pulumi preview` needs: it reads, and changes nothing.

    Every preview refreshes (`refresh: always` in Pulumi.yaml), so it reads user-data, too.
    """
    return _document(_allowed(_READS, ("*",)))


def _document(*statements: Object) -> Object:
    return {"Version": "1", "Statement": list(statements)}


def _allowed(actions: tuple[str, ...], resources: tuple[str, ...]) -> Object:
    resource = resources[0] if len(resources) == 1 else list(resources)
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}
