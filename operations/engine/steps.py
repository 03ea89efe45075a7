"""Progress for people: a line for each step, with the time it took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console


@dataclass
class Progress:
    """Prints steps as they begin and end. One instance for each command.

    On a terminal a running step has a spinner; elsewhere its start is a line of its own, so that a
    log shows the step of a run that hangs.
    """

    console: Console
    started: float = field(default_factory=time.monotonic)

    @contextmanager
    def step(self, title: str, *, streams: bool = False) -> Iterator[None]:
        """Time one step.

        Args:
            title: What is done, in a few words.
            streams: Whether the step prints lines itself, so that it has no spinner.
        """
        began = time.monotonic()
        try:
            if self.console.is_terminal and not streams:
                with self.console.status(title):
                    yield
            else:
                if streams:
                    self.console.print(f"… {title}", highlight=False)
                yield
        except BaseException:
            self._end("✗", title, began)
            raise
        self._end("✓", title, began)

    def note(self, text: str) -> None:
        """Print one more line under the steps."""
        self.console.print(f"  {text}", highlight=False, soft_wrap=True)

    @property
    def elapsed(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self.started

    def _end(self, mark: str, title: str, began: float) -> None:
        seconds = time.monotonic() - began
        self.console.print(f"{mark} {title}  {seconds:.1f} s", highlight=False, soft_wrap=True)
