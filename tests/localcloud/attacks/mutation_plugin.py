"""A pytest plugin that switches one rule of the local cloud off; see `mutations.py`.

MUTATION="a rule" python -m pytest -p tests.localcloud.attacks.mutation_plugin …
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Final

import pytest

from tests.localcloud.attacks.mutations import MUTATIONS, VARIABLE, Mutation

NOT_APPLIED: Final = 100
"""Exit code of a run that never imported the module whose rule was to be switched off."""


class _Loader(SourceFileLoader):
    """Compiles the module's source with the edit; a cached compilation is not used."""

    def __init__(self, path: str, mutation: Mutation) -> None:
        super().__init__(mutation.module, path)
        self.mutation = mutation

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002  # what a loader is
        """The code of the edited source."""
        source = importlib.util.decode_source(self.get_data(self.path))
        return compile(self.mutation.applied(source), self.path, "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    """Finds one module only."""

    def __init__(self, mutation: Mutation) -> None:
        self.mutation = mutation
        self.applied = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module with the edit, if it is the one."""
        if fullname != self.mutation.module:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        assert spec.origin is not None
        self.applied = True
        return importlib.util.spec_from_loader(fullname, _Loader(spec.origin, self.mutation))


(_mutation,) = [m for m in MUTATIONS if m.rule == os.environ[VARIABLE]]
assert _mutation.module not in sys.modules, "the module is imported already"
_finder = _Finder(_mutation)
sys.meta_path.insert(0, _finder)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell a run in which the rule was never switched off from one in which no test noticed."""
    if not _finder.applied:
        session.exitstatus = NOT_APPLIED
