"""The grammar of image references.

Source: `reference.go` of github.com/distribution/reference, which container runtimes and registries
share.
"""

from __future__ import annotations

import re
from typing import Final

from config.facts.ports import HIGHEST_PORT

_LABEL: Final = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST: Final = rf"{_LABEL}(?:\.{_LABEL})*(?::(?P<port>[0-9]{{1,5}}))?"
_COMPONENT: Final = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH: Final = rf"{_COMPONENT}(?:/{_COMPONENT})*"
_TAG: Final = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_END: Final = rf"(?::{_TAG})?(?:@sha256:[0-9a-f]{{64}})?"

_REGISTRY: Final = re.compile(rf"{_HOST}(?:/{_PATH})?")
_NAME: Final = re.compile(rf"{_PATH}{_END}")
_REFERENCE: Final = re.compile(rf"(?:{_HOST}/)?{_PATH}{_END}")


def is_registry(text: str) -> bool:
    """Whether this is a registry's host with an optional port and path: `example.com:5000/a`."""
    return _matches(_REGISTRY, text)


def is_name_in_registry(text: str) -> bool:
    """Whether this is an image's name without a registry: `library/nginx:1.27.5`.

    A first part with a dot is a registry's host.
    """
    first, slash, _ = text.partition("/")
    return _NAME.fullmatch(text) is not None and not (slash and "." in first)


def is_reference(text: str) -> bool:
    """Whether this is a whole reference: `example.com/a/nginx:1.27.5`."""
    return _matches(_REFERENCE, text)


def _matches(form: re.Pattern[str], text: str) -> bool:
    match = form.fullmatch(text)
    return match is not None and (match["port"] is None or 1 <= int(match["port"]) <= HIGHEST_PORT)
