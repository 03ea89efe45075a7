"""The stack files of a commit, read by git without a checkout."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from operations.engine.places import ROOT
from operations.engine.running import Runner
from operations.failure import ExitCode, OperationError

_QUICK: Final = 60.0
STACKS: Final = "stacks"
EXAMPLES: Final = "docs/examples"


@dataclass(frozen=True, kw_only=True)
class Commits:
    """A git repository; `root` is its work tree."""

    root: Path = ROOT
    runner: Runner = field(default_factory=lambda: Runner(env=dict(os.environ)))

    def files(self, revision: str, *, examples: bool = False) -> Mapping[str, str]:
        """The text of every stack file of a commit, by path.

        Raises:
            OperationError: The repository has no such commit.
        """
        commit = self._git(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
        )
        if commit is None:
            raise OperationError(
                f"{revision} is not a commit of this repository. Name a commit, a branch or a tag "
                "that `git rev-parse` knows; a shallow clone knows only its newest commit.",
                code=ExitCode.REFUSED,
            )
        folders = [STACKS, *([EXAMPLES] if examples else [])]
        listed = self._git("ls-tree", "-r", "-z", "--name-only", commit.strip(), "--", *folders)
        paths = [path for path in (listed or "").split("\0") if path.endswith(".yaml")]
        texts = {path: self._git("show", f"{commit.strip()}:{path}") for path in sorted(paths)}
        return {path: text for path, text in texts.items() if text is not None}

    def _git(self, *arguments: str) -> str | None:
        """The output of git; None when it failed."""
        argv = ["git", "-C", str(self.root), *arguments]
        done = self.runner.run(argv, deadline=_QUICK, quiet=True)
        return done.out if done.status == 0 else None
