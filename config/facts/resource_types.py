"""Type tokens of the provider's resources, as Pulumi's state has them.

Each one belongs to a class of `pulumi_alicloud`, for example `ecs.Instance`. A token that only one
module reads is in that module.
"""

from __future__ import annotations

from typing import Final

DISK: Final = "alicloud:ecs/ecsDisk:EcsDisk"
EIP: Final = "alicloud:ecs/eipAddress:EipAddress"
INSTANCE: Final = "alicloud:ecs/instance:Instance"
LOAD_BALANCER: Final = "alicloud:slb/applicationLoadBalancer:ApplicationLoadBalancer"
"""A CLB."""
SERVER_ATTACHMENT: Final = "alicloud:slb/serverGroupServerAttachment:ServerGroupServerAttachment"
"""A machine in a server group of a CLB."""
