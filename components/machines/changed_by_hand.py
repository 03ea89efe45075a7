"""Names what somebody changed on a machine outside of this program, and what to do about it.

The engine would replace all such machines at once and without a drain, because their generations do
not change. So instances ignore changes of these properties (`components.machines.nodes`), and a
run only reports them. A planned edit still replaces a machine, through its trigger.
"""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
from pulumi_alicloud import ecs

from planning.model import NodePlan

_PAGE = "docs/reliability.md, Changes by hand"


def report_changes(node: NodePlan, instance: ecs.Instance) -> None:
    """Log a warning for each property of the machine that differs from the plan.

    A machine that this run creates or replaces has the planned ones. In a preview its properties
    are not known, and nothing is logged.
    """

    def report(values: Mapping[str, object]) -> None:
        for warning in changes_by_hand(
            node,
            instance_id=str(values["id"]),
            image=values["image"],
            key_pair=values["key_pair"],
            disk_category=values["disk_category"],
        ):
            pulumi.log.warn(warning, instance)

    pulumi.Output.all(
        id=instance.id,
        image=instance.image_id,
        key_pair=instance.key_name,
        disk_category=instance.system_disk_category,
    ).apply(report)


def changes_by_hand(
    node: NodePlan,
    *,
    instance_id: str,
    image: object,
    key_pair: object,
    disk_category: object,
) -> list[str]:
    """One warning for each property that the cloud reports and that differs from the plan.

    A plan without a key pair, or without a category, leaves it to the cloud.
    """
    warnings = []
    if isinstance(image, str) and image != node.image:
        warnings.append(
            f"{node.name}: its image in the cloud is {image}, and the plan has {node.image}: "
            "somebody has replaced its system disk. This run leaves the machine as it is. If it "
            "does not serve, or to get the planned image, drain the node, delete its machine "
            f"(`aliyun ecs DeleteInstance --InstanceId {instance_id} --Force true`) and run "
            "`pulumi up`, which creates it again with the same addresses. Do so with one machine "
            f"at a time, and never with the only control plane ({_PAGE})."
        )
    if node.key_pair is not None and isinstance(key_pair, str) and key_pair != node.key_pair:
        warnings.append(
            f"{node.name}: its key pair in the cloud is {key_pair or 'none'}, and the plan has "
            f"{node.key_pair}. This run leaves it, because a machine takes another key pair only "
            f"when it restarts. `aliyun ecs AttachKeyPair --KeyPairName {node.key_pair} "
            f"--InstanceIds '[\"{instance_id}\"]'` attaches the planned one, and the machine takes "
            f"it at its next restart ({_PAGE})."
        )
    planned = node.disk.category
    if isinstance(disk_category, str) and disk_category and disk_category != planned:
        warnings.append(
            f"{node.name}: the category of its system disk in the cloud is {disk_category}, and "
            f"the plan has {planned}. This run leaves the disk as it is. Write the category into "
            "the stack file to get it for new machines, too: machines are then replaced one at a "
            f"time ({_PAGE})."
        )
    return warnings
