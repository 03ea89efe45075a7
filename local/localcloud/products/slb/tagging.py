"""Tags of CLB resources."""

from __future__ import annotations

from typing import Final

from localcloud.products.tagged import Codes, Tagging

from .entities import AccessControlList, LoadBalancer, VServerGroup

TAGGING: Final = Tagging(
    kinds={"ACL": AccessControlList, "INSTANCE": LoadBalancer, "VSERVERGROUP": VServerGroup},
    codes=Codes(
        unknown_type=("InvalidResourceType.NotFound", 404),
        unknown_resource=("InvalidResourceId.NotFound", 404),
    ),
).actions()
