"""The command line of a virtual machine."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from localcloud.virtual.counter import counter_khz
from localcloud.virtual.hardware import Accelerator, Hardware, Nic, qemu
from localcloud.virtual.unpacked import Programs

pytestmark = pytest.mark.unit

SERIAL = "01234567-89ab-cdef-0123-456789abcdef"
HARDWARE = Hardware(
    name="i-1",
    serial=SERIAL,
    processors=1,
    counter_khz=2_596_154,
    disk=Path("/home/i-1/disk.img"),
    nics=(Nic(tap="tap1", mac="00:16:3e:00:00:01"), Nic(tap="tap2", mac="00:16:3e:00:00:02")),
    shell=Path("shell.sock"),
)


def words(hardware: Hardware = HARDWARE, by: Accelerator = Accelerator.EMULATION) -> list[str]:
    return list(qemu(Programs(root=Path("/programs")), Path("/kernel"), hardware, by))


def options(name: str, command: list[str]) -> list[str]:
    return [after for word, after in pairwise(command) if word == name]


def test_the_firmware_is_that_of_an_ecs_instance() -> None:
    assert options("-smbios", words()) == [
        f"type=1,manufacturer=Alibaba Cloud,product=Alibaba Cloud ECS,serial={SERIAL},uuid={SERIAL}"
    ]


def test_each_eni_is_a_nic_with_its_mac_in_the_order_of_the_instance() -> None:
    nics = [device for device in options("-device", words()) if device.startswith("virtio-net")]
    assert [nic.split(",")[1:3] for nic in nics] == [
        ["netdev=nic0", "mac=00:16:3e:00:00:01"],
        ["netdev=nic1", "mac=00:16:3e:00:00:02"],
    ]
    assert [n.split(",")[2] for n in options("-netdev", words())] == ["ifname=tap1", "ifname=tap2"]


def test_a_machine_without_enis_has_no_network() -> None:
    assert options("-netdev", words(replace(HARDWARE, nics=()))) == []


def test_what_the_guest_wrote_is_not_kept_in_qemus_memory() -> None:
    [drive] = options("-drive", words())
    assert ",format=raw," in drive


def test_kvm_has_the_hosts_processor_and_emulation_has_one_of_its_own() -> None:
    kvm, emulation = words(by=Accelerator.KVM), words()
    assert options("-cpu", kvm) == ["host"]
    assert options("-accel", emulation)[0].startswith("tcg,")


def test_an_emulated_guest_is_told_the_rate_of_the_hosts_counter() -> None:
    [settings] = options("-append", words())
    assert "tsc_early_khz=2596154" in settings.split()
    [settings] = options("-append", words(by=Accelerator.KVM))
    assert "tsc" not in settings


def test_the_rate_of_the_counter_is_that_of_a_processor() -> None:
    measured = counter_khz()
    assert measured is None or 500_000 < measured < 10_000_000


def test_programs_run_with_their_own_loader_and_libraries() -> None:
    command = words()
    assert command[:2] == ["/programs/usr/lib64/ld-linux-x86-64.so.2", "--library-path"]
    assert command[3] == "/programs/usr/bin/qemu-system-x86_64"
