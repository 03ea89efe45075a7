"""The commands of a machine, except for its node's unit, as one program that answers from files.

Started under each command's name, in a folder that PATH begins with. `$WORLD/world.json` says who
is well; `$WORLD/node.json` is the Node, `$WORLD/pods.json` its pods, `$WORLD/pools.json` the pools
by name, `$WORLD/reserved.json` the reserved addresses (null: not allowed), `$WORLD/members.json`
etcd's members, `$WORLD/secrets.json` the keys of its Secrets, `$WORLD/rules` what nft has loaded;
every call is a line of `$WORLD/calls`. With `$CUT` the whole group of processes is killed at that
call, before it does anything, and with `$CUT_AFTER` once it is done.

A test starts hundreds of these. So nothing slow is imported: without `pathlib` and `typing` a call
takes half of the time, and `json` is imported by the commands that need it.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

WORLD = os.environ["WORLD"]
ROOT = os.path.dirname(WORLD)
SIGKILL = 9
"""`signal` imports `enum`, which takes as long as Python's own start."""
NAME, ARGUMENTS = os.path.basename(sys.argv[0]).removeprefix("python-"), sys.argv[1:]
DIGEST_OF_NOTHING = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
"""The SHA-256 of no bytes, in base64."""


def text_of(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def parse(text: str) -> Any:  # noqa: ANN401 - JSON
    import json

    return json.loads(text)


def dump(value: object) -> str:
    import json

    return json.dumps(value)


def read(name: str) -> Any:  # noqa: ANN401 - JSON
    return parse(text_of(f"{WORLD}/{name}"))


def put(name: str, text: str) -> None:
    with open(f"{WORLD}/{name}", "w", encoding="utf-8") as file:
        file.write(text)


def write(name: str, value: object) -> None:
    put(name, dump(value))


def manifest(name: str) -> bool:
    return os.path.exists(f"{ROOT}/etc/kubernetes/manifests/{name}.yaml")


def serves(address: str, component: str) -> bool:
    """Whether a component is well on a control plane; this machine's runs while its manifest is."""
    world = read("world.json")
    own = world["own"]
    if address in {own, "127.0.0.1"}:
        return manifest(component) and own in world[component]
    return address in world[component]


def server() -> str:
    """Host of the API server that kubectl asks: its option's, else its kubeconfig's."""
    if "--server" in ARGUMENTS:
        url = ARGUMENTS[ARGUMENTS.index("--server") + 1]
    else:
        text = text_of(ARGUMENTS[ARGUMENTS.index("--kubeconfig") + 1])
        url = next(line.split()[1] for line in text.splitlines() if line.startswith("server: "))
    return url.removeprefix("https://").rpartition(":")[0]


def resolve(name: str) -> str:
    """The address of a name in /etc/hosts; the name itself where it is not there."""
    hosts = text_of(f"{ROOT}/etc/hosts")
    entries = [line.split() for line in hosts.splitlines() if line.strip()]
    return next((entry[0] for entry in entries if name in entry[1:]), name)


def kubectl() -> int:
    address = resolve(server())
    if address != read("world.json")["balancer"] and not serves(address, "kube-apiserver"):
        return 1
    node = read("node.json")
    if "replace" in ARGUMENTS:
        return replace_status(node, parse(sys.stdin.read()))
    if "--raw" in ARGUMENTS:
        return raw(ARGUMENTS[ARGUMENTS.index("--raw") + 1])
    annotations = node["metadata"].setdefault("annotations", {})
    for word in ARGUMENTS[ARGUMENTS.index("node") + 2 :]:
        key, equals, value = word.partition("=")
        if equals:
            annotations[key] = value
        else:
            annotations.pop(key.removesuffix("-"), None)
    write_node(node)
    return 0


def write_node(node: dict[str, Any]) -> None:
    metadata = node["metadata"]
    metadata["resourceVersion"] = str(int(metadata["resourceVersion"]) + 1)
    write("node.json", node)


def replace_status(node: dict[str, Any], requested: dict[str, Any]) -> int:
    """The status subresource ignores everything but the status, and refuses an old version."""
    if requested["metadata"]["resourceVersion"] != node["metadata"]["resourceVersion"]:
        sys.stderr.write(
            "Error from server (Conflict): the object has been modified; please apply your changes "
            "to the latest version and try again\n"
        )
        return 1
    write_node(node | {"status": requested["status"]})
    return 0


def raw(path: str) -> int:
    """The Node, its pods, or objects of Spiderpool, which have to be allowed first."""
    if "/spiderpool.spidernet.io/" not in path:
        return say(dump(read("pods.json" if "/pods?" in path else "node.json")))
    reserved = path.endswith("/spiderreservedips")
    pools = read("reserved.json" if reserved else "pools.json")
    if pools is None:
        sys.stderr.write("Error from server (Forbidden): the node cannot get it\n")
        return 1
    if reserved:
        return say(dump(pools))
    pool = pools.get(path.rpartition("/")[2])
    if pool is None:
        sys.stderr.write("Error from server (NotFound): not found\n")
        return 1
    return say(dump(pool))


def curl() -> int:
    url = next(word for word in ARGUMENTS if word.startswith("http"))
    host, _, path = url.partition("://")[2].partition("/")
    address, _, port = host.partition(":")
    if address == "100.100.100.200":
        return 28 if "blind" in read("world.json") else say("token-1")
    component = "kube-apiserver" if port == "6443" else "etcd"
    well = serves(address, component)
    if "%{time_connect}" in ARGUMENTS:
        return say("0.000412" if well else "0.000000")
    if not well:
        return 7
    if path == "readyz":
        return say("ok")
    if path == "health":
        return say('{"health":"true"}')
    return etcd(path.removeprefix("v3/"), parse(ARGUMENTS[ARGUMENTS.index("-d") + 1]))


def etcd(method: str, asked: dict[str, str]) -> int:
    members = read("members.json")
    if method == "cluster/member/remove":
        write("members.json", [m for m in members if m["ID"] != asked["ID"]])
        return 0
    if method == "cluster/member/list":
        return say(dump({"members": members}))
    if method == "maintenance/snapshot":
        # The whole of an empty database: only its digest.
        return say(dump({"result": {"blob": DIGEST_OF_NOTHING}}))
    if method == "maintenance/status":
        return say(dump({"leader": members[0]["ID"], "header": {"member_id": "10"}}))
    if method == "kv/range":
        return say(dump(secrets_from(asked["key"])))
    return say("{}")


def secrets_from(start: str) -> dict[str, Any]:
    """A page of two Secrets of etcd, with the keys of `$WORLD/secrets.json`."""
    from binascii import a2b_base64, b2a_base64

    def b64(text: str) -> str:
        return b2a_base64(text.encode(), newline=False).decode()

    keys, last = read("secrets.json"), a2b_base64(start).decode().rpartition("/")[2]
    first = int(last.rstrip("\0")) + 1 if last else 0
    page = list(enumerate(keys))[first : first + 2]
    pairs = [
        {
            "key": b64(f"/registry/secrets/{number}"),
            "value": b64("k8s\0:" if key == "identity" else f"k8s:enc:secretbox:v1:{key}:x"),
        }
        for number, key in page
    ]
    return {"kvs": pairs, "more": first + 2 < len(keys)} if pairs else {}


def sysctl() -> int:
    text = text_of(ARGUMENTS[-1])
    if "banana" in text:
        sys.stderr.write('sysctl: setting key "net.ipv4.ip_forward": Invalid argument\n')
        return 255
    return 0


def nft() -> int:
    """Load a file of rules: `$WORLD/rules` is what the kernel has, line breaks and all."""
    text = text_of(ARGUMENTS[-1])
    if "banana" in text:
        sys.stderr.write("Error: syntax error\nbanana\n")
        return 1
    put("rules", text)
    return 0


def say(text: str) -> int:
    sys.stdout.write(text)
    return 0


def main() -> int:
    with open(f"{WORLD}/calls", "a", encoding="utf-8") as calls:
        calls.write(" ".join([NAME, *ARGUMENTS]).replace("\n", " ") + "\n")
    count = len(text_of(f"{WORLD}/calls").splitlines())
    if os.environ.get("CUT") == str(count):
        os.killpg(0, SIGKILL)
    answers = {"kubectl": kubectl, "curl": curl, "nft": nft, "sysctl": sysctl}
    code = answers.get(NAME, lambda: 0)()
    if os.environ.get("CUT_AFTER") == str(count):
        sys.stdout.flush()
        os.killpg(0, SIGKILL)
    return code
