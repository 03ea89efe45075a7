"""The programs that `benchmarks/engine.py` compares, and the command lines of their engines."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

ROOT: Final = Path(__file__).parents[1]
PEERS: Final = ROOT / "benchmarks" / "peers"
OPENTOFU: Final = ROOT / ".local" / "bin" / "opentofu"
"""The folder with OpenTofu and its provider, once `toolchain ensure --opentofu` has built them."""
PARALLEL: Final = 256
"""Of every program: enough for the largest case, so that free slots decide nothing."""


class Program(Protocol):
    """Something that creates the resources of a case and takes them away again."""

    @property
    def name(self) -> str:
        """`ours`, `flat` or `opentofu`."""

    @property
    def directory(self) -> Path:
        """Where its commands run."""

    @property
    def env(self) -> Mapping[str, str]:
        """The whole environment of its commands."""

    def arguments(self, command: str) -> Sequence[str]:
        """The command line for `up`, `preview`, `preview-refresh` or `destroy`.

        The previews fail if there is a change.
        """

    def state(self) -> tuple[int, int]:
        """Resources in the state, and the bytes of the state as JSON without spaces."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pulumi:
    """A Pulumi program and its stack."""

    name: str
    directory: Path
    stack: str
    options: tuple[str, ...]
    env: Mapping[str, str]

    def arguments(self, command: str) -> Sequence[str]:
        """See `Program`."""
        words = {
            "up": ("up", "--yes", "--skip-preview", "--refresh=false"),
            "preview": ("preview", "--refresh=false", "--expect-no-changes"),
            "preview-refresh": ("preview", "--refresh", "--expect-no-changes"),
            "destroy": ("destroy", "--yes", "--skip-preview", "--refresh=false"),
        }[command]
        quiet = ("--suppress-outputs", "--suppress-progress", "--non-interactive")
        return ("pulumi", *words, *quiet, "--stack", self.stack, *self.options)

    def state(self) -> tuple[int, int]:
        """See `Program`."""
        text = run(("pulumi", "stack", "export", "--stack", self.stack), self.directory, self.env)
        deployment = json.loads(text)["deployment"]
        return len(deployment.get("resources") or []), len(_compact(deployment))


@dataclasses.dataclass(frozen=True, kw_only=True)
class OpenTofu:
    """The configuration in `peers/opentofu`, with its state in a folder of its own."""

    folder: Path
    env: Mapping[str, str]
    name: str = "opentofu"
    directory: Path = PEERS / "opentofu"

    def arguments(self, command: str) -> Sequence[str]:
        """See `Program`."""
        words = {
            "up": ("apply", "-auto-approve", "-refresh=false"),
            "preview": ("plan", "-refresh=false", "-detailed-exitcode"),
            "preview-refresh": ("plan", "-detailed-exitcode"),
            "destroy": ("destroy", "-auto-approve", "-refresh=false"),
        }[command]
        common = ("-input=false", "-no-color", "-lock=false", f"-parallelism={PARALLEL}")
        return ("tofu", *words, *common, f"-state={self._state}")

    def state(self) -> tuple[int, int]:
        """See `Program`."""
        document = json.loads(self._state.read_text(encoding="utf-8"))
        resources = sum(len(one["instances"]) for one in document["resources"])
        return resources, len(_compact(document))

    @property
    def _state(self) -> Path:
        return self.folder / "terraform.tfstate"


def run(argv: Sequence[str], directory: Path, env: Mapping[str, str]) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run(  # noqa: S603 - our own commands
        argv, cwd=directory, env=dict(env), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{argv}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def _compact(document: object) -> str:
    return json.dumps(document, separators=(",", ":"))


def program(
    name: str, folder: Path, *, cloud: Path, env: Mapping[str, str], config_file: Path
) -> Program:
    """One of the three by name.

    Args:
        name: `ours`, `flat` or `opentofu`.
        folder: for the files of its engine.
        cloud: the file with the resources, for the peers.
        env: has the backend, the trusted CAs and the tools.
        config_file: the stack file of ours.
    """
    if name == "ours":
        options = ("--config-file", str(config_file))
        return Pulumi(name=name, directory=ROOT, stack="local", options=options, env=env)
    if name == "flat":
        flat = Pulumi(name=name, directory=PEERS / name, stack="flat", options=(), env=env)
        # The stack's file is written next to the configuration of the case, not into the tree.
        file = folder / "Pulumi.flat.yaml"
        file.write_text(json.dumps({"config": {"flat:cloud": str(cloud)}}))
        run(("pulumi", "stack", "init", "flat"), flat.directory, env)
        (flat.directory / file.name).unlink(missing_ok=True)
        return dataclasses.replace(flat, options=("--config-file", str(file)))
    state = folder / "opentofu"
    state.mkdir()
    settings = state / "tofu.rc"
    settings.write_text(
        "provider_installation {\n"
        f'  dev_overrides {{ "aliyun/alicloud" = {json.dumps(str(OPENTOFU))} }}\n'
        "  direct {}\n}\n"
    )
    own = {
        "PATH": f"{OPENTOFU}:{env['PATH']}",
        "TF_CLI_CONFIG_FILE": str(settings),
        "TF_DATA_DIR": str(state / "data"),
        "TF_VAR_cloud": str(cloud),
    }
    return OpenTofu(folder=state, env={**env, **own})
