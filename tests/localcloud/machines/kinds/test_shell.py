"""Commands on a virtual machine's terminal."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.machines.kinds.shell import Done, ShellError, read, run, typed

pytestmark = pytest.mark.unit

MARK = "0123456789abcdef"


def on_a_terminal(command: list[str]) -> bytes:
    """What a shell prints for what is typed, behind the echo of it."""
    line = typed(command, MARK)
    done = subprocess.run(["/bin/sh"], input=line, capture_output=True, check=True)
    return b"# " + line.replace(b"\n", b"\r\n") + done.stdout.replace(b"\n", b"\r\n")


def test_output_and_status_come_as_they_are() -> None:
    transcript = on_a_terminal(["sh", "-c", "printf 'a\\nb'; echo c >&2; exit 3"])
    assert read(transcript, MARK) == Done(status=3, output=b"a\nbc\n")


def test_the_echo_of_what_was_typed_is_no_outcome() -> None:
    assert read(typed(["true"], MARK), MARK) is None


def test_an_outcome_is_complete_or_none() -> None:
    transcript = on_a_terminal(["echo", "hello"])
    cut = transcript.rindex(b" END-")
    assert read(transcript[:cut], MARK) is None


@settings(max_examples=20, deadline=None)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40))
def test_every_argument_arrives_unchanged(argument: str) -> None:
    done = read(on_a_terminal(["printf", "%s", argument]), MARK)
    assert done == Done(status=0, output=argument.encode())


def test_a_command_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ShellError, match="4095"):
        typed(["echo", "x" * 5000], MARK)


def test_a_machine_that_is_off_is_named(tmp_path: Path) -> None:
    with pytest.raises(ShellError, match="is off"):
        run(tmp_path, ["true"])
