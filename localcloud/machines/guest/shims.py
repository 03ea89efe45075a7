"""Commands that a machine cannot have for real: simulated, and saying so.

Each is a small script in /opt/machine/sbin (mounted on /usr/local/sbin, first in every PATH) that
runs `python -m localcloud.machines.guest.shims NAME …`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import sys
import tomllib
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localcloud.machines import kernel

from . import leases, links, packages, services, simple_curl, units
from .lines import say
from .netplan import NetplanError, interpret, merge
from .rootfs import COMMANDS, TOOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from localcloud.machines.control import Instance

_ABOUT: Final = Path("/var/lib/machine/about.json")
_INSTALLED: Final = Path("/var/lib/machine/packages")
_MODULES: Final = Path("/run/machine/modules")
_SYSCTL: Final = Path("/run/machine/sysctl.json")
_KNOWN_MODULE: Final = re.compile(
    r"(overlay|br_netfilter|bridge|ipvlan|macvlan|veth|8021q|dummy|tun|nf_.*|nft_.*|xt_.*|ip_vs.*|"
    r"ip_tables|ip6_tables|iptable_.*|ip6table_.*|ip_set.*|nfnetlink.*|sch_.*|cls_.*|act_.*)"
)
_ARCHIVES: Final = frozenset(
    {"download.docker.com", "mirrors.aliyun.com", "mirrors.cloud.aliyuncs.com", "pkgs.k8s.io"}
)
_OUTPUT: Final = frozenset({"-o", "--output"})
_ONLY_WITH_MODULE: Final = {
    "net.bridge.": "br_netfilter",
    "net.netfilter.": "nf_conntrack",
    "net.nf_conntrack_max": "nf_conntrack",
}
_HOST_WIDE: Final = ("fs.", "kernel.", "vm.", "user.", "net.ipv4.neigh.", "net.ipv6.neigh.")


def install(instance: Instance, kubernetes_version: str) -> None:
    """Write the commands of the image, and those of the packages that are installed."""
    _ABOUT.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "kubernetes_version": kubernetes_version,
        "instance_type": instance.instance_type,
        "hostname": instance.hostname,
    }
    _ABOUT.write_text(json.dumps(about), encoding="utf-8")
    for name in _OF_THE_IMAGE:
        _write_command(name)
        for folder in ("/usr/bin", "/usr/sbin"):
            _cover(Path(folder) / name)
    _write_command("curl")


def load_settings() -> None:
    """Do at boot what systemd-modules-load and systemd-sysctl do."""
    for path in sorted(Path("/etc/modules-load.d").glob("*.conf")):
        for line in path.read_text("utf-8").splitlines():
            if line.strip() and line.strip()[0] not in "#;":
                _modprobe([line.strip()])
    _sysctl(["--system", "--quiet"])


def about() -> dict[str, str]:
    """Return what this machine is: kubernetes_version, instance_type, hostname."""
    found: dict[str, str] = json.loads(_ABOUT.read_text("utf-8"))
    return found


def _write_command(name: str) -> None:
    path = COMMANDS / name
    if not path.exists():
        path.touch(mode=0o755)
    path.write_text(
        f"#!/bin/sh\nPYTHONPATH={shlex.quote(os.environ.get('PYTHONPATH', ''))} "
        f'exec {shlex.quote(sys.executable)} -m localcloud.machines.guest.shims {name} "$@"\n',
        encoding="utf-8",
    )
    path.chmod(0o755)


def _cover(path: Path) -> None:
    """Hide the host's own program of that name, which must never act from inside a machine."""
    if path.exists() and not path.is_symlink():
        kernel.mount(COMMANDS / path.name, path, None, kernel.MS_BIND)


def _fail(text: str, code: int = 1) -> int:
    sys.stderr.write(text + "\n")
    return code


def _apt_get(words: Sequence[str]) -> int:
    plain = [word for word in words if not word.startswith("-")]
    # `-o Name=value` and `-t release` take the next word.
    for place, word in enumerate(words):
        if word in {"-o", "-t", "-c"} and place + 1 < len(words) and words[place + 1] in plain:
            plain.remove(words[place + 1])
    if not plain:
        return _fail("E: no command given (simulated apt-get)", 100)
    verb, *names = plain
    if verb in {"update", "upgrade", "dist-upgrade", "autoremove", "clean", "autoclean"}:
        say(f"apt-get {verb}: the archive of this machine is always up to date (simulated)")
        return 0
    if verb in {"remove", "purge"}:
        for name in names:
            (_INSTALLED / name).unlink(missing_ok=True)
        return 0
    if verb != "install":
        return _fail(f"E: Invalid operation {verb} (simulated apt-get)", 100)
    try:
        found = packages.select(names, packages.archive(about()["kubernetes_version"]))
    except packages.PackageError as error:
        return _fail(str(error), 100)
    _INSTALLED.mkdir(parents=True, exist_ok=True)
    for package in found:
        for command in package.commands:
            _install_command(command)
        for unit, text in package.units:
            path = units.UNIT_FOLDERS[1] / f"{unit}.service"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            services.ask(["enable", unit])
            if unit != "kubelet":
                services.ask(["start", unit])
        (_INSTALLED / package.name).write_text(package.version + "\n", encoding="utf-8")
        say(f"Setting up {package.name} ({package.version}) ... (simulated)")
    return 0


def _install_command(command: str) -> None:
    if command in {"kubectl"} and (TOOLS / command).exists():
        (COMMANDS / command).unlink(missing_ok=True)
        (COMMANDS / command).symlink_to(TOOLS / command)
        return
    _write_command(command)


def _apt_mark(words: Sequence[str]) -> int:
    for name in words[1:]:
        say(f"{name} set on {words[0]}.")
    return 0


def _systemctl(words: Sequence[str]) -> int:
    reply = services.ask(words)
    if reply.text and "-q" not in words and "--quiet" not in words:
        (sys.stderr if reply.code else sys.stdout).write(reply.text + "\n")
    return reply.code


def _netplan(words: Sequence[str]) -> int:
    verb = next((word for word in words if not word.startswith("-")), "")
    try:
        if verb == "apply":
            for plan in links.apply_netplan(leases.read()):
                say(f"netplan: {plan.name} ({plan.mac}) {' '.join(plan.addresses) or '-'}")
            return 0
        if verb in {"generate", "get"}:
            files = [(path.name, path.read_text("utf-8")) for path in links.NETPLAN.glob("*.yaml")]
            interpret(merge(files), [], [])
            return 0
    except NetplanError as error:
        return _fail(f"netplan: {error}", 78)
    return _fail(f"netplan {verb}: not simulated; apply and generate are", 2)


def _modprobe(words: Sequence[str]) -> int:
    names = [word for word in words if not word.startswith("-")]
    if words and words[0] not in {"-a", "--all"}:
        names = names[:1]
    present = _modules()
    for name in names:
        plain = name.replace("-", "_")
        if not _KNOWN_MODULE.fullmatch(plain):
            return _fail(
                f"modprobe: FATAL: Module {name} not found in directory /lib/modules/6.8.0-generic"
            )
        present.add(plain)
    _MODULES.parent.mkdir(parents=True, exist_ok=True)
    _MODULES.write_text("".join(f"{name}\n" for name in sorted(present)), encoding="ascii")
    return 0


def _modules() -> set[str]:
    return set(_MODULES.read_text("ascii").split()) if _MODULES.exists() else set()


def _lsmod(_: Sequence[str]) -> int:
    say("Module                  Size  Used by")
    for name in sorted(_modules()):
        say(f"{name:<22} 16384  0")
    return 0


def _sysctl(words: Sequence[str]) -> int:
    quiet = "-q" in words or "--quiet" in words
    plain = [word for word in words if not word.startswith("-")]
    if "--system" in words:
        folders = (Path("/etc/sysctl.d"), Path("/run/sysctl.d"))
        files = [path for folder in folders for path in folder.glob("*.conf")]
        files = sorted(files, key=lambda path: path.name) + [Path("/etc/sysctl.conf")]
    elif "-p" in words or "--load" in words:
        files = [Path(name) for name in plain] or [Path("/etc/sysctl.conf")]
        if missing := [path for path in files if not path.exists()]:
            return _fail(f'sysctl: cannot open "{missing[0]}": No such file or directory', 255)
    else:
        files = []
        if "-w" not in words and not any("=" in word for word in plain):
            return _read_sysctl(plain, bare="-n" in words)
    settings = [] if files else plain
    for path in files:
        if path.exists():
            lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
            settings += [line for line in lines if line and line[0] not in "#;"]
    code = 0
    for setting in settings:
        key, _, value = setting.partition("=")
        ignored = key.startswith("-")
        key, value = key.strip().lstrip("-").replace("/", "."), value.strip()
        if problem := _set_sysctl(key, value):
            if not ignored:
                code = _fail(f"sysctl: {problem}", 255)
        elif not quiet:
            say(f"{key} = {value}")
    # procps reports a bad key of a --system file and still ends with 0.
    return 0 if "--system" in words else code


def _set_sysctl(key: str, value: str) -> str | None:
    """Write a setting of this network namespace; keep a host-wide one as a note only."""
    path = _sysctl_path(key)
    host_wide = key.startswith(_HOST_WIDE)
    if not host_wide and path.exists():
        try:
            path.write_text(value, encoding="ascii")
        except OSError as error:
            if not isinstance(error, PermissionError):
                return f'setting key "{key}": {error.strerror}'
    elif not host_wide:
        needed = next((mod for pre, mod in _ONLY_WITH_MODULE.items() if key.startswith(pre)), None)
        if needed is None or needed not in _modules():
            return f"cannot stat {path}: No such file or directory"
    noted = json.loads(_SYSCTL.read_text("ascii")) if _SYSCTL.exists() else {}
    noted[key] = value
    _SYSCTL.parent.mkdir(parents=True, exist_ok=True)
    _SYSCTL.write_text(json.dumps(noted, indent=1, sort_keys=True), encoding="ascii")
    return None


def _read_sysctl(keys: Sequence[str], *, bare: bool) -> int:
    noted = json.loads(_SYSCTL.read_text("ascii")) if _SYSCTL.exists() else {}
    for key in keys:
        path = _sysctl_path(key)
        if key in noted:
            value = noted[key]
        elif path.exists():
            value = path.read_text("ascii").strip()
        else:
            return _fail(f"sysctl: cannot stat {path}: No such file or directory", 255)
        say(value if bare else f"{key} = {value}")
    return 0


def _sysctl_path(key: str) -> Path:
    return Path("/proc/sys") / key.replace(".", "/")


def _containerd(words: Sequence[str]) -> int:
    if list(words[:2]) == ["config", "default"]:
        say(
            "version = 3\n\n[plugins]\n  [plugins.'io.containerd.cri.v1.images']\n"
            "    [plugins.'io.containerd.cri.v1.images'.pinned_images]\n"
            "      sandbox = 'registry.k8s.io/pause:3.10.1'\n"
            "  [plugins.'io.containerd.cri.v1.runtime']\n"
            "    [plugins.'io.containerd.cri.v1.runtime'.containerd]\n"
            "      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]\n"
            "        [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]\n"
            "          SystemdCgroup = false"
        )
        return 0
    if words and words[0] in {"--version", "-v"}:
        say("containerd github.com/containerd/containerd/v2 2.1.4 (simulated)")
        return 0
    if words:
        return _fail(f"containerd {words[0]}: not simulated")
    _check_toml(Path("/etc/containerd/config.toml"))
    path = Path("/run/containerd/containerd.sock")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


def _check_toml(path: Path) -> None:
    """Refuse to start on a broken configuration, as containerd does."""
    if path.exists():
        try:
            tomllib.loads(path.read_text("utf-8"))
        except tomllib.TOMLDecodeError as error:
            say(f"containerd: failed to load TOML: {path}: {error}")
            sys.exit(1)


def _crictl(words: Sequence[str]) -> int:
    plain = [word for word in words if not word.startswith("-")]
    if plain[:1] in (["pull"], ["config"], ["info"], ["version"], ["ps"], ["images"], ["pods"]):
        return 0
    return _fail(f"crictl {' '.join(words)}: not simulated")


def _kubeadm(words: Sequence[str]) -> int:
    """Run the real kubeadm; preflight looks at a real node's kernel and images, so it is left out."""
    extra: list[str] = []
    if words[:1] in (["init"], ["join"]) and words[1:2] != ["phase"]:
        given = [word for word in words if word.startswith("--skip-phases")]
        kept = [word for word in words if not word.startswith("--skip-phases")]
        phases = ["preflight", *(word.partition("=")[2] for word in given)]
        words, extra = kept, [f"--skip-phases={','.join(phases)}"]
        say(f"kubeadm {words[0]} with {extra[0]} (this machine has no kernel or images of its own)")
    os.execv(TOOLS / "kubeadm", ["kubeadm", *words, *extra])  # noqa: S606


def _kubelet(words: Sequence[str]) -> int:
    if list(words) == ["--version"]:
        say(f"Kubernetes {about()['kubernetes_version']}")
        return 0
    module = "localcloud.machines.guest.kubelet"
    os.execv(sys.executable, [sys.executable, "-m", module, *words])  # noqa: S606


def _kubectl(_: Sequence[str]) -> int:
    return _fail("kubectl: this machine's toolchain has none")


def _curl(words: Sequence[str]) -> int:
    """Answer for the package archives; everything else inside the VPC is asked for real."""
    target = next((word for word in words if word.startswith(("http://", "https://"))), "")
    if urllib.parse.urlsplit(target).hostname in _ARCHIVES:
        text = f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n(simulated: {target})\n"
        output = next(
            (words[place + 1] for place, word in enumerate(words[:-1]) if word in _OUTPUT), None
        )
        if output is None:
            say(text)
        else:
            Path(output).write_text(text, encoding="utf-8")
        return 0
    real = shutil.which("curl", path="/usr/bin:/bin")
    if real is None:
        return simple_curl.run(words)
    os.execv(real, ["curl", *words])  # noqa: S606  (argv is the caller's own)


def _nothing(_: Sequence[str]) -> int:
    """Swap, time zones and udev belong to the host; there is nothing to do."""
    return 0


_OF_THE_IMAGE: Final[dict[str, Callable[[Sequence[str]], int]]] = {
    "apt-get": _apt_get,
    "apt-mark": _apt_mark,
    "hostnamectl": _nothing,
    "lsmod": _lsmod,
    "modprobe": _modprobe,
    "netplan": _netplan,
    "networkctl": _nothing,
    "nmcli": _nothing,
    "swapoff": _nothing,
    "sysctl": _sysctl,
    "systemctl": _systemctl,
    "timedatectl": _nothing,
    "udevadm": _nothing,
}
_OF_PACKAGES: Final[dict[str, Callable[[Sequence[str]], int]]] = {
    "containerd": _containerd,
    "crictl": _crictl,
    "curl": _curl,
    "kubeadm": _kubeadm,
    "kubectl": _kubectl,
    "kubelet": _kubelet,
}


def main() -> int:
    """Run the command named by the first argument."""
    name, *words = sys.argv[1:]
    return (_OF_THE_IMAGE | _OF_PACKAGES)[name](words)


if __name__ == "__main__":
    sys.exit(main())
