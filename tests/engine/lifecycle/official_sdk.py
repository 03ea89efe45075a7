"""The official Python SDKs, for changes of the cloud that the program does not make."""

from __future__ import annotations

import importlib
from typing import Any

from config.profiles import LOCAL_ACCESS_KEY, LOCAL_SECRET_KEY
from tests.engine.clouds.local_cloud import SecondCloud

Sdk = Any
"""A client or a module of models of the official SDK, which has no types."""

VERSIONS = {"ecs": "20140526", "vpc": "20160428"}


def models(product: str) -> Sdk:
    """The requests of a product."""
    return importlib.import_module(f"alibabacloud_{product}{VERSIONS[product]}.models")


def client(product: str, cloud: SecondCloud, *, region: str = "cn-hangzhou") -> Sdk:
    """A client with the emulated account's root key pair."""
    module = importlib.import_module(f"alibabacloud_{product}{VERSIONS[product]}.client")
    settings = importlib.import_module("alibabacloud_tea_openapi.models")
    return module.Client(
        settings.Config(
            access_key_id=LOCAL_ACCESS_KEY,
            access_key_secret=LOCAL_SECRET_KEY,
            endpoint=f"127.0.0.1:{cloud.port}",
            protocol="https",
            region_id=region,
            ca=str(cloud.places.ca),
        )
    )
