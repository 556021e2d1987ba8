"""Arrow columns of values whose types are not known in advance."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa


def column(values: Sequence[object]) -> Any:
    """An Arrow array of Python values; values of different types become text."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        return pa.array([as_text(value) for value in values], pa.string())


def as_text(value: object) -> str | None:
    """A value as text: numbers, booleans, lists and dicts as JSON, others as `str` shows them."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | int | float | list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def unified(schemas: Sequence[Any]) -> Any:
    """One schema with the columns of all, in order of appearance.

    A column that has different types becomes the wider type, as with int64 and double, or text.
    """
    names = dict.fromkeys(name for schema in schemas for name in schema.names)
    return pa.schema([_unified_field(name, schemas) for name in names])


def conformed(table: Any, schema: Any) -> Any:
    """The table with the columns of a schema from `unified`; a missing one is null."""
    arrays = []
    for field in schema:
        if field.name not in table.column_names:
            arrays.append(pa.nulls(table.num_rows, field.type))
            continue
        values = table[field.name]
        if values.type == field.type:
            arrays.append(values)
        elif pa.types.is_string(field.type) and not pa.types.is_large_string(values.type):
            arrays.append(pa.array(map(as_text, values.to_pylist()), field.type))
        else:
            arrays.append(values.cast(field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def concatenated(tables: Iterable[Any]) -> Any:
    """One table of all rows, with the columns of all tables."""
    tables = list(tables)
    schema = unified([table.schema for table in tables])
    return pa.concat_tables([conformed(table, schema) for table in tables])


def _unified_field(name: str, schemas: Sequence[Any]) -> Any:
    types = dict.fromkeys(schema.field(name).type for schema in schemas if name in schema.names)
    try:
        each = [pa.schema([(name, kind)]) for kind in types]
        return pa.unify_schemas(each, promote_options="permissive").field(0)
    except pa.ArrowException:
        return pa.field(name, pa.string())
