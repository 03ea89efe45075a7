"""docs/transitions.md, written from the table of answers.

`python -m operations config transitions` prints it; a test checks that the page is up to date.
"""

from __future__ import annotations

from typing import Final

from planning.transitions.answers import ANSWERS, Answer, Kind

_HEAD: Final = """\
<!-- Written by `python -m operations config transitions`; edit planning/transitions/answers.py. -->
# What an edit does

Every edit of a deployed stack is checked before anything happens, in `pulumi preview` and in
`pulumi up`: it is accepted with steps in order, or refused with every reason at once
([why](decisions/transitions.md)). `python -m operations plan --config FILE --against STACK` gives
the same answer without an engine, `python -m operations diff BASE HEAD` for two commits.

The table has the answer for each setting. A new default in a release is an edit like any other, and
the release notes list it under **Required action**.

| answer | workers | control planes |
|---|---|---|
"""

_MEANING: Final = {
    Kind.NOTHING: ("Nothing that is deployed has the setting.", "The same."),
    Kind.IN_PLACE: ("It changes while everything runs, without an interruption.", "The same."),
    Kind.CREATED: ("Something other than a node is created or removed.", "The same."),
    Kind.REMADE: ("A resource is deleted and created again; nothing is lost.", "The same."),
    Kind.NEW_ADDRESS: (
        "It is created again, or changed, and then has another address.",
        "The same.",
    ),
    Kind.NEW_ONLY: ("Machines that run keep what they booted with.", "The same."),
    Kind.RUNNING: ("The node's own unit applies it while its pods run, node by node.", "The same."),
    Kind.RESTART: (
        "Drained, stopped and started, one worker at a time; disk and addresses stay.",
        "Stopped and started, one at a time. The API server of an only one is away meanwhile.",
    ),
    Kind.ROLLS: (
        "Drained and replaced by a new machine, one worker at a time.",
        (
            "Replaced one at a time, with every member of etcd healthy before and after. Refused "
            "for the only one."
        ),
    ),
    Kind.ADDRESSES: (
        (
            "IP pools give up addresses before NICs do, and take new ones after. An address that a "
            "pod holds is refused, with the pod's name."
        ),
        "The same.",
    ),
    Kind.NODES: (
        "New ones join; leaving ones are drained first.",
        "They join and leave etcd one by one. An edit that adds and removes some is refused.",
    ),
    Kind.VERSION: (
        "One version after the other, never a downgrade; control planes before workers.",
        "One at a time. The only one is upgraded on its machine.",
    ),
    Kind.REFUSED: (
        "Nothing happens; the message has the reason and what to do instead.",
        "The same.",
    ),
}


def page() -> str:
    """The whole page as Markdown."""
    meanings = [f"| {kind.value} | {a} | {b} |" for kind, (a, b) in _MEANING.items()]
    rows = [_row(key, answer) for key, answer in ANSWERS.items()]
    table = ["## Keys", "", "| key | answer | why |", "|---|---|---|", *rows]
    return _HEAD + "\n".join((*meanings, "", *table)) + "\n"


def _row(key: str, answer: Answer) -> str:
    kind = answer.worker.value
    if answer.control_plane is not answer.worker:
        kind = f"{kind}; control planes: {answer.control_plane.value}"
    why = f"{answer.reason} {answer.remedy}".strip().replace("|", "\\|")
    return f"| `{key}` | {kind} | {why} |"
