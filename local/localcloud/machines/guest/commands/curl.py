"""curl: simulates the package archives' keys; every other request is real.

Where the host has curl, the script in PATH runs it itself and only archives come here.
"""

from __future__ import annotations

import argparse
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localcloud.machines.guest.lines import complain

from .scripts import ARCHIVES

if TYPE_CHECKING:
    from collections.abc import Sequence

_REFUSED: Final = 22
_NOT_REACHED: Final = 7


def curl(words: Sequence[str]) -> int:
    """Do one request as curl would; return curl's exit code."""
    options = _arguments().parse_args(words)
    if urllib.parse.urlsplit(options.target).hostname in ARCHIVES:
        text = f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n(simulated: {options.target})\n"
        _write(text.encode(), options.output)
        return 0
    context = ssl.create_default_context(cafile=options.cacert)
    if options.insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    pairs = [header.partition(":") for header in options.header]
    request = urllib.request.Request(  # noqa: S310  (the caller names it, as with curl)
        options.target,
        method=options.request,
        headers={name.strip(): value.strip() for name, _, value in pairs},
    )
    try:
        with urllib.request.urlopen(  # noqa: S310  (ditto)
            request, timeout=options.max_time, context=context
        ) as answer:
            body = answer.read()
    except urllib.error.HTTPError as error:
        if options.fail:
            complain(f"curl: ({_REFUSED}) The requested URL returned error: {error.code}")
            return _REFUSED
        body = error.read()
    except OSError as error:
        complain(f"curl: ({_NOT_REACHED}) {options.target}: {error}")
        return _NOT_REACHED
    _write(body, options.output)
    return 0


def _write(body: bytes, output: str | None) -> None:
    if output:
        Path(output).write_bytes(body)
    else:
        sys.stdout.buffer.write(body)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="curl (simulated)")
    parser.add_argument("target")
    parser.add_argument("-X", "--request", default="GET")
    parser.add_argument("-H", "--header", action="append", default=[])
    parser.add_argument("-o", "--output")
    parser.add_argument("--cacert")
    parser.add_argument("-m", "--max-time", type=float, default=30)
    for number in ("--connect-timeout", "--retry", "--retry-delay"):
        parser.add_argument(number)
    flags = {"-s": "--silent", "-S": "--show-error", "-L": "--location"}
    for short, long in (flags | {"-f": "--fail", "-k": "--insecure"}).items():
        parser.add_argument(short, long, action="store_true")
    return parser
