"""A stack as an earlier release left it: stack file, Pulumi state and the emulated cloud's store.

A recording is a folder with three files: `stack.yaml`, `state.json` (the deployment of `pulumi
stack export --show-secrets`) and `cloud.json` (the rows of the store). To record one, deploy with
the earlier release on its own local cloud, stop the cloud, and run

    python -m tests.engine.lifecycle.earlier.recorded HOME EXPORT STACK_FILE FOLDER

No secret is recorded. The keys and certificates of a kubeconfig are placeholders, which `restore`
fills from secrets of its own, and user-data is a fixed text: the program ignores its changes.
"""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from planning.nodes.secrets import parse_secrets
from tests.engine.clouds.local_cloud import CLUSTER
from tests.engine.lifecycle.clouds.light_cloud import LightCloud, light_stack

FOLDER: Final = Path(__file__).parent
USER_DATA: Final = b64encode(b"#cloud-config\n# The user-data of an earlier release.\n").decode()

KUBERNETES: Final = "1.35.4"
"""The default of the release that made the recordings."""

_ENDPOINT: Final = "127.0.0.1:PORT"
_PLACEHOLDERS: Final = {
    "certificate-authority-data": "CA-CERTIFICATE",
    "client-certificate-data": "CLIENT-CERTIFICATE",
    "client-key-data": "CLIENT-KEY",
}
_PLAINTEXT: Final = "plaintext"
_OF_THE_MACHINE_THAT_RECORDED: Final = frozenset({"sourcePosition", "stackTrace"})
_SCHEMA: Final = 1
"""Of the store's file (`localcloud.state.store.SCHEMA_VERSION`) when these were recorded."""

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Recording:
    """The contents of the files of one recording."""

    cluster: Json
    """The cluster's document."""
    state: str
    """An export of the stack, with placeholders."""
    cloud: Json
    """`eipRange`, `facts` (name → value) and `entities` (kind → id → body)."""


def read(name: str) -> Recording:
    """The recording of that name, with the version pinned as the change log requires."""
    folder = FOLDER / name
    cluster = yaml.safe_load((folder / "stack.yaml").read_text())
    cluster["kubernetes"]["version"] = KUBERNETES
    return Recording(
        cluster=cluster,
        state=(folder / "state.json").read_text(),
        cloud=json.loads((folder / "cloud.json").read_text()),
    )


def restore(home: Path, recording: Recording) -> LightCloud:
    """A running local cloud with the recorded resources, and the stack that has them."""
    light = light_stack(home, recording.cluster)
    light = replace(light, cloud=replace(light.cloud, eip_range=recording.cloud["eipRange"]))
    write_store(light.cloud.places.cloud / "state.sqlite", recording.cloud)
    light.start()
    export = home.parent / f"{home.name}-state.json"
    export.write_text(_filled(recording.state, light))
    light.cloud.stack("import", "--file", str(export))
    return light


def write_store(path: Path, cloud: Mapping[str, Any]) -> None:
    """The file that an emulator opens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    store = sqlite3.connect(path)
    with store:
        store.execute(
            "CREATE TABLE entities (kind TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL, "
            "PRIMARY KEY (kind, id)) WITHOUT ROWID"
        )
        store.execute("CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
        store.executemany(
            "INSERT INTO facts VALUES (?, ?)",
            [(name, json.dumps(value)) for name, value in cloud["facts"].items()],
        )
        store.executemany(
            "INSERT INTO entities VALUES (?, ?, ?)",
            [
                (kind, key, json.dumps(body).encode())
                for kind, rows in cloud["entities"].items()
                for key, body in rows.items()
            ],
        )
        store.execute(f"PRAGMA user_version={_SCHEMA}")
    store.close()


def _filled(state: str, light: LightCloud) -> str:
    secrets = parse_secrets(light.cloud.places.secrets.read_text())
    values = {
        _ENDPOINT: f"127.0.0.1:{light.cloud.port}",
        "CA-CERTIFICATE": b64encode(secrets.ca.certificate.encode()).decode(),
        "CLIENT-CERTIFICATE": b64encode(secrets.admin.certificate.encode()).decode(),
        "CLIENT-KEY": b64encode(secrets.admin.key.encode()).decode(),
    }
    for placeholder, value in values.items():
        state = state.replace(placeholder, value)
    export = json.loads(state)
    export["deployment"]["secrets_providers"] = {
        "type": "passphrase",
        "state": {"salt": light.document["encryptionsalt"]},
    }
    return json.dumps(export)


def record(home: Path, export: Path, stack_file: Path, folder: Path) -> None:
    """Write a recording of the stopped cloud in `home` and the export of its stack."""
    folder.mkdir(parents=True, exist_ok=True)
    cluster = yaml.safe_load(stack_file.read_text())["config"][CLUSTER]
    endpoint = cluster.pop("cloud")["endpoint"]
    (folder / "stack.yaml").write_text(yaml.safe_dump(cluster, sort_keys=False))
    state = _without_secrets(json.loads(export.read_text()))
    state["deployment"].pop("secrets_providers")
    (folder / "state.json").write_text(_text(state).replace(endpoint, _ENDPOINT))
    (folder / "cloud.json").write_text(_text(_read_store(home / "cloud" / "state.sqlite")))


def _read_store(path: Path) -> Json:
    store = sqlite3.connect(path)
    entities: dict[str, Json] = {}
    for kind, key, body in store.execute("SELECT kind, id, body FROM entities ORDER BY kind, id"):
        row = json.loads(body)
        if row.get("user_data"):
            row["user_data"] = USER_DATA
        entities.setdefault(kind, {})[key] = row
    facts = {name: json.loads(value) for name, value in store.execute("SELECT * FROM facts")}
    store.close()
    (address, *_) = (row["ip"] for row in entities["Eip"].values())
    return {
        "eipRange": f"{address.rpartition('.')[0]}.0/24",
        "facts": facts,
        "entities": entities,
    }


def _without_secrets(value: Any, key: str = "") -> Any:  # noqa: ANN401 - JSON
    """The same without secrets and without the paths of the program's tree."""
    if isinstance(value, dict):
        return {
            name: _without_secrets(each, key if name == _PLAINTEXT else name)
            for name, each in value.items()
            if name not in _OF_THE_MACHINE_THAT_RECORDED
        }
    if isinstance(value, list):
        return [_without_secrets(each, key) for each in value]
    if key == "userData" and isinstance(value, str):
        return json.dumps(USER_DATA) if value.startswith('"') else value
    if key == "kubeconfig" and isinstance(value, str):
        for name, placeholder in _PLACEHOLDERS.items():
            value = re.sub(rf"({name}: )[A-Za-z0-9+/=]+", rf"\g<1>{placeholder}", value)
    return value


def _text(value: object) -> str:
    return json.dumps(value, indent=1) + "\n"


if __name__ == "__main__":
    record(*(Path(argument) for argument in sys.argv[1:5]))
