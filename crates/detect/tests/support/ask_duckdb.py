"""Answers statements over a file of CloudTrail records with DuckDB.

Reads FOLDER/events.jsonl, FOLDER/columns.json (name, type) and FOLDER/statements.json (name,
dialect, sql); writes FOLDER/answers.json: for each statement its rows. Statements of the dialect
`athena` are put into DuckDB's by sqlglot first.
"""

import json
import pathlib
import sys

import duckdb
import sqlglot

folder = pathlib.Path(sys.argv[1])
columns = json.loads((folder / "columns.json").read_text())
statements = json.loads((folder / "statements.json").read_text())
engine = duckdb.connect()
shape = ", ".join(f"'{name}': '{kind}'" for name, kind in columns)
engine.execute(
    f"CREATE TABLE events AS SELECT * FROM read_json('{folder}/events.jsonl', "
    f"format='newline_delimited', columns={{{shape}}})"
)
answers = []
for name, dialect, sql in statements:
    if dialect == "athena":
        [sql] = sqlglot.transpile(sql, read="athena", write="duckdb")
    result = engine.execute(sql)
    names = [column[0] for column in result.description]
    answers.append([name, [dict(zip(names, row)) for row in result.fetchall()]])
(folder / "answers.json").write_text(json.dumps(answers))
