"""What Dagster loads: the only place where everything meets."""

import dagster as dg
from pydantic_settings import BaseSettings, SettingsConfigDict

from lf_export_pipeline.assets import export_assets
from lf_export_pipeline.job import batch_export_job
from lf_export_pipeline.sensors import (
    export_sensor,
    runs_of_cancelled_exports,
    runs_that_failed,
    runs_that_were_cancelled,
)
from lf_export_pipeline.settings import PipelineSettings
from lf_export_pipeline.wiring import PORTS


class LoadSettings(PipelineSettings, BaseSettings):
    """The few settings that shape the definitions; the others are read when a run starts."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore")


def definitions_for(settings: PipelineSettings) -> dg.Definitions:
    """The job, its sensors and its resources."""
    job = batch_export_job(settings.lf_export_executor)
    return dg.Definitions(
        assets=export_assets(),
        jobs=[job],
        sensors=[
            export_sensor(settings.lf_export_sensor_interval_seconds),
            runs_that_failed(job),
            runs_that_were_cancelled(job),
            runs_of_cancelled_exports(settings.lf_export_sensor_interval_seconds),
        ],
        resources=PORTS,
    )


defs = definitions_for(LoadSettings())
