"""How fast the serialisers are, beside the ways that were weighed against them.

    python -m bench.formats [--rows 8192] [--columns 30] [--repeat 9]

Prints MB of output per second of processor time (all threads, best of the repetitions) on
believable observations: chat messages as JSON, prose answers, metadata, short columns with nulls.
Compare figures of one run only.
"""

import argparse
import csv
import io
import json
import random
import time
from collections.abc import Callable
from functools import partial

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from lf_export_pipeline.core.formats import FormatWriter, format_writer
from lf_export_pipeline.core.query.columns import Kind, OutputColumn
from lf_export_pipeline.core.request.model import ExportFormat

SENTENCE = (
    "the model answers with a short summary of the question and then calls a tool to look up "
    "weather data for user order refund policy thanks please customer"
)
WORDS = SENTENCE.split()
CHINESE = "模型用简短的摘要回答问题然后调用工具查询天气数据谢谢客户订单退款政策"


def chat(rng: random.Random, *, chinese: bool) -> str:
    vocabulary, space = (list(CHINESE), "") if chinese else (WORDS, " ")

    def say(count: int) -> str:
        return space.join(rng.choices(vocabulary, k=count))

    question = f'{say(90)}\n\n"{say(3)}"\n'
    return json.dumps(
        [{"role": "system", "content": say(40)}, {"role": "user", "content": question}]
    )


def answer(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=150)) + '\n- a "quoted" word\n- item\n'


def observations(rows: int, narrow: int, *, chinese: bool = False) -> pa.RecordBatch:
    rng = random.Random(7)
    prompts = [chat(rng, chinese=chinese) for _ in range(256)]
    answers = [answer(rng) for _ in range(256)]
    columns: dict[str, pa.Array] = {}
    columns["id"] = pa.array([f"{rng.getrandbits(128):032x}" for _ in range(rows)])
    columns["startTime"] = pa.array(["2031-02-20T00:00:00.000Z"] * rows)
    for number in range(narrow):
        values = [None if row % 7 == 0 else f"value {number} {row}" for row in range(rows)]
        columns[f"c{number}"] = pa.array(values)
    columns["input"] = pa.array(rng.choices(prompts, k=rows))
    columns["output"] = pa.array(rng.choices(answers, k=rows))
    metadata = [f'{{"user":"u{row}","tags":["a","b"],"n":{row}}}' for row in range(rows)]
    columns["metadata"] = pa.array(metadata)
    columns["comments"] = pa.array(["[]"] * rows)
    columns["input#json"] = pa.array([True] * rows)
    columns["output#json"] = pa.array([False] * rows)
    columns["#score_indexes"] = pa.array([[0, 2, 3]] * rows, pa.list_(pa.uint32()))
    columns["#score_cells"] = pa.array([["[0.25]", "[1]", '["good"]']] * rows)
    return pa.record_batch(columns)


def layout(narrow: int, *, embedded: bool) -> tuple[OutputColumn, ...]:
    payload = Kind.MAYBE_JSON if embedded else Kind.TEXT
    return (
        OutputColumn(name="id"),
        OutputColumn(name="startTime", kind=Kind.QUOTED),
        *(OutputColumn(name=f"c{number}") for number in range(narrow)),
        OutputColumn(name="input", kind=payload),
        OutputColumn(name="output", kind=payload),
        OutputColumn(name="metadata", kind=Kind.JSON),
        OutputColumn(name="comments", kind=Kind.PRETTY_JSON),
    )


def polars_csv(plain: pa.RecordBatch) -> int:
    out = io.BytesIO()
    pl.DataFrame(plain).write_csv(out, quote_style="always", include_header=False)
    return out.tell()


def arrow_csv(plain: pa.RecordBatch) -> int:
    out = pa.BufferOutputStream()
    filled = [pc.fill_null(column, "") for column in plain.columns]
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="all_valid")
    pyarrow.csv.write_csv(pa.record_batch(filled, names=plain.schema.names), out, options)
    return int(out.getvalue().size)


def python_csv(plain: pa.RecordBatch) -> int:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
        zip(*(column.to_pylist() for column in plain.columns), strict=True)
    )
    return len(out.getvalue())


def polars_ndjson(plain: pa.RecordBatch) -> int:
    out = io.BytesIO()
    pl.DataFrame(plain).write_ndjson(out)
    return out.tell()


def python_json(plain: pa.RecordBatch) -> int:
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    return sum(len(encode(row)) + 1 for row in plain.to_pylist())


def written(writer: FormatWriter, batch: pa.RecordBatch) -> int:
    return sum(piece.data.nbytes for piece in writer.encoder().rows(batch))


def measure(name: str, work: Callable[[], int], repeat: int) -> None:
    best, size = float("inf"), 0
    for _ in range(repeat):
        begin = time.process_time()
        size = work()
        best = min(best, time.process_time() - begin)
    print(f"{name:44} {best * 1e3:8.2f} ms {size / best / 1e6:7.0f} MB/s")


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast the serialisers are.")
    parser.add_argument("--rows", type=int, default=8192)
    parser.add_argument("--columns", type=int, default=30)
    parser.add_argument("--repeat", type=int, default=9)
    arguments = parser.parse_args()
    narrow = arguments.columns - 6
    batch = observations(arguments.rows, narrow)
    chinese = observations(arguments.rows, narrow, chinese=True)
    plain = batch.select([column.name for column in layout(narrow, embedded=False)])
    for fmt in (each for each in ExportFormat if each.is_text):
        for name, rows, embedded, scores in (
            ("text", batch, False, 0),
            ("embedded JSON", batch, True, 0),
            ("text, 3 of 4 scores per row", batch, False, 4),
            ("text, 3 of 1,000 scores per row", batch, False, 1000),
            ("text, Chinese as \\u escapes", chinese, False, 0),
            ("embedded JSON, Chinese as \\u escapes", chinese, True, 0),
        ):
            score_columns = tuple(f"s{number}" for number in range(scores))
            writer = format_writer(fmt, layout(narrow, embedded=embedded), score_columns)
            measure(f"{fmt} {name}", partial(written, writer, rows), arguments.repeat)
    for way in (polars_csv, arrow_csv, python_csv, polars_ndjson, python_json):
        measure(f"instead: {way.__name__}", partial(way, plain), arguments.repeat)


if __name__ == "__main__":
    main()
