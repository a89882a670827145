"""What stands in the cells of traces and observations: digits, texts, JSON, comments, prices."""

import json
from decimal import Decimal

import pytest

from lf_export_pipeline_tests.exporting import NOON, Project, where

pytestmark = [pytest.mark.services, pytest.mark.sampled]

BOTH = pytest.mark.parametrize("table", ["traces", "observations"])
UINT64_MAX = 2**64 - 1
NARROW_NO_BREAK = "\u202f"


def store_bytes(project: Project, table: str, column: str, value: bytes) -> None:
    """A row whose text JSON could not carry: ClickHouse texts hold any bytes."""
    time = {"traces": "timestamp", "observations": "start_time"}[table]
    sql = (
        f"INSERT INTO {table} (project_id, id, {time}, event_ts, {column}) "
        "SELECT {project:String}, 'row', {at:DateTime64(3, 'UTC')}, now64(3), unhex({hex:String})"
    )
    values = {"project": project.id, "at": "2031-03-01 12:00:00.000", "hex": value.hex()}
    project.client.command(sql, parameters=values)


def test_integers_and_decimals_keep_all_their_digits(project: Project) -> None:
    project.add(
        "observations",
        {
            "id": "row",
            "usage_details": {"input": UINT64_MAX, "output": 2**53 + 1, "total": UINT64_MAX},
            "cost_details": {"input": "123456.123456789012", "total": "0.000000000001"},
            "provided_usage_details": {"n": UINT64_MAX - 1},
        },
    )
    text = project.export("observations").data.decode()
    assert f'"usageDetails":{{"input":{UINT64_MAX},"output":9007199254740993,' in text
    row = project.export("observations").row
    assert (row["inputUsage"], row["totalUsage"]) == (UINT64_MAX, UINT64_MAX)
    assert row["inputCost"] == Decimal("123456.123456789012")
    assert row["costDetails"]["total"] == Decimal("0.000000000001")
    assert row["totalCost"] == Decimal("0.000000000001")
    assert row["providedUsageDetails"] == {"n": UINT64_MAX - 1}
    cells = project.export("observations", file_format="CSV").cells
    assert cells["outputUsage"] == "9007199254740993"


@BOTH
@pytest.mark.parametrize("file_format", ["CSV", "JSONL"])
def test_slashes_are_not_escaped(project: Project, table: str, file_format: str) -> None:
    address = "https://example.test/a"
    cells = {"metadata": {address: address}, "input": address}
    cells |= {"tags": [address]} if table == "traces" else {"tool_call_names": [address]}
    project.add(table, {"id": "row", **cells})
    text = project.export(table, file_format=file_format).data.decode()
    assert text.count(address) == 4
    assert "\\/" not in text


HUGE = [0, 1, 2**53, 2**53 + 1, 2**63, UINT64_MAX - 1, UINT64_MAX]


@pytest.mark.parametrize(
    ("operator", "number", "expected"),
    [
        ("=", 2**53 + 1, [2**53 + 1]),
        (">", 2**53, HUGE[3:]),
        (">=", UINT64_MAX, [UINT64_MAX]),
        ("<", 1, [0]),
        ("<=", 1e400, HUGE),
        (">", 1e21, []),
        (">", -1e30, HUGE),
        ("<", 0.0000000000001, [0]),
    ],
)
def test_number_filters_compare_any_number_with_any_number(
    project: Project, operator: str, number: float, expected: list[int]
) -> None:
    project.add("traces", *({"id": f"t{huge}"} for huge in HUGE))
    project.add(
        "observations",
        *(
            {"id": str(huge), "trace_id": f"t{huge}", "usage_details": {"total": huge}}
            for huge in HUGE
        ),
    )
    if number == float("inf"):
        number = 10**400  # as typed: JSON has no infinity
    wanted = where("totalTokens", "number", operator, number)
    assert project.ids("observations", wanted) == {str(huge) for huge in expected}
    assert project.ids("traces", wanted) == {f"t{huge}" for huge in expected}


def test_decimals_are_compared_digit_by_digit(project: Project) -> None:
    costs = ["0.000000000001", "0.000000000002", "999999.999999999999"]
    project.add("observations", *({"id": cost, "cost_details": {"total": cost}} for cost in costs))
    for number, expected in ((1e-12, costs[1:]), (1.5e-12, costs[1:]), (2e-12, costs[2:])):
        assert project.ids("observations", where("totalCost", "number", ">", number)) == set(
            expected
        )
    assert project.ids("observations", where("totalCost", "number", "<", 1_000_000)) == set(costs)


@BOTH
@pytest.mark.parametrize(
    "text",
    [
        "plain",
        'comma, "quote"\r\nnext line',
        "\u2028 \u2029 \x7f \x01 \x1f \b\f\t",
        "NUL \x00 inside",
        "\U0001f600 \U00010348 \u00e9",
        f"narrow{NARROW_NO_BREAK}space",
        "=HYPERLINK(1)",
        " leading and trailing ",
        "\ufeffbyte order mark",
    ],
)
def test_texts_come_out_as_they_went_in(project: Project, table: str, text: str) -> None:
    project.add(table, {"id": "row", "name": text, "input": text, "metadata": {text: text}})
    row = project.export(table).row
    assert (row["name"], row["input"], row["metadata"]) == (text, text, {text: text})
    cells = project.export(table, file_format="CSV").cells
    assert (cells["name"], cells["input"]) == (text, text)
    assert json.loads(cells["metadata"]) == {text: text}


@BOTH
def test_escaped_characters_become_characters_and_lone_surrogates_stay_escapes(
    project: Project, table: str
) -> None:
    project.add(table, {"id": "row", "name": r"\u00e9 \ud83d\ude00 \ud83d! \\u0041"})
    assert project.export(table, file_format="CSV").cells["name"] == (
        "\u00e9 \U0001f600 \\ud83d! A"
    )
    assert project.export(table).row["name"] == "\u00e9 \U0001f600 \\ud83d! A"


@BOTH
@pytest.mark.parametrize("value", [b"\xff\xfe", b"a\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"])
def test_bytes_that_are_no_text_become_replacement_characters(
    project: Project, table: str, value: bytes
) -> None:
    store_bytes(project, table, "input", b"<" + value + b">")
    found: str = project.export(table).row["input"]
    assert (found[0], found[-1]) == ("<", ">")
    assert "\ufffd" in found


@BOTH
def test_a_cell_of_a_megabyte_and_one_nested_100_deep_come_out_whole(
    project: Project, table: str
) -> None:
    nested = "[" * 100 + "1" + "]" * 100
    long_text = "0123456789abcde\u00e9" * 65_536
    project.add(table, {"id": "row", "input": nested, "output": long_text})
    row = project.export(table).row
    assert row["output"] == long_text
    assert row["input"] == (nested if table == "traces" else json.loads(nested))
    cells = project.export(table, file_format="CSV").cells
    assert (cells["input"], cells["output"]) == (nested, long_text)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ("", None),
        ("null", None),
        ("true", True),
        ('"text"', "text"),
        ('{"b":1, "a":[null, {}]}', {"b": 1, "a": [None, {}]}),
        ('{\n "two": "lines"\r\n}', {"two": "lines"}),
        ("[1,2", "[1,2"),
        ("{'a':1}", "{'a':1}"),
        ("NaN", "NaN"),
        ("01", "01"),
        ("1 2", "1 2"),
        ('\ufeff{"a":1}', '\ufeff{"a":1}'),
        ('{"e":"\\u00e9\\n"}', {"e": "\u00e9\n"}),
        ('"a\\u0022b"', 'a"b'),
        ('"\\ud800"', "\ud800"),
        ('{"\\udc00":"\\ud83d\\ude00"}', {"\udc00": "\U0001f600"}),
        ("9007199254740993", 9007199254740993),
        ("123456789.123456789", Decimal("123456789.123456789")),
        ('{"n":1e400}', {"n": "1e400"}),
        ('{"n":1e400,"t":"\\u0e232"}', {"n": "1e400", "t": "\u0e232"}),
        (f'{{"n":1e400,"t":"\\u53f7{"42" * 12}"}}', {"n": "1e400", "t": f"\u53f7{'42' * 12}"}),
        ('"\\ud800 \\u0E232"', "\ud800 \u0e232"),
        ('{"n":100000000000000000000}', {"n": "100000000000000000000"}),
        ("18446744073709551615", UINT64_MAX),
        ("18446744073709551616", "18446744073709551616"),
        ("-9223372036854775808", -(2**63)),
        ("[[-9223372036854775809, 1]]", [["-9223372036854775809", 1]]),
        (
            '{"n":-1E400,"s":"a, 1e400: 12345678901234567890123"}',
            {"n": "-1E400", "s": "a, 1e400: 12345678901234567890123"},
        ),
        (f"1{'0' * 309}.5", f"1{'0' * 309}.5"),
        (f'[1,{{"n":{"9" * 310}e5}}]', [1, {"n": f"{'9' * 310}e5"}]),
        (f"00{'1' * 400}.5", f"00{'1' * 400}.5"),
        ("1e-400", "1e-400"),
        ("0e400", "0e400"),
        ("12345678901234567890123.5", "12345678901234567890123.5"),
        ("1e30", Decimal("1e30")),
        (" 7 ", 7),
    ],
)
@pytest.mark.parametrize("column", ["input", "model_parameters", "metadata"])
def test_json_is_embedded_and_everything_else_is_a_string(
    project: Project, column: str, stored: str, expected: object
) -> None:
    value: object = {"key": stored} if column == "metadata" else stored
    project.add("observations", {"id": "row", column: value})
    row = project.export("observations").row
    if column == "metadata":
        assert row["metadata"] == {"key": "" if stored == "" else expected}
    else:
        assert row["modelParameters" if column == "model_parameters" else "input"] == expected


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ("null", ""),
        ("\t null\r\n", ""),
        ("", ""),
        (" ", " "),
        ("nullify", "nullify"),
        ('\n"null"', "null"),
        ('{\n"a":null}', '{"a":null}'),
    ],
)
@pytest.mark.parametrize("table", ["observations", "events_full"])
def test_model_parameters_in_csv_are_what_their_json_says(
    project: Project, table: str, stored: str, expected: str
) -> None:
    id_column = "id" if table == "observations" else "span_id"
    project.add(table, {id_column: "row", "model_parameters": stored})
    events = table == "events_full"
    exported = project.export("observations", file_format="CSV", useEventsTable=events)
    assert exported.cells["modelParameters"] == expected


@pytest.mark.parametrize(
    ("levels", "is_parsed"),
    [(100, True), (102, False), (1_024, False), (5_000, False)],
)
@pytest.mark.parametrize("inner", ["", '"]]]"', '"[[[\\"[["', "1", "[],[]"])
def test_json_of_more_levels_than_readers_take_is_a_string(
    project: Project, levels: int, is_parsed: bool, inner: str
) -> None:
    around = levels - inner.count("[],")
    nested = "[" * around + inner + "]" * around
    project.add("observations", {"id": "row", "input": nested, "metadata": {"key": nested}})
    text = project.export("observations").data.decode()
    assert f'"input":{nested if is_parsed else json.dumps(nested)},' in text
    assert f'"metadata":{{"key":{nested if is_parsed else json.dumps(nested)}}},' in text


def test_json_of_many_brackets_and_few_levels_is_embedded(project: Project) -> None:
    wide = "[" + ",".join(['{"text":"[[["}'] * 500) + "]"
    project.add("observations", {"id": "row", "input": wide})
    assert project.export("observations").row["input"] == json.loads(wide)


@pytest.mark.parametrize("stored", ['{"a":1}', "[1,2", "9007199254740993", "null"])
def test_inputs_of_traces_are_strings_in_every_format(project: Project, stored: str) -> None:
    project.add("traces", {"id": "row", "input": stored, "metadata": {"key": stored}})
    row = project.export("traces").row
    assert (row["input"], row["metadata"]) == (stored, {"key": stored})
    assert project.export("traces", file_format="CSV").cells["input"] == stored


def test_null_and_empty_texts_of_a_trace_stay_apart(project: Project) -> None:
    empty = {"user_id": "", "session_id": "", "release": "", "version": "", "input": ""}
    project.add("traces", {"id": "empty", **empty}, {"id": "null"})
    by_id = {row["id"]: row for row in project.export("traces").rows}
    names = ("userId", "sessionId", "release", "version", "input")
    assert [by_id["empty"][name] for name in names] == [""] * 5
    assert [by_id["null"][name] for name in names] == [None] * 5


def test_tools_and_tiers_of_observations_are_exported(project: Project) -> None:
    project.add(
        "observations",
        {
            "id": "row",
            "tool_definitions": {"find": '{"type":"object"}'},
            "tool_calls": ['{"id":"1"}', '{"id":"2"}'],
            "tool_call_names": ["find", "find"],
            "usage_pricing_tier_id": "tier",
            "usage_pricing_tier_name": "Large",
        },
    )
    row = project.export("observations").row
    assert row["toolDefinitions"] == {"find": '{"type":"object"}'}
    assert (row["toolDefinitionsCount"], row["toolCallsCount"]) == (1, 2)
    assert (row["toolCalls"], row["toolCallNames"]) == (['{"id":"1"}', '{"id":"2"}'], ["find"] * 2)
    assert (row["usagePricingTierId"], row["usagePricingTierName"]) == ("tier", "Large")


def test_durations_are_seconds_with_milliseconds_and_may_be_negative(project: Project) -> None:
    ends = {"a": "2031-03-01T12:00:01.234Z", "b": "2031-03-01T11:59:59.999Z", "c": NOON, "d": None}
    project.add(
        "observations",
        *(
            {"id": name, "end_time": end, "completion_start_time": end}
            for name, end in ends.items()
        ),
    )
    rows = project.export("observations").rows
    durations = [Decimal("1.234"), Decimal("-0.001"), 0, None]
    assert [row["latency"] for row in rows] == durations
    assert [row["timeToFirstToken"] for row in rows] == durations
