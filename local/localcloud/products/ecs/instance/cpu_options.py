"""CPU options of an instance: physical cores, threads of each core, topology.

The allowed values are in the texts of CpuOptions.* of RunInstances and ModifyInstanceAttribute in
the reference of 2025-12; the codes are in their error tables. It is not published which instance
types support which options, so every type here supports all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud.products.ecs.catalog import InstanceType
from localcloud.products.ecs.entities import Cpu
from localcloud.wire.errors import ApiError

_TOPOLOGIES: Final = ("ContinuousCoreToHTMapping", "DiscreteCoreToHTMapping")
_MOST_THREADS: Final = 2


@dataclass(frozen=True, kw_only=True)
class CpuOptions:
    """`CpuOptions.*` of a request. Numa "is no longer used" (page RunInstances)."""

    core: int | None = None
    threads_per_core: int | None = None
    numa: str | None = None
    topology_type: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether the request sets no CPU option."""
        return self.core is None and self.threads_per_core is None and not self.topology_type


def usual(kind: InstanceType) -> Cpu:
    """The CPU of an instance without CPU options: two threads on each core."""
    return Cpu(cores=max(1, kind.vcpus // _MOST_THREADS), threads_per_core=_MOST_THREADS)


def requested(options: CpuOptions, kind: InstanceType, current: Cpu | None) -> Cpu | None:
    """The CPU options that an instance of the type gets; None if nothing sets them.

    Raises:
        ApiError: the type cannot have so many cores or threads, or the topology does not exist.
    """
    if options.is_empty:
        return current
    before = current or usual(kind)
    cores = before.cores if options.core is None else options.core
    threads = before.threads_per_core
    if options.threads_per_core is not None:
        threads = options.threads_per_core
    if not 1 <= threads <= _MOST_THREADS:
        raise ApiError(
            "InvalidParameter.CpuOptionsThreadsPerCore",
            f"CpuOptions.ThreadsPerCore {threads} must be from 1 to {_MOST_THREADS}.",
            403,
        )
    most = usual(kind).cores
    if not 1 <= cores <= most:
        raise ApiError(
            "InvalidParameter.CpuOptionsCore",
            f"CpuOptions.Core {cores} must be from 1 to {most} for {kind.id}.",
            403,
        )
    topology = options.topology_type or before.topology
    if topology and topology not in _TOPOLOGIES:
        raise ApiError(
            "InvalidParameter.CpuOptionsTopologyType",
            f"CpuOptions.TopologyType {topology[:40]!r} must be one of {', '.join(_TOPOLOGIES)}.",
        )
    return Cpu(cores=cores, threads_per_core=threads, topology=topology)
