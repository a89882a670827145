"""The lake is a component that any project of dg can have."""

import dagster as dg
import pytest
from dagster.components.testing import create_defs_folder_sandbox

import lf_export_pipeline
from lf_export_pipeline import LangfuseLake
from lf_export_pipeline.core.errors import ConfigurationError
from lf_export_pipeline.definitions import LoadSettings, definitions_with_lake
from lf_export_pipeline.lake.tables import LAKE_TABLES
from lf_export_pipeline_tests.world import ENVIRONMENT

pytestmark = [
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning"),
    pytest.mark.filterwarnings("ignore:.parse_obj_as. is deprecated"),  # by Dagster's components
]

LINES = {"url": "s3://lake/langfuse", "start": "2026-01-01"}


def test_five_lines_of_yaml_are_a_lake() -> None:
    with create_defs_folder_sandbox() as sandbox:
        path = sandbox.scaffold_component(
            component_cls=LangfuseLake,
            defs_yaml_contents={"type": "lf_export_pipeline.LangfuseLake", "attributes": LINES},
        )
        with sandbox.load_component_and_build_defs(defs_path=path) as (component, defs):
            assert isinstance(component, LangfuseLake)
            keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
            assert keys == {f"{of}/{name}" for of in ("lake", "langfuse") for name in LAKE_TABLES}
            assert {sensor.name for sensor in defs.sensors or []} == {"heal_langfuse_lake"}


def test_a_wrong_attribute_is_a_sentence() -> None:
    component = LangfuseLake(url="gs://lake", start="2026-01-01")
    with pytest.raises(ConfigurationError, match=r"expected s3://bucket/prefix or file:///path"):
        component.build_defs(None)  # type: ignore[arg-type]


def test_attributes_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LF_EXPORT_LAKE_URL", "s3://other")
    tables = ["traces", "scores"]
    component = LangfuseLake(url="s3://lake", start="2026-02-01", tables=tables)
    loaded = component._loaded()
    assert loaded.lf_export_lake_url == "s3://lake"
    assert loaded.lf_export_lake_tables == "traces,scores"
    assert loaded.clickhouse_url == ENVIRONMENT["CLICKHOUSE_URL"]


def test_the_shipped_code_location_has_a_lake_only_if_it_is_told_where() -> None:
    without = definitions_with_lake(LoadSettings.model_validate({}))
    url = {"lf_export_lake_url": "s3://lake", "lf_export_lake_tables": "traces"}
    with_lake = definitions_with_lake(LoadSettings.model_validate(url))
    key = dg.AssetKey(["lake", "traces"])
    assert key not in without.resolve_asset_graph().get_all_asset_keys()
    assert key in with_lake.resolve_asset_graph().get_all_asset_keys()
    dg.Definitions.validate_loadable(with_lake)


def test_the_package_names_the_component_without_importing_it() -> None:
    assert "LangfuseLake" in dir(lf_export_pipeline)
    assert "LangfuseLake" not in vars(lf_export_pipeline)
