"""The node's rules that keep pods from the metadata service (docs/decisions/pods-and-metadata.md).

Two nftables chains, in tables of their own, so that neither kube-proxy nor a person's rules share
them. A drop in one base chain is final, whatever another chain accepts (nft(8), "Verdict
statements").

* `forward` sees packets that the coordinator's route sends to the host, and packets of a Service
  that has this address as its backend. The host's own packets are not forwarded.
* One `egress` chain for each NIC sees packets that leave a pod's ipvlan device. In ipvlan's L2 mode
  such a packet bypasses every hook of the host's IP layer, but it is queued on the NIC itself
  (`ipvlan_xmit_mode_l2` in drivers/net/ipvlan/ipvlan_core.c: `skb->dev = ipvlan->phy_dev; return
  dev_queue_xmit(skb)`), and the NIC's egress hook sees it (`nf_hook_egress` in net/core/dev.c,
  since Linux 5.16). The chain knows the host by its own addresses: an answer to one of them never
  reaches a pod.
"""

from __future__ import annotations

from typing import Final

from config.facts.ranges import METADATA_SERVICE
from planning.model import ClusterPlan, NodePlan

TABLE: Final = "spiderpool_alicloud_metadata"
"""Name of both tables, families `inet` and `netdev`."""
RULES: Final = "/etc/spiderpool-alicloud/metadata.nft"
"""Where the node keeps the text of `guard_rules`."""
SERVICE: Final = "spiderpool-alicloud-metadata"
"""The systemd service that loads the rules at boot, before the kubelet starts pods."""
SERVICE_FILE: Final = f"""\
[Unit]
Description=Keeps pods from the metadata service
Wants=network-online.target
After=network-online.target
Before=kubelet.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=nft -f {RULES}
[Install]
WantedBy=multi-user.target
"""

_FAMILIES: Final = ("inet", "netdev")


def guards_metadata(plan: ClusterPlan) -> bool:
    """Whether nodes keep pods from the metadata service: only in clusters that we build."""
    kubernetes = plan.kubernetes
    return kubernetes.mode == "kubeadm" and kubernetes.metadata_for_pods == "blocked"


def guard_rules(plan: ClusterPlan, node: NodePlan) -> str:
    """The text for `nft -f`, which applies it as a whole or not at all.

    It replaces its own tables, so it may be loaded any number of times. If pods may reach the
    service, it only deletes the tables.
    """
    # `table` creates it where it is missing, so that `delete` never fails.
    lines = [f"{statement} {family} {TABLE}" for family in _FAMILIES for statement in _REPLACED]
    if guards_metadata(plan):
        own = ", ".join(str(nic.primary) for _, nic in sorted(node.interfaces.items()))
        lines += [
            f"table inet {TABLE} {{",
            "chain forward {",
            "type filter hook forward priority -300; policy accept;",
            f"ip daddr {METADATA_SERVICE} drop",
            "}",
            "}",
            f"table netdev {TABLE} {{",
        ]
        for nic in sorted(node.interfaces):
            lines += [
                f"chain {nic} {{",
                f"type filter hook egress device {nic} priority 0; policy accept;",
                f"ip daddr {METADATA_SERVICE} ip saddr != {{ {own} }} drop",
                "}",
            ]
        lines.append("}")
    return "\n".join(lines) + "\n"


_REPLACED: Final = ("table", "delete table")
