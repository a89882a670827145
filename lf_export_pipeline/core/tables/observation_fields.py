"""The values of an observation's columns that both of its tables hold under the same names."""

from lf_export_pipeline.core.query.expressions import (
    cost_of_keys,
    iso_time,
    json_or_text,
    json_text,
    seconds_between,
    sum_of_keys,
    unwrapped_json_or_text,
)
from lf_export_pipeline.core.request.model import ExportFormat

SHARED_FIELDS = {
    "traceId": "t.trace_id",
    "startTime": iso_time("t.start_time"),
    "endTime": iso_time("t.end_time"),
    "projectId": "t.project_id",
    "type": "toString(t.type)",
    "environment": "toString(t.environment)",
    "name": "t.name",
    "level": "toString(t.level)",
    "statusMessage": "t.status_message",
    "version": "t.version",
    "createdAt": iso_time("t.created_at"),
    "updatedAt": iso_time("t.updated_at"),
    "model": "t.provided_model_name",
    **unwrapped_json_or_text("t.model_parameters", "modelParameters"),
    "completionStartTime": iso_time("t.completion_start_time"),
    "promptId": "t.prompt_id",
    "promptName": "t.prompt_name",
    "promptVersion": "toString(nullIf(t.prompt_version, 0))",
    "latency": seconds_between("t.start_time", "t.end_time"),
    "timeToFirstToken": seconds_between("t.start_time", "t.completion_start_time"),
    "providedUsageDetails": json_text("t.provided_usage_details"),
    "usageDetails": json_text("t.usage_details"),
    "costDetails": json_text("t.cost_details"),
    "providedCostDetails": json_text("t.provided_cost_details"),
    "inputCost": cost_of_keys("t.cost_details", "input"),
    "outputCost": cost_of_keys("t.cost_details", "output"),
    "totalCost": "toString(t.cost_details['total'])",
    "inputUsage": f"toString({sum_of_keys('t.usage_details', 'input')})",
    "outputUsage": f"toString({sum_of_keys('t.usage_details', 'output')})",
    "totalUsage": "toString(t.usage_details['total'])",
    "usagePricingTierId": "t.usage_pricing_tier_id",
    "usagePricingTierName": "t.usage_pricing_tier_name",
    "toolDefinitions": json_text("t.tool_definitions"),
    "toolCalls": json_text("t.tool_calls"),
    "toolCallNames": json_text("t.tool_call_names"),
    "toolDefinitionsCount": "toString(length(t.tool_definitions))",
    "toolCallsCount": "toString(length(t.tool_calls))",
}

TOOL_COLUMNS = ("t.tool_definitions", "t.tool_calls", "t.tool_call_names")
"""The columns that can be long in an export of observations, and are in no other."""


def input_and_output(file_format: ExportFormat) -> dict[str, str]:
    """Input and output, which are missing where they are empty; JSON formats embed what is JSON."""
    if not file_format.embeds_json:
        return {name: f"nullIf(t.{name}, '')" for name in ("input", "output")}
    return json_or_text("t.input", "input") | json_or_text("t.output", "output")
