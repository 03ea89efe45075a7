"""The wait loop of the local cloud."""

from __future__ import annotations

import pytest

from localcloud.polling import first_answer, holds_within

pytestmark = pytest.mark.unit


def test_the_first_answer_ends_the_wait() -> None:
    answers = iter([None, None, 0, 7])
    assert first_answer(lambda: next(answers), within=60, every=0) == 0
    assert next(answers) == 7


def test_without_an_answer_the_wait_ends_in_time_and_asks_at_least_once() -> None:
    asked: list[int] = []
    assert first_answer(lambda: asked.append(1), within=0, every=60) is None
    assert asked == [1]


@pytest.mark.parametrize("value", [True, False])
def test_a_condition_is_tested_once_when_there_is_no_time(value: bool) -> None:  # noqa: FBT001
    assert holds_within(lambda: value, within=0, every=60) is value


def test_an_error_ends_the_wait() -> None:
    def refuse() -> None:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it is the one above
        first_answer(refuse, within=60, every=0)
