"""The small part of curl that a node's set-up needs, for hosts that have no curl."""

from __future__ import annotations

import argparse
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(words: Sequence[str]) -> int:
    """Do one request; return curl's exit code (22: refused with --fail, 7: not reached)."""
    parser = argparse.ArgumentParser(prog="curl (simulated)")
    parser.add_argument("target")
    parser.add_argument("-X", "--request", default="GET")
    parser.add_argument("-H", "--header", action="append", default=[])
    parser.add_argument("-o", "--output")
    parser.add_argument("--cacert")
    parser.add_argument("-m", "--max-time", type=float, default=30)
    for number in ("--connect-timeout", "--retry", "--retry-delay"):
        parser.add_argument(number)
    for flag in ("-s", "-S", "-f", "-L", "-k"):
        parser.add_argument(flag, action="store_true")
    given = parser.parse_args(words)
    context = ssl.create_default_context(cafile=given.cacert)
    if given.k:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    headers = {
        name.strip(): value.strip() for name, _, value in (h.partition(":") for h in given.header)
    }
    request = urllib.request.Request(given.target, method=given.request, headers=headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=given.max_time, context=context) as answer:  # noqa: S310
            body = answer.read()
    except urllib.error.HTTPError as error:
        if given.f:
            sys.stderr.write(f"curl: (22) The requested URL returned error: {error.code}\n")
            return 22
        body = error.read()
    except OSError as error:
        sys.stderr.write(f"curl: (7) {given.target}: {error}\n")
        return 7
    if given.output:
        Path(given.output).write_bytes(body)
    else:
        sys.stdout.buffer.write(body)
    return 0
