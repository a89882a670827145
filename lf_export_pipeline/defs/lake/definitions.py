"""A lake's definitions, of the shipped code location and of the component."""

import warnings

import dagster as dg

from lf_export_pipeline.defs.lake.automation import OBSERVE_JOB, healing_sensor, observe_schedules
from lf_export_pipeline.defs.lake.checks import freshness_checks, lake_checks
from lf_export_pipeline.defs.lake.observed import DAYS_TAG, observed_asset
from lf_export_pipeline.defs.lake.shape import RUN_TAG, RUN_TAGS, LakeShape, source_keys
from lf_export_pipeline.defs.lake.stores import RESOURCE, LoadSettings, stores_resource
from lf_export_pipeline.defs.lake.written import RETRIES, lake_asset


def lake_definitions(
    shape: LakeShape, load: LoadSettings, retries: dg.RetryPolicy = RETRIES
) -> dg.Definitions:
    """Everything that Dagster sees of a lake.

    Args:
        shape: Of the lake.
        load: Reads the settings, in the process that runs a step.
        retries: Of a step that failed.
    """
    observe = dg.define_asset_job(
        OBSERVE_JOB,
        selection=dg.AssetSelection.assets(*source_keys(shape.tables)),
        executor_def=dg.in_process_executor,
        tags={**RUN_TAGS, RUN_TAG: "observe"},
        description="Looks which days of Langfuse's tables have changed: the last 35, or those of "
        f"the tag {DAYS_TAG} (2026-01-01/2026-02-01).",
    )
    with warnings.catch_warnings():
        # Dagster says of observed assets, backfill policies and checks of freshness that they may
        # change; they were tried with the versions that this package asks for.
        warnings.simplefilter("ignore")
        observed = [observed_asset(shape, table) for table in shape.tables]
        written = [lake_asset(shape, table, retries) for table in shape.tables]
        checks = [*lake_checks(shape), *freshness_checks(shape, written)]
    return dg.Definitions(
        assets=[*observed, *written],
        asset_checks=checks,
        jobs=[observe],
        schedules=observe_schedules(shape),
        sensors=[healing_sensor(written)],
        resources={RESOURCE: stores_resource(load)},
    )
