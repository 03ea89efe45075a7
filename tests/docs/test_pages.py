"""Stack files and edits on pages for users are planned; commands are compared with programs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from config.profiles import merge
from config.stackfile import read_file, read_text
from localcloud.commands import app as localcloud_app
from localcloud.virtual.commands import app as virtual_app
from operations.__main__ import app as operations_app
from planning.read import plan_from
from toolchain.__main__ import app as toolchain_app

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
PAGES = (
    ROOT / "README.md",
    *(ROOT / "docs" / name for name in ("quickstart.md", "operations.md", "troubleshooting.md")),
    *sorted((ROOT / "docs/runbooks").glob("*.md")),
)
COMMAND_PAGES = (
    *PAGES,
    *(page for page in sorted((ROOT / "docs").glob("*.md")) if page not in PAGES),
    *(ROOT / name for name in ("CONTRIBUTING.md", "local/README.md", "docs/rights/README.md")),
    ROOT / "docs/cloud-controller/README.md",
)
"""Pages whose commands are compared with their programs. Stack files are on `PAGES` only."""
EXAMPLES = sorted((*(ROOT / "docs/examples").glob("*.yaml"), *(ROOT / "stacks").glob("*.yaml")))

_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`((?:[A-Z_]+=\S+ )*(?:python -m \w+|make|pulumi) [^`]+)`")
_HERE_DOCUMENT = re.compile(r"<<'?(\w+)'?$.*?^ *\1$", re.DOTALL | re.MULTILINE)
_LIST = re.compile(r"\b\w+=\([^)]*\)")
_SUBSTITUTION = re.compile(r"^\w+=[\w.]*\$\((.*)\)[\w.]*$", re.MULTILINE)
"""An assignment of what a command writes; the command is what counts."""
_KEYWORDS = {"if", "!", "then", "fi", "while", "until", "do", "done"}
_ASSIGNMENT = re.compile(r"^[A-Z_a-z0-9]+=")

PULUMI = {
    "cancel",
    "config",
    "destroy",
    "import",
    "install",
    "login",
    "new",
    "package",
    "preview",
    "refresh",
    "stack",
    "state",
    "up",
    "plugin",
    "version",
}
"""Commands of Pulumi that pages name. They need an engine and a stack: only their names and the
options below are compared with what Pulumi 3 has."""
PULUMI_OPTIONS = {
    "--continue-on-error",
    "--debug",
    "--diff",
    "--event-log",
    "--exclude-protected",
    "--force",
    "--json",
    "--non-interactive",
    "--parent",
    "--path",
    "--refresh",
    "--remove",
    "--run-program",
    "--secret",
    "--show-secrets",
    "--skip-preview",
    "--stack",
    "--target",
    "--target-dependents",
    "--yes",
    "-y",
    "--all",
    "--file",
    "--plaintext",
}
MACHINE_COMMANDS = {
    ".",
    "[",
    "aliyun",
    "apt-get",
    "cat",
    "cd",
    "chronyc",
    "crictl",
    "curl",
    "echo",
    "export",
    "grep",
    "kubeadm",
    "kubectl",
    "mkdir",
    "mv",
    "openssl",
    "printf",
    "sed",
    "sleep",
    "source",
    "systemctl",
    "write_encryption",
    "xargs",
}
"""Programs of a node, a cluster or a shell: only their names are compared with this list."""


APPLICATIONS = {
    "operations": operations_app,
    "localcloud": localcloud_app,
    "localcloud.virtual": virtual_app,
    "toolchain": toolchain_app,
}
"""The modules that have commands; others are only looked for."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block of a page."""

    page: str
    language: str
    text: str


def blocks(pages: Sequence[Path] = PAGES) -> Iterator[Block]:
    for page in pages:
        for match in _FENCE.finditer(page.read_text(encoding="utf-8")):
            yield Block(page=page.name, language=match[1], text=match[2])


STACK_FILES = [
    b for b in blocks() if b.language == "yaml" and "spiderpool-alicloud:cluster" in b.text
]
EDITS = [
    b
    for b in blocks()
    if b.language == "yaml" and b not in STACK_FILES and isinstance(yaml.safe_load(b.text), dict)
]
SHELL = [b for b in blocks(COMMAND_PAGES) if b.language in {"sh", "bash"}]
LISTS = [b for b in blocks(COMMAND_PAGES) if not b.language and b.text.startswith("python -m")]
"""Blocks with a command in each line, and what it does after at least two spaces."""


def commands(text: str) -> Iterator[list[str]]:
    """Each command of a shell text as words, without assignments, comments and redirections."""
    text = _SUBSTITUTION.sub(r"\1", _LIST.sub("", _HERE_DOCUMENT.sub("", text)))
    lexer = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars="|&;<>\n")
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    comment = redirected = False
    for token in lexer:
        ends = set(token) <= set("|&;\n")
        comment = (comment and "\n" not in token) or token.startswith("#")
        if ends:
            if words:
                yield words
            words, redirected = [], False
        elif set(token) <= {"<", ">"}:
            redirected = True
        elif redirected:
            redirected = False
        elif not comment and (words or not (token in _KEYWORDS or _ASSIGNMENT.match(token))):
            words.append(token)
    if words:
        yield words


def every_command() -> list[tuple[str, list[str]]]:
    every = [(block.page, words) for block in SHELL for words in commands(block.text)]
    for block in LISTS:
        for line in block.text.splitlines():
            command = line.partition("  ")[0].partition("#")[0]
            every += [(block.page, words) for words in commands(command)]
    for page in COMMAND_PAGES:
        text = _FENCE.sub("", page.read_text(encoding="utf-8"))
        every += [
            (page.name, words)
            for match in _INLINE.finditer(text)
            for words in commands(match[1].replace("\n", " "))
        ]
    return every


COMMANDS = every_command()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_every_example_is_planned(path: Path) -> None:
    assert plan_from(read_file(path).cluster).nodes


@pytest.mark.parametrize("block", STACK_FILES, ids=lambda b: b.page)
def test_every_stack_file_on_a_page_is_planned(block: Block) -> None:
    assert plan_from(read_text(block.text).cluster).nodes


@pytest.mark.parametrize("block", EDITS, ids=lambda b: f"{b.page}-{b.text.split(':')[0]}")
def test_every_edit_on_a_page_is_planned(block: Block) -> None:
    edit: dict[str, Any] = yaml.safe_load(block.text)
    stack = read_file(ROOT / "stacks/Pulumi.local.yaml").cluster
    before = plan_from(stack)
    after = plan_from(merge(stack, edit))
    assert after != before
    assert after.nodes.keys() == before.nodes.keys()


def test_the_pages_hold_something_of_each_kind() -> None:
    assert STACK_FILES
    assert EDITS
    assert len(COMMANDS) > 30


@pytest.mark.parametrize(("page", "words"), COMMANDS, ids=lambda v: str(v)[:60])
def test_every_command_on_a_page_exists(page: str, words: list[str]) -> None:
    program = words[0].removeprefix(".venv/bin/")
    if program.startswith("python") and words[1:2] == ["-m"]:
        _module(words[2], words[3:])
    elif program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(words[1:]) <= set(targets)
    elif program == "pulumi":
        options = {word.split("=")[0] for word in words if word.startswith("-")}
        assert words[1] in PULUMI
        assert options <= PULUMI_OPTIONS, page
    else:
        assert program in MACHINE_COMMANDS, page


def _module(module: str, arguments: list[str]) -> None:
    """A command of ours: the words lead to one, and it has the options."""
    if module not in APPLICATIONS:
        path = module.replace(".", "/")
        places = (base / name for base in (ROOT, ROOT / "local") for name in (path, f"{path}.py"))
        assert any(place.exists() for place in places), module
        return
    command: Any = typer.main.get_command(APPLICATIONS[module])
    words = list(arguments)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        name = words.pop(0)
        assert name in command.commands, arguments
        command = command.commands[name]
    options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    options |= {option for parameter in command.params for option in parameter.secondary_opts}
    assert {word.split("=")[0] for word in words if word.startswith("--")} <= options, arguments
