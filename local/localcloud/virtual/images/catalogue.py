"""The images that the registry has: what pods of the local cloud's virtual machines run.

Names, tags, programs and paths are those of the published images, as the manifests ask for them:
kubeadm's (https://github.com/kubernetes/kubernetes/tree/v1.36.3/cmd/kubeadm/app/phases/addons) and
those of Spiderpool's chart (https://github.com/spidernet-io/spiderpool/tree/v1.2.2/charts/spiderpool).
`docs/virtual-machines.md` lists where an image differs from the published one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from localcloud.virtual import names
from localcloud.virtual.lock import IMAGE_CURL, IMAGE_NETWORK, IMAGE_SHELL

from .layers import Layer
from .layout import Image
from .programs import KUBERNETES, ImagePrograms

KUBERNETES_REGISTRY: Final = "registry.k8s.io"
PAUSE_TAGS: Final = ("3.10.2", "3.10.1", "3.10")
COREDNS_TAG: Final = "v1.14.2"
ETCD_TAG: Final = "3.6.8-0"
SPIDERPOOL: Final = "ghcr.io/spidernet-io/spiderpool"
SPIDERPOOL_TAG: Final = "v1.2.2"
PLUGINS_TAG: Final = "87fd4a400858705c208d5a4b7059423b33a551aa"
MULTUS: Final = "ghcr.io/k8snetworkplumbingwg/multus-cni"
MULTUS_TAG: Final = "v4.1.4"
BUSYBOX_TAGS: Final = ("1.37.0", "latest")
NGINX_TAGS: Final = ("1.27.5", "latest")

PRELOADED: Final = (
    *(f"{KUBERNETES_REGISTRY}/{name}" for name in ("pause", "kube-proxy", "coredns/coredns")),
    *(f"{SPIDERPOOL}/{name}" for name in ("spiderpool-agent", "spiderpool-plugins")),
    MULTUS,
)
"""The repositories whose images the machines' disk image has unpacked: what every worker runs. All
others are pulled."""

BUSYBOX: Final = "usr/bin/busybox"
PLUGINS: Final = ("ipvlan", "loopback", "macvlan")
_SYSTEM: Final[Mapping[str, str]] = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnobody:x:65534:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
    "root/.profile": "",
}
_FOLDERS: Final[Mapping[str, int]] = {"run": 0o755, "tmp": 0o1777}
_NFT_NAMES: Final = tuple(
    f"{family}{action}"
    for family in ("iptables", "ip6tables")
    for action in ("", "-save", "-restore")
)
_INSTALL_PLUGINS: Final = """\
#!/bin/sh
# Copies the CNI plugins of this image to the node, if the chart asks for them.
set -eu
if [ "${INSTALL_CNI_PLUGINS:-false}" != true ]; then
  echo "INSTALL_CNI_PLUGINS is not true: no plugin is installed."
  exit 0
fi
mkdir -p /host/opt/cni/bin
for plugin in /usr/plugins/cni/*; do
  name=${plugin##*/}
  # A plugin that runs keeps its file.
  cp "$plugin" "/host/opt/cni/bin/.$name"
  mv -f "/host/opt/cni/bin/.$name" "/host/opt/cni/bin/$name"
  echo "Installed $name."
done
"""


def images(
    programs: ImagePrograms, packages: Mapping[str, Sequence[Path]], applets: Sequence[str]
) -> list[Image]:
    """All images.

    Args:
        programs: What the toolchain built.
        packages: Group of the lock → files of its packages.
        applets: The commands of the busybox in `IMAGE_SHELL`.
    """
    shell = Layer(
        packages=packages[IMAGE_SHELL],
        texts=_SYSTEM,
        links={f"usr/bin/{name}": "busybox" for name in applets if name != "busybox"}
        | {"usr/bin/bash": "bash-static", "var/run": "../run"},
        folders=_FOLDERS,
    )
    network = Layer(
        packages=packages[IMAGE_NETWORK],
        # What the packages' scripts would choose.
        links={f"usr/sbin/{name}": "xtables-nft-multi" for name in _NFT_NAMES},
        folders=_FOLDERS,
    )
    curl = Layer(packages=packages[IMAGE_CURL])
    return [
        *_kubernetes(programs, network),
        *_spiderpool(programs, shell),
        Image(
            references=_references("docker.io/library/busybox", BUSYBOX_TAGS),
            layers=[shell],
            settings={"Cmd": ["sh"]},
        ),
        Image(
            references=_references("docker.io/library/nginx", NGINX_TAGS),
            layers=[shell, curl, Layer(programs={"usr/bin/web": programs["web"]})],
            settings={"Cmd": ["/usr/bin/web"], "StopSignal": "SIGQUIT"},
        ),
    ]


def _kubernetes(programs: ImagePrograms, network: Layer) -> Iterator[Image]:
    tags = (f"v{programs.kubernetes_version}",)
    yield Image(
        references=_kubeadm("pause", PAUSE_TAGS),
        layers=[Layer(programs={"pause": programs["pause"]})],
        settings={"Entrypoint": ["/pause"], "User": "65535:65535"},
    )
    yield Image(
        references=_kubeadm("kube-proxy", tags),
        layers=[network, Layer(programs={"usr/local/bin/kube-proxy": programs["kube-proxy"]})],
    )
    yield Image(
        references=_kubeadm("coredns/coredns", (COREDNS_TAG,)),
        layers=[Layer(programs={"coredns": programs["coredns"]})],
        settings={"Entrypoint": ["/coredns"]},
    )
    yield Image(
        references=_kubeadm("etcd", (ETCD_TAG,)),
        layers=[Layer(programs={"usr/local/bin/etcd": programs["etcd"]}, folders=_FOLDERS)],
    )
    for name in KUBERNETES:
        yield Image(
            references=_kubeadm(name, tags),
            layers=[Layer(programs={f"usr/local/bin/{name}": programs[name]}, folders=_FOLDERS)],
        )


def _spiderpool(programs: ImagePrograms, shell: Layer) -> Iterator[Image]:
    agent = ("coordinator", "ifacer", "spiderpool", "spiderpool-agent")
    controller = ("spiderpool-controller", "spiderpool-init")
    for name, contents in (("spiderpool-agent", agent), ("spiderpool-controller", controller)):
        yield Image(
            references=_references(f"{SPIDERPOOL}/{name}", (SPIDERPOOL_TAG,)),
            layers=[
                shell,
                Layer(programs={f"usr/bin/{program}": programs[program] for program in contents}),
            ],
            settings={"Cmd": [f"/usr/bin/{name}", "daemon"]},
        )
    yield Image(
        references=_references(f"{SPIDERPOOL}/spiderpool-plugins", (PLUGINS_TAG,)),
        layers=[
            shell,
            Layer(
                programs={f"usr/plugins/cni/{plugin}": programs[plugin] for plugin in PLUGINS},
                scripts={"entrypoint.sh": _INSTALL_PLUGINS},
            ),
        ],
        settings={"Cmd": ["/bin/sh"], "WorkingDir": "/"},
    )
    yield Image(
        references=_references(MULTUS, (MULTUS_TAG,)),
        layers=[
            Layer(
                programs={
                    "install_multus": programs["install_multus"],
                    "usr/src/multus-cni/bin/multus": programs["multus"],
                }
            )
        ],
        settings={"WorkingDir": "/"},
    )


def _references(repository: str, tags: Sequence[str]) -> list[str]:
    return [f"{repository}:{tag}" for tag in tags]


def _kubeadm(name: str, tags: Sequence[str]) -> list[str]:
    """In Kubernetes' own registry, and in Alibaba Cloud's, which has every image in one folder."""
    folder = f"{names.CHINA_IMAGES}/google_containers"
    return [
        *_references(f"{KUBERNETES_REGISTRY}/{name}", tags),
        *_references(f"{folder}/{name.rpartition('/')[2]}", tags),
    ]
