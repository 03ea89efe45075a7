"""The program that makes a machine a node, run with commands that only write down their calls.

Absolute paths of the machine are moved into a folder of the test; everything else is run as it is.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from planning.model import ClusterPlan
from planning.nodes.secrets import ClusterSecrets
from tests.clusters import fake_secrets, small, three_control_planes
from tests.planning.documents import FAR_AWAY, ROOT, booted, planned, stack_plan
from tests.planning.machine_python import write_python

pytestmark = pytest.mark.unit

_MOVED = re.compile(r"(?<![\w.])/(etc|proc|run|var|dev/disk)/")
_RETRIES = re.compile(r"(?<=\bretry )\d+(?= )")
_MOST_RETRIES = 40
"""A machine waits up to 900 turns, which are processes here. The last change that a wait makes by
itself is in its 30th turn (`node_is_ours`)."""
_RECORDED = (
    "apt-get",
    "crictl",
    "dpkg",
    "modprobe",
    "netplan",
    "swapoff",
    "sysctl",
    "systemctl",
)

# These run thousands of times, so they start no other process.
_RECORDER = """\
#!/bin/bash
name=${0##*/}
echo "$name $*" >> "$CALLS"
case " $FAILING " in *" $name "*) echo "$name: no" >&2; exit 9 ;; esac
if [ "$name $*" = "$FAILING_ONCE" ]; then
  [ "$(grep -cxF "$FAILING_ONCE" "$CALLS")" != 1 ] || exit 9
fi
"""

# Keeps the configuration that it gets, with its mode. FAILING=power: it does not end its work.
_KUBEADM = f"""\
{_RECORDER}
if [ "$2" = --config ]; then cp -p "$3" "$CALLS.kubeadm"; fi
case " $FAILING $2" in *" power --config") exit 137 ;; esac
if [ "$1" = join ]; then cp -p "$(sed -n 's/.*kubeConfigPath: //p' "$3")" "$CALLS.discovery"; fi
"""

_CURL = """\
#!/bin/bash
echo "curl $*" >> "$CALLS"
case " $FAILING " in *" curl "*) echo "curl: no" >&2; exit 7 ;; esac
for url; do
  if [ "$before" = -o ]; then echo key > "$url"; fi
  before=$url
done
case "$url" in
  */latest/api/token) echo -n token-1 ;;
  */meta-data/region-id) [[ "$*" = *'token: token-1'* ]] && echo -n "${REGION-cn-hangzhou}" ;;
  */meta-data/instance-id) [[ "$*" = *'token: token-1'* ]] && echo -n i-bp1a ;;
  https://*:2379/v3/cluster/member/list)
    # Like etcd (test_etcd_without_a_majority.py): without a majority it answers from its memory.
    if [ -n "$NO_MAJORITY" ] && [[ "$*" = *'"linearizable":true'* ]]; then exit 22; fi
    # An etcd that serves has a member at least: itself.
    serving='{"members":[{"ID":"9","name":"other","peerURLs":["https://10.0.0.99:2380"]}]}'
    echo "${MEMBERS-$serving}" ;;
  https://*:6443/readyz)
    address=${url#https://}
    case " $READY " in *" ${address%%:*} "*) echo -n ok ;; *) exit 7 ;; esac ;;
  https://*:2379/ | https://*:6443/)
    address=${url#https://}
    case " $READY $SERVING " in
      *" ${address%%:*} "*) echo -n 0.000412; exit 56 ;;
      *) echo -n 0.000000; exit 7 ;;
    esac ;;
esac
exit 0
"""


# NODE_SAYS: provider ids with spaces between, one a question, the last for all later ones.
# CLUSTER: the ClusterConfiguration; OBJECTS: what a version is replaced in.
# KEYS_IN_USE: the annotation of two of the other control planes; a third one has none.
_KUBECTL = """\
#!/bin/bash
echo "kubectl $*" >> "$CALLS"
case " $FAILING " in *" kubectl "*) echo "kubectl: no" >&2; exit 1 ;; esac
case " $* " in
  *" delete node "*) exit "${DELETE_ENDS-0}" ;;
  *" get configmap/kubeadm-config "*) printf '%s\n' "$OBJECTS"; exit ;;
  *" replace -f - "*) cat > "$CALLS.replaced"; exit ;;
  *" get configmap kubeadm-config "*) echo -n "${CLUSTER-kind: x}"; exit ;;
  *" get nodes "*) printf '\\n%s\\n%s\\n' "${KEYS_IN_USE-key1}" "${KEYS_IN_USE-key1}"; exit ;;
esac
asked=$(grep -c ^kubectl "$CALLS")
read -ra says <<< "${NODE_SAYS-cn-hangzhou.i-bp1a}"
said=${says[asked - 1]-${says[-1]}}
[ "$said" = none ] || echo -n "$said"
"""


UBUNTU = 'NAME="Ubuntu"\nID=ubuntu\nVERSION_CODENAME=noble\n'
DEBIAN = 'NAME="Debian GNU/Linux"\nID=debian\nVERSION_CODENAME=trixie\n'
SOURCES = "/etc/apt/sources.list.d/spiderpool.sources"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A folder with a node's files, and commands that record."""

    root: Path
    env: Mapping[str, str] = field(default_factory=dict)

    def run(
        self, *, ready: str = "", serving: str = "", failing: str = "", **more: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own program
            ["/bin/bash", self.path("/etc/spiderpool-alicloud/bootstrap.sh")],
            env={**self.env, "READY": ready, "SERVING": serving, "FAILING": failing, **more},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def path(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def text(self, path: str) -> str:
        return self.path(path).read_text(encoding="utf-8")

    @property
    def configuration(self) -> Path:
        """What kubeadm was given."""
        return self.path("/calls.kubeadm")

    @property
    def discovery(self) -> Path:
        """The kubeconfig with which kubeadm joined."""
        return self.path("/calls.discovery")

    @property
    def calls(self) -> list[str]:
        return self.text("/calls").replace(str(self.root), "").splitlines()


def bare_machine(tmp_path: Path) -> Machine:
    """A machine before its first boot."""
    commands = tmp_path / "commands"
    commands.mkdir()
    special = {
        "curl": _CURL,
        "kubeadm": _KUBEADM,
        "kubectl": _KUBECTL,
        "stat": "#!/bin/bash\necho ${CGROUP-cgroup2fs}\n",
    }
    (commands / "sleep").symlink_to("/bin/true")
    write_python(commands)
    for name in (*_RECORDED, *special):
        text = special.get(name, _RECORDER)
        program = commands / name
        program.write_text(text, encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    for folder in ("etc/modules-load.d", "etc/kubernetes", "proc/net", "run"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "proc/net/dev").write_text("  eth0: 1\n  eth1: 2\n    lo: 3\n", encoding="utf-8")
    (tmp_path / "etc/hosts").write_text("127.0.0.1 localhost\n", encoding="utf-8")
    (tmp_path / "etc/os-release").write_text(UBUNTU, encoding="utf-8")
    (tmp_path / "etc/fstab").write_text("# x\n/dev/vdb none swap sw 0 0\n", encoding="utf-8")
    path = f"{commands}{os.pathsep}/usr/bin{os.pathsep}/bin"
    return Machine(root=tmp_path, env={"PATH": path, "CALLS": str(tmp_path / "calls")})


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return bare_machine(tmp_path)


def provisioned(  # noqa: PLR0913 - as `user_data`
    machine: Machine,
    plan: ClusterPlan,
    node: str,
    *,
    creation_ends: int | None = FAR_AWAY,
    earlier_addresses: Mapping[str, str] | None = None,
    restore: str | None = None,
    secrets: ClusterSecrets | None = None,
) -> Machine:
    """Write a node's files, as cloud-init would."""
    boot = booted(
        plan,
        node,
        creation_ends=creation_ends,
        earlier_addresses=earlier_addresses,
        restore=restore,
        secrets=secrets,
    )
    for path, content in boot.files.items():
        place = machine.path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(
            _with_fewer_retries(_MOVED.sub(rf"{machine.root}/\1/", content)), encoding="utf-8"
        )
    return machine


def _with_fewer_retries(program: str) -> str:
    return _RETRIES.sub(lambda tries: str(min(int(tries[0]), _MOST_RETRIES)), program)


@pytest.mark.parametrize("script", ["bootstrap.sh", "node.sh", "common.sh", "etcd-disk.sh"])
def test_the_programs_are_clean_for_shellcheck(script: str) -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    check = subprocess.run(  # noqa: S603 - a tool of the development environment
        [
            shellcheck,
            "--shell=bash",
            "--severity=style",
            "-x",
            ROOT / "planning" / "nodes" / script,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (check.returncode, check.stdout) == (0, "")


def test_a_worker_goes_through_every_step_in_order(machine: Machine) -> None:
    done = provisioned(machine, stack_plan("local"), "worker").run()
    assert (done.returncode, done.stderr) == (0, "")
    names = [call.split()[0] for call in machine.calls]
    order = [
        names.index(n) for n in ("netplan", "modprobe", "sysctl", "swapoff", "apt-get", "kubeadm")
    ]
    assert order == sorted(order)
    assert [c for c in machine.calls if c.startswith(("systemctl", "kubeadm"))] == [
        "systemctl enable chrony containerd kubelet",
        "systemctl restart chrony",
        "systemctl restart containerd",
        "systemctl enable --now spiderpool-alicloud-metadata",
        "kubeadm join --config /etc/spiderpool-alicloud/kubeadm.yaml",
        "systemctl daemon-reload",
        "systemctl enable --now spiderpool-alicloud-node.timer",
    ]


def test_progress_is_marked_and_ends_with_the_provider_id(machine: Machine) -> None:
    done = provisioned(machine, stack_plan("local"), "worker").run()
    lines = done.stdout.splitlines()
    assert all(line.startswith(":: worker: ") for line in lines)
    assert lines[-1] == ":: worker: done, kubelet 1.36.3 runs as cn-hangzhou.i-bp1a"


def test_the_provider_id_comes_from_the_metadata_service_with_a_token(machine: Machine) -> None:
    provisioned(machine, stack_plan("local"), "worker").run()
    text = machine.configuration.read_text(encoding="utf-8")
    assert "value: 'cn-hangzhou.i-bp1a'" in text
    assert "@PROVIDER_ID@" not in text
    assert stat.S_IMODE(machine.configuration.stat().st_mode) == 0o600
    assert any(c.startswith("curl") and "-X PUT" in c and "api/token" in c for c in machine.calls)


def test_exact_versions_are_installed_and_our_files_kept(machine: Machine) -> None:
    provisioned(machine, stack_plan("local"), "worker").run()
    (install,) = (c for c in machine.calls if c.startswith("apt-get") and " install " in c)
    for package in ("kubelet=1.36.3-*", "kubeadm=1.36.3-*", "kubectl=1.36.3-*", "containerd.io"):
        assert f" {package} " in install
    assert "--force-confold" in install
    assert machine.text("/etc/apt/keyrings/kubernetes.asc") == "key\n"


def test_swap_stays_off_after_a_restart(machine: Machine) -> None:
    provisioned(machine, stack_plan("local"), "worker").run()
    assert machine.text("/etc/fstab") == "# x\n#/dev/vdb none swap sw 0 0\n"


def test_modules_are_loaded_now_and_at_every_boot(machine: Machine) -> None:
    provisioned(machine, stack_plan("local"), "worker").run()
    loaded = [c.removeprefix("modprobe ") for c in machine.calls if c.startswith("modprobe")]
    assert "ipvlan" in loaded
    assert machine.text("/etc/modules-load.d/spiderpool.conf").split() == loaded


def test_the_only_control_plane_initialises_the_cluster(machine: Machine) -> None:
    done = provisioned(machine, stack_plan("local"), "master").run()
    assert done.returncode == 0
    assert [c for c in machine.calls if c.startswith("kubeadm")] == [
        "kubeadm init --config /etc/spiderpool-alicloud/kubeadm.yaml --skip-token-print"
    ]
    plan = stack_plan("local")
    own = plan.nodes["master"].interfaces["eth0"].primary
    assert machine.text("/etc/hosts") == f"127.0.0.1 localhost\n{own} api.{plan.name}.internal\n"


@pytest.mark.parametrize("creation_ends", [None, 1_000_000_000], ids=["no creation", "long ago"])
@pytest.mark.parametrize("document", [small(), three_control_planes()], ids=["one", "three"])
def test_a_lone_control_plane_never_creates_a_second_cluster(
    machine: Machine, document: dict[str, Any], creation_ends: int | None
) -> None:
    plan = planned(document)
    done = provisioned(machine, plan, "masters-0", creation_ends=creation_ends).run()
    assert done.returncode == 1
    assert "this machine may not make a new cluster: only the first creation may" in done.stderr
    assert not [c for c in machine.calls if c.startswith("kubeadm")]


def test_the_keys_are_there_before_anything_asks_apt(machine: Machine) -> None:
    done = provisioned(machine, stack_plan("local"), "worker").run(failing="modprobe")
    assert done.returncode != 0
    calls = [c.split()[0] for c in machine.calls]
    keys = [n for n, c in enumerate(machine.calls) if c.startswith("curl") and "keyrings" in c]
    assert len(keys) == 2
    assert max(keys) < calls.index("apt-get")


def test_the_first_of_three_initialises_when_no_other_answers(machine: Machine) -> None:
    plan = planned(three_control_planes())
    provisioned(machine, plan, "masters-0").run()
    assert [c for c in machine.calls if c.startswith("kubeadm init --config")]
    own = plan.nodes["masters-0"].interfaces["eth0"].primary
    assert machine.text("/etc/hosts") == f"127.0.0.1 localhost\n{own} api.small.internal\n"


def test_the_first_of_three_creates_no_second_cluster_next_to_an_unhealthy_one(
    machine: Machine,
) -> None:
    plan = planned(three_control_planes())
    second = str(plan.nodes["masters-1"].interfaces["eth0"].primary)
    done = provisioned(machine, plan, "masters-0").run(serving=second)
    assert done.returncode != 0
    assert f"no API server of another control plane ({second} " in done.stderr
    assert not [c for c in machine.calls if c.startswith("kubeadm")]


def test_a_replaced_first_control_plane_joins_the_cluster_that_is_there(machine: Machine) -> None:
    plan = planned(three_control_planes())
    other = str(plan.nodes["masters-2"].interfaces["eth0"].primary)
    provisioned(machine, plan, "masters-0", creation_ends=None).run(ready=other)
    assert not [c for c in machine.calls if c.startswith("kubeadm init --config")]
    assert [c for c in machine.calls if c.startswith("kubeadm join")]
    assert "kind: JoinConfiguration" in machine.configuration.read_text(encoding="utf-8")
    own = plan.nodes["masters-0"].interfaces["eth0"].primary
    assert machine.text("/etc/hosts") == f"127.0.0.1 localhost\n{own} api.small.internal\n"


@pytest.mark.parametrize("creation_ends", [None, FAR_AWAY], ids=["served", "creation"])
def test_the_first_of_three_that_moves_joins_the_others_where_they_still_are(
    machine: Machine, creation_ends: int | None
) -> None:
    earlier = {"masters-0": "10.9.0.1", "masters-1": "10.9.0.2", "masters-2": "10.9.0.3"}
    moved = provisioned(
        machine,
        planned(three_control_planes()),
        "masters-0",
        creation_ends=creation_ends,
        earlier_addresses=earlier,
    )
    moved.run(ready="10.9.0.2", serving="10.9.0.2")
    assert not [c for c in machine.calls if c.startswith("kubeadm init --config")]
    assert [c for c in machine.calls if c.startswith("kubeadm join")]


MEMBERS = (
    '{"header":{"cluster_id":"1"},"members":['
    '{"ID":"11","name":"masters-1","peerURLs":["https://10.0.0.32:2380"]},'
    '{"ID":"77","name":"masters-0","peerURLs":["https://10.0.0.16:2380"]}]}'
)


def test_a_replacement_removes_what_is_left_of_the_lost_machine_first(machine: Machine) -> None:
    plan = planned(three_control_planes())
    assert str(plan.nodes["masters-0"].interfaces["eth0"].primary) == "10.0.0.16"
    replacement = provisioned(machine, plan, "masters-0", creation_ends=None)
    done = replacement.run(ready="10.0.0.32", MEMBERS=MEMBERS)
    assert ":: masters-0: removes etcd member 77 (voter, 10.0.0.16) of the machine before" in (
        done.stdout
    )
    calls = machine.calls
    removals = [c for c in calls if c.endswith("member/remove")]
    assert [re.findall(r'"ID":"\d+"', c) for c in removals] == [['"ID":"77"']]
    (delete,) = (c for c in calls if " delete node masters-0 " in c)
    assert "--server https://10.0.0.32:6443 " in delete
    (join,) = (c for c in calls if c.startswith("kubeadm join"))
    assert calls.index(removals[0]) < calls.index(delete) < calls.index(join)


def test_it_does_not_join_while_the_lost_machines_node_is_there(machine: Machine) -> None:
    plan = planned(three_control_planes())
    replacement = provisioned(machine, plan, "masters-0", creation_ends=None)
    done = replacement.run(ready="10.0.0.32", MEMBERS=MEMBERS, DELETE_ENDS="1")
    assert done.returncode != 0
    assert not [c for c in machine.calls if c.startswith("kubeadm join")]


def test_members_of_other_addresses_stay(machine: Machine) -> None:
    plan = planned(three_control_planes())
    members = MEMBERS.replace("10.0.0.16:", "10.0.0.160:").replace("masters-0", "masters-00")
    replacement = provisioned(machine, plan, "masters-0", creation_ends=None)
    done = replacement.run(ready="10.0.0.32", MEMBERS=members)
    assert done.returncode == 0
    assert not [c for c in machine.calls if c.endswith("member/remove")]


def test_a_replacement_with_another_address_removes_the_member_of_its_name(
    machine: Machine,
) -> None:
    plan = planned(three_control_planes())
    members = MEMBERS.replace("10.0.0.16:", "10.0.0.208:")
    replacement = provisioned(machine, plan, "masters-0", creation_ends=None)
    done = replacement.run(ready="10.0.0.32", MEMBERS=members)
    assert "removes etcd member 77 (voter, 10.0.0.208) of the machine before" in done.stdout
    assert [c for c in machine.calls if c.endswith("member/remove")]


def test_a_second_run_of_a_joined_control_plane_removes_nothing(machine: Machine) -> None:
    plan = planned(three_control_planes())
    provisioned(machine, plan, "masters-0", creation_ends=None)
    machine.run(ready="10.0.0.32", MEMBERS=MEMBERS)
    machine.path("/calls").unlink()
    machine.run(ready="10.0.0.32", MEMBERS=MEMBERS)
    assert not [c for c in machine.calls if " delete node " in c or c.endswith("member/remove")]


def test_a_further_control_plane_waits_for_the_one_before_it(machine: Machine) -> None:
    plan = planned(three_control_planes())
    first, second = (
        str(plan.nodes[name].interfaces["eth0"].primary) for name in ("masters-0", "masters-1")
    )
    provisioned(machine, plan, "masters-2").run(ready=f"{first} {second}")
    asked = [c for c in machine.calls if c.endswith(":6443/readyz")]
    assert asked[0].endswith(f"https://{second}:6443/readyz")
    assert "--cacert /etc/kubernetes/pki/ca.crt" in asked[0]


def test_a_worker_of_three_control_planes_goes_to_the_load_balancer(machine: Machine) -> None:
    plan = planned(three_control_planes())
    provisioned(machine, plan, "workers-0").run()
    assert machine.text("/etc/hosts") == "127.0.0.1 localhost\n10.0.15.200 api.small.internal\n"


def test_a_worker_waits_until_another_machines_node_of_its_name_is_deleted(
    machine: Machine,
) -> None:
    provisioned(machine, stack_plan("local"), "worker")
    done = machine.run(NODE_SAYS="cn-hangzhou.i-old cn-hangzhou.i-old none cn-hangzhou.i-bp1a")
    assert done.returncode == 0
    assert (
        done.stdout.count("its Node is that of cn-hangzhou.i-old: waits until it is deleted") == 1
    )
    joined = next(n for n, c in enumerate(machine.calls) if c.startswith("kubeadm join"))
    after = [c.split(" --")[0] for c in machine.calls[joined + 1 :]][:-2]
    # The kubelet registers anew once the Node is gone, and only then.
    assert after == ["kubectl", "kubectl", "kubectl", "systemctl restart kubelet", "kubectl"]


def test_a_kubelet_that_is_about_to_register_its_node_is_not_restarted(machine: Machine) -> None:
    provisioned(machine, stack_plan("local"), "worker")
    done = machine.run(NODE_SAYS="none none none cn-hangzhou.i-bp1a")
    assert done.returncode == 0
    assert "systemctl restart kubelet" not in machine.calls


def test_a_kubelet_that_registers_no_node_is_restarted(machine: Machine) -> None:
    provisioned(machine, stack_plan("local"), "worker")
    machine.run(NODE_SAYS=" ".join(["none"] * 30 + ["cn-hangzhou.i-bp1a"]))
    assert machine.calls.count("systemctl restart kubelet") == 1


def test_a_worker_fails_if_its_node_stays_that_of_another_machine(machine: Machine) -> None:
    done = provisioned(machine, stack_plan("local"), "worker").run(NODE_SAYS="cn-hangzhou.i-old")
    assert done.returncode != 0
    assert ":: worker: FAILED at: settle" in done.stderr
    assert not machine.path("/etc/spiderpool-alicloud/done").exists()


def test_a_worker_asks_for_its_node_as_its_own_kubelet(machine: Machine) -> None:
    provisioned(machine, stack_plan("local"), "worker").run()
    (asked,) = (c for c in machine.calls if c.startswith("kubectl"))
    assert "--kubeconfig /etc/kubernetes/kubelet.conf" in asked
    assert " get node worker " in asked


def test_running_again_changes_nothing_on_a_node(machine: Machine) -> None:
    provisioned(machine, planned(three_control_planes()), "workers-0").run()
    machine.path("/etc/kubernetes/kubelet.conf").touch()
    hosts = machine.text("/etc/hosts")
    machine.path("/calls").unlink()
    done = machine.run()
    assert done.returncode == 0
    assert not [c for c in machine.calls if c.startswith("kubeadm")]
    assert machine.text("/etc/hosts") == hosts


@pytest.mark.parametrize("node", ["masters-0", "workers-0"])
def test_a_node_keeps_nothing_of_the_token_that_it_joined_with(machine: Machine, node: str) -> None:
    plan = planned(three_control_planes())
    provisioned(machine, plan, node)
    token = fake_secrets().bootstrap_token
    kept = machine.path("/var/lib/cloud/instances/i-1/user-data.txt")
    kept.parent.mkdir(parents=True)
    kept.write_text(token, encoding="utf-8")
    assert machine.run().returncode == 0
    used = machine.configuration if node == "masters-0" else machine.discovery
    assert token in used.read_text(encoding="utf-8")
    files = [path for path in machine.root.rglob("*") if path.is_file() and not path.is_symlink()]
    texts = {path: path.read_text("utf-8") for path in files}
    # cloud-init reads its own folder until it is done; the node's unit empties it then.
    assert {path for path, text in texts.items() if token in text} == {kept, used}


def test_a_machine_that_was_reset_by_hand_says_that_it_has_to_be_replaced(
    machine: Machine,
) -> None:
    provisioned(machine, stack_plan("local"), "worker").run()
    assert not machine.path("/etc/kubernetes/kubelet.conf").exists()
    done = machine.run()
    assert done.returncode != 0
    assert "a machine joins once, so replace it" in done.stderr
    assert len([c for c in machine.calls if c.startswith("kubeadm join")]) == 1


def test_running_again_after_kubeadm_failed_goes_on_where_it_stopped(machine: Machine) -> None:
    provisioned(machine, stack_plan("local"), "master").run(failing="kubeadm")
    done = machine.run()
    assert done.returncode == 0
    (init,) = (c for c in machine.calls[-4:] if c.startswith("kubeadm init"))
    assert init.endswith("--skip-token-print --ignore-preflight-errors=all")


def test_a_boot_after_a_power_cut_finishes_what_dpkg_was_doing_first(machine: Machine) -> None:
    provisioned(machine, stack_plan("local"), "worker").run(failing="apt-get")
    assert not [c for c in machine.calls if c.startswith("dpkg")]
    machine.path("/calls").unlink()
    assert machine.run().returncode == 0
    names = [c.split()[0] for c in machine.calls]
    assert machine.calls[0] == "dpkg --force-confold --configure -a"
    assert names.index("dpkg") < names.index("apt-get")


def test_packages_that_dpkg_cannot_configure_are_left_to_apt(machine: Machine) -> None:
    provisioned(machine, stack_plan("local"), "worker").run(failing="apt-get")
    assert machine.run(failing="dpkg").returncode == 0


# --- power cuts while kubeadm works ---------------------------------------------------------------


def cut_off(machine: Machine, *files: str, **run: str) -> Machine:
    """A machine that lost its power in kubeadm, after these files were written."""
    assert machine.run(failing="power", **run).returncode == 137
    machine.path("/calls").unlink()
    for name in files:
        path = machine.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("written\n", encoding="utf-8")
    return machine


KUBELET_STARTED = (
    "/var/lib/kubelet/config.yaml",
    "/var/lib/kubelet/kubeadm-flags.env",
    "/etc/kubernetes/bootstrap-kubelet.conf",
)
KUBELET_JOINED = (*KUBELET_STARTED, "/etc/kubernetes/kubelet.conf")
ETCD_JOINED = (*KUBELET_JOINED, "/etc/kubernetes/manifests/etcd.yaml")
SECOND = "10.0.0.32"
"""Address of `masters-1`."""


def kubeadm_calls(machine: Machine) -> list[str]:
    return [
        call.replace(" --config /etc/spiderpool-alicloud/kubeadm.yaml", "")
        for call in machine.calls
        if call.startswith(("kubeadm join", "kubeadm init --config"))
    ]


def test_a_worker_whose_kubelet_has_joined_does_not_join_again(machine: Machine) -> None:
    """kubeadm refuses a Node that is ready, and the token may have ended."""
    provisioned(machine, stack_plan("local"), "worker")
    done = cut_off(machine, *KUBELET_JOINED).run()
    assert done.returncode == 0
    assert kubeadm_calls(machine) == []
    assert not machine.path("/etc/kubernetes/bootstrap-kubelet.conf").exists()
    assert machine.path("/etc/spiderpool-alicloud/done").exists()


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(KUBELET_STARTED, id="no certificate"),
        pytest.param(KUBELET_JOINED[1:], id="no configuration"),
    ],
)
def test_a_worker_whose_kubelet_has_not_joined_joins_again(
    machine: Machine, files: tuple[str, ...]
) -> None:
    provisioned(machine, stack_plan("local"), "worker")
    assert cut_off(machine, *files).run().returncode == 0
    assert kubeadm_calls(machine) == ["kubeadm join --ignore-preflight-errors=all"]


def test_a_kubelet_that_the_cluster_does_not_accept_joins_again(machine: Machine) -> None:
    provisioned(machine, planned(three_control_planes()), "masters-0", creation_ends=None)
    cut_off(machine, *KUBELET_JOINED, ready=SECOND).run(ready=SECOND, failing="kubectl")
    assert kubeadm_calls(machine) == ["kubeadm join --ignore-preflight-errors=all"]


def test_a_second_join_waits_until_the_node_is_not_ready_any_more(machine: Machine) -> None:
    provisioned(machine, stack_plan("local"), "worker")
    done = cut_off(machine, *KUBELET_STARTED).run(failing="kubeadm")
    assert done.returncode != 0
    assert len(kubeadm_calls(machine)) == 6


def test_a_first_join_is_tried_once(machine: Machine) -> None:
    provisioned(machine, stack_plan("local"), "worker").run(failing="kubeadm")
    assert len(kubeadm_calls(machine)) == 1


@pytest.mark.parametrize(
    ("files", "skipped"),
    [
        pytest.param(("/etc/kubernetes/admin.conf",), "", id="before the kubelet"),
        pytest.param(KUBELET_STARTED, "", id="before its certificate"),
        pytest.param(KUBELET_JOINED, " --skip-phases=kubelet-start", id="before etcd"),
        pytest.param(
            ETCD_JOINED, " --skip-phases=kubelet-start --skip-phases=check-etcd", id="after etcd"
        ),
    ],
)
def test_a_control_plane_goes_on_where_its_join_stopped(
    machine: Machine, files: tuple[str, ...], skipped: str
) -> None:
    provisioned(machine, planned(three_control_planes()), "masters-0", creation_ends=None)
    done = cut_off(machine, *files, ready=SECOND).run(ready=SECOND)
    assert done.returncode == 0
    assert kubeadm_calls(machine) == [f"kubeadm join --ignore-preflight-errors=all{skipped}"]
    assert not [c for c in machine.calls if c.endswith("member/remove")]


def test_a_cluster_that_was_begun_is_finished_although_others_have_joined_it(
    machine: Machine,
) -> None:
    provisioned(machine, planned(three_control_planes()), "masters-0")
    cut_off(machine, *ETCD_JOINED, "/var/lib/etcd/member/snap/db")
    done = machine.run(ready=SECOND)
    assert done.returncode == 0
    assert kubeadm_calls(machine) == [
        "kubeadm init --skip-token-print --ignore-preflight-errors=all"
    ]


def test_a_cluster_without_data_is_not_begun_again_where_others_serve(machine: Machine) -> None:
    provisioned(machine, planned(three_control_planes()), "masters-0")
    cut_off(machine).run(ready=SECOND)
    assert kubeadm_calls(machine) == ["kubeadm join --ignore-preflight-errors=all"]


def test_files_that_a_power_cut_left_empty_are_written_again(machine: Machine) -> None:
    provisioned(machine, planned(three_control_planes()), "masters-0")
    pki = "/etc/kubernetes/pki"
    cut_off(machine, "/etc/kubernetes/admin.conf", f"{pki}/apiserver.key", f"{pki}/etcd/peer.crt")
    for name in (
        f"{pki}/apiserver.crt",
        f"{pki}/etcd/server.key",
        f"{pki}/etcd/server.crt",
        "/etc/kubernetes/scheduler.conf",
        "/var/lib/kubelet/config.yaml",
    ):
        machine.path(name).parent.mkdir(parents=True, exist_ok=True)
        machine.path(name).touch()
    before = set(machine.path("/etc").rglob("*")) | set(machine.path("/var").rglob("*"))
    assert machine.run().returncode == 0
    removed = {str(path.relative_to(machine.root)) for path in before if not path.exists()}
    kubeadms = {name for name in removed if name.startswith(("etc/kubernetes", "var/lib/kubelet"))}
    assert kubeadms - {"etc/kubernetes/discovery.conf"} == {
        f"{pki[1:]}/apiserver.crt",
        f"{pki[1:]}/apiserver.key",
        f"{pki[1:]}/etcd/server.crt",
        f"{pki[1:]}/etcd/server.key",
        "etc/kubernetes/scheduler.conf",
        "var/lib/kubelet/config.yaml",
    }


@pytest.mark.parametrize(
    ("failing", "step"),
    [
        ("netplan", "configure the NICs"),
        ("modprobe", "load kernel modules and settings"),
        ("sysctl", "load kernel modules and settings"),
        ("curl", "fetch the keys of the package sources"),
        ("apt-get", "install packages"),
        ("systemctl", "start the clock and the container runtime"),
        ("kubeadm", "run kubeadm init"),
    ],
)
def test_a_failure_names_its_step(machine: Machine, failing: str, step: str) -> None:
    done = provisioned(machine, stack_plan("local"), "master").run(failing=failing)
    assert done.returncode != 0
    assert f":: master: FAILED at: {step} (exit status " in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "command", ["daemon-reload", "enable --now spiderpool-alicloud-node.timer"]
)
def test_systemd_is_asked_again_where_it_did_not_answer_in_time(
    machine: Machine, command: str
) -> None:
    once = f"systemctl {command}"
    done = provisioned(machine, stack_plan("local"), "worker").run(FAILING_ONCE=once)
    assert done.returncode == 0, done.stderr
    assert machine.calls.count(once) == 2
    assert machine.path("/etc/spiderpool-alicloud/done").exists()


def test_cgroup_v1_is_refused_before_anything_is_changed(machine: Machine) -> None:
    done = provisioned(machine, planned(small()), "workers-0").run(CGROUP="tmpfs")
    assert done.returncode == 1
    assert "cgroup v1: Kubernetes 1.35 needs cgroup v2" in done.stderr
    assert not machine.path("/calls").exists()


@pytest.mark.parametrize("command", ["apt-get", "netplan"])
def test_a_system_without_apt_or_netplan_is_refused(machine: Machine, command: str) -> None:
    worker = provisioned(machine, planned(small()), "workers-0")
    # The system's own programs may be there, too: only these are on the path.
    folder = machine.root / "commands"
    for name in ("bash", "cat", "grep", "rm", "sed"):
        (folder / name).symlink_to(Path("/usr/bin") / name)
    (folder / command).unlink()
    done = worker.run(PATH=str(folder))
    assert done.returncode == 1
    assert f"no {command} here: the image must be Ubuntu 24.04, or Debian 13 with" in done.stderr


def test_on_ubuntu_the_package_sources_stay_as_they_are(machine: Machine) -> None:
    worker = provisioned(machine, planned(small()), "workers-0")
    before = machine.text(SOURCES)
    assert worker.run().returncode == 0
    assert machine.text(SOURCES) == before


@pytest.mark.parametrize("mirrors", ["global", "china"])
def test_on_debian_containerd_comes_from_dockers_source_for_debian(
    machine: Machine, mirrors: str
) -> None:
    document = small()
    document["kubernetes"]["mirrors"] = mirrors
    worker = provisioned(machine, planned(document), "workers-0")
    machine.path("/etc/os-release").write_text(DEBIAN, encoding="utf-8")
    before = machine.text(SOURCES)
    assert worker.run().returncode == 0
    worker.run()
    expected = before.replace("/linux/ubuntu\n", "/linux/debian\n")
    assert machine.text(SOURCES) == expected.replace("Suites: noble\n", "Suites: trixie\n")
    assert machine.text(SOURCES) != before


def test_an_answer_that_is_not_a_provider_id_is_refused(machine: Machine) -> None:
    done = provisioned(machine, stack_plan("local"), "worker").run(REGION="<html>")
    assert done.returncode == 1
    assert "the metadata service answered '<html>.i-bp1a'" in done.stderr
    assert not [c for c in machine.calls if c.startswith("kubeadm")]


def test_no_secret_is_printed(machine: Machine) -> None:
    done = provisioned(machine, stack_plan("local"), "master").run(failing="kubeadm")
    output = done.stdout + done.stderr
    assert "PRIVATE KEY" not in output
    token = re.search(r"token: (\S+)", machine.text("/etc/spiderpool-alicloud/kubeadm.yaml"))
    assert token is not None
    assert token[1] not in output


_AGAIN = "/var/lib/cloud/scripts/per-boot/spiderpool-alicloud"
"""What cloud-init runs at every boot."""


@pytest.mark.parametrize(
    ("files", "runs"),
    [((), False), (("started",), True), (("started", "done"), False)],
    ids=["first boot", "cut off", "done"],
)
def test_the_next_boot_runs_it_again_only_if_it_was_cut_off(
    machine: Machine, files: tuple[str, ...], *, runs: bool
) -> None:
    worker = provisioned(machine, planned(small()), "workers-0")
    folder = worker.path("/etc/spiderpool-alicloud")
    for name in files:
        (folder / name).touch()
    (folder / "bootstrap.sh").write_text(f"#!/bin/sh\ntouch {folder}/ran\n")
    (folder / "bootstrap.sh").chmod(0o700)
    subprocess.run(["/bin/sh", worker.path(_AGAIN)], check=True)  # noqa: S603 - our own
    assert (folder / "ran").exists() is runs
