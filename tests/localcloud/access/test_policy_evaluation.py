"""RAM policies: what they allow, as a table and as properties."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.access import conditions, policies
from localcloud.access.policies import Asked, Resource

pytestmark = pytest.mark.unit
ARN = "acs:ecs:cn-hangzhou:1234567890123456:instance/i-1"


def statement(effect: str = "Allow", **elements: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
    return {"Effect": effect, "Action": "ecs:*", "Resource": "*", **elements}


def document(*statements: dict[str, Any]) -> str:
    text = json.dumps({"Version": "1", "Statement": list(statements)})
    assert policies.problem(text) is None
    return text


def asked(
    action: str = "ecs:DeleteInstance", *arns: str, tags: dict[str, str] | None = None, **keys: str
) -> Asked:
    own = {f"acs:resourcetag/{key}": value for key, value in (tags or {}).items()}
    context = {key.replace("__", ":").lower(): value for key, value in keys.items()}
    resources = [Resource(arn=arn, context=own) for arn in arns or (ARN,)]
    return Asked(action=action, resources=resources, context=context)


def allowed(what: Asked, *statements: dict[str, Any]) -> bool:
    return policies.allows([document(*statements)], what)


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("*", True),
        ("ecs:*", True),
        ("ecs:DeleteInstance", True),
        ("ECS:deleteinstance", True),
        ("ecs:Delete*", True),
        ("*:Delete*", True),
        ("ecs:*Instance", True),
        ("ecs:DeleteInstances", False),
        ("ecs:Describe*", False),
        ("vpc:*", False),
    ],
)
def test_an_action_is_named_with_wildcards_in_any_case(action: str, expected: bool) -> None:  # noqa: FBT001
    assert allowed(asked(), statement(Action=action)) is expected


def test_not_action_names_all_others() -> None:
    but_reads = {"Effect": "Allow", "NotAction": ["ecs:Describe*"], "Resource": "*"}
    assert allowed(asked("ecs:DeleteInstance"), but_reads)
    assert not allowed(asked("ecs:DescribeInstances"), but_reads)


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("*", True),
        (ARN, True),
        ("acs:ecs:*:*:instance/i-1", True),
        ("acs:ecs:*:*:*", True),
        ("acs:*:*:*:*", True),
        ("acs:ecs:cn-hangzhou:*:instance/*", True),
        ("acs:ecs::*:instance/*", True),
        ("acs:ecs:*:*:instance/i-2", False),
        ("acs:ecs:*:*:instance", False),
        ("acs:ecs:cn-beijing:*:instance/*", False),
        ("acs:ecs:*:9999:instance/*", False),
        ("acs:vpc:*:*:*", False),
        # A wildcard stays within its part.
        ("acs:ecs:*:instance/i-1", None),
    ],
)
def test_a_resource_is_compared_part_by_part(resource: str, expected: bool | None) -> None:  # noqa: FBT001
    if expected is None:
        text = json.dumps({"Version": "1", "Statement": [statement(Resource=resource)]})
        assert policies.problem(text) is not None
    else:
        assert allowed(asked(), statement(Resource=resource)) is expected


def test_every_resource_of_a_call_needs_an_allow() -> None:
    other = ARN.replace("i-1", "i-2")
    both = asked("ecs:DeleteInstances", ARN, other)
    assert not allowed(both, statement(Resource=ARN))
    assert allowed(both, statement(Resource=ARN), statement(Resource=other))


def test_a_deny_for_one_resource_refuses_the_call() -> None:
    both = asked("ecs:DeleteInstances", ARN, ARN.replace("i-1", "i-2"))
    assert not allowed(both, statement(), statement("Deny", Resource=ARN))


def test_a_permission_for_one_instance_does_not_make_new_ones() -> None:
    any_instance = ARN.replace("i-1", "*")
    assert not allowed(asked("ecs:RunInstances", any_instance), statement(Resource=ARN))
    assert allowed(
        asked("ecs:RunInstances", any_instance), statement(Resource=ARN.replace("i-1", "*"))
    )


NOW = "2026-11-23T08:00:00+00:00"
TABLE = [
    # operator, policy's value, request's value, holds
    ("StringEquals", "a", "a", True),
    ("StringEquals", "a", "A", False),
    ("StringEquals", ["a", "b"], "b", True),
    ("StringNotEquals", "a", "b", True),
    ("StringNotEquals", ["a", "b"], "b", False),
    ("StringEqualsIgnoreCase", "a", "A", True),
    ("StringNotEqualsIgnoreCase", "a", "A", False),
    ("StringLike", "a*c?", "abbbcd", True),
    ("StringLike", "a*", "A", False),
    ("StringLike", "a.c", "abc", False),
    ("StringNotLike", "a*", "abc", False),
    ("StringNotLike", ["x*", "y*"], "abc", True),
    ("NumericEquals", 5, "5", True),
    ("NumericEquals", "5.0", "5", True),
    ("NumericNotEquals", "5", "6", True),
    ("NumericLessThan", "5", "5", False),
    ("NumericLessThanEquals", "5", "5", True),
    ("NumericGreaterThan", "5", "6", True),
    ("NumericGreaterThanEquals", "5", "4", False),
    ("NumericEquals", "5", "not a number", False),
    ("NumericNotEquals", "5", "not a number", True),
    ("DateEquals", "2026-11-23T16:00:00+08:00", NOW, True),
    ("DateNotEquals", "2026-11-23T16:00:00+08:00", NOW, False),
    ("DateLessThan", "2026-11-23T08:00:01Z", NOW, True),
    ("DateLessThanEquals", "2026-11-23T08:00:00Z", NOW, True),
    ("DateGreaterThan", "2026-11-23T08:00:00Z", NOW, False),
    ("DateGreaterThanEquals", "2026-11-23", NOW, True),
    ("Bool", "true", "true", True),
    ("Bool", True, "true", True),
    ("Bool", "false", "true", False),
    ("IpAddress", "127.0.0.0/8", "127.0.0.1", True),
    ("IpAddress", ["10.0.0.0/8", "127.0.0.1"], "127.0.0.1", True),
    ("IpAddress", "10.0.0.0/8", "127.0.0.1", False),
    ("IpAddress", "::/0", "127.0.0.1", False),
    ("NotIpAddress", "10.0.0.0/8", "127.0.0.1", True),
    ("NotIpAddress", ["10.0.0.0/8", "127.0.0.0/8"], "127.0.0.1", False),
]


def test_the_table_has_every_operator() -> None:
    assert {operator for operator, *_ in TABLE} == set(conditions.OPERATORS)


@pytest.mark.parametrize(("operator", "expected", "actual", "holds"), TABLE)
def test_a_condition_holds(operator: str, expected: object, actual: str, holds: bool) -> None:  # noqa: FBT001
    condition = {operator: {"acs:SourceIp": expected}}
    call = asked(acs__SourceIp=actual)
    assert allowed(call, statement(Condition=condition)) is holds
    # The same of a Deny: it refuses exactly when its condition holds.
    assert allowed(call, statement(), statement("Deny", Condition=condition)) is not holds


@pytest.mark.parametrize(
    ("operator", "value"),
    [("StringEquals", "a"), ("IpAddress", "::/0"), ("Bool", "true"), ("NumericEquals", "1")],
)
def test_a_key_that_the_request_lacks_does_not_hold(operator: str, value: str) -> None:
    condition = {operator: {"ram:ServiceName": value}}
    assert not allowed(asked(), statement(Condition=condition))


def test_a_key_that_the_request_lacks_is_not_equal() -> None:
    assert allowed(asked(), statement(Condition={"StringNotEquals": {"ram:ServiceName": "a"}}))


def test_all_operators_and_all_keys_must_hold() -> None:
    call = asked(acs__SourceIp="127.0.0.1", acs__SecureTransport="true")
    ip = {"IpAddress": {"acs:SourceIp": "127.0.0.1"}}
    for secure, expected in (("true", True), ("false", False)):
        bool_too = {**ip, "Bool": {"acs:SecureTransport": secure}}
        assert allowed(call, statement(Condition=bool_too)) is expected
    two_keys = {"StringEquals": {"acs:SourceIp": "127.0.0.1", "acs:SecureTransport": "false"}}
    assert not allowed(call, statement(Condition=two_keys))


def test_keys_match_in_any_case_but_tags_exactly() -> None:
    call = asked(tags={"Team": "dev"}, acs__SourceIp="127.0.0.1")
    for key, expected in (("acs:ResourceTag/Team", True), ("acs:resourcetag/team", False)):
        tagged = statement(Condition={"StringEquals": {key: "dev"}})
        assert allowed(call, tagged) is expected
    upper = statement(Condition={"IpAddress": {"ACS:SOURCEIP": "127.0.0.1"}})
    assert allowed(call, upper)


@pytest.mark.parametrize(
    ("changed", "needle"),
    [
        ({"Condition": {"StringEqualsIfExists": {"acs:SourceIp": "a"}}}, "StringEqualsIfExists"),
        ({"Condition": {"ForAnyValue:StringEquals": {"acs:SourceIp": "a"}}}, "ForAnyValue"),
        ({"Condition": {"StringEquals": "a"}}, "condition keys"),
        ({"Condition": {"StringEquals": {"acs:SourceIp": []}}}, "no value"),
        ({"Condition": {"StringEquals": {"acs:SourceIp": [{}]}}}, "must be text"),
        ({"Condition": {"NumericEquals": {"acs:SourceIp": "x"}}}, "no value for NumericEquals"),
        ({"Condition": {"DateLessThan": {"acs:CurrentTime": "soon"}}}, "DateLessThan"),
        ({"Condition": {"Bool": {"acs:SecureTransport": "yes"}}}, "Bool"),
        ({"Condition": {"IpAddress": {"acs:SourceIp": "10.0.0.0/99"}}}, "IpAddress"),
        ({"Condition": ["x"]}, "object"),
        ({"Effect": "Maybe"}, "Effect"),
        ({"NotAction": "ecs:*"}, "either Action or NotAction"),
        ({"Action": []}, "each Action"),
        ({"Action": "DescribeInstances"}, "each Action"),
        ({"Action": 5}, "each Action"),
        ({"Resource": None}, "each Resource"),
        ({"Resource": "instance/i-1"}, "each Resource"),
        ({"NotResource": "*"}, "NotResource"),
        ({"Sid": "x"}, "Sid"),
        ({"Principal": {"RAM": ["*"]}}, "Principal"),
    ],
)
def test_a_statement_that_cannot_be_is_refused_by_name(
    changed: dict[str, Any], needle: str
) -> None:
    text = json.dumps({"Version": "1", "Statement": [statement(**changed)]})
    assert needle in str(policies.problem(text))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"Version":"1"}', '{"Version":"2","Statement":[]}', "[" * 100_000]
)
def test_a_document_that_cannot_be_is_refused(text: str) -> None:
    assert policies.problem(text)


def test_a_key_that_cannot_be_evaluated_here_is_named() -> None:
    text = document(statement(Condition={"StringEquals": {"ecs:InstanceType": "ecs.g7.large"}}))
    assert policies.unevaluated(text) == "ecs:InstanceType"


# Properties

_actions = st.sampled_from(["ecs:DeleteInstance", "ecs:DescribeInstances", "vpc:DeleteVpc"])
_patterns = st.sampled_from(["*", "ecs:*", "vpc:*", "ecs:Describe*", "*:Delete*", "ecs:*Instance"])
_arns = st.sampled_from([ARN, ARN.replace("i-1", "i-2"), ARN.replace("ecs", "vpc")])
_resources = st.sampled_from(["*", ARN, "acs:ecs:*:*:instance/*", "acs:vpc:*:*:*"])
_conditions = st.sampled_from(
    [
        None,
        {"IpAddress": {"acs:SourceIp": "127.0.0.0/8"}},
        {"NotIpAddress": {"acs:SourceIp": ["127.0.0.1", "10.0.0.0/8"]}},
        {"StringEquals": {"acs:ResourceTag/team": "dev"}},
        {"StringNotLike": {"acs:ResourceTag/team": ["d*", "x"]}},
        {"Bool": {"acs:SecureTransport": "false"}},
    ]
)


@st.composite
def statements(draw: st.DrawFn, effect: str | None = None) -> dict[str, Any]:
    drawn: dict[str, Any] = {
        "Effect": effect or draw(st.sampled_from(["Allow", "Deny"])),
        draw(st.sampled_from(["Action", "Action", "NotAction"])): draw(
            st.lists(_patterns, min_size=1, max_size=2)
        ),
        "Resource": draw(st.lists(_resources, min_size=1, max_size=2)),
    }
    condition = draw(_conditions)
    return {**drawn, "Condition": condition} if condition else drawn


@st.composite
def calls(draw: st.DrawFn) -> Asked:
    tags = draw(st.sampled_from([{}, {"team": "dev"}, {"team": "ops"}]))
    arns = draw(st.lists(_arns, min_size=1, max_size=2, unique=True))
    return asked(
        draw(_actions),
        *arns,
        tags=tags,
        acs__SourceIp=draw(st.sampled_from(["127.0.0.1", "10.1.1.1"])),
        acs__SecureTransport=draw(st.sampled_from(["true", "false"])),
    )


def allows(rules: list[dict[str, Any]], call: Asked) -> bool:
    return policies.allows([document(*rules)], call) if rules else policies.allows([], call)


@given(rules=st.lists(statements(), max_size=4), call=calls())
def test_without_an_allow_nothing_is_allowed(rules: list[dict[str, Any]], call: Asked) -> None:
    denies = [s for s in rules if s["Effect"] == "Deny"]
    assert not allows(denies, call)


@given(rules=st.lists(statements(), max_size=4), call=calls())
def test_a_deny_of_everything_always_wins(rules: list[dict[str, Any]], call: Asked) -> None:
    assert not allows([*rules, statement("Deny", Action="*")], call)


@given(rules=st.lists(statements(), max_size=4), more=statements("Allow"), call=calls())
def test_one_more_allow_never_removes_a_permission(
    rules: list[dict[str, Any]], more: dict[str, Any], call: Asked
) -> None:
    assert allows([*rules, more], call) >= allows(rules, call)


@given(rules=st.lists(statements(), max_size=4), more=statements("Deny"), call=calls())
def test_one_more_deny_never_gives(
    rules: list[dict[str, Any]], more: dict[str, Any], call: Asked
) -> None:
    assert allows([*rules, more], call) <= allows(rules, call)


@given(rules=st.lists(statements(), min_size=1, max_size=4), call=calls(), data=st.data())
def test_the_order_and_the_number_of_documents_do_not_matter(
    rules: list[dict[str, Any]], call: Asked, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(rules))
    apart = [document(s) for s in shuffled]
    assert policies.allows(apart, call) is allows(rules, call)


@given(rules=st.lists(statements(), max_size=4), call=calls())
def test_a_call_of_two_resources_is_allowed_when_each_alone_is(
    rules: list[dict[str, Any]], call: Asked
) -> None:
    each = [
        allows(rules, Asked(action=call.action, resources=[one], context=call.context))
        for one in call.resources
    ]
    assert allows(rules, call) is all(each)


@given(st.text(max_size=200))
def test_any_text_is_judged_without_an_error(text: str) -> None:
    assert policies.problem(text) is not None


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(
                    ["Effect", "Action", "Resource", "Condition", "StringEquals", "acs:SourceIp"]
                ),
                inner,
                max_size=4,
            ),
        ),
        max_leaves=12,
    )
)
def test_any_statement_is_judged_without_an_error(inner: object) -> None:
    text = json.dumps({"Version": "1", "Statement": [inner]})
    if policies.problem(text) is None:
        policies.allows([text], asked())
