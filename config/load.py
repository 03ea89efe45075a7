"""From what a stack file says to a `ClusterConfig`, or to one report with every problem."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import ValidationError

from config.model import ClusterConfig
from config.profiles import with_profile
from config.report import ConfigError, Problem, path_of


def load(document: Mapping[str, object], *, secret_paths: Iterable[str] = ()) -> ClusterConfig:
    """Check the `cluster` object of a stack file, with its profile's defaults laid under it.

    `secret_paths` are paths whose values came encrypted: they are never shown. Raises
    `ConfigError` with every problem.
    """
    del secret_paths
    try:
        return ClusterConfig.model_validate(with_profile(document))
    except ValidationError as error:
        raise ConfigError(
            Problem(
                path=path_of(*found["loc"]),
                value=None,
                rule=found["msg"],
                remedy="See docs/configuration.md.",
            )
            for found in error.errors(include_url=False, include_input=False)
        ) from None
