"""The first change of a Service's port: why its preview is refused, and what makes it true."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from components.add_ons.field_ownership import hand_over
from components.api.api_access import api_client
from tests.toolchain.kubernetes_provider.engine_side import Refused
from toolchain.kubernetes_provider.protocol.wire import Object, objects_at, text_at

if TYPE_CHECKING:
    from tests.toolchain.kubernetes_provider.engine_side import EngineSide
    from tests.toolchain.kubernetes_provider.servers.real_cluster import RealCluster

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

SERVICE = "kubernetes:core/v1:Service"


def service(name: str, *, port: int, protocol: str = "TCP") -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "annotations": {"pulumi.com/skipAwait": "true"}},
        "spec": {
            "selector": {"app": "web"},
            "ports": [
                {"name": "web", "port": port, "protocol": protocol},
                {"name": "tls", "port": 443, "protocol": "TCP"},
            ],
        },
    }


@pytest.mark.parametrize(
    ("name", "port", "protocol"), [("number", 81, "TCP"), ("protocol", 80, "UDP")]
)
def test_the_preview_of_a_ports_first_change_is_true_once_the_fields_are_handed_over(
    cluster: RealCluster, real: EngineSide, name: str, port: int, protocol: str
) -> None:
    created = real.create(SERVICE, name, service(name, port=80))
    changed = service(name, port=port, protocol=protocol)
    with pytest.raises(Refused, match="Duplicate value"):
        real.update(SERVICE, name, created, changed, preview=True)
    manager = text_at(created.state, "__fieldManager")
    path = f"/api/v1/namespaces/default/services/{name}"

    async def handed_over() -> None:
        async with api_client(cluster.kubeconfig, within=10) as client:
            await hand_over(client, path, manager)
            await hand_over(client, path, manager)

    asyncio.run(handed_over())
    for preview in (True, False):
        after = real.update(SERVICE, name, created, changed, preview=preview)
        ports = objects_at(after.state, "spec", "ports")
        assert [(p["name"], p["port"], p["protocol"]) for p in ports] == [
            ("web", port, protocol),
            ("tls", 443, "TCP"),
        ]
    assert text_at(after.state, "spec", "clusterIP") == text_at(created.state, "spec", "clusterIP")
    assert text_at(after.state, "metadata", "uid") == text_at(created.state, "metadata", "uid")
