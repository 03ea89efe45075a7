"""Reports why a run stops; Pulumi alone would show a stack of wrapped exceptions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pulumi

from config.report import ConfigError

Argument = TypeVar("Argument")
Answer = TypeVar("Answer")


def reporting_errors(
    resource: pulumi.Resource, function: Callable[[Argument], Answer]
) -> Callable[[Argument], Answer]:
    """Wrap a function for `Output.apply`: its refusals are logged against `resource`.

    An exception from a callback reaches the user only wrapped, once for each resource on its way.
    The logged line is complete by itself. A `ConfigError` becomes a `pulumi.RunError`.
    """

    def call(argument: Argument) -> Answer:
        try:
            return function(argument)
        except (ConfigError, pulumi.RunError) as error:
            pulumi.log.error(str(error), resource)
            raise pulumi.RunError(str(error)) from error

    return call
