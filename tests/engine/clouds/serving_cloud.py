"""The guide's stack with its services and sample apps, and two more services, on a local cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from alibabacloud_tea_openapi.models import Config

from localcloud.settings import ROOT_KEY_ID, ROOT_SECRET
from tests.engine.clouds.local_cloud import CLUSTER, SecondCloud, second_cloud
from tests.localcloud.sdk_api import Api

APP = {"app": "test-app-2"}
SAMPLE_APPS = 2
"""DaemonSets."""
SERVICES: dict[str, dict[str, Any]] = {
    "tcp-service": {
        "selector": APP,
        "externalTrafficPolicy": "Local",
        "ports": {"tcp": {"port": 999, "targetPort": 80}},
    },
    "http-service": {
        "selector": APP,
        "externalTrafficPolicy": "Local",
        "ports": {"http": {"port": 80, "protocol": "http"}},
    },
    "inner": {
        "selector": APP,
        "subnet": "primary",
        "addressType": "intranet",
        "backendType": "eni",
        "ports": {"web": {"port": 80}},
    },
    "wide": {
        "selector": APP,
        "subnet": "primary",
        "loadBalancer": "nlb",
        "addressType": "intranet",
        "deletionProtection": True,
        "ports": {"web": {"port": 80}},
    },
}
"""The guide's two, a CLB straight to the pods, and a protected NLB in two zones."""


def serving_cloud(home: Path) -> SecondCloud:
    """Prepare it; nothing is started."""
    cloud = second_cloud(home)
    document = yaml.safe_load(cloud.config_file.read_text())
    cluster = document["config"][CLUSTER]
    zones = cluster["network"]["subnets"]["primary"]["zones"]
    zones["cn-hangzhou-j"] = {"cidr": "172.31.208.0/20"}
    cluster["services"] = SERVICES
    cluster["sampleApps"] = {"enabled": True}
    cloud.config_file.write_text(yaml.safe_dump(document, sort_keys=False))
    return cloud


def openapi(cloud: SecondCloud) -> Api:
    """The official SDKs on the cloud, as its account."""
    return Api(
        Config(
            endpoint=f"127.0.0.1:{cloud.port}",
            protocol="https",
            region_id="cn-hangzhou",
            access_key_id=ROOT_KEY_ID,
            access_key_secret=ROOT_SECRET,
            ca=str(cloud.places.cloud / "tls" / "ca.pem"),
            read_timeout=20_000,
        )
    )


def stands(cloud: SecondCloud) -> bool:
    """Whether every node is initialised and the sample apps have an address on each."""
    names = set(cloud.outputs()["nodes"])
    nodes = cloud.kubectl("get", "nodes")["items"]
    pods = cloud.kubectl("get", "pods", "-n", "default")["items"]
    return (
        names == {node["metadata"]["name"] for node in nodes if "taints" not in node["spec"]}
        and len(pods) == SAMPLE_APPS * len(names)
        and all(pod["status"].get("podIP") for pod in pods)
    )
