"""Reads the files of exports into pandas, each column with the type that its values have.

Everything heavy is imported when a file is read: a run that only imports the package stays small.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import urllib.request
from decimal import Decimal
from math import isfinite, isinf
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from lf_export_pipeline.core.query.columns import OutputColumn

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PARQUET = b"PAR1"
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_INSTANT = re.compile(r'"?([+-]?\d{4,6}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d+)?)Z?"?')
_NUMBER = re.compile(r'"?(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)"?', re.ASCII)
"""As JSON writes one; a text such as ``007`` stays what it is."""

_INT64, _UINT64 = 1 << 63, 1 << 64
_DIGITS_MAX = len(str(_UINT64))


def read_export(
    path_or_url: str | Path, *, parse_json: bool = False, table: str | None = None
) -> pd.DataFrame:
    """The rows of an exported file, in the order of the file.

    The format is told by the content: Parquet, or CSV, JSON or JSONL, plain or in gzip or zstd. A
    file without rows gives an empty frame; its columns are known if it is Parquet or has a header.

    - Instants are ``datetime64[ms, UTC]``.
    - Whole numbers are ``Int64``, or ``UInt64`` where one needs it, other numbers ``Float64``,
      truth values ``boolean``; each with ``<NA>`` where a row has none. A column with a whole
      number that no 64 bits hold is text.
    - All other columns, ids that look like numbers among them, are text, ``None`` where a row has
      none. In CSV an empty text and a missing one are the same: missing.
    - Lists and objects (metadata, tags, comments, score columns, embedded input and output) are
      JSON text, or Python values with ``parse_json``.

    Args:
        path_or_url: A path, or an address such as the download link.
        parse_json: Parse the columns of lists and objects.
        table: Which table the file is of, such as ``traces``. The columns tell it. Only where so
            many were left out that several tables have the rest, a column that is text in one of
            these is taken for text.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not a file of an export, or there is no such table.
    """
    import pandas as pd  # noqa: PLC0415 - only here

    content = _content(path_or_url)
    if content.startswith(_PARQUET):
        return _of_parquet(content, table, parse_json=parse_json)
    try:
        rows, is_csv = _rows(_decompressed(content).removeprefix(_BYTE_ORDER_MARK))
    except ValueError as error:
        raise ValueError(f"{path_or_url} is not a file of an export: {error}") from error
    frame = pd.DataFrame(rows, dtype=object)
    frame = frame.where(frame.notna(), None)  # a key that a record lacks
    names = [str(name) for name in frame.columns]
    base = {column.name: column for column in _layout_of(names, table)}
    for name in names:
        values = list(frame[name])
        frame[name] = _typed(values, base.get(name), is_csv=is_csv, parse_json=parse_json)
    return frame


def _content(path_or_url: str | Path) -> bytes:
    if isinstance(path_or_url, str) and path_or_url.startswith(("http://", "https://")):
        with urllib.request.urlopen(path_or_url, timeout=60) as answer:  # noqa: S310 - as above
            content: bytes = answer.read()
            return content
    return Path(path_or_url).read_bytes()


def _decompressed(data: bytes) -> bytes:
    """What is in all members of the file, one after the other; plain files as they are."""
    if data.startswith(_GZIP):
        return gzip.decompress(data)
    if data.startswith(_ZSTD):
        import zstandard  # noqa: PLC0415 - only here

        frames = zstandard.ZstdDecompressor()
        return frames.stream_reader(data, read_across_frames=True).read()
    return data


def _rows(data: bytes) -> tuple[Any, bool]:
    """The rows as columns by name or as records; whether they come from CSV."""
    text = data.decode()
    if text[:1] == "[":
        return json.loads(text), False
    if text[:1] == "{":
        return [json.loads(line) for line in text.split("\n") if line], False
    if not text:
        return [], True
    import pandas as pd  # noqa: PLC0415 - only here

    # As a header, pandas would give another name to a score whose name is empty.
    lines = io.StringIO(text, newline="")
    cells = pd.read_csv(lines, header=None, dtype=str, keep_default_na=False)
    columns = (cells[at].tolist() for at in cells.columns)
    return {name: [cell or None for cell in column] for name, *column in columns}, True


def _layout_of(names: Sequence[str], table: str | None) -> Sequence[OutputColumn]:
    from lf_export_pipeline.core.tables.recognition import columns_of_file  # noqa: PLC0415 - only here

    return columns_of_file(names, table)


def _typed(
    values: list[Any], column: OutputColumn | None, *, is_csv: bool, parse_json: bool
) -> Any:
    """The values of one column with their type."""
    from lf_export_pipeline.core.query.columns import ColumnType, Kind  # noqa: PLC0415 - only here

    kind = column.kind if column else Kind.JSON  # what is behind the base columns is a score
    is_instant = column is not None and column.type is ColumnType.INSTANT
    if kind is Kind.TEXT and not is_instant:
        return _as_objects(values if parse_json else [_json_text(value) for value in values])
    numbers = _decimals if column is not None and column.type in _fractions() else _numbers
    for reading in (_instants,) if is_instant else (_booleans, numbers):
        read = reading(values)
        if read is not None:
            return read
    if kind in (Kind.TEXT, Kind.QUOTED):
        return _as_objects(values)
    if is_csv:
        return _as_objects(_parsed(values) if parse_json else values)
    return _as_objects(values if parse_json else [_json_text(value) for value in values])


def _of_parquet(content: bytes, table: str | None, *, parse_json: bool) -> pd.DataFrame:
    """The same columns as those of the other formats: what their types are stands in the file."""
    import pandas as pd  # noqa: PLC0415 - only here
    import pyarrow as pa  # noqa: PLC0415 - only here
    import pyarrow.parquet as pq  # noqa: PLC0415 - only here

    read = pq.read_table(pa.BufferReader(content))
    base = {column.name: column for column in _layout_of(read.column_names, table)}
    return pd.DataFrame(
        {
            name: _of_arrow(read.column(name), base.get(name), parse_json=parse_json)
            for name in read.column_names
        }
    )


def _of_arrow(values: Any, column: OutputColumn | None, *, parse_json: bool) -> Any:
    import pandas as pd  # noqa: PLC0415 - only here
    import pyarrow as pa  # noqa: PLC0415 - only here
    import pyarrow.compute as pc  # noqa: PLC0415 - only here

    kind = values.type
    if pa.types.is_timestamp(kind):
        cut = pc.floor_temporal(values, unit="millisecond")  # as text is; a cast rounds up old ones
        return cut.cast(pa.timestamp("ms", "UTC")).to_pandas()
    if pa.types.is_nested(kind):
        found = [_plain(value) for value in values.to_pylist(maps_as_pydicts="lossy")]
        return _as_objects(found if parse_json else [_json_text(value) for value in found])
    if pa.types.is_boolean(kind):
        return pd.Series(values.to_pylist(), dtype="boolean")
    if pa.types.is_integer(kind):
        numbers = _numbers(values.to_pylist())
        return pd.Series(values.to_pylist(), dtype="Int64") if numbers is None else numbers
    if not pa.types.is_string(kind):
        return pd.Series(values.cast(pa.float64()).to_pylist(), dtype="Float64")
    is_json = column is not None and column.kind in _json_kinds()
    texts = values.to_pylist()
    return _as_objects(_parsed(texts) if parse_json and is_json else texts)


def _json_kinds() -> set[str]:
    from lf_export_pipeline.core.query.columns import Kind  # noqa: PLC0415 - only here

    return {Kind.MAYBE_JSON, Kind.PRETTY_JSON}


def _plain(value: Any) -> Any:
    """Decimals as the numbers that JSON has, in lists and maps too."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _as_objects(values: list[Any]) -> Any:
    import pandas as pd  # noqa: PLC0415 - only here

    return pd.Series(values, dtype=object)


def _parsed(cells: list[Any]) -> list[Any]:
    """Cells of CSV, as JSONL embeds them: what is no JSON, or of too many levels, stays text."""
    from lf_export_pipeline.core.request.admission import is_too_deep  # noqa: PLC0415 - only here

    return [cell if cell is None or is_too_deep(cell) else _of_json(cell) for cell in cells]


def _of_json(cell: str) -> Any:
    try:
        return json.loads(
            cell, parse_float=_finite, parse_int=_of_64_bits, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        return cell


def _finite(number: str) -> float | str:
    """A number beyond all doubles is a text, as in JSONL."""
    return number if isinf(float(number)) else float(number)


def _of_64_bits(number: str) -> int | str:
    """A whole number of more bits is a text, as in JSONL."""
    is_short = len(number) <= len(str(-(2**63)))
    return int(number) if is_short and -(2**63) <= int(number) < 2**64 else number


def _no_constant(name: str) -> Any:
    """``NaN`` is a number to Python, and no JSON."""
    raise ValueError(name)


def _json_text(value: Any) -> Any:
    """Lists and objects as compact JSON text; texts as they are."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _each(values: list[Any], convert: Callable[[Any], Any]) -> list[Any] | None:
    """Every value converted, None where there is none; None in place of all if one cannot be."""
    converted = [None if value is None else convert(value) for value in values]
    missing = sum(value is None for value in values)
    is_of_all = sum(value is None for value in converted) == missing
    return converted if is_of_all and missing < len(values) else None


def _instants(values: list[Any]) -> Any:
    import numpy as np  # noqa: PLC0415 - only here
    import pandas as pd  # noqa: PLC0415 - only here

    def convert(value: Any) -> str | None:
        found = _INSTANT.fullmatch(value) if isinstance(value, str) else None
        return f"{found[1]}T{found[2][:12]}" if found else None

    found = _each(values, convert)
    if found is None:
        return None
    array = np.array([one or "NaT" for one in found], dtype="datetime64[ms]")
    return pd.Series(pd.DatetimeIndex(array).tz_localize("UTC"))


def _booleans(values: list[Any]) -> Any:
    import pandas as pd  # noqa: PLC0415 - only here

    words = {"true": True, "false": False, True: True, False: False}

    def convert(value: Any) -> bool | None:
        return words.get(value) if isinstance(value, (str, bool)) else None

    found = _each(values, convert)
    return None if found is None else pd.Series(found, dtype="boolean")


def _fractions() -> set[str]:
    """The types of columns whose numbers may have a fraction, even if none has one."""
    from lf_export_pipeline.core.query.columns import ColumnType  # noqa: PLC0415 - only here

    return {ColumnType.DOUBLE, ColumnType.COST, ColumnType.COST_SUM}


def _number(value: Any) -> float | int | None:
    """A number, or what JSON has for one; None also where it would lose its digits."""
    if isinstance(value, str) and len(value) > _DIGITS_MAX and value.lstrip("-").isdigit():
        return None
    found = _double(value)
    if found is None or isinstance(value, (int, float)):
        return found
    text = value.strip('"')
    return int(text) if text.lstrip("-").isdigit() else found


def _double(value: Any) -> float | int | None:
    """The same, where nothing but doubles and decimals is written."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    found = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    number = None if found is None else float(found[1])
    return number if number is not None and isfinite(number) else None


def _numbers(values: list[Any]) -> Any:
    """Whole numbers if all are; None if one of these would lose digits."""
    import pandas as pd  # noqa: PLC0415 - only here

    found = _each(values, _number)
    if found is None:
        return None
    known = [one for one in found if one is not None]
    if not all(isinstance(one, int) for one in known):
        return _floats(found)
    for dtype, least, most in (("Int64", -_INT64, _INT64), ("UInt64", 0, _UINT64)):
        if least <= min(known) and max(known) < most:
            return pd.Series(found, dtype=dtype)
    return None


def _decimals(values: list[Any]) -> Any:
    found = _each(values, _double)
    return None if found is None else _floats(found)


def _floats(values: list[Any]) -> Any:
    import pandas as pd  # noqa: PLC0415 - only here

    return pd.Series([None if one is None else float(one) for one in values], dtype="Float64")
