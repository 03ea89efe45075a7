"""A virtual machine for real: firmware, cloud-init, the program's own user-data, its ENIs' packets.

A worker of the local stack boots alone, so its user-data ends where no API server answers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from localcloud.machines.kinds import shell
from localcloud.settings import Machines, Places, remember, virtual_folder
from localcloud.virtual.failure import PreparationError
from localcloud.virtual.preparation import prepare
from planning.addresses.pod_addresses import Pinned
from planning.model import NodePlan
from tests.localcloud.machines import fake_cloud
from tests.localcloud.machines.fake_cloud import FakeCloud, Supervisor, until
from tests.planning.documents import booted, macs, stack_plan

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3600)]

NAME = "worker"
BOOT_SECONDS = 1800
"""Emulated in software on busy cores; idle cores took a minute."""
SHELL_SECONDS = 300
FOREIGN = "172.31.199.250"


@dataclass(kw_only=True)
class Bed:
    """A fake cloud with one virtual machine."""

    home: Path
    cloud: FakeCloud
    instance: dict[str, Any]

    @property
    def folder(self) -> Path:
        return self.home / "machines" / f"i-{NAME}"

    @property
    def console(self) -> str:
        return self.cloud.consoles.get(f"i-{NAME}", "")

    def run(self, *command: str) -> str:
        """A command as the machine's root; it must succeed."""
        done = shell.run(self.folder, command, SHELL_SECONDS)
        assert done.status == 0, done.output.decode()
        return done.output.decode()

    def json(self, *command: str) -> Any:  # noqa: ANN401  (whatever the command prints)
        return json.loads(self.run(*command))

    def frames(self) -> dict[str, int]:
        """What the filter of the ENIs counted so far."""
        [file] = (self.home / "machines" / "run").glob("*.frames")
        counted: dict[str, int] = json.loads(file.read_text())
        return counted

    def change(self, **fields: Any) -> None:  # noqa: ANN401  (fields of the control document)
        self.instance = {**self.instance, **fields}
        self.cloud.change(self.instance)

    def shell_answers(self) -> bool:
        return shell.run(self.folder, ["true"], seconds=5).status == 0


def planned() -> NodePlan:
    return stack_plan("local").nodes[NAME]


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    folder = virtual_folder(Places(home=fake_cloud.REPOSITORY / ".local"), os.environ)
    try:
        prepare(folder, os.environ, print)
    except PreparationError as error:
        pytest.skip(str(error))
    home = tmp_path_factory.mktemp("virtual")
    remember(Places(home=home), Machines.VIRTUAL)
    cloud, plan = FakeCloud(home), stack_plan("local")
    addresses, interfaces = macs(plan, NAME), []
    for name, nic in sorted(planned().interfaces.items()):
        network = str(plan.network.vswitches[nic.vswitch].cidr)
        raw = fake_cloud.interface(
            f"eni-{name}", addresses[name], str(nic.primary), network, primary=name == "eth0"
        )
        assert isinstance(nic.pods, Pinned)
        interfaces.append({**raw, "secondary_addresses": [str(a) for a in nic.pods.addresses]})
    user_data = booted(plan, NAME).raw.decode()
    instance = {**fake_cloud.instance(NAME, interfaces, user_data), "system_disk": "d-1"}
    instance["serial_number"] = "01234567-89ab-cdef-0123-456789abcdef"
    built = Bed(home=home, cloud=cloud, instance=instance)
    cloud.change(instance)
    tools = fake_cloud.REPOSITORY / ".local" / "bin"
    supervisor = Supervisor(home, tools, {"LOCALCLOUD_VIRTUAL": str(folder)})
    try:
        until("packages", BOOT_SECONDS, lambda: f":: {NAME}: install packages" in built.console)
        yield built
    finally:
        supervisor.end()
        cloud.close()


def test_the_firmware_is_an_ecs_instances(bed: Bed) -> None:
    files = [f"/sys/class/dmi/id/{name}" for name in ("sys_vendor", "product_name")]
    assert bed.run("cat", *files).splitlines() == ["Alibaba Cloud", "Alibaba Cloud ECS"]


def test_cloud_init_finds_the_cloud_by_itself(bed: Bed) -> None:
    about = bed.json("cat", "/run/cloud-init/instance-data.json")["v1"]
    assert (about["cloud_id"], about["instance_id"]) == ("aliyun", f"i-{NAME}")


def test_the_user_data_wrote_each_of_its_files(bed: Bed) -> None:
    for path, content in booted(stack_plan("local"), NAME).files.items():
        if path != "/etc/apt/sources.list.d/spiderpool.sources":
            assert bed.run("cat", path) == content, path


def test_on_debian_containerd_comes_from_dockers_source_for_debian(bed: Bed) -> None:
    sources = bed.run("cat", "/etc/apt/sources.list.d/spiderpool.sources")
    assert "/linux/debian\nSuites: trixie\nComponents: stable\n" in sources
    assert "/linux/ubuntu" not in sources


def test_each_nic_has_its_name_and_the_enis_primary_address(bed: Bed) -> None:
    links = {link["ifname"]: link for link in bed.json("ip", "-json", "address", "show")}
    for name, nic in planned().interfaces.items():
        addresses = [a["local"] for a in links[name]["addr_info"] if a["family"] == "inet"]
        assert addresses == [str(nic.primary)]
        assert links[name]["address"] == macs(stack_plan("local"), NAME)[name]


def test_packets_from_each_nics_address_leave_by_that_nic(bed: Bed) -> None:
    for name, nic in planned().interfaces.items():
        route = bed.json("ip", "-json", "route", "get", "8.8.8.8", "from", str(nic.primary))
        assert route[0]["dev"] == name


def test_the_kernel_has_the_modules_and_settings_of_the_user_data(bed: Bed) -> None:
    modules = bed.run("cut", "-d ", "-f1", "/proc/modules").split()
    assert {"ipvlan", "br_netfilter", "overlay", "xt_connmark"} <= set(modules)
    assert bed.run("sysctl", "-n", "net.ipv4.conf.all.rp_filter").strip() == "0"


def test_the_machine_knows_its_instance(bed: Bed) -> None:
    provider = bed.run("cat", "/etc/spiderpool-alicloud/provider-id").strip()
    assert provider == f"{fake_cloud.REGION}.i-{NAME}"


def test_its_own_addresses_pass_the_filter(bed: Bed) -> None:
    before = bed.frames()["passed"]
    gateway = bed.instance["interfaces"][0]["gateway"]
    bed.run("ping", "-c", "1", "-W", "5", gateway)
    until("frames that passed", 60, lambda: bed.frames()["passed"] > before)


def test_an_address_that_the_eni_does_not_have_is_dropped(bed: Bed) -> None:
    before = bed.frames()["foreign_address"]
    gateway = bed.instance["interfaces"][0]["gateway"]
    bed.run("ip", "address", "add", f"{FOREIGN}/32", "dev", "eth0")
    done = shell.run(
        bed.folder, ["ping", "-c", "1", "-W", "2", "-I", FOREIGN, gateway], SHELL_SECONDS
    )
    bed.run("ip", "address", "del", f"{FOREIGN}/32", "dev", "eth0")
    assert done.status == 1
    until("dropped frames", 60, lambda: bed.frames()["foreign_address"] > before)


def test_an_address_that_is_assigned_while_it_runs_passes(bed: Bed) -> None:
    first, *others = bed.instance["interfaces"]
    more = {**first, "secondary_addresses": [*first["secondary_addresses"], FOREIGN]}
    bed.change(interfaces=[more, *others])
    bed.run("ip", "address", "add", f"{FOREIGN}/32", "dev", "eth0")
    ping = ["ping", "-c", "1", "-W", "2", "-I", FOREIGN, first["gateway"]]
    until("a ping", 300, lambda: shell.run(bed.folder, ping).status == 0)
    bed.run("ip", "address", "del", f"{FOREIGN}/32", "dev", "eth0")
    bed.change(interfaces=[first, *others])


def test_another_mac_is_dropped(bed: Bed) -> None:
    before = bed.frames()["foreign_mac"]
    # As a pod with macvlan would send.
    bed.run("ip", "link", "add", "other", "link", "eth0", "type", "macvlan", "mode", "bridge")
    bed.run("ip", "link", "set", "other", "up")
    bed.run("ip", "address", "add", f"{FOREIGN}/32", "dev", "other")
    gateway = bed.instance["interfaces"][0]["gateway"]
    shell.run(bed.folder, ["ping", "-c", "1", "-W", "2", "-I", "other", gateway], SHELL_SECONDS)
    bed.run("ip", "link", "del", "other")
    until("dropped frames", 60, lambda: bed.frames()["foreign_mac"] > before)


def test_a_power_cycle_keeps_the_disk_and_is_no_first_boot(bed: Bed) -> None:
    bed.run("sh", "-c", "echo kept > /root/note && sync /root/note")
    before = bed.run("cat", "/proc/sys/kernel/random/boot_id")
    bed.change(status="Stopped")
    until("the machine is off", 30, lambda: not shell_is_there(bed))
    bed.change(status="Running", boot=2)
    until("the machine is on", BOOT_SECONDS, bed.shell_answers)
    assert bed.run("cat", "/root/note") == "kept\n"
    assert bed.run("cat", "/proc/sys/kernel/random/boot_id") != before
    # The user-data's program runs once in the life of a disk.
    assert bed.console.count(f":: {NAME}: check the operating system") == 1


def test_a_replaced_system_disk_is_empty(bed: Bed) -> None:
    bed.change(status="Stopped")
    until("the machine is off", 30, lambda: not shell_is_there(bed))
    bed.change(status="Running", boot=3, system_disk="d-2")
    until("the machine is on", BOOT_SECONDS, bed.shell_answers)
    assert shell.run(bed.folder, ["test", "-e", "/root/note"]).status == 1


def test_a_deleted_instance_leaves_nothing(bed: Bed) -> None:
    bed.cloud.change(gone=(f"i-{NAME}",))
    until("no folder", 60, lambda: not bed.folder.exists())


def shell_is_there(bed: Bed) -> bool:
    try:
        return bed.shell_answers()
    except shell.ShellError:
        return False
