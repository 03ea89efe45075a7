"""The official Python SDKs, for changes of the cloud that the program does not make."""

from __future__ import annotations

import importlib
from typing import Any

from tests.engine.clouds.local_cloud import SecondCloud

Sdk = Any
"""A client or a module of models of the official SDK, which has no types."""

VERSIONS = {"ecs": "20140526", "vpc": "20160428"}
KEY_ID, KEY_SECRET = "localcloud", "localcloud-secret-not-real"


def models(product: str) -> Sdk:
    """The requests of a product."""
    return importlib.import_module(f"alibabacloud_{product}{VERSIONS[product]}.models")


def client(product: str, cloud: SecondCloud, *, region: str = "cn-hangzhou") -> Sdk:
    """A client with the emulated account's root key pair."""
    module = importlib.import_module(f"alibabacloud_{product}{VERSIONS[product]}.client")
    settings = importlib.import_module("alibabacloud_tea_openapi.models")
    return module.Client(
        settings.Config(
            access_key_id=KEY_ID,
            access_key_secret=KEY_SECRET,
            endpoint=f"127.0.0.1:{cloud.port}",
            protocol="https",
            region_id=region,
            ca=str(cloud.places.ca),
        )
    )
