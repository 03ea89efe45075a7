"""Reads what the stack adopts, and compares it with the plan before anything is created."""

from __future__ import annotations

from typing import cast

import pulumi
from pulumi_alicloud import ecs, vpc

from components.failure import reporting_errors
from config.report import ConfigError
from planning.cloud.adopted import (
    AdoptedFacts,
    EipFacts,
    NatFacts,
    SnatFacts,
    VpcFacts,
    VSwitchFacts,
    adopts,
    mismatches,
)
from planning.model import ClusterPlan


def check_adopted(
    plan: ClusterPlan, provider: pulumi.ProviderResource, *, parent: pulumi.Resource
) -> pulumi.Output[list[pulumi.Resource]] | None:
    """Compare the adopted resources with the plan; every other resource depends on the result.

    Returns an empty list, or fails with every mismatch at once. None when nothing is adopted, so
    that such a stack sends no request. Previews read the cloud, too: one request for each kind.

    Errors: `pulumi.RunError` with the report of `planning.cloud.adopted.mismatches`.
    """
    if not adopts(plan):
        return None
    network = plan.network
    opts = pulumi.InvokeOutputOptions(parent=parent, provider=provider)
    answers: dict[str, pulumi.Output[object]] = {}
    if network.vpc.id is not None:
        answers["vpcs"] = cast(
            "pulumi.Output[object]",
            vpc.get_networks_output(ids=[network.vpc.id], enable_details=False, opts=opts),
        )
    vswitch_ids = [v.vswitch_id for v in network.vswitches.values() if v.vswitch_id is not None]
    if vswitch_ids:
        answers["vswitches"] = cast(
            "pulumi.Output[object]", vpc.get_switches_output(ids=vswitch_ids, opts=opts)
        )
    if network.nat.enabled and network.nat.id is not None:
        gateways = vpc.get_nat_gateways_output(ids=[network.nat.id], opts=opts)
        answers["gateways"] = cast("pulumi.Output[object]", gateways)
        answers["entries"] = cast(
            "pulumi.Output[object]",
            gateways.apply(_snat_tables).apply(
                lambda tables: pulumi.Output.all(
                    *(
                        vpc.get_snat_entries_output(snat_table_id=table, opts=opts)
                        for table in tables
                    )
                )
            ),
        )
    if network.nat.enabled and network.nat.eip_id is not None:
        answers["eips"] = cast(
            "pulumi.Output[object]",
            ecs.get_eip_addresses_output(ids=[network.nat.eip_id], opts=opts),
        )

    def check(answers: dict[str, object]) -> list[pulumi.Resource]:
        problems = mismatches(plan, _facts(answers))
        if problems:
            raise ConfigError(problems)
        return []

    return pulumi.Output.all(**answers).apply(reporting_errors(parent, check))


def _snat_tables(answer: vpc.GetNatGatewaysResult) -> list[str]:
    return [table for gateway in answer.gateways for table in gateway.snat_table_ids]


def _facts(answers: dict[str, object]) -> AdoptedFacts:
    vpcs = cast("vpc.GetNetworksResult | None", answers.get("vpcs"))
    vswitches = cast("vpc.GetSwitchesResult | None", answers.get("vswitches"))
    gateways = cast("vpc.GetNatGatewaysResult | None", answers.get("gateways"))
    tables = cast("list[vpc.GetSnatEntriesResult]", answers.get("entries") or [])
    eips = cast("ecs.GetEipAddressesResult | None", answers.get("eips"))
    entries = tuple(
        SnatFacts(
            entry_id=entry.id,
            name=entry.snat_entry_name or "",
            vswitch_id=entry.source_vswitch_id or "",
            cidr=entry.source_cidr or "",
        )
        for table in tables
        for entry in table.entries
    )
    return AdoptedFacts(
        vpcs={
            v.id: VpcFacts(cidr=v.cidr_block, secondary_cidrs=tuple(v.secondary_cidr_blocks or ()))
            for v in (vpcs.vpcs if vpcs else ())
        },
        vswitches={
            v.id: VSwitchFacts(vpc_id=v.vpc_id, zone=v.zone_id, cidr=v.cidr_block)
            for v in (vswitches.vswitches if vswitches else ())
        },
        nat_gateways={
            g.id: NatFacts(
                vpc_id=g.vpc_id,
                addresses=tuple(g.ip_lists or ()),
                snat_tables=tuple(g.snat_table_ids or ()),
                entries=entries,
            )
            for g in (gateways.gateways if gateways else ())
        },
        eips={
            e.id: EipFacts(address=e.ip_address, instance_type=e.instance_type or "")
            for e in (eips.addresses if eips else ())
        },
    )
