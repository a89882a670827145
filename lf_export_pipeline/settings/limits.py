"""What bounds an export, and what its users may ask for."""

from pydantic import BaseModel, Field

from lf_export_pipeline.core.request.admission import (
    COMMENT_FILTERS_MAX,
    EVENT_MAX_BYTES,
    FILTERS_MAX,
    KIBIBYTE,
    QUERY_MAX_BYTES,
    SCORE_COLUMNS_MAX_BYTES,
    SEARCH_MAX_CHARACTERS,
    TEXT_MAX_CHARACTERS,
    VALUES_MAX,
)


class LimitSettings(BaseModel):
    """Bounds of an export."""

    batch_export_row_limit: int = Field(
        default=1_500_000,
        ge=1,
        description="Rows of one export. If it cuts an export, the row, the run and the e-mail say "
        "so.",
    )
    batch_export_download_link_expiration_hours: int = Field(
        default=24,
        ge=1,
        le=168,
        description="Life of a download link, in hours; at most a week.",
    )
    lf_export_query_max_kib: int = Field(
        default=QUERY_MAX_BYTES // KIBIBYTE,
        ge=1,
        le=16 * 1024,
        description="JSON of a stored query, in KiB. An export that asks for more than this and "
        "the next settings allow fails with a sentence that says so, before a store is asked.",
    )
    lf_export_filters_max: int = Field(
        default=FILTERS_MAX, ge=1, description="Filters of one export."
    )
    lf_export_comment_filters_max: int = Field(
        default=COMMENT_FILTERS_MAX, ge=1, description="Filters on comments among them."
    )
    lf_export_filter_values_max: int = Field(
        default=VALUES_MAX,
        ge=1,
        description='Values of all "any of", "none of" and "all of" filters together.',
    )
    lf_export_filter_text_max_characters: int = Field(
        default=TEXT_MAX_CHARACTERS, ge=1, description="Characters of one value of a filter."
    )
    lf_export_search_max_characters: int = Field(
        default=SEARCH_MAX_CHARACTERS, ge=1, description="Characters of the search text."
    )
    lf_export_score_columns_max_kib: int = Field(
        default=SCORE_COLUMNS_MAX_BYTES // KIBIBYTE,
        ge=1,
        description="All score names of an export together, in KiB: they are columns, and JSON "
        "repeats them in every row. An export with more fails and says so.",
    )
    lf_export_event_max_kib: int = Field(
        default=EVENT_MAX_BYTES // KIBIBYTE,
        ge=16,
        description="What a finished export may add to Dagster's database, in KiB. The preview, "
        "the columns and the manifest are left out of its event, largest first, until the rest "
        "fits.",
    )
