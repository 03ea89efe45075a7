"""The hardware of a virtual machine, as the command line of qemu."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from .unpacked import Programs

PROCESSORS: Final = 2
"""What kubeadm requires of a control plane (preflight check `NumCPU`)."""
EMULATED_PROCESSORS: Final = 1
"""For other machines without KVM: on a busy host a second one would wait, at full speed, for locks
that the first one holds while the host does not run it. Not measured."""
MEMORY_MIB: Final = 3072
"""For every instance type: enough for a node. The host provides only what the guest touches."""
_SYSTEM: Final = "manufacturer=Alibaba Cloud,product=Alibaba Cloud ECS"
"""What an ECS instance's firmware reports; cloud-init recognises the product's name
(cloudinit/sources/DataSourceAliYun.py, tools/ds-identify)."""
DISK: Final = "/dev/nvme0n1"
"""Newer instance families have NVMe disks too. Its driver is built into the kernel."""

_DISK_SETTINGS: Final = f"console=ttyS0 root={DISK} rootfstype=ext4 rw"


class Accelerator(StrEnum):
    """How the guest's instructions are executed."""

    KVM = "kvm"
    EMULATION = "emulation"

    @property
    def description(self) -> str:
        """A description for people."""
        return "run by KVM" if self is Accelerator.KVM else "emulated in software (slow)"


@dataclass(frozen=True, kw_only=True)
class Nic:
    """An ENI: the tap device that is its port, and its MAC."""

    tap: str
    mac: str


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """One machine. `shell` is a socket with a root's shell.

    `serial`: a UUID. It is the firmware's serial number, and we assume that on ECS it is the
    firmware's UUID, too.
    """

    name: str
    serial: str
    processors: int
    counter_khz: int | None
    """The rate of the host's time stamp counter, for an emulated processor."""
    disk: Path
    nics: tuple[Nic, ...]
    shell: Path


def qemu(programs: Programs, kernel: Path, hardware: Hardware, by: Accelerator) -> tuple[str, ...]:
    """The command that runs the machine in the foreground, with its console on stdin and stdout."""
    words = [
        *_machine(programs, kernel, by),
        "-name",
        hardware.name,
        "-smp",
        str(hardware.processors),
        "-m",
        str(MEMORY_MIB),
        "-smbios",
        f"type=1,{_SYSTEM},serial={hardware.serial},uuid={hardware.serial}",
        # A power cut ends qemu itself. Every write of a raw disk is in this system's page cache at
        # once, which outlives qemu, so nothing need be flushed. The tables of a qcow2 file are in
        # qemu's memory until a flush.
        "-drive",
        f"file={hardware.disk},format=raw,if=none,id=system,cache=unsafe",
        "-device",
        "nvme,drive=system,serial=system",
        "-object",
        "rng-random,id=entropy,filename=/dev/urandom",
        "-device",
        "virtio-rng-pci,rng=entropy",
        "-append",
        f"{_DISK_SETTINGS} {_kernel_settings(by, hardware.counter_khz)}",
    ]
    for number, nic in enumerate(hardware.nics):
        words += ("-netdev", f"tap,id=nic{number},ifname={nic.tap},script=no,downscript=no")
        words += ("-device", f"virtio-net-pci,netdev=nic{number},mac={nic.mac},romfile=")
    words += ("-serial", "stdio", "-serial", f"unix:{hardware.shell},server=on,wait=off")
    return tuple(words)


def trial(programs: Programs, kernel: Path, by: Accelerator) -> tuple[str, ...]:
    """The command of a machine without a disk: its kernel ends when it looks for one."""
    return (
        *_machine(programs, kernel, by),
        "-m",
        "512",
        "-no-reboot",
        "-serial",
        "stdio",
        "-append",
        f"console=ttyS0 earlyprintk=ttyS0 {_kernel_settings(by, None)}",
    )


def _machine(programs: Programs, kernel: Path, by: Accelerator) -> tuple[str, ...]:
    match by:
        case Accelerator.KVM:
            acceleration: tuple[str, ...] = ("-accel", "kvm", "-cpu", "host")
        case Accelerator.EMULATION:
            # One thread for each processor. Five-level page tables only take longer to walk, and no
            # guest needs nested virtualisation.
            acceleration = (
                "-accel",
                "tcg,thread=multi,tb-size=512",
                "-cpu",
                "max,la57=off,svm=off",
            )
    firmware = [f"{programs.root}/usr/share/{folder}" for folder in ("qemu", "seabios")]
    return programs.command(
        "usr/bin/qemu-system-x86_64",
        *(word for folder in firmware for word in ("-L", folder)),
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-machine",
        "pc,hpet=off",
        *acceleration,
        "-kernel",
        str(kernel),
    )


def _kernel_settings(by: Accelerator, counter_khz: int | None) -> str:
    # `panic=-1`: restart at once. The debug shell is root's shell on the second serial port.
    settings = "panic=-1 systemd.debug_shell=ttyS1"
    if by is Accelerator.EMULATION:
        settings += " mitigations=off tsc=reliable"
        if counter_khz is not None:
            settings += f" tsc_early_khz={counter_khz}"
        # Time limits that a slow processor exceeds. The kernel's check of its timer ends in a panic
        # where the host gives the guest no processor for some ticks (kernel-parameters.txt; for
        # systemd kernel-command-line(7)).
        settings += " no_timer_check nowatchdog rcupdate.rcu_cpu_stall_suppress=1"
        settings += " systemd.default_timeout_start_sec=1800 systemd.service_watchdogs=no"
    return settings
