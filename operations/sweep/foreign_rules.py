"""`rules`: lists rules in the stack's security group that no resource of the stack created.

A security rule is a resource of its own, so neither a preview nor a refresh sees one that somebody
added by hand: the state does not contain it. This command lists the rules in the cloud.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table

from operations.failure import ExitCode, OperationError
from operations.sweep.cloud import Answer, Api, CloudError
from operations.sweep.state import StackState

_GROUP = "alicloud:ecs/securityGroup:SecurityGroup"
_RULE = "alicloud:ecs/securityGroupRule:SecurityGroupRule"
_PEERS = {
    "ingress": ("SourceCidrIp", "Ipv6SourceCidrIp", "SourceGroupId", "SourcePrefixListId"),
    "egress": ("DestCidrIp", "Ipv6DestCidrIp", "DestGroupId", "DestPrefixListId"),
}
_REVOKE = {"ingress": "RevokeSecurityGroup", "egress": "RevokeSecurityGroupEgress"}

_Key = tuple[str, ...]
"""Group, direction, protocol, ports, other side, policy, priority."""


@dataclass(frozen=True, kw_only=True)
class ForeignRule:
    """A rule that is not in the state."""

    id: str
    group: str
    direction: str
    protocol: str
    ports: str
    peer: str
    """The other side: a network, a group or a prefix list."""
    policy: str
    priority: str
    description: str

    @property
    def key(self) -> _Key:
        """What distinguishes two rules of a group, in the form of the state's ids."""
        return (
            self.group,
            self.direction,
            self.protocol,
            self.ports,
            self.peer,
            self.policy,
            self.priority,
        )

    def as_document(self) -> dict[str, str]:
        """Return the rule as JSON-ready data."""
        return {
            "id": self.id,
            "group": self.group,
            "direction": self.direction,
            "protocol": self.protocol,
            "ports": self.ports,
            "peer": self.peer,
            "policy": self.policy,
            "priority": self.priority,
            "description": self.description,
        }


def foreign_rules(api: Api, state: StackState) -> list[ForeignRule]:
    """List the rules in the stack's own security groups that belong to none of its resources.

    Raises:
        OperationError: The state has no security group, or the cloud refuses to list its rules.
    """
    groups = sorted(state.of_type(_GROUP))
    if not groups:
        raise OperationError(
            "The stack has no security group: it is not up. Run `pulumi up` first.",
            code=ExitCode.REFUSED,
        )
    own = {_key_of(id_) for id_ in state.of_type(_RULE)}
    try:
        rules = [_read(group, item) for group in groups for item in _permissions(api, group)]
    except CloudError as error:
        raise OperationError(f"The cloud refuses {error}.") from error
    return sorted((rule for rule in rules if rule.key not in own), key=lambda rule: rule.key)


def revoke(api: Api, rules: Sequence[ForeignRule]) -> None:
    """Remove rules from their groups.

    Raises:
        OperationError: The cloud refuses one; those before it are gone.
    """
    for rule in rules:
        try:
            api.call(
                "ecs",
                _REVOKE[rule.direction],
                **{"SecurityGroupId": rule.group, "SecurityGroupRuleId.1": rule.id},
            )
        except CloudError as error:
            raise OperationError(f"{rule.id} could not be revoked: {error}.") from error


def rules_table(stack: str, rules: Sequence[ForeignRule]) -> Table:
    """Show rules, one a line."""
    table = Table(
        title=f"Security rules that {stack} did not create",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in ("rule", "direction", "protocol", "ports", "peer", "policy", "description"):
        table.add_column(column, overflow="fold")
    for rule in rules:
        table.add_row(
            rule.id,
            rule.direction,
            rule.protocol,
            rule.ports,
            rule.peer,
            rule.policy,
            rule.description,
        )
    return table


def _permissions(api: Api, group: str) -> list[Answer]:
    permissions: list[Answer] = []
    token: str | None = None
    while True:
        answer = api.call(
            "ecs", "DescribeSecurityGroupAttribute", SecurityGroupId=group, NextToken=token
        )
        permissions += (answer.get("Permissions") or {}).get("Permission") or ()
        token = answer.get("NextToken") or None
        if token is None:
            return permissions


def _read(group: str, item: Answer) -> ForeignRule:
    direction = str(item.get("Direction", "")).lower()
    return ForeignRule(
        id=str(item.get("SecurityGroupRuleId", "")),
        group=group,
        direction=direction,
        protocol=str(item.get("IpProtocol", "")).lower(),
        ports=str(item.get("PortRange", "")),
        peer=next((str(item[part]) for part in _PEERS[direction] if item.get(part)), ""),
        policy=str(item.get("Policy", "")).lower(),
        priority=str(item.get("Priority", "")),
        description=str(item.get("Description", "")),
    )


def _key_of(id_: str) -> _Key:
    """Read the provider's id: group, direction, protocol, ports, NIC, peer, policy, priority.

    An IPv6 peer contains colons itself, so it is everything between the fields at both ends.
    """
    group, direction, protocol, ports, _, *peer, policy, priority = id_.split(":")
    return (group, direction, protocol.lower(), ports, ":".join(peer), policy.lower(), priority)
