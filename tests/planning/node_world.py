"""The commands of a machine, except for its node's unit, answered from files by the test's process.

In a folder that PATH begins with, each command is a small program of bash, which asks over a socket
and prints the answer: a Python of its own for each call would take most of the test's time.
`$WORLD/world.json` says who is well; `$WORLD/node.json` is the Node, `$WORLD/pods.json` its pods,
`$WORLD/pools.json` the pools by name, `$WORLD/reserved.json` the reserved addresses (null: not
allowed), `$WORLD/members.json` etcd's members, `$WORLD/secrets.json` the keys of its Secrets,
`$WORLD/rules` what nft has loaded; every call is a line of `$WORLD/calls`. With `$CUT` the whole
group of processes is killed at that call, before it does anything, and with `$CUT_AFTER` once it is
done.
"""

from __future__ import annotations

import json
import os
import signal
import socketserver
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from planning.nodes.control_plane import ENCRYPTION_FILE
from tests.planning.machine_python import write_python

COMMANDS: Final = ("crictl", "curl", "kubeadm", "kubectl", "nft", "sysctl", "systemctl")
KUBELET: Final = "/etc/spiderpool-alicloud/kubelet.d/50-settings.conf"
DIGEST_OF_NOTHING: Final = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
"""The SHA-256 of no bytes, in base64."""

# The end of each text is a zero byte, which bash can neither have in an argument nor in a variable.
_PROGRAM = r"""#!/bin/bash
case " $* " in *' -f - '*) IFS= read -r -d '' input ;; esac
exec 3<> /dev/tcp/127.0.0.1/PORT || exit 99
printf '%s\0' "$WORLD" "$$" "$CUT" "$CUT_AFTER" "$input" "$#" "${0##*/}" "$@" >&3
IFS= read -r -d '' code <&3 && IFS= read -r -d '' out <&3 && IFS= read -r -d '' err <&3
printf %s "$out"
printf %s "$err" >&2
exit "${code:-99}"
"""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a command prints, and its exit status."""

    out: str = ""
    err: str = ""
    code: int = 0


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a command."""

    world: Path
    name: str
    arguments: tuple[str, ...]
    input: str

    @property
    def root(self) -> Path:
        """The machine's root."""
        return self.world.parent

    def after(self, option: str) -> str:
        """The argument that follows an option."""
        return self.arguments[self.arguments.index(option) + 1]

    def read(self, name: str) -> Any:  # noqa: ANN401 - JSON
        return json.loads((self.world / name).read_text(encoding="utf-8"))

    def write(self, name: str, value: object) -> None:
        (self.world / name).write_text(json.dumps(value), encoding="utf-8")


def write_commands(folder: Path) -> None:
    """Write the programs, and a `sleep` that takes no time."""
    folder.mkdir()
    text = _PROGRAM.replace("PORT", str(_port()))
    for name in COMMANDS:
        command = folder / name
        command.write_text(text, encoding="utf-8")
        command.chmod(0o755)
    (folder / "sleep").symlink_to("/bin/true")
    write_python(folder)


@cache
def _port() -> int:
    """Where this process answers, until it ends."""
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return int(server.server_address[1])


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        texts = self._texts()
        world, process, cut, cut_after, given_input, count = (next(texts) for _ in range(6))
        name, *arguments = (next(texts) for _ in range(int(count) + 1))
        call = Call(world=Path(world), name=name, arguments=tuple(arguments), input=given_input)
        answer = _quiet(call)
        if answer is None:
            number = str(_record(call))
            if cut == number:
                os.killpg(os.getpgid(int(process)), signal.SIGKILL)
                return
            answer = ANSWERS.get(name, _nothing)(call)
            if cut_after == number:
                os.killpg(os.getpgid(int(process)), signal.SIGKILL)
        self._print(answer)

    def _texts(self) -> Iterator[str]:
        rest = b""
        while True:
            text, end, rest = rest.partition(b"\0")
            if end:
                yield text.decode()
                continue
            more = self.connection.recv(65536)
            if not more:
                return
            rest = text + more

    def _print(self, answer: Answer) -> None:
        self.wfile.write(f"{answer.code}\0{answer.out}\0{answer.err}\0".encode())


def _record(call: Call) -> int:
    """Note a call; the number of calls so far."""
    path = call.world / "calls"
    with path.open("a", encoding="utf-8") as calls:
        calls.write(" ".join([call.name, *call.arguments]).replace("\n", " ") + "\n")
    return len(path.read_text(encoding="utf-8").splitlines())


def _quiet(call: Call) -> Answer | None:
    """Health, which is asked up to sixty times in a row and is no line of `calls`.

    A kubelet with a negative maxPods and an API server with a key named key666 are not well.
    """
    if call.name != "curl":
        return None
    if any(":10248/" in word for word in call.arguments):
        text = (call.root / KUBELET.lstrip("/")).read_text(encoding="utf-8")
        return Answer(code=7) if '"maxPods": -1' in text else Answer(out="ok")
    keys = call.root / ENCRYPTION_FILE.lstrip("/")
    if any(word.endswith("/readyz") for word in call.arguments) and keys.exists():
        return Answer(code=7) if "key666" in keys.read_text(encoding="utf-8") else None
    return None


def _nothing(_: Call) -> Answer:
    return Answer()


def _serves(call: Call, address: str, component: str) -> bool:
    """Whether a component is well on a control plane; this machine's runs while its manifest is."""
    world = call.read("world.json")
    own = world["own"]
    if address in {own, "127.0.0.1"}:
        manifest = call.root / f"etc/kubernetes/manifests/{component}.yaml"
        return manifest.exists() and own in world[component]
    return address in world[component]


def _server(call: Call) -> str:
    """Host of the API server that kubectl asks: its option's, else its kubeconfig's."""
    if "--server" in call.arguments:
        url = call.after("--server")
    else:
        text = Path(call.after("--kubeconfig")).read_text(encoding="utf-8")
        url = next(line.split()[1] for line in text.splitlines() if line.startswith("server: "))
    return url.removeprefix("https://").rpartition(":")[0]


def _resolve(call: Call, name: str) -> str:
    """The address of a name in /etc/hosts; the name itself where it is not there."""
    hosts = (call.root / "etc/hosts").read_text(encoding="utf-8")
    entries = [line.split() for line in hosts.splitlines() if line.strip()]
    return next((entry[0] for entry in entries if name in entry[1:]), name)


def _kubectl(call: Call) -> Answer:
    address = _resolve(call, _server(call))
    balancer = call.read("world.json")["balancer"]
    if address != balancer and not _serves(call, address, "kube-apiserver"):
        return Answer(code=1)
    node = call.read("node.json")
    if "replace" in call.arguments:
        return _replace_status(call, node, json.loads(call.input))
    if "--raw" in call.arguments:
        return _raw(call, call.after("--raw"))
    annotations = node["metadata"].setdefault("annotations", {})
    for word in call.arguments[call.arguments.index("node") + 2 :]:
        key, equals, value = word.partition("=")
        if equals:
            annotations[key] = value
        else:
            annotations.pop(key.removesuffix("-"), None)
    _write_node(call, node)
    return Answer()


def _write_node(call: Call, node: dict[str, Any]) -> None:
    metadata = node["metadata"]
    metadata["resourceVersion"] = str(int(metadata["resourceVersion"]) + 1)
    call.write("node.json", node)


def _replace_status(call: Call, node: dict[str, Any], requested: dict[str, Any]) -> Answer:
    """The status subresource: only the status counts, and an old version is refused."""
    if requested["metadata"]["resourceVersion"] != node["metadata"]["resourceVersion"]:
        return Answer(
            err="Error from server (Conflict): the object has been modified; please apply your "
            "changes to the latest version and try again\n",
            code=1,
        )
    _write_node(call, node | {"status": requested["status"]})
    return Answer()


def _raw(call: Call, path: str) -> Answer:
    """The Node, its pods, or objects of Spiderpool, which have to be allowed first."""
    if "/spiderpool.spidernet.io/" not in path:
        return _json(call.read("pods.json" if "/pods?" in path else "node.json"))
    reserved = path.endswith("/spiderreservedips")
    pools = call.read("reserved.json" if reserved else "pools.json")
    if pools is None:
        return Answer(err="Error from server (Forbidden): the node cannot get it\n", code=1)
    if reserved:
        return _json(pools)
    pool = pools.get(path.rpartition("/")[2])
    if pool is None:
        return Answer(err="Error from server (NotFound): not found\n", code=1)
    return _json(pool)


def _curl(call: Call) -> Answer:
    url = next(word for word in call.arguments if word.startswith("http"))
    host, _, path = url.partition("://")[2].partition("/")
    address, _, port = host.partition(":")
    if address == "100.100.100.200":
        return Answer(code=28) if "blind" in call.read("world.json") else Answer(out="token-1")
    well = _serves(call, address, "kube-apiserver" if port == "6443" else "etcd")
    if "%{time_connect}" in call.arguments:
        return Answer(out="0.000412" if well else "0.000000")
    if not well:
        return Answer(code=7)
    if path == "readyz":
        return Answer(out="ok")
    if path == "health":
        return Answer(out='{"health":"true"}')
    return _etcd(call, path.removeprefix("v3/"), json.loads(call.after("-d")))


def _etcd(call: Call, method: str, asked: Mapping[str, str]) -> Answer:
    members = call.read("members.json")
    match method:
        case "cluster/member/remove":
            call.write("members.json", [m for m in members if m["ID"] != asked["ID"]])
            return Answer()
        case "cluster/member/list":
            return _json({"members": members})
        case "maintenance/snapshot":
            # The whole of an empty database: only its digest.
            return _json({"result": {"blob": DIGEST_OF_NOTHING}})
        case "maintenance/status":
            return _json({"leader": members[0]["ID"], "header": {"member_id": "10"}})
        case "kv/range":
            return _json(_secrets_from(call, asked["key"]))
        case _:
            return Answer(out="{}")


def _secrets_from(call: Call, start: str) -> dict[str, Any]:
    """A page of two Secrets of etcd, with the keys of `$WORLD/secrets.json`."""
    keys, last = call.read("secrets.json"), b64decode(start).decode().rpartition("/")[2]
    first = int(last.rstrip("\0")) + 1 if last else 0
    page = list(enumerate(keys))[first : first + 2]
    pairs = [
        {
            "key": _b64(f"/registry/secrets/{number}"),
            "value": _b64("k8s\0:" if key == "identity" else f"k8s:enc:secretbox:v1:{key}:x"),
        }
        for number, key in page
    ]
    return {"kvs": pairs, "more": first + 2 < len(keys)} if pairs else {}


def _b64(text: str) -> str:
    return b64encode(text.encode()).decode()


def _sysctl(call: Call) -> Answer:
    if "banana" in Path(call.arguments[-1]).read_text(encoding="utf-8"):
        text = 'sysctl: setting key "net.ipv4.ip_forward": Invalid argument\n'
        return Answer(err=text, code=255)
    return Answer()


def _nft(call: Call) -> Answer:
    """Load a file of rules: `$WORLD/rules` is what the kernel has, line breaks and all."""
    text = Path(call.arguments[-1]).read_text(encoding="utf-8")
    if "banana" in text:
        return Answer(err="Error: syntax error\nbanana\n", code=1)
    (call.world / "rules").write_text(text, encoding="utf-8")
    return Answer()


def _json(value: object) -> Answer:
    return Answer(out=json.dumps(value))


ANSWERS: Final[Mapping[str, Callable[[Call], Answer]]] = {
    "curl": _curl,
    "kubectl": _kubectl,
    "nft": _nft,
    "sysctl": _sysctl,
}
