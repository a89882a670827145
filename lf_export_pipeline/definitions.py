"""What Dagster loads: the only place where everything meets."""

import dagster as dg
from pydantic_settings import SettingsConfigDict

from lf_export_pipeline.defs.assets import export_assets
from lf_export_pipeline.defs.checks import CHECKS, EXPORTS_ASSET, export_health_sensor
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.defs.niceness import set_niceness
from lf_export_pipeline.defs.notifications import send_notifications
from lf_export_pipeline.defs.requeue_job import requeue_failed_exports
from lf_export_pipeline.defs.resources import RESOURCES
from lf_export_pipeline.defs.schedule_jobs import schedule_export, standing_exports
from lf_export_pipeline.defs.sensors import export_sensor
from lf_export_pipeline.defs.standing_exports import queue_standing_exports
from lf_export_pipeline.defs.sweep_jobs import sweep, sweep_schedule
from lf_export_pipeline.settings import PipelineSettings, Settings
from lf_export_pipeline.settings.environment import EnvironmentSettings
from lf_export_pipeline.settings.lake import LakeSettings
from lf_export_pipeline.settings.sentences import in_sentences


class LoadSettings(EnvironmentSettings, LakeSettings, PipelineSettings):
    """The few settings that shape the definitions; the others are read when a run starts."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore")

    @classmethod
    def load(cls) -> "LoadSettings":
        """Those of this process; a ``ConfigurationError`` if one is wrong."""
        with in_sentences(cls):
            return cls()


def definitions_for(settings: PipelineSettings) -> dg.Definitions:
    """The jobs, what starts and watches them, and the resources."""
    job = batch_export_job(settings.lf_export_executor)
    return dg.Definitions(
        assets=[EXPORTS_ASSET, *export_assets()],
        asset_checks=CHECKS,
        jobs=[job, requeue_failed_exports, schedule_export, standing_exports, sweep],
        schedules=[sweep_schedule],
        sensors=[
            export_sensor(settings.lf_export_sensor_interval_seconds),
            send_notifications,
            queue_standing_exports,
            export_health_sensor,
        ],
        resources=RESOURCES,
    )


def definitions_with_lake(settings: LoadSettings) -> dg.Definitions:
    """The same, and the lake's if there is one."""
    exports = definitions_for(settings)
    if settings.lf_export_lake_url is None:
        return exports
    from lf_export_pipeline.defs.lake.definitions import lake_definitions  # noqa: PLC0415
    from lf_export_pipeline.defs.lake.shape import LakeShape  # noqa: PLC0415

    return dg.Definitions.merge(exports, lake_definitions(LakeShape.of(settings), Settings.load))


_settings = LoadSettings.load()
set_niceness(_settings.lf_export_niceness)
defs = definitions_with_lake(_settings)
