from __future__ import annotations

import pytest

from toolchain.kubernetes_provider.objects.changes import (
    compare,
    immutable_fields,
    is_ignored,
    object_changes,
    path_text,
    three_way,
)
from toolchain.kubernetes_provider.objects.objects import canonical_quantity, normalized, pruned
from toolchain.kubernetes_provider.protocol.wire import UNKNOWN, Object

pytestmark = pytest.mark.unit


def changed(before: Object, after: Object) -> dict[str, str]:
    return {change.text: change.kind for change in compare(before, after)}


def replacing(before: Object, after: Object, **mutable: bool) -> list[str]:
    fields = immutable_fields(
        after,
        secrets_mutable=mutable.get("secrets", False),
        config_maps_mutable=mutable.get("config_maps", False),
    )
    return [
        change.text for change in object_changes(before, after, immutable=fields) if change.replaces
    ]


def test_leaves_are_compared_one_by_one() -> None:
    before: Object = {"a": 1, "b": {"c": 1, "d": 2}, "l": [{"x": 1}, 2]}
    after: Object = {"b": {"c": 2, "d": 2, "e": 3}, "l": [{"x": 2}], "n": 1}
    assert changed(before, after) == {
        "a": "delete",
        "b.c": "update",
        "b.e": "add",
        "l[0].x": "update",
        "l[1]": "delete",
        "n": "add",
    }


def test_an_unknown_value_may_have_changed() -> None:
    assert changed({"a": 1}, {"a": UNKNOWN}) == {"a": "update"}


def test_keys_with_dots_are_quoted_in_paths() -> None:
    assert path_text(("metadata", "labels", "a.b/c", 0)) == 'metadata.labels["a.b/c"][0]'


def test_a_built_in_kind_leaves_empty_fields_out() -> None:
    before: Object = {"apiVersion": "v1", "kind": "Pod", "spec": {"a": {"privileged": False}}}
    after: Object = {"apiVersion": "v1", "kind": "Pod", "spec": {"hostNetwork": False, "env": []}}
    assert object_changes(before, after, immutable=()) == []


def test_a_custom_kind_keeps_empty_fields() -> None:
    base: Object = {"apiVersion": "example.com/v1", "kind": "Pool"}
    differences = object_changes(
        {**base, "spec": {}}, {**base, "spec": {"on": False}}, immutable=()
    )
    assert [change.text for change in differences] == ["spec.on"]


@pytest.mark.parametrize(
    ("api_version", "kind", "path"),
    [
        ("apps/v1", "Deployment", "spec.selector.matchLabels.app"),
        ("apps/v1", "DaemonSet", "spec.selector.matchLabels.app"),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "roleRef.name"),
        ("rbac.authorization.k8s.io/v1", "RoleBinding", "roleRef.name"),
        ("v1", "Service", "spec.clusterIP"),
        ("v1", "Secret", "type"),
        ("v1", "Secret", "data.token"),
        ("v1", "ConfigMap", "data.a"),
        ("v1", "Pod", "spec.nodeName"),
        ("batch/v1", "Job", "spec.template.metadata.name"),
        ("example.com/v1", "Pool", "metadata.name"),
        ("example.com/v1", "Pool", "metadata.namespace"),
    ],
)
def test_a_change_of_an_immutable_field_replaces(api_version: str, kind: str, path: str) -> None:
    def nested(value: str) -> Object:
        result: Object = {}
        node = result
        *parents, leaf = path.split(".")
        for parent in parents:
            child: Object = {}
            node[parent] = child
            node = child
        node[leaf] = value
        return {"apiVersion": api_version, "kind": kind, **result}

    assert replacing(nested("old"), nested("new")) == [path]


def test_replicas_of_a_deployment_change_in_place() -> None:
    base: Object = {"apiVersion": "apps/v1", "kind": "Deployment"}
    assert replacing({**base, "spec": {"replicas": 1}}, {**base, "spec": {"replicas": 2}}) == []


def test_a_pods_tolerations_change_in_place() -> None:
    base: Object = {"apiVersion": "v1", "kind": "Pod"}
    before: Object = {**base, "spec": {"tolerations": []}}
    after: Object = {**base, "spec": {"tolerations": [{"key": "a"}]}}
    assert replacing(before, after) == []


def test_mutable_secrets_and_config_maps_change_in_place() -> None:
    for kind in ("Secret", "ConfigMap"):
        base: Object = {"apiVersion": "v1", "kind": kind}
        before: Object = {**base, "data": {"a": "1"}}
        after: Object = {**base, "data": {"a": "2"}}
        assert replacing(before, after, secrets=True, config_maps=True) == []


def test_an_immutable_secret_is_replaced_whatever_the_option_says() -> None:
    base: Object = {"apiVersion": "v1", "kind": "Secret", "immutable": True}
    before: Object = {**base, "data": {"a": "1"}}
    after: Object = {**base, "data": {"a": "2"}}
    assert replacing(before, after, secrets=True) == ["data.a"]


def test_adding_a_whole_object_with_an_immutable_field_replaces() -> None:
    base: Object = {"apiVersion": "v1", "kind": "Service"}
    assert replacing(base, {**base, "spec": {"clusterIP": "None"}}) == ["spec"]


def test_ignore_changes_covers_what_lies_below() -> None:
    assert is_ignored(("metadata", "labels", "a.b"), ['metadata.labels["a.b"]'])
    assert is_ignored(("spec", "ports", 0, "nodePort"), ["spec.ports[*].nodePort"])
    assert is_ignored(("spec", "ports", 0), ["spec"])
    assert not is_ignored(("spec",), ["spec.ports"])


def test_a_release_shows_drift_but_keeps_what_others_added() -> None:
    differences = three_way(
        state={"values": {"a": "drifted", "extra": 1, "old": 2}},
        old_inputs={"values": {"a": "x", "old": 2}},
        new_inputs={"values": {"a": "x"}},
    )
    assert {change.text: change.kind for change in differences} == {
        "values.a": "update",
        "values.old": "delete",
    }


def test_live_objects_are_pruned_to_the_fields_that_the_program_names() -> None:
    live: Object = {"a": 1, "b": {"c": 2, "d": 3}, "l": [{"x": 1, "y": 2}, {"x": 3}]}
    shape: Object = {"b": {"c": 9}, "l": [{"x": 0}], "gone": 1}
    assert pruned(live, shape) == {"b": {"c": 2}, "l": [{"x": 1}]}


def test_string_data_of_a_secret_becomes_data_and_wins() -> None:
    target: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "data": {"a": "b2xk", "b": "Yg=="},
        "stringData": {"a": "new"},
    }
    assert normalized(target) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "data": {"a": "bmV3", "b": "Yg=="},
    }


@pytest.mark.parametrize(
    ("quantity", "canonical"),
    [
        ("1000m", "1"),
        ("0.5", "500m"),
        (1, "1"),
        ("1500m", "1500m"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("100Mi", "100Mi"),
        ("1000", "1k"),
        ("0", "0"),
        ("nonsense", "nonsense"),
    ],
)
def test_quantities_take_the_form_that_the_api_server_gives_back(
    quantity: str | float, canonical: str
) -> None:
    assert canonical_quantity(quantity) == canonical


def test_only_amounts_are_read_as_quantities() -> None:
    target: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {
            "containers": [
                {
                    "env": [{"name": "A", "value": "1000"}],
                    "resources": {"limits": {"cpu": "1000m"}},
                }
            ]
        },
    }
    assert normalized(target)["spec"] == {
        "containers": [
            {"env": [{"name": "A", "value": "1000"}], "resources": {"limits": {"cpu": "1"}}}
        ]
    }
