"""The same questions to a worker that is a virtual machine and to a simulated one.

Answers are flat: a name, such as `rules 2000: from 192.168.0.155 lookup 102` or
`Node status.capacity.pods`, and a text. What differs between any two machines of one stack file,
such as MACs, ids, addresses of EIPs and moments, is replaced by its kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from planning.names import DOMAIN

Answers = Mapping[str, str]
Run = Callable[..., str]
"""Runs a command as a machine's root and returns what it printed."""

_LINKS: Final = r"""
for link in $(ls -d /sys/class/net/* | grep -v /veth); do
  printf '%s\tmtu %s\n' "${link##*/}" "$(cat "$link/mtu")"
done
"""
_SETTINGS: Final = r"""
for name in $(sed -nE 's/^([a-z][^ =]*) *=.*/\1/p' /etc/sysctl.d/*spiderpool*); do
  printf '%s\t%s\n' "$name" "$(sysctl --values "$name" 2>&1)"
done
"""
_FOLDERS: Final = (
    "/etc/spiderpool-alicloud",
    "/etc/netplan",
    "/etc/kubernetes",
    "/etc/modules-load.d",
    "/etc/cni",
    "/etc/containerd",
    "/opt/cni/bin",
    "/var/lib/cloud/scripts/per-boot",
    "/var/lib/kubelet/pki",
)
_FILES: Final = (
    rf"find {' '.join(_FOLDERS)} /var/lib/kubelet/*.* -type f -printf '%p\t%m %U:%G\n' 2>/dev/null"
    " || true"
)
_NORMAL: Final = r"s/([0-9a-f]{2}:){5}[0-9a-f]{2}/MAC/g; s/\<i-[0-9a-z]{8,}/INSTANCE/g"
_CONTENTS: Final = rf"""
cd /etc/spiderpool-alicloud
for file in $(find . /etc/netplan /etc/modules-load.d /etc/sysctl.d/*spiderpool* -type f \
    ! -name '*.gz' ! -name '*discovery*' ! -name '*join*'); do
  printf '%s\t%s\n' "$file" "$(sed -E '{_NORMAL}' "$file" | sha256sum | cut -c1-16)"
done
"""
_KUBELET: Final = r"""
for process in /proc/[0-9]*; do
  words=$(cat "$process/cmdline" 2>/dev/null | tr '\0' '\n')
  if grep -q '^--bootstrap-kubeconfig=' <<< "$words"; then
    sed -nE 's/^--([^=]*)=?(.*)/\1\t\2/p' <<< "$words"
    break
  fi
done
"""
_UNITS: Final = r"""
for unit in kubelet.service containerd.service spiderpool-alicloud-node.timer \
    spiderpool-alicloud-metadata.service; do
  printf '%s\t%s, %s\n' "$unit" "$(systemctl is-enabled $unit 2>&1)" \
    "$(systemctl is-active $unit 2>&1)"
done
"""
_PAIRS: Final[Mapping[str, str]] = {
    "links": _LINKS,
    "settings": _SETTINGS,
    "files": _FILES,
    "contents": _CONTENTS,
    "kubelet": _KUBELET,
    "units": _UNITS,
}
"""Kind → a script that prints names and texts, with a tab between them."""
_LINES: Final[Mapping[str, str]] = {
    "addresses": "ip -4 -o address | sed -E 's/^[0-9]+: ([^ ]+) +inet ([^ ]+).*/\\1 \\2/'",
    "rules": "ip -4 rule",
    # Those to pods depend on which pods there are.
    "routes": "ip -4 route show table all | grep -vE '^(local|broadcast) |dev veth'",
}
"""Kind → a script that prints what is there, one a line."""
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d[T-]\d\d[:-]\d\d[:-]\d\dZ?")
_INSTANCE: Final = re.compile(r"\bi-[0-9a-z]{8,}")


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One answer that is not the same."""

    name: str
    virtual: str | None
    """None where the virtual machine has no such answer."""
    simulated: str | None

    def __str__(self) -> str:
        return (
            f"{self.name}: a virtual machine has {self.virtual!r}, a simulated {self.simulated!r}"
        )


def answers(run: Run, node: Mapping[str, Any]) -> Answers:
    """What a machine and its Node answer to all questions."""
    collected: dict[str, str] = {}
    for kind, script in _PAIRS.items():
        for line in run("bash", "-c", script).splitlines():
            name, _, text = line.partition("\t")
            collected[f"{kind} {name}"] = text.strip()
    for kind, script in _LINES.items():
        for line in run("bash", "-c", script).splitlines():
            collected[f"{kind} {' '.join(line.split())}"] = "there"
    collected |= {f"Node {name}": text for name, text in _of_node(node)}
    return {_normal(name): _normal(text) for name, text in collected.items()}


def _normal(text: str) -> str:
    return _INSTANCE.sub("INSTANCE", _MOMENT.sub("MOMENT", text))


def _of_node(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    metadata, status = node["metadata"], node["status"]
    document = {
        "labels": metadata["labels"],
        "annotations": metadata["annotations"],
        "spec": node["spec"],
        "capacity": _of_kubelet(status["capacity"]),
        "allocatable": _of_kubelet(status["allocatable"]),
        "nodeInfo": status["nodeInfo"],
        "addresses": {a["type"]: a["address"] for a in status["addresses"]},
        "conditions": {c["type"]: f"{c['status']} {c['reason']}" for c in status["conditions"]},
    }
    return _flat(document, "")


def _of_kubelet(resources: Mapping[str, str]) -> dict[str, str]:
    """Without the advertised addresses, which depend on where the first pods run."""
    return {name: count for name, count in resources.items() if not name.startswith(f"{DOMAIN}/")}


def _flat(value: object, name: str) -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            for key, each in value.items():
                yield from _flat(each, f"{name}.{key}" if name else str(key))
        case list():
            yield name, " ".join(sorted(str(each) for each in value))
        case _:
            yield name, str(value)


def differences(virtual: Answers, simulated: Answers) -> list[Difference]:
    """The answers that are not the same, by name."""
    return [
        Difference(name=name, virtual=virtual.get(name), simulated=simulated.get(name))
        for name in sorted(virtual.keys() | simulated.keys())
        if virtual.get(name) != simulated.get(name)
    ]


def unexplained(
    present: Iterable[Difference], reasons: Mapping[str, str]
) -> tuple[Sequence[Difference], Sequence[str]]:
    """Differences that no pattern of `reasons` matches, and patterns that match none."""
    listed = list(present)
    left = [d for d in listed if not any(re.fullmatch(p, d.name) for p in reasons)]
    idle = [p for p in reasons if not any(re.fullmatch(p, d.name) for d in listed)]
    return left, idle
