"""Finds plaintext secrets where they do not belong, by their shape or by their key's name.

Everything in the `cluster` object is stored, shown in previews and put into golden files as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from config.report import Problem, path_of

_SHAPES = (
    (re.compile(r"LTAI[A-Za-z0-9]{8,}"), "an AccessKey id"),
    (re.compile(r"STS\.[A-Za-z0-9]{16,}"), "the id of temporary credentials"),
    (re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----"), "a private key"),
    (re.compile(r"\bLS0tLS1CRUdJTi[A-Za-z0-9+/]{16,}"), "a PEM block in base64"),
    (re.compile(r"(?<![a-z0-9.])[a-z0-9]{6}\.[a-z0-9]{16}(?![a-z0-9.])"), "a bootstrap token"),
)

_TELLING = re.compile(
    r"(password|passwd|passphrase|secret|token|accesskeyid|accesskey|privatekey|secretkey|apikey|"
    r"kubeconfig|credentials?)$"
)

_HARMLESS = frozenset(
    {
        ("cloudController", "credentials"),  # a choice between ways, not credentials
    }
)

MASK = "…"
"""What is shown in a secret's place."""

Step = str | int


def plain_secrets(document: object, at: tuple[Step, ...] = ()) -> Iterator[Problem]:
    """One problem for each value that is or may be a secret; never shows it."""
    if isinstance(document, Mapping):
        if set(document) == {"secure"}:
            yield _problem(at, "an encrypted value", "would make the whole object a secret")
            return
        for key, value in document.items():
            what = _shape(str(key))
            if what is not None:
                yield _problem((*at, MASK), what, "would be stored and shown in plain text")
            yield from plain_secrets(value, (*at, str(key)))
        return
    if isinstance(document, list | tuple):
        for place, value in enumerate(document):
            yield from plain_secrets(value, (*at, place))
        return
    what = looks_secret(document, at)
    if what is not None:
        yield _problem(at, what, "would be stored and shown in plain text")


def looks_secret(value: object, at: tuple[Step, ...]) -> str | None:
    """What kind of secret a scalar seems to be; None when it looks harmless."""
    if not isinstance(value, str) or not value:
        return None
    shaped = _shape(value)
    if shaped is not None:
        return shaped
    name = next((s for s in reversed(at) if isinstance(s, str)), "")
    folded = name.replace("_", "").replace("-", "").lower()
    if _TELLING.search(folded) and at not in _HARMLESS:
        return f"a secret, by its key {name}"
    return None


def secret_texts(document: object, at: tuple[Step, ...] = ()) -> Iterator[str]:
    """Every text of a document that may be a secret, to be masked wherever it turns up."""
    if isinstance(document, Mapping):
        for key, value in document.items():
            if _shape(str(key)) is not None:
                yield str(key)
            yield from secret_texts(value, (*at, str(key)))
    elif isinstance(document, list | tuple):
        for place, value in enumerate(document):
            yield from secret_texts(value, (*at, place))
    elif looks_secret(document, at) is not None:
        yield str(document)


def masked(problem: Problem, secrets: Iterable[str]) -> Problem:
    """The problem without any of these texts in it."""
    for secret in sorted(secrets, key=len, reverse=True):
        problem = Problem(
            path=problem.path.replace(secret, MASK),
            value=None if problem.value is None else problem.value.replace(secret, MASK),
            rule=problem.rule.replace(secret, MASK),
            remedy=problem.remedy.replace(secret, MASK),
        )
    return problem


def _shape(text: str) -> str | None:
    return next((what for shape, what in _SHAPES if shape.search(text)), None)


def _problem(at: tuple[Step, ...], what: str, consequence: str) -> Problem:
    return Problem(
        path=path_of(*at),
        value=None,
        rule=f"This is {what}, and here it {consequence}.",
        remedy=(
            "Take it out, and replace it where it was in use: it has been in a file. The cluster's "
            "own secrets are made by `python -m operations secrets init`; others go into a key of "
            "their own by `pulumi config set --secret`."
        ),
    )
