"""Makes the emulator's SQL engine read a trail as Amazon Athena does.

The emulator hands every statement to DuckDB as it stands, over files that it takes for plain
JSON. Here

- a statement is translated from Athena's dialect first, by a translator that is not ours;
- a table has a row for each record of its files, with the columns and types it was made with;
- its partitions are computed from the paths of the files, by its own projection;
- `CREATE DATABASE name` makes one.
"""

import gzip
import json
import os
import re
import tempfile

import duckdb
import sqlglot

connect = duckdb.connect
DATABASE = re.compile(r"\s*CREATE DATABASE (\w+)\s*", re.IGNORECASE)
# What the emulator puts in the place of a table's name.
TABLE = re.compile(
    r"read_json_auto\(\[(.*?)\], union_by_name = true, hive_partitioning = false\) AS \"(\w+)\"", re.DOTALL
)


class Engine:
    """A connection of DuckDB that is asked in Athena's words."""

    def __init__(self, *args):
        self.engine = connect(*args)

    def __getattr__(self, name):
        return getattr(self.engine, name)

    def execute(self, sql):
        if made := DATABASE.fullmatch(sql):
            make_database(made[1])
            return self.engine.execute("SELECT 1 AS made WHERE 1 = 2")
        if not sql.lstrip().upper().startswith("SELECT"):
            return self.engine.execute(sql)
        for files, name in TABLE.findall(sql):
            self.fill(name, re.findall(r"'([^']*)'", files))
        sql = TABLE.sub(r'"\2"', sql)
        [sql] = sqlglot.transpile(sql, read="athena", write="duckdb")
        return self.engine.execute(sql)

    def fill(self, name, files):
        table = table_of(name)
        storage = table["StorageDescriptor"]
        columns = {one["Name"]: one["Type"] for one in storage["Columns"]}
        parts = {one["Name"]: one["Type"] for one in table["PartitionKeys"]}
        place = projection(table["Parameters"], storage["Location"])
        shape = ", ".join(f"'{column}': '{duck(kind)}'" for column, kind in {**columns, **parts}.items())
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as rows:
            for file in files:
                # A file that is nowhere by the projection is in no partition.
                if where := place.search(file):
                    for record in records(file):
                        row = structure(columns, record) | where.groupdict()
                        rows.write(json.dumps(row) + "\n")
            rows.flush()
            self.engine.execute(
                f"CREATE TABLE \"{name}\" AS SELECT * FROM read_json('{rows.name}', "
                f"format = 'newline_delimited', columns = {{{shape}}})"
            )


def make_database(name):
    from ministack.services import glue

    glue._create_database({"DatabaseInput": {"Name": name}})


def table_of(name):
    from ministack.services import glue

    [table] = [table for table in glue._tables.values() if table["Name"] == name]
    return table


def projection(properties, location):
    """The partitions of a path, by the names of the groups."""
    template = properties["storage.location.template"]
    below = re.escape(template.removeprefix(location.rstrip("/")))
    for name in re.findall(r"\$\{(\w+)\}", template):
        if properties[f"projection.{name}.type"] == "date":
            values = r"\d{4}/\d{2}/\d{2}"
        else:
            values = "|".join(map(re.escape, properties[f"projection.{name}.values"].split(",")))
        below = below.replace(re.escape(f"${{{name}}}"), f"(?P<{name}>{values})")
    return re.compile(below + "/[^/]+$")


def records(file):
    read = gzip.open if file.endswith(".gz") else open
    with read(file, "rt", encoding="utf-8") as text:
        return json.load(text)["Records"]


def members(text):
    """The members of a type, without splitting those within."""
    depth, start = 0, 0
    for at, char in enumerate(text):
        depth += (char == "<") - (char == ">")
        if char == "," and depth == 0:
            yield text[start:at]
            start = at + 1
    yield text[start:]


def within(kind):
    return kind[kind.index("<") + 1 : -1]


def duck(kind):
    """A type of Hive in DuckDB's words."""
    if kind.startswith("struct<"):
        fields = (one.split(":", 1) for one in members(within(kind)))
        return "STRUCT(" + ", ".join(f'"{name}" {duck(inner)}' for name, inner in fields) + ")"
    if kind.startswith("array<"):
        return duck(within(kind)) + "[]"
    return "MAP(VARCHAR, VARCHAR)" if kind.startswith("map<") else "VARCHAR"


def structure(kinds, found):
    """Fields by their names in lower case, each as its column has it."""
    there = {name.lower(): value for name, value in found.items()}
    return {name: column(kind, there.get(name)) for name, kind in kinds.items()}


def column(kind, found):
    if found is None:
        return None
    if kind.startswith("struct<"):
        return structure(dict(one.split(":", 1) for one in members(within(kind))), found)
    if kind.startswith("array<"):
        return [column(within(kind), one) for one in found]
    if kind.startswith("map<"):
        return {name: text(value) for name, value in found.items()}
    return text(found)


def text(found):
    """A text column holds JSON text of whatever is no text."""
    return found if isinstance(found, str) else json.dumps(found, separators=(",", ":"))


duckdb.connect = Engine
