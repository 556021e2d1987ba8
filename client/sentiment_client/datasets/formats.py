"""The formats of data sets, by the ends of file names."""

from typing import Literal, get_args

Format = Literal["csv", "tsv", "jsonl", "parquet", "lines"]
FORMATS: tuple[Format, ...] = get_args(Format)
_BY_END: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".txt": "lines",
}


def format_of(path: str) -> Format:
    """The format of a file by its name, or ValueError.

    >>> format_of("reviews.csv"), format_of("reviews.JSONL.gz")
    ('csv', 'jsonl')
    >>> format_of("reviews.xlsx")
    Traceback (most recent call last):
    ValueError: The format of reviews.xlsx is not known: let its name end in .csv, .tsv, .jsonl, \
.ndjson, .parquet or .txt.
    """
    name = path.lower().removesuffix(".gz")
    for end, kind in _BY_END.items():
        if name.endswith(end):
            return kind
    *ends, last = _BY_END
    raise ValueError(
        f"The format of {path} is not known: let its name end in {', '.join(ends)} or {last}."
    )
