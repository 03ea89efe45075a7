"""What the program itself costs, without engine and cloud: `python benchmarks/program.py`.

Each figure is a process of its own that runs `__main__.py` as the language host does, against an
engine that only answers (`benchmarks.recording_engine`). The flat peer has the same cloud
resources. Seconds are of the processor, user and system, without imports; memory is the process's
peak.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

ROOT: Final = Path(__file__).parents[1]
SIZES: Final = (10, 50, 200, 1000)
CASES: Final = ("ours-existing", "flat-existing", "ours-create", "ours-create-inside")
_STACK: Final = "bench"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cost:
    """One run of a program."""

    nodes: int
    case: str
    imports: float
    """Seconds until the modules are there."""
    seconds: float
    mebibytes: float
    resources: int
    sent_bytes: int


def measure(case: str, nodes: int) -> Cost:
    """Run one case in a process of its own."""
    done = subprocess.run(  # noqa: S603 - this file, by this interpreter
        [sys.executable, __file__, "--one", case, str(nodes)],
        check=True,
        capture_output=True,
        text=True,
    )
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def run_here(case: str, nodes: int) -> Cost:
    """Run one case in this process, for `--one`."""
    from benchmarks.recording_engine import recording_engine  # noqa: PLC0415 - imports are timed

    with recording_engine() as (address, engine), tempfile.TemporaryDirectory() as folder:
        began = _processor_seconds()
        request = _request(case, nodes, address, Path(folder))
        imported = _processor_seconds()
        with _nothing_is_waited_for():
            from toolchain import program  # noqa: PLC0415

            if not program.run(request):
                raise SystemExit(f"{case} with {nodes} nodes failed")
        seconds = _processor_seconds() - imported
        engine.send(True)  # noqa: FBT003
        registrations = engine.recv()
        engine.send(False)  # noqa: FBT003
    return Cost(
        nodes=nodes,
        case=case,
        imports=imported - began,
        seconds=seconds,
        mebibytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        resources=registrations.resources,
        sent_bytes=registrations.sent_bytes,
    )


def _request(case: str, nodes: int, address: str, folder: Path) -> Any:  # noqa: ANN401
    # The components import the SDKs; a run's first second is theirs, however large it is.
    import components.cluster  # noqa: F401, PLC0415
    from benchmarks.stacks import cloud_of, document  # noqa: PLC0415
    from planning.nodes.secrets import dump_secrets  # noqa: PLC0415
    from planning.read import plan_from  # noqa: PLC0415
    from tests.clusters import fake_secrets  # noqa: PLC0415
    from toolchain.program import Run  # noqa: PLC0415

    whose, _, mode = case.partition("-")
    stack = document(
        nodes,
        "existing" if mode == "existing" else "create",
        inside=mode == "create-inside",
    )
    if whose == "flat":
        cloud = folder / "cloud.json"
        cloud.write_text(json.dumps(dataclasses.asdict(cloud_of(plan_from(stack)))))
        directory, project = ROOT / "benchmarks" / "peers" / "flat", "flat"
        config = {"flat:cloud": str(cloud)}
        secret: tuple[str, ...] = ()
    else:
        directory, project = ROOT, "spiderpool-alicloud"
        config = {
            f"{project}:cluster": json.dumps(stack),
            f"{project}:secrets": dump_secrets(fake_secrets()),
        }
        secret = (f"{project}:secrets",)
    return Run(
        directory=directory,
        root=directory,
        project=project,
        stack=_STACK,
        organization="",
        preview=False,
        parallel=64,
        engine=address,
        monitor=address,
        config=config,
        secret_keys=secret,
    )


def _nothing_is_waited_for() -> ExitStack:
    """The API server is ready and machines have joined at once: there are none."""

    async def ready(kubeconfig: str, **_: object) -> str:
        return kubeconfig

    async def joined(*_: object, **__: object) -> None:
        return None

    stack = ExitStack()
    stack.enter_context(patch("components.api.control_plane.until_ready", ready))
    stack.enter_context(patch("components.machines.rollout.until_joined", joined))
    return stack


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(arguments: Sequence[str]) -> int:
    """Measure every case at every size, and print a table."""
    sys.path[:0] = [str(ROOT), str(ROOT / "local")]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="numbers of nodes")
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--one", nargs=2, metavar=("CASE", "NODES"), help="one run, as JSON")
    options = parser.parse_args(arguments)
    if options.one:
        case, nodes = options.one
        print(json.dumps(dataclasses.asdict(run_here(case, int(nodes)))))
        return 0
    print(
        f"{'nodes':>6} {'case':<20} {'CPU s':>7} {'imports':>8} {'MiB':>6} {'resources':>10} "
        f"{'KB':>8}"
    )
    for nodes in (int(size) for size in options.sizes.split(",")):
        for case in options.cases.split(","):
            cost = measure(case, nodes)
            print(
                f"{nodes:>6} {case:<20} {cost.seconds:>7.2f} {cost.imports:>8.2f} "
                f"{cost.mebibytes:>6.0f} {cost.resources:>10} {cost.sent_bytes / 1024:>8.0f}"
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
