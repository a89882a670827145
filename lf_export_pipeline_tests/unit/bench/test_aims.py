"""The table of aims, on figures that are made up."""

import pytest

from bench.aims import Aim, Names, aims_of_the_rest, aims_of_ways, waiting_share
from bench.measuring import Figure
from bench.report import aims_table
from bench.ways import TABLES, limit_of, names_of

WAY = Names("traces CSV", "read", "job", "columns", "limit", "local", "upload")


def figure(
    seconds: float, own_cpu: float = 0.5, server_cpu: float = 1.0, gb: float = 1.0
) -> Figure:
    return Figure(seconds, seconds, own_cpu, server_cpu, int(gb * 1e9), rounds=1)


def measured(**figures: Figure) -> dict[str, tuple[float, bool]]:
    return {aim.name: (aim.measured, aim.is_met) for aim in aims_of_ways(figures, [WAY])}


def test_what_was_not_measured_has_no_row() -> None:
    assert measured() == {}
    assert aims_of_the_rest([], {}, {}, None) == []


def test_processor_seconds_count_for_each_gigabyte_of_file() -> None:
    found = measured(read=figure(5, own_cpu=1.0, gb=2), job=figure(5, own_cpu=4.6, gb=2))

    assert found["read + serialise, own CPU s per GB: traces CSV"] == (0.5, True)
    cpu, is_met = found["whole job, own CPU s per GB: traces CSV"]
    assert cpu == pytest.approx(2.3)
    assert not is_met


def test_speed_is_compared_with_the_limits_by_bytes() -> None:
    slow = measured(read=figure(4, gb=2), limit=figure(1))
    fast = measured(read=figure(2, gb=2), limit=figure(1))

    name = "read + serialise, speed of the limit's: traces CSV"
    assert (slow[name], fast[name]) == ((0.5, False), (1.0, True))


def test_the_job_is_compared_with_the_leanest_upload_for_the_same_bytes() -> None:
    found = measured(local=figure(12, gb=2), upload=figure(4, gb=1))

    assert found == {"whole job, time of the leanest upload's: traces CSV": (1.5, True)}


def test_the_server_is_compared_with_itself_reading_columns() -> None:
    found = measured(read=figure(1, server_cpu=2.0), columns=figure(1, server_cpu=1.0))

    assert found["ClickHouse's CPU, of that of reading columns: traces CSV"] == (2.0, False)


def test_who_computes_all_the_time_waits_for_nobody() -> None:
    assert waiting_share(figure(10, own_cpu=1)) == pytest.approx(0.9)
    assert waiting_share(figure(10, own_cpu=12)) == 0.0


def test_the_largest_peak_counts() -> None:
    growth = [{"peak_mb": 200.0}, {"peak_mb": 301.0}, {"peak_mb": 250.0}]

    (peak,) = aims_of_the_rest(growth, {}, {}, None)

    assert (peak.measured, peak.is_met) == (301.0, False)


def test_small_exports_imports_and_the_bucket_have_their_rows() -> None:
    small = {"in_process_seconds": 0.2, "alone_seconds": 9.0}
    imports = {"cpu_seconds": 0.3, "mb": 41.0}

    found = aims_of_the_rest([], small, imports, 0.2)

    assert [aim.is_met for aim in found] == [True, False, True, False, True]


def test_a_row_of_the_stored_table_has_four_fields() -> None:
    row = Aim("speed", 0.61234, 0.6, is_least=True).as_json()

    assert row == {"name": "speed", "measured": 0.612, "aim": "≥ 0.6", "met": True}


def test_what_is_barely_missed_is_not_met_however_it_is_rounded() -> None:
    assert not Aim("seconds", 0.6000001, 0.6).is_met
    assert "not met" in list(aims_table([Aim("seconds", 0.61, 0.6)]).columns[3].cells)


def test_each_way_of_the_pipeline_on_plain_data_has_a_limit() -> None:
    names = [name for table in TABLES for name in names_of(table) if name.limit]

    assert len(names) == 4
    for name in names:
        assert limit_of(name.read) == limit_of(name.job) == name.limit
    assert limit_of("traces: key scan alone") is None
