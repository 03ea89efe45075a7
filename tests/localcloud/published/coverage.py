"""The figures of docs/emulator-coverage.md: parameters, codes, sample answers, behaviours.

`python -m tests.localcloud.published.coverage` writes that page.
"""

from __future__ import annotations

import ast
import dataclasses
import fnmatch
import functools
import json
import sys
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import localcloud
from localcloud.products.catalogue import PRODUCTS
from localcloud.published.parameters import DATA, Parameter, mandatory, not_mandatory, published
from localcloud.wire.parameters import wire_name
from tests.engine.acceptance import configurations as acceptance
from tests.localcloud.clients import clients, codes
from tests.localcloud.corpus import entries
from tests.localcloud.published import error_codes, samples

PAGE: Final = Path(__file__).parents[3] / "docs" / "emulator-coverage.md"
_PACKAGE: Final = Path(localcloud.__file__).parent
_HEAD: Final = """\
# What the emulated Alibaba Cloud covers

Written by `python -m tests.localcloud.published.coverage`; a test holds it up to date. The
published parameters are the vendor's own
([aliyun-openapi-meta](https://github.com/aliyun/aliyun-openapi-meta), Apache-2.0, commit {commit}).
*Read* means that the action declares the parameter and that some code of the emulator reads an
attribute of its name; whether the code of this action does is not measured, so a few filters may
count that have no effect. *Marked* means that `unread.json` in `local/localcloud/published/data`
gives the reason why the parameter is not read.

Nobody compared the emulator with a real account. Where neither the vendor's pages nor the code of
an official client shows a behaviour, the emulator's is a guess.
"""
_ERROR_CODES: Final = """\
## Error codes

The rows of `tests/localcloud/published/error_codes.tsv`: each code by which an action refuses, with
its HTTP status. *Published* means that the error table of the action's page lists the code with
that status.
*Other source* is a page on all actions, another action's page, a client's code or a log. A refusal
that no row has fails the test that provokes it.
"""
_SAMPLES: Final = """\
## Sample answers

The keys of the vendor's sample answers (`tests/localcloud/published/sample_keys.txt`). *Answered*
means that a test by the SDKs sees the key in an answer of the emulator, with the type that the SDK
declares. The value is not compared: some are the same for every resource, for example the clock
speed of an instance type. *Marked* means that `tests/localcloud/published/samples_unanswered.json`
gives the reason why no answer has the key ([the
reasons](#sample-keys-that-are-marked-as-not-answered)).
"""
_BEHAVIOURS: Final = """\
## Recorded behaviours

The entries of `tests/localcloud/corpus`: what the vendor's pages, clients and logs record of the
real cloud. *Equal* means that a test runs the behaviour over the wire and the emulator does the
same; *known difference* that it does something else, for the reason below; *not simulated* that no
test can run it, for the reason below.
"""
_CLIENTS: Final = """\
## Clients of others

Programs that nobody of this project wrote, compared with the emulator; none of them is a part of
it. *Ran* says what they did, *codes* how many error codes in their source the emulator answers in
the situation that they expect, and how many of the others only a fault rule makes
(`tests/localcloud/clients/codes.yaml`).
"""
_CONFIGURATIONS: Final = """\
## Configurations of the provider

The upstream provider has acceptance tests of each resource type. Those of the types that this
program uses are in `tests/engine/acceptance/configurations`, written as data of ours. The engine
tier applies each of them by the real provider: create, update, refresh, import, destroy; after each
step the plan must be empty. *Passes* are those that do; *fails* those that the test expects to
fail, and *left out* those that need what the emulator does not have, for the reasons below. The
share counts all three. {nightly} of them wait so long that only the nightly tier runs them.
"""
# Read by the gateway for every action.
_BY_THE_GATEWAY: Final = frozenset(
    {"RegionId", "regionId", "ClientToken", "DryRun", "SecurityToken"}
)


@dataclass(frozen=True, kw_only=True)
class ActionCoverage:
    """One action: its published parameters by what the emulator does with them."""

    product: str
    action: str
    read: tuple[str, ...]
    marked: Mapping[str, str]
    """Not read → why."""
    unread: tuple[str, ...]
    """Neither read nor marked."""
    mandatory: tuple[str, ...]
    published_mandatory: tuple[str, ...]

    @property
    def parameters(self) -> int:
        """How many parameters are published."""
        return len(self.read) + len(self.marked) + len(self.unread)


def coverage() -> Iterator[ActionCoverage]:
    """Every action of every product that the vendor publishes."""
    for product in PRODUCTS.values():
        for name, action in sorted(product.actions.items()):
            parameters = published(product.name).get(name)
            if parameters is not None:
                yield _action(product.name, name, action.request, parameters)


def _action(
    product: str, action: str, request: type[Any], parameters: tuple[Parameter, ...]
) -> ActionCoverage:
    used = _names_read(request)
    read, marked, unread = [], {}, []
    for parameter in parameters:
        if parameter.name in _BY_THE_GATEWAY or parameter.name in used:
            read.append(parameter.name)
        elif (reason := reason_for(f"{product}.{action}.{parameter.name}")) is not None:
            marked[parameter.name] = reason
        else:
            unread.append(parameter.name)
    return ActionCoverage(
        product=product,
        action=action,
        read=tuple(read),
        marked=marked,
        unread=tuple(unread),
        mandatory=mandatory(product, action),
        published_mandatory=tuple(p.name for p in parameters if p.required),
    )


@functools.cache
def marks() -> tuple[tuple[str, str], ...]:
    """Pattern of `Product.Action.Parameter` → why the emulator does not read it."""
    groups = json.loads((DATA / "unread.json").read_text(encoding="utf-8"))
    return tuple((pattern, group["reason"]) for group in groups for pattern in group["parameters"])


def reason_for(parameter: str) -> str | None:
    """Why this parameter is not read; None without a mark."""
    return next((why for pattern, why in marks() if fnmatch.fnmatchcase(parameter, pattern)), None)


def _names_read(request: type[Any], prefix: str = "") -> frozenset[str]:
    """Wire names of the fields that some code of the emulator refers to, nested ones dotted."""
    hints = typing.get_type_hints(request)
    names: set[str] = set()
    for field in dataclasses.fields(request):
        if field.name not in _attributes():
            continue
        name = f"{prefix}{wire_name(field)}"
        names.add(name)
        for kind in (hints[field.name], *typing.get_args(hints[field.name])):
            if isinstance(kind, type) and dataclasses.is_dataclass(kind):
                names |= _names_read(kind, f"{name}.")
    return frozenset(names)


@functools.cache
def _attributes() -> frozenset[str]:
    """Every attribute that the emulator's code reads, by name."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in _PACKAGE.rglob("*.py"))
    return frozenset(
        node.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    )


def page() -> str:
    """The expected text of the page."""
    actions = list(coverage())
    lines = [
        *_HEAD.format(commit=_commit()).splitlines(),
        "",
        "| product | actions | parameters | read | marked | neither | mandatory enforced |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        _row(product, [a for a in actions if a.product == product])
        for product in dict.fromkeys(action.product for action in actions)
    ]
    lines.append(_row("**all**", actions))
    lines += ["", *_error_code_lines(), "", *_sample_lines(), "", *_behaviour_lines()]
    lines += ["", *_client_lines(), "", *_configuration_lines()]
    lines += ["", "## Parameters that are marked as not read", ""]
    reasons: dict[str, list[str]] = {}
    for action in actions:
        for name, reason in action.marked.items():
            reasons.setdefault(reason, []).append(f"{action.action}.{name}")
    for reason, names in sorted(reasons.items()):
        lines += [f"**{reason}**", "", ", ".join(f"`{name}`" for name in sorted(names)), ""]
    lines += _unanswered_lines()
    lines += ["## Published flags that do not hold", ""]
    lines += [f"- `{name}`: {reason}" for name, reason in sorted(not_mandatory().items())] or [
        "None: every published mandatory parameter is enforced."
    ]
    return "\n".join(lines).rstrip() + "\n"


def _error_code_lines() -> Iterator[str]:
    """The section on error codes: how many rows of each product have which kind of source."""
    yield from _ERROR_CODES.splitlines()
    yield ""
    yield "| product | codes | published with that status | other source | guess |"
    yield "|---|---|---|---|---|"
    rows = error_codes.rows()
    for product in dict.fromkeys(row.product for row in rows):
        yield _sources(product, [row for row in rows if row.product == product])
    yield _sources("**all**", rows)
    yield ""
    yield f"Guesses: {_codes(row for row in rows if row.is_guess)}."
    yield ""
    yield f"The code has a source, and the status is a guess: {_codes(_by_status(rows))}."


def _by_status(rows: Iterable[error_codes.Row]) -> Iterator[error_codes.Row]:
    return (row for row in rows if row.has_guessed_status and not row.is_guess)


def _codes(rows: Iterable[error_codes.Row]) -> str:
    return ", ".join(f"`{row.code}` ({_place(row)})" for row in rows) or "none"


def _place(row: error_codes.Row) -> str:
    return row.product if row.action == error_codes.ANY_ACTION else f"{row.product}.{row.action}"


def _sources(name: str, rows: Sequence[error_codes.Row]) -> str:
    published_ones = sum(row.source == error_codes.PUBLISHED for row in rows)
    guesses = sum(row.is_guess for row in rows)
    counts = (len(rows), published_ones, len(rows) - published_ones - guesses, guesses)
    return f"| {name} | {' | '.join(map(str, counts))} |"


def _sample_lines() -> Iterator[str]:
    """The section on sample answers: how many of their keys the emulator answers."""
    yield from _SAMPLES.splitlines()
    yield ""
    yield "| product | actions | whole samples | keys | answered | marked | neither |"
    yield "|---|---|---|---|---|---|---|"
    products = dict.fromkeys(action.partition(".")[0] for action in samples.published())
    for product in products:
        yield _sample_row(product, f"{product}.")
    yield _sample_row("**all**", "")


def _sample_row(name: str, prefix: str) -> str:
    actions = [action for action in samples.published() if action.startswith(prefix)]
    published_keys = sum(len(samples.published()[action]) for action in actions)
    absent = [key for key in samples.absent_keys() if key.startswith(prefix)]
    marked = sum(samples.reason_for(key) is not None for key in absent)
    whole = sum(action not in samples.absent() for action in actions)
    answered = published_keys - len(absent)
    counts = (len(actions), whole, published_keys, answered, marked, len(absent) - marked)
    return f"| {name} | {' | '.join(map(str, counts))} |"


def _unanswered_lines() -> Iterator[str]:
    """The section on sample keys that no answer has, by reason."""
    yield "## Sample keys that are marked as not answered"
    yield ""
    reasons: dict[str, list[str]] = {}
    for key in samples.absent_keys():
        if (reason := samples.reason_for(key)) is not None:
            reasons.setdefault(reason, []).append(key)
    for reason, keys in sorted(reasons.items()):
        yield from (f"**{reason}**", "", ", ".join(f"`{key}`" for key in sorted(keys)), "")


def _behaviour_lines() -> Iterator[str]:
    """The section on the corpus: which behaviours the emulator has, and which differ."""
    yield from _BEHAVIOURS.splitlines()
    yield ""
    yield "| product | recorded | equal | known difference | not simulated |"
    yield "|---|---|---|---|---|"
    run, left_out = entries.entries(), entries.not_run()
    products = dict.fromkeys([e.product for e in run] + [n.product for n in left_out])
    for product in products:
        yield _behaviours(
            product,
            [entry for entry in run if entry.product == product],
            sum(one.product == product for one in left_out),
        )
    yield _behaviours("**all**", run, len(left_out))
    yield ""
    yield "Known differences:"
    yield ""
    yield from (f"- {entry.title} {entry.differs}" for entry in run if entry.differs)
    yield ""
    yield "Not simulated:"
    yield ""
    yield from (
        f"- {one.product}.{one.action}: {one.condition.rstrip('.')}. {one.reason}"
        for one in left_out
    )


def _behaviours(name: str, run: Sequence[entries.Entry], left_out: int) -> str:
    different = sum(bool(entry.differs) for entry in run)
    counts = (len(run) + left_out, len(run) - different, different, left_out)
    return f"| {name} | {' | '.join(map(str, counts))} |"


def _client_lines() -> Iterator[str]:
    """The section on third-party programs."""
    yield from _CLIENTS.splitlines()
    yield ""
    yield "| client | version | ran | date | codes | by fault rule |"
    yield "|---|---|---|---|---|---|"
    for client in clients.clients():
        shown = [row.shown_by for row in codes.client_codes() if row.client == client.key]
        injected = sum(isinstance(how, codes.Injected) for how in shown)
        cells = (client.name, client.version, client.ran or "source read, not run", client.date)
        yield f"| {' | '.join(cells)} | {len(shown) - injected} | {injected} |"
    yield ""
    yield "Findings, each of which is fixed and has a test:"
    yield ""
    for client in clients.clients():
        yield from (f"- {client.name}: {finding}" for finding in client.findings)


def _configuration_lines() -> Iterator[str]:
    """The section on the provider's acceptance configurations."""
    run, left_out = acceptance.configurations(), acceptance.left_out()
    nightly = sum(one.nightly for one in run)
    yield from _CONFIGURATIONS.format(nightly=nightly).splitlines()
    yield ""
    yield "| type | configurations | pass | fail | left out | share |"
    yield "|---|---|---|---|---|---|"
    for type_ in dict.fromkeys(one.type for one in run):
        yield _configurations(
            f"`{type_}`",
            [one for one in run if one.type == type_],
            sum(one.type == type_ for one in left_out),
        )
    yield _configurations("**all**", run, len(left_out))
    yield ""
    yield "Fail:"
    yield ""
    yield from (f"- {one.name}: {one.differs}" for one in run if one.differs)
    yield ""
    yield "Left out:"
    yield ""
    yield from (f"- {one.name}: {one.reason}" for one in left_out)
    yield ""
    yield "Adapted:"
    yield ""
    yield from (f"- {one.name}: {one.adapted}" for one in run if one.adapted)


def _configurations(name: str, run: Sequence[acceptance.Configuration], left_out: int) -> str:
    failing = sum(bool(one.differs) for one in run)
    total, passing = len(run) + left_out, len(run) - failing
    counts = (total, passing, failing, left_out, f"{passing / total:.0%}")
    return f"| {name} | {' | '.join(map(str, counts))} |"


def _row(name: str, actions: list[ActionCoverage]) -> str:
    enforced = sum(len(a.mandatory) for a in actions)
    mandatory_ones = sum(len(a.published_mandatory) for a in actions)
    counts = (
        len(actions),
        sum(a.parameters for a in actions),
        sum(len(a.read) for a in actions),
        sum(len(a.marked) for a in actions),
        sum(len(a.unread) for a in actions),
    )
    return f"| {name} | {' | '.join(map(str, counts))} | {enforced} of {mandatory_ones} |"


def _commit() -> str:
    document = json.loads((DATA / "Ecs.json").read_text(encoding="utf-8"))
    return f"{document['commit'][:12]} of {document['date']}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name} written\n")
