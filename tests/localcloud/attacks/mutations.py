"""Rules of the local cloud that are switched off, one at a time, to see whether a test notices.

Each mutation is one edit of the source text of one function. `mutation_plugin.py` applies it while
the module is imported, and writes nothing to disk. `test_mutations.py` runs the tests named here
with the rule switched off. Each rule must make at least one of them fail.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Final

ECS: Final = "localcloud.products.ecs"
SLB: Final = "localcloud.products.slb"
VPC: Final = "localcloud.products.vpc"
VARIABLE: Final = "MUTATION"
"""The environment variable that names the rule to switch off."""


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """A rule and the edit that switches it off: `before` becomes `after` in `function`.

    `tests` are arguments of pytest: test ids, or a file and `-k` with words of its tests' names.
    """

    rule: str
    module: str
    function: str
    before: str
    after: str
    tests: tuple[str, ...]

    def applied(self, source: str) -> str:
        """The module's source with the rule switched off.

        Raises:
            LookupError: the function does not exist, or does not contain the text exactly once.
        """
        lines = source.splitlines(keepends=True)
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef) and node.name == self.function:
                start, end = node.lineno - 1, node.end_lineno
                text = "".join(lines[start:end])
                if text.count(self.before) != 1:
                    break
                return "".join(
                    [*lines[:start], text.replace(self.before, self.after), *lines[end:]]
                )
        raise LookupError(
            f"{self.module}.{self.function} must have this text exactly once: {self.before!r}."
        )


def _corpus(*actions: str) -> tuple[str, ...]:
    """The recorded behaviours of these actions."""
    return ("tests/localcloud/corpus/test_corpus.py", "-k", " or ".join(actions))


def _by_sdk(file: str, *names: str) -> tuple[str, ...]:
    return tuple(f"tests/localcloud/products/test_{file}.py::test_{name}" for name in names)


MUTATIONS: Final = (
    Mutation(
        rule="a rule's source is not its own security group",
        module=f"{ECS}.security_group_rules",
        function="_check_peer_group",
        before="if peer.group_id == group.id:",
        after="if False:",
        tests=_corpus("AuthorizeSecurityGroup"),
    ),
    Mutation(
        rule="an enterprise group's rules name no group",
        module=f"{ECS}.security_group_rules",
        function="_check_peer_group",
        before="if group.kind == _ENTERPRISE:",
        after="if False:",
        tests=_by_sdk("ecs_rules", "an_enterprise_group_authorizes_no_group"),
    ),
    Mutation(
        rule="an enterprise group cannot be authorized",
        module=f"{ECS}.security_group_rules",
        function="_check_peer_group",
        before="if other.kind == _ENTERPRISE:",
        after="if False:",
        tests=_by_sdk("ecs_rules", "an_enterprise_group_is_not_authorized"),
    ),
    Mutation(
        rule="a security group has at most 200 rules",
        module=f"{ECS}.security_group_rules",
        function="_authorize",
        before="if len(rules) > _MOST_RULES:",
        after="if False:",
        tests=_corpus("AuthorizeSecurityGroup"),
    ),
    Mutation(
        rule="a security group with members stays",
        module=f"{ECS}.security_groups",
        function="delete_security_group",
        before='if call.store.any(NetworkInterface, "group", group.id):',
        after="if False:",
        tests=_corpus("DeleteSecurityGroup"),
    ),
    Mutation(
        rule="a security group that another one authorizes stays",
        module=f"{ECS}.security_groups",
        function="delete_security_group",
        before="if any(g.id != group.id",
        after="if False and any(g.id != group.id",
        tests=_corpus("DeleteSecurityGroup"),
    ),
    Mutation(
        rule="an instance type limits the addresses of an ENI",
        module=f"{ECS}.interface.interfaces",
        function="check_limits",
        before="if addresses > kind.ipv4_per_eni:",
        after="if False:",
        tests=_by_sdk("ecs_by_sdk", "an_instance_type_limits_the_addresses_of_an_eni"),
    ),
    Mutation(
        rule="an instance type limits the ENIs",
        module=f"{ECS}.interface.interfaces",
        function="attach",
        before="if len(others) >= kind.enis:",
        after="if False:",
        tests=_by_sdk("ecs_by_sdk", "an_instance_type_limits_enis"),
    ),
    Mutation(
        rule="an ENI is attached in its own zone",
        module=f"{ECS}.interface.interfaces",
        function="attach",
        before="if eni.vpc_id != instance.vpc_id or eni.zone != instance.zone:",
        after="if False:",
        tests=_corpus("AttachNetworkInterface"),
    ),
    Mutation(
        rule="an ENI takes at most ten addresses by name at creation",
        module=f"{ECS}.interface.interface_actions",
        function="_check_numbers",
        before="if len(request.private_ip_address) > _MOST_EXPLICIT_AT_CREATION:",
        after="if False:",
        tests=_by_sdk("ecs_by_sdk", "ten_explicit_addresses_is_the_most_at_creation"),
    ),
    Mutation(
        rule="the security groups of a primary ENI change with its instance",
        module=f"{ECS}.interface.interface_actions",
        function="modify_network_interface_attribute",
        before="if request.security_group_id and eni.primary:",
        after="if False:",
        tests=_by_sdk("ecs_rules", "the_groups_of_a_primary_eni_are_its_instances"),
    ),
    Mutation(
        rule="an attached ENI is not deleted",
        module=f"{ECS}.interface.interface_actions",
        function="delete_network_interface",
        before='statuses.require(call, eni, "Available"',
        after='statuses.require(call, eni, "Available", "InUse"',
        tests=_corpus("DeleteNetworkInterface"),
    ),
    Mutation(
        rule="a primary ENI is not detached",
        module=f"{ECS}.interface.interface_actions",
        function="detach_network_interface",
        before="if eni.primary:",
        after="if False:",
        tests=_corpus("DetachNetworkInterface"),
    ),
    Mutation(
        rule="an address that the ENI does not have is not unassigned",
        module=f"{ECS}.interface.interface_addresses",
        function="unassign_private_ip_addresses",
        before="if ip not in eni.secondary:",
        after="if False:",
        tests=_corpus("UnassignPrivateIpAddresses"),
    ),
    Mutation(
        rule="an address has one owner",
        module=f"{VPC}.claims",
        function="obstacle",
        before="return Obstacle.TAKEN if _taken(store, vswitch, ip) else None",
        after="return None",
        tests=_by_sdk("ecs_by_sdk", "an_address_belongs_to_one_eni_only"),
    ),
    Mutation(
        rule="an address lies in its vSwitch",
        module=f"{VPC}.claims",
        function="obstacle",
        before="if ip not in network:",
        after="if False:",
        tests=_by_sdk("ecs_by_sdk", "an_address_that_cannot_be_is_refused"),
    ),
    Mutation(
        rule="the system reserves four addresses of a vSwitch",
        module=f"{VPC}.claims",
        function="obstacle",
        before="if addressing.is_reserved(ip, network):",
        after="if False:",
        tests=_by_sdk("ecs_by_sdk", "an_address_that_cannot_be_is_refused"),
    ),
    Mutation(
        rule="a running instance is deleted by force only",
        module=f"{ECS}.instance.instance_deletion",
        function="_delete",
        before="(status != STOPPED and not force)",
        after="False",
        tests=_corpus("DeleteInstance"),
    ),
    Mutation(
        rule="a protected instance is not deleted",
        module=f"{ECS}.instance.instance_deletion",
        function="_delete",
        before="if instance.deletion_protection:",
        after="if False:",
        tests=_by_sdk("ecs_by_sdk", "a_protected_instance_stays"),
    ),
    Mutation(
        rule="an instance that a route leads to is not deleted",
        module=f"{ECS}.instance.instance_deletion",
        function="_delete",
        before='if call.store.any(RouteEntry, "hop", instance.id):',
        after="if False:",
        tests=_by_sdk("ecs_rules", "an_instance_that_a_route_leads_to_stays"),
    ),
    Mutation(
        rule="a stopped instance is not stopped again",
        module=f"{ECS}.instance.instance_power",
        function="_stop",
        before="statuses.require(call, instance, RUNNING,",
        after="statuses.require(call, instance, RUNNING, STOPPED,",
        tests=_corpus("StopInstance"),
    ),
    Mutation(
        rule="the type of a running instance does not change",
        module=f"{ECS}.instance.instance_attributes",
        function="modify_instance_spec",
        before="statuses.require(call, instance, STOPPED,",
        after='statuses.require(call, instance, STOPPED, "Running",',
        tests=_corpus("ModifyInstanceSpec"),
    ),
    Mutation(
        rule="UserData has at most 32 KB",
        module=f"{ECS}.instance.run_instances",
        function="check_user_data",
        before="if len(raw) > _MOST_USER_DATA:",
        after="if False:",
        tests=_by_sdk("ecs_by_sdk", "an_instance_that_cannot_be_is_refused_whole"),
    ),
    Mutation(
        rule="a RAM role of an instance trusts ECS",
        module=f"{ECS}.existing",
        function="ecs_role",
        before='if not sessions.trusts_service(role, "ecs.aliyuncs.com"):',
        after="if False:",
        tests=_corpus("AttachInstanceRamRole"),
    ),
    Mutation(
        rule="an account has at most 10 VPCs",
        module=f"{VPC}.vpcs",
        function="make",
        before="if call.store.count(Vpc) >= _MOST_VPCS:",
        after="if False:",
        tests=_by_sdk("vpc_rules", "an_account_has_ten_vpcs"),
    ),
    Mutation(
        rule="a VPC with vSwitches is not deleted",
        module=f"{VPC}.vpcs",
        function="_check_empty",
        before='(VSwitch, "DependencyViolation.VSwitch", "vSwitches"),',
        after="",
        tests=_corpus("DeleteVpc"),
    ),
    Mutation(
        rule="a VPC with security groups is not deleted",
        module=f"{VPC}.vpcs",
        function="_check_empty",
        before='(SecurityGroup, "DependencyViolation.SecurityGroup", "security groups"),',
        after="",
        tests=_corpus("DeleteVpc"),
    ),
    Mutation(
        rule="a VPC with an IPv6 gateway is not deleted",
        module=f"{VPC}.vpcs",
        function="_check_empty",
        before='(Ipv6Gateway, "DependencyViolation.Ipv6Gateway", "IPv6 gateways"),',
        after="",
        tests=_corpus("DeleteVpc"),
    ),
    Mutation(
        rule="a secondary block that a vSwitch lies in stays",
        module=f"{VPC}.vpcs",
        function="unassociate_vpc_cidr_block",
        before="addressing.block(v.cidr).subnet_of(network)",
        after="False",
        tests=_by_sdk(
            "vpc_by_sdk", "a_secondary_block_holds_vswitches_and_cannot_go_while_it_does"
        ),
    ),
    Mutation(
        rule="vSwitches do not overlap",
        module=f"{VPC}.vswitches",
        function="make",
        before="if network.overlaps(addressing.block(other.cidr)):",
        after="if False:",
        tests=_corpus("CreateVSwitch"),
    ),
    Mutation(
        rule="a vSwitch waits for its VPC",
        module=f"{VPC}.vswitches",
        function="make",
        before='statuses.require(call, vpc, "Available"',
        after='statuses.require(call, vpc, "Available", "Pending"',
        tests=_by_sdk("vpc_by_sdk", "vswitches_become_available_after_their_delay"),
    ),
    Mutation(
        rule="a VPC has at most 150 vSwitches",
        module=f"{VPC}.vswitches",
        function="make",
        before='if call.store.size(VSwitch, "vpc", vpc.id) >= _MOST_IN_VPC:',
        after="if False:",
        tests=_by_sdk("vpc_rules", "a_vpc_has_a_hundred_and_fifty_vswitches"),
    ),
    Mutation(
        rule="a vSwitch with an address in use is not deleted",
        module=f"{VPC}.vswitches",
        function="_check_empty",
        before="if addresses:",
        after="if False:",
        tests=_corpus("DeleteVSwitch"),
    ),
    Mutation(
        rule="a reservation that an ENI has a prefix of stays",
        module=f"{VPC}.vswitches",
        function="delete_vswitch_cidr_reservation",
        before="if _prefixes_in(call, reservation):",
        after="if False:",
        tests=_by_sdk("ecs_by_sdk", "prefixes_come_from_a_reservation"),
    ),
    Mutation(
        rule="an account has at most 20 EIPs",
        module=f"{VPC}.eips",
        function="allocate_eip_address",
        before=">= _MOST_EIPS:",
        after=">= 10**6:",
        tests=_corpus("AllocateEipAddress"),
    ),
    Mutation(
        rule="an EIP that a SNAT entry uses is not unbound",
        module=f"{VPC}.eips",
        function="unassociate_eip_address",
        before="if not request.force:",
        after="if False:",
        tests=_corpus("UnassociateEipAddress"),
    ),
    Mutation(
        rule="a bound EIP is not released",
        module=f"{VPC}.eips",
        function="release_eip_address",
        before='statuses.require(call, eip, "Available"',
        after='statuses.require(call, eip, "Available", "InUse"',
        tests=_corpus("ReleaseEipAddress"),
    ),
    Mutation(
        rule="a VPC has at most five NAT gateways",
        module=f"{VPC}.nat_gateways",
        function="_check_purchase",
        before='if call.store.size(NatGateway, "vpc", vpc.id) >= _MOST_IN_VPC:',
        after="if False:",
        tests=_corpus("CreateNatGateway"),
    ),
    Mutation(
        rule="a NAT gateway with EIPs is not deleted",
        module=f"{VPC}.nat_gateways",
        function="delete_nat_gateway",
        before="if eips:",
        after="if False:",
        tests=_corpus("DeleteNatGateway"),
    ),
    Mutation(
        rule="a vSwitch that is the source of a SNAT entry is not deleted",
        module=f"{VPC}.vswitches",
        function="_check_empty",
        before='if call.store.any(SnatEntry, "vswitch", vswitch.id):',
        after="if False:",
        tests=_by_sdk("vpc_by_sdk", "nat_eip_and_snat_depend_on_each_other_in_order"),
    ),
    Mutation(
        rule="a source has one SNAT entry",
        module=f"{VPC}.snat_entries",
        function="create_snat_entry",
        before="if any(e.cidr == cidr for e in entries):",
        after="if False:",
        tests=_corpus("CreateSnatEntry"),
    ),
    Mutation(
        rule="a VPC has one IPv6 gateway",
        module=f"{VPC}.ipv6_gateways",
        function="create_ipv6_gateway",
        before='if call.store.any(Ipv6Gateway, "vpc", vpc.id):',
        after="if False:",
        tests=_corpus("CreateIpv6Gateway"),
    ),
    Mutation(
        rule="a region has one default VPC",
        module=f"{VPC}.default_network",
        function="create_default_vpc",
        before="if existing is not None:",
        after="if False:",
        tests=_by_sdk(
            "vpc_changes_by_sdk", "a_region_has_one_default_vpc_and_a_zone_one_default_vswitch"
        ),
    ),
    Mutation(
        rule="a bare address needs an active IPv4 gateway",
        module=f"{VPC}.eips",
        function="_check_address",
        before="if not gateway.enabled:",
        after="if False:",
        tests=_by_sdk(
            "vpc_changes_by_sdk",
            "an_eip_leads_to_a_bare_address_through_an_active_ipv4_gateway",
        ),
    ),
    Mutation(
        rule="an instance with a static public address gets no EIP",
        module=f"{VPC}.eips",
        function="_check_target",
        before="if instance.public_ip:",
        after="if False:",
        tests=_by_sdk(
            "instance_changes_by_sdk", "bandwidth_at_creation_brings_a_static_public_address"
        ),
    ),
    Mutation(
        rule="CPU options change on a stopped instance only",
        module=f"{ECS}.instance.instance_attributes",
        function="_changes_of_a_stopped_one",
        before="statuses.require(call, instance, STOPPED,",
        after='statuses.require(call, instance, STOPPED, "Running",',
        tests=_by_sdk("instance_changes_by_sdk", "cpu_options_change_on_a_stopped_instance"),
    ),
    Mutation(
        rule="an instance with a second ENI stays in its VPC",
        module=f"{ECS}.instance.instance_places",
        function="_check_leaving",
        before="if len(enis_of(call, instance)) > 1:",
        after="if False:",
        tests=_by_sdk("instance_changes_by_sdk", "an_instance_with_a_second_eni_stays_in_its_vpc"),
    ),
    Mutation(
        rule="a ClientToken makes one resource",
        module="localcloud.requests.idempotency",
        function="recall",
        before="now - first.at > LIFETIME_SECONDS",
        after="True",
        tests=_by_sdk("vpc_by_sdk", "the_same_client_token_makes_one_resource"),
    ),
    Mutation(
        rule="an access control list shows ten entries without a page",
        module=f"{SLB}.access_control_lists",
        function="describe_access_control_list_attribute",
        before="request.page_size,",
        after="request.page_size or _LARGEST_PAGE,",
        tests=("tests/localcloud/published/test_page_sizes.py", "-k", "ten_entries"),
    ),
    Mutation(
        rule="the lists of a listener have different entries",
        module=f"{SLB}.access_control_lists",
        function="check_lists",
        before="check_differ(",
        after="len(",
        tests=_by_sdk("clb_parts_by_sdk", "the_lists_of_a_listener_have_different_entries"),
    ),
)
