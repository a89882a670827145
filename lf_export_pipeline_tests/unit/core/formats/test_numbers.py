import json

import pyarrow as pa
import pytest

from lf_export_pipeline.core.formats.numbers import double, readable_doubles, readable_numbers
from lf_export_pipeline.core.formats.text import TEXT

HELD = (
    *("0", "-0", "7", "18446744073709551615", "-9223372036854775808", "1e30", "1E-300", "0e308"),
    *("1.7976931348623157e308", "0." + "1" * 400, "5e-324", "1e+000000000000000005"),
)
NOT_HELD = (
    *("18446744073709551616", "-9223372036854775809", "1" * 400, "1" * 30 + ".5", "1e400"),
    *("-1E400", "1e-400", "0e400", "1e-99999999999", "1.7976931348623159e308"),
    *("-18446744073709551615", "12345678901234567890123e-5", "1e" + "9" * 5_000),
)
AROUND = ("{}", "[{}]", '{{"a":{}}}', "[1, {} ,2]", " {}\n", '[[0,{}],"{}"]')


def readable(*cells: str | None) -> list[str | None]:
    found: list[str | None] = readable_numbers(pa.array(cells, TEXT)).to_pylist()
    return found


@pytest.mark.parametrize("around", AROUND)
def test_numbers_that_no_type_holds_become_strings_with_all_digits(around: str) -> None:
    cells = [around.format(number, number) for number in NOT_HELD]
    strings = [around.format(f'"{number}"', number) for number in NOT_HELD]
    assert readable(*cells, None, *cells) == [*strings, None, *strings]


@pytest.mark.parametrize("around", AROUND)
def test_numbers_that_a_type_holds_stay_as_they_are(around: str) -> None:
    array = pa.array([around.format(number, number) for number in HELD], TEXT)
    assert readable_numbers(array).to_pylist() == array.to_pylist()


def test_texts_and_keys_that_look_like_numbers_stay_as_they_are() -> None:
    text = json.dumps({"1e400": "a, 1e400: [12345678901234567890123", '"\\': ", 1e999"})
    assert readable(text) == [text]


def test_doubles_of_a_list_have_an_exponent_where_they_are_too_long() -> None:
    cells = ["[100000000000000000000,0.5]", "[-10000000000000000000]", '["100000000000000000000"]']
    found = readable_doubles(pa.array([*cells, "[18446744073709549568,5]", None], TEXT))
    expected = ["[1e+20,0.5]", "[-1e+19]", cells[2], "[18446744073709549568,5]", None]
    assert found.to_pylist() == expected


def test_doubles_have_a_fraction_or_an_exponent() -> None:
    cells = [b"5", b"-0", b"0.5", b"1e300", b"1" + b"0" * 20, b"9" * 18, b"-" + b"9" * 18]
    found = [
        b"5.0",
        b"-0.0",
        b"0.5",
        b"1e300",
        b"1e+20",
        b"9" * 18 + b".0",
        b"-" + b"9" * 18 + b".0",
    ]
    assert [double(cell) for cell in cells] == found
