"""Runs one Pulumi program in this process, and shows its errors in a form for its author.

The steps are those of the SDK's own server for inline programs (pulumi/automation/_server.py):
settings and configuration for this run, then the program inside of a stack resource.
"""

from __future__ import annotations

import asyncio
import contextvars
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import grpc
import pulumi
from pulumi import log, runtime

_THREADS_PER_OPERATION: Final = 4


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a program, as the engine asks for it. Addresses are `host:port`.

    `directory` holds the program's `__main__.py`, `root` the project file.
    """

    directory: Path
    root: Path
    project: str
    stack: str
    organization: str
    preview: bool
    parallel: int
    engine: str
    monitor: str
    config: dict[str, str] = field(default_factory=dict)
    secret_keys: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


def run(request: Run) -> bool:
    """Run the program; return False when it failed, after showing the error to the user."""
    return contextvars.copy_context().run(_run, request)


def _run(request: Run) -> bool:
    runtime.reset_options(
        project=request.project,
        stack=request.stack,
        root_directory=str(request.root),
        parallel=request.parallel,
        engine_address=request.engine,
        monitor_address=request.monitor,
        preview=request.preview,
        organization=request.organization or "organization",
    )
    runtime.set_all_config(request.config, list(request.secret_keys))
    loop = asyncio.new_event_loop()
    loop.set_default_executor(
        ThreadPoolExecutor(max_workers=max(request.parallel, 1) * _THREADS_PER_OPERATION)
    )
    loop.set_exception_handler(_stop_when_the_engine_is_gone)
    try:
        loop.run_until_complete(runtime.run_in_stack(lambda: _program(request)))
    except BaseException as error:  # noqa: BLE001 - a program may raise anything, SystemExit too
        message = _meaning(error, request.directory)
        if message is not None:
            log.error(message)
        return isinstance(error, SystemExit) and not error.code
    finally:
        _cancel_what_is_left(loop)
        sys.stdout.flush()
        sys.stderr.flush()
    return True


def _meaning(error: BaseException, directory: Path) -> str | None:
    """Return the text about an error for the user; None if the engine has shown the error."""
    if isinstance(error, pulumi.RunError):
        return str(error)
    if isinstance(error, SystemExit):
        return f"The program ended itself with exit status {error.code}." if error.code else None
    if isinstance(error, grpc.Call) and error.code() is grpc.StatusCode.UNAVAILABLE:
        # The engine has ended the run, after an interrupt or an error it has shown itself.
        return None
    return unhandled(error, directory)


def _program(request: Run) -> None:
    main = request.directory / "__main__.py"
    sys.argv = [str(main), *request.arguments]
    if str(request.directory) not in sys.path:
        sys.path.insert(0, str(request.directory))
    runpy.run_path(str(main), run_name="__main__")


def unhandled(error: BaseException, directory: Path) -> str:
    """Turn a program's exception into a message: the traceback from the program's first line on.

    The SDK's frames above that are left out, because they do not help the program's author.
    """
    shown = traceback.TracebackException.from_exception(error)
    one: traceback.TracebackException | None = shown
    while one is not None:
        one.stack = traceback.StackSummary.from_list(_from_the_program_on(one.stack, directory))
        one = one.__cause__ or one.__context__
    return "Program failed with an unhandled exception:\n" + "".join(shown.format()).rstrip()


def _from_the_program_on(
    stack: traceback.StackSummary, directory: Path
) -> list[traceback.FrameSummary]:
    def ours(frame: traceback.FrameSummary) -> bool:
        path = Path(frame.filename)
        return (
            path.is_relative_to(directory)
            and "site-packages" not in path.parts
            and not path.is_relative_to(Path(__file__).parent)
        )

    first = next((at for at, frame in enumerate(stack) if ours(frame)), 0)
    return list(stack)[first:]


def _stop_when_the_engine_is_gone(
    loop: asyncio.AbstractEventLoop, context: dict[str, object]
) -> None:
    if isinstance(context.get("exception"), grpc.RpcError):
        loop.stop()
    else:
        loop.default_exception_handler(context)


def _cancel_what_is_left(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            loop.run_until_complete(task)
    loop.close()
