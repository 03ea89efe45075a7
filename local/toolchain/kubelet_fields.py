"""Writes the table of the kubelet's settings: `python -m toolchain.kubelet_fields`.

The table is `config/facts/kubelet_fields.py`: each field of KubeletConfiguration
(kubelet.config.k8s.io/v1beta1) with its type, each feature gate of the kubelet, the gates that are
locked to their default, and the Kubernetes minors that have them. They are read from the Go sources
of Kubernetes (Apache License 2.0), which the Go on this machine downloads. Run it when a new minor
is supported.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

RELEASES: Final[Mapping[int, str]] = {
    **{minor: f"{minor}.0" for minor in range(31, 36)},
    36: "36.3",
    37: "37.2",
}
"""Minor → the release whose sources are read for it, without the major number.

The first one of each minor, or where module proxies do not serve that, the one in
`toolchain.pins`: fields and gates do not change within a minor.
"""
ROOT: Final = "KubeletConfiguration"
TARGET: Final = Path(__file__).parents[2] / "config" / "facts" / "kubelet_fields.py"

_SOURCES: Final = (
    ("k8s.io/kubelet", "config/v1beta1/types.go", ""),
    ("k8s.io/component-base", "logs/api/v1/types.go", "logsapi."),
    ("k8s.io/component-base", "tracing/api/v1/types.go", "tracingapi."),
)
"""Module, file, and the prefix that `KubeletConfiguration` writes before the file's types."""

_GATES: Final = (
    ("k8s.io/kubernetes", "pkg/features/kube_features.go"),
    ("k8s.io/kubernetes", "pkg/features/versioned_kube_features.go"),
    ("k8s.io/apiserver", "pkg/features/kube_features.go"),
    ("k8s.io/client-go", "features/known_features.go"),
    ("k8s.io/component-base", "logs/api/v1/kube_features.go"),
    ("k8s.io/component-base", "metrics/features/kube_features.go"),
    ("k8s.io/component-base", "zpages/features/kube_features.go"),
)
"""Module and file with gates that the kubelet registers. An early minor may lack a file."""
_GATE: Final = re.compile(r'^\s+(\w+)\s+(?:featuregate\.)?Feature\s+= "(\w+)"', re.MULTILINE)
_SPECS: Final = re.compile(r"^\t(?:\w+\.)?(\w+): \{(\n.*?^\t\}|.*?\}),", re.DOTALL | re.MULTILINE)
"""A constant with the specifications of its gate: one on its line, or one for each version."""
_LOCK: Final = re.compile(r"Default: (true|false),.*LockToDefault: true")

_SCALARS: Final[Mapping[str, str]] = {
    "bool": "bool",
    "float64": "float",
    "int32": "int",
    "int64": "int",
    "uint32": "int",
    "string": "text",
    "metav1.Duration": "duration",
    "logsapi.TimeOrMetaDuration": "duration",
    "resource.QuantityValue": "quantity",
    "v1.ResourceList": "map of quantity",
    "v1.Taint": "object",
}
_STRUCT: Final = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.DOTALL | re.MULTILINE)
_NAMED: Final = re.compile(r"^type (\w+) ((?:\[\])?\w+)$", re.MULTILINE)
_FIELD: Final = re.compile(
    r'^\s*(?:(\w+)\s+)?([\w.*\[\]]+)\s+`json:"([\w-]*)(,[\w,]*)?"', re.MULTILINE
)

Fields = dict[str, str]
Structs = dict[str, Fields]


def main() -> int:
    """Write the table. Needs `go` and a module proxy."""
    fields = {minor: structs(sources(minor)) for minor in RELEASES}
    gates = {minor: gate_sources(minor) for minor in RELEASES}
    TARGET.write_text(
        table(
            fields,
            {minor: feature_gates(texts) for minor, texts in gates.items()},
            {minor: locked_gates(texts) for minor, texts in gates.items()},
        ),
        encoding="utf-8",
    )
    sys.stdout.write(f"{TARGET}\n")
    return 0


def sources(minor: int) -> dict[str, str]:
    """The Go source of a minor's release, by the prefix of its types."""
    return {
        prefix: (module_folder(module, minor) / path).read_text(encoding="utf-8")
        for module, path, prefix in _SOURCES
    }


def gate_sources(minor: int) -> list[str]:
    """The Go sources that define gates, in a minor's release."""
    files = [module_folder(module, minor) / path for module, path in _GATES]
    return [file.read_text(encoding="utf-8") for file in files if file.is_file()]


def feature_gates(texts: Sequence[str]) -> set[str]:
    """The gates that a kubelet of these sources takes; an unknown one keeps it from starting."""
    return {gate for text in texts for _, gate in _GATE.findall(text)} | {"AllAlpha", "AllBeta"}


def locked_gates(texts: Sequence[str]) -> dict[str, bool]:
    """The only value of each gate that these sources lock. The last specification is in effect."""
    names = {constant: gate for text in texts for constant, gate in _GATE.findall(text)}
    locked: dict[str, bool] = {}
    for text in texts:
        for constant, specs in _SPECS.findall(text):
            last = [line for line in specs.splitlines() if "Default: " in line][-1:]
            lock = _LOCK.search(last[0]) if last else None
            if lock is not None and constant in names:
                locked[names[constant]] = lock[1] == "true"
    return locked


def module_folder(module: str, minor: int) -> Path:
    """Where Go keeps the module of a minor's release; downloaded when it is missing."""
    major = 1 if module == "k8s.io/kubernetes" else 0
    done = subprocess.run(  # noqa: S603 - the module names are constants
        ["go", "mod", "download", "-json", f"{module}@v{major}.{RELEASES[minor]}"],  # noqa: S607
        check=True,
        capture_output=True,
        text=True,
    )
    return Path(json.loads(done.stdout)["Dir"])


def structs(texts: Mapping[str, str]) -> Structs:
    """The structs that `KubeletConfiguration` reaches, with each field's JSON name and type."""
    bodies: dict[str, str] = {}
    named: dict[str, str] = {}
    for prefix, text in texts.items():
        bodies |= {prefix + name: body for name, body in _STRUCT.findall(text)}
        named |= {prefix + name: kind for name, kind in _NAMED.findall(text)}
    table: Structs = {}
    waiting = [ROOT]
    while waiting:
        name = waiting.pop()
        if name in table:
            continue
        prefix = name.rpartition(".")[0]
        table[name] = _fields(name, prefix and f"{prefix}.", bodies, named)
        for kind in table[name].values():
            inner = kind.removeprefix("list of ")
            if inner in bodies:
                waiting.append(inner)
    return table


def _fields(name: str, prefix: str, bodies: Mapping[str, str], named: Mapping[str, str]) -> Fields:
    fields: Fields = {}
    for _, kind, json_name, options in _FIELD.findall(bodies[name]):
        if json_name == "-":
            continue
        # Up to 1.36 an embedded struct has the option `inline`, from 1.37 on a tag without a name.
        if "inline" in options or not json_name:
            if prefix + kind in bodies:
                fields |= _fields(prefix + kind, prefix, bodies, named)
            continue
        fields[json_name] = _kind(kind.removeprefix("*"), prefix, bodies, named)
    return fields


def _kind(kind: str, prefix: str, bodies: Mapping[str, str], named: Mapping[str, str]) -> str:
    if kind.startswith("[]"):
        return f"list of {_kind(kind[2:], prefix, bodies, named)}"
    if kind.startswith("map[string]"):
        return f"map of {_kind(kind.removeprefix('map[string]'), prefix, bodies, named)}"
    if kind in _SCALARS:
        return _SCALARS[kind]
    full = kind if kind in bodies or kind in named else prefix + kind
    if full in _SCALARS:
        return _SCALARS[full]
    if full in named:
        return _kind(
            named[full], full.rpartition(".")[0] + "." if "." in full else "", bodies, named
        )
    if full in bodies:
        return full
    raise ValueError(f"{kind} of {prefix or ROOT} is not a type that this command knows")


def table(
    by_minor: Mapping[int, Structs],
    gates: Mapping[int, set[str]],
    locked: Mapping[int, Mapping[str, bool]],
) -> str:
    """The Python source of the table. A field's type must not change between minors."""
    merged: dict[str, dict[str, tuple[str, list[int]]]] = {}
    for minor, of_minor in by_minor.items():
        for struct, fields in of_minor.items():
            for field, kind in fields.items():
                before = merged.setdefault(struct, {}).setdefault(field, (kind, []))
                if before[0] != kind:
                    raise ValueError(f"{struct}.{field} was {before[0]} and is {kind} in 1.{minor}")
                before[1].append(minor)
    first, *_, last = RELEASES.values()
    lines = [
        '"""Fields of KubeletConfiguration (kubelet.config.k8s.io/v1beta1), and its feature gates.',
        "",
        "Written by `python -m toolchain.kubelet_fields`; do not edit. Source: the Go code of",
        f"Kubernetes v1.{first} to v1.{last} (k8s.io/kubelet, component-base, apiserver,",
        "client-go, kubernetes), Apache License 2.0. Each entry ends with the first and the last",
        "minor of Kubernetes 1.x that has it.",
        '"""',
        "",
        "from __future__ import annotations",
        "",
        "from collections.abc import Mapping",
        "",
        f'ROOT = "{ROOT}"',
        "",
        "FIELDS: Mapping[str, Mapping[str, tuple[str, int, int]]] = {",
    ]
    for struct, fields_of in sorted(merged.items()):
        lines.append(f'    "{struct}": {{')
        lines += [
            f'        "{field}": ("{kind}", {minors[0]}, {minors[-1]}),'
            for field, (kind, minors) in sorted(fields_of.items())
        ]
        lines.append("    },")
    lines += [
        "}",
        '"""By struct and field: the type, the first and the last minor. A type is a scalar, a',
        '`list of`, a `map of`, or the name of another struct."""',
        "",
        "GATES: Mapping[str, tuple[int, int]] = {",
    ]
    for gate in sorted(set().union(*gates.values())):
        having = [minor for minor in RELEASES if gate in gates[minor]]
        lines.append(f'    "{gate}": ({having[0]}, {having[-1]}),')
    lines += [
        "}",
        "",
        "LOCKED_GATES: Mapping[str, tuple[bool, int, int]] = {",
    ]
    for gate in sorted(set().union(*locked.values())):
        having = [minor for minor in RELEASES if gate in locked[minor]]
        value = locked[having[-1]][gate]
        lines.append(f'    "{gate}": ({value}, {having[0]}, {having[-1]}),')
    lines += [
        "}",
        '"""By gate: its only value, and the first and the last minor whose kubelet does not start',
        'with another one."""',
    ]
    return "\n".join((*lines, ""))


if __name__ == "__main__":
    raise SystemExit(main())
