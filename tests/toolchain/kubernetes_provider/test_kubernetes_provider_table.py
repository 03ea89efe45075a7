"""Every row of docs/kubernetes-provider.md is checked by tests, which are named here."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "kubernetes-provider.md"

TESTS: Mapping[str, tuple[str, ...]] = {
    "Kinds": (
        "test_a_stack_lives_its_life_under_the_engine",
        "test_a_kind_can_be_used_right_after_its_definition",
        "test_a_cluster_scoped_custom_kind_gets_no_namespace",
    ),
    "Unknown kubeconfig in a preview": (
        "test_a_stack_lives_its_life_under_the_engine",
        "test_an_unknown_kubeconfig_passes",
    ),
    "`cluster_identifier`": (
        "test_with_an_identifier_another_kubeconfig_replaces_nothing",
        "test_with_an_identifier_an_unknown_kubeconfig_replaces_nothing",
        "test_another_identifier_replaces",
        "test_without_an_identifier_another_cluster_replaces",
        "test_without_an_identifier_an_unknown_kubeconfig_replaces_as_officially",
    ),
    "Preview": (
        "test_what_the_api_server_refuses_shows_in_the_preview",
        "test_what_an_admission_policy_refuses_shows_in_the_preview",
        "test_a_webhooks_refusal_shows_in_the_preview",
        "test_a_preview_with_unknown_values_does_not_ask_the_server",
        "test_a_preview_of_a_planned_kind_shows_the_inputs",
        "test_what_a_dry_run_makes_up_is_unknown",
    ),
    "Creation": (
        "test_an_object_that_exists_already_is_not_taken_over",
        "test_with_upsert_an_existing_object_is_applied_onto",
    ),
    "Update": (
        "test_an_update_removes_what_the_program_left_out",
        "test_the_first_update_takes_over_what_creation_and_kubectl_own",
        "test_a_definition_is_replaced_in_place_and_its_kind_can_be_used_at_once",
    ),
    "Conflicts": (
        "test_another_managers_field_is_a_conflict_until_it_is_forced",
        "test_a_conflict_names_the_manager_and_the_field",
        "test_patch_force_takes_the_field_over",
    ),
    "A refused update": (
        "test_a_refused_update_leaves_the_live_object_and_the_refused_inputs_in_state",
        "test_a_program_that_goes_back_after_a_refusal_still_sees_what_others_changed",
    ),
    "Differences": (
        "test_a_new_object_shows_no_difference",
        "test_an_edit_by_kubectl_is_drift_that_the_next_update_puts_right",
        "test_quantities_take_the_form_that_the_api_server_gives_back",
        "test_a_built_in_kind_leaves_empty_fields_out",
    ),
    "Replacement": (
        "test_a_change_of_an_immutable_field_replaces",
        "test_a_new_name_replaces_create_first",
        "test_new_data_of_a_named_config_map_replaces_it_delete_first",
        "test_new_data_of_an_autonamed_config_map_replaces_it_create_first",
        "test_mutable_secrets_and_config_maps_change_in_place",
    ),
    "`ignore_changes`": (
        "test_an_ignored_field_of_another_manager_is_left_alone",
        "test_ignore_changes_hides_a_difference",
    ),
    "Waiting": (
        "test_a_deployment_without_nodes_fails_with_what_its_pods_say",
        "test_a_deployment_that_does_not_come_up_stays_in_state_with_the_reason",
        "test_a_daemon_set_waits_for_each_of_its_pods",
        "test_a_load_balancer_waits_for_its_address",
        "test_the_annotation_sets_the_timeout",
        "test_a_custom_resource_waits_for_its_definition",
    ),
    "`pulumi.com/skipAwait`, `pulumi.com/waitFor`": (
        "test_skip_await_does_not_wait",
        "test_wait_for_is_met_by_what_it_names",
        "test_several_expressions_must_all_be_met",
        "test_an_expression_that_cannot_be_followed_is_refused",
    ),
    "A kind or namespace that is just being made": (
        "test_a_kind_can_be_used_right_after_its_definition",
        "test_a_preview_into_a_planned_namespace_shows_the_inputs",
    ),
    "Deletion": (
        "test_a_finalizer_holds_the_deletion_until_it_is_taken_off",
        "test_a_deletion_that_hangs_names_the_finalizers",
        "test_a_namespace_is_gone_when_its_deletion_returns",
        "test_a_namesake_created_after_the_deletion_is_not_waited_for",
    ),
    "Patch resources (`NodePatch` …)": (
        "test_a_node_patch_sets_the_provider_id_and_gives_it_up",
        "test_a_node_patch_owns_its_field_and_gives_it_up",
        "test_giving_up_a_patch_of_a_node_that_is_gone_does_not_make_it_again",
        "test_a_patch_resource_needs_a_name",
    ),
    "Refresh, import": (
        "test_drift_shows_after_a_refresh_and_is_put_right",
        "test_an_object_of_somebody_else_is_imported_without_a_difference",
        "test_a_refresh_tells_that_a_deployment_is_not_ready",
    ),
    "Secrets": (
        "test_a_secret_is_plain_in_the_cluster_and_secret_in_state",
        "test_the_data_of_a_kubernetes_secret_is_always_secret",
        "test_an_error_never_quotes_a_secret",
        "test_no_refused_provider_shows_a_secret_of_its_kubeconfig",
        "test_no_failing_call_shows_a_secret_input",
    ),
    "Unreachable cluster": (
        "test_without_a_cluster_previews_pass_with_a_warning",
        "test_without_a_cluster_an_update_fails_and_says_why",
        "test_without_a_cluster_a_refresh_names_the_switch",
        "test_with_delete_unreachable_objects_are_dropped_from_state",
        "test_with_skip_update_unreachable_the_old_inputs_stay",
    ),
    "A restarting API server": (
        "test_a_restart_of_the_api_server_is_waited_for",
        "test_a_change_of_etcd_leaders_is_waited_for",
        "test_a_webhook_that_does_not_answer_is_not_tried_again",
    ),
    "Cancelling": ("test_cancelling_keeps_created_objects_in_state",),
    "Releases: Calls": (
        "test_secret_values_reach_helm_on_standard_input_alone",
        "test_helm_reads_a_kubeconfig_of_its_own_that_is_gone_afterwards",
        "test_nothing_in_the_environment_leads_helm_elsewhere",
    ),
    "Releases: Check": (
        "test_a_missing_chart_is_reported_before_anything_is_installed",
        "test_a_new_chart_version_is_an_upgrade",
    ),
    "Releases: Preview": (
        "test_a_preview_installs_nothing",
        "test_changed_values_are_listed_one_by_one_and_upgraded",
    ),
    "Releases: `atomic`": (
        "test_an_atomic_install_that_fails_leaves_nothing",
        "test_an_atomic_upgrade_that_fails_is_rolled_back",
    ),
    "Releases: A failed install or upgrade": ("test_a_failed_install_is_kept_and_put_right",),
    "Releases: Refresh": (
        "test_drift_of_a_release_shows_after_a_refresh",
        "test_a_release_that_is_gone_is_gone_after_a_refresh",
    ),
    "Releases: `disable_webhooks`": (
        "test_hooks_of_upgrades_are_turned_off_by_their_own_option_as_officially",
        "test_a_release_is_uninstalled_with_its_hooks_as_officially",
    ),
    "Releases: Unreachable cluster": (
        "test_a_release_cannot_be_uninstalled_without_a_cluster_even_with_delete_unreachable",
    ),
    "Releases: Uninstall of a release that is gone": (
        "test_a_release_that_was_uninstalled_by_hand_is_deleted",
    ),
    "Left out: client-side apply (`enable_server_side_apply=False`)": (
        "test_client_side_apply_is_refused_with_a_reason",
    ),
    "Left out: functions and components: `yaml.*`, `helm.v4.Chart`, `kustomize.*`, `decodeYaml`": (
        "test_functions_and_components_are_refused_in_words",
    ),
    "Loopback": (
        "test_every_other_address_is_refused_with_a_way_out",
        "test_a_cluster_off_this_machine_is_refused_before_anything_is_tried",
        "test_a_cluster_off_this_machine_is_refused_at_configure",
        "test_a_cluster_that_is_not_on_loopback_is_refused_in_one_sentence",
        "test_a_proxy_is_refused",
        "test_a_credential_program_is_refused",
    ),
}
"""Topic in the page → tests. `Loopback` is the page's first rule, not a row."""

_SECTIONS = {"What it does": "", "Releases": "Releases: "}


def topics() -> list[str]:
    """First cells of the tables of what it does."""
    cells, prefix = [], None
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            prefix = _SECTIONS.get(line.strip("# "))
        cell = line.partition("|")[2].partition("|")[0].strip()
        if prefix is not None and cell and cell != "Topic" and set(cell) != {"-"}:
            cells.append(prefix + cell)
    return cells


def defined_tests() -> set[str]:
    return {
        node.name
        for path in HERE.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_every_row_of_what_it_does_has_a_test() -> None:
    assert set(topics()) <= set(TESTS)
    assert len(topics()) > 25


def test_every_test_of_a_row_exists() -> None:
    missing = {name for names in TESTS.values() for name in names} - defined_tests()
    assert missing == set()


def test_every_tested_omission_is_in_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for topic in TESTS:
        if topic.startswith("Left out: "):
            assert topic.removeprefix("Left out: ") in page
