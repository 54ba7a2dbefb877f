"""Prints CSV as JSON, and how many rows a database counts."""

import csv
import io
import json
import sqlite3
import sys

rows = list(csv.DictReader(io.StringIO(sys.argv[1])))
print(json.dumps(rows))
database = sqlite3.connect(":memory:")
database.execute("CREATE TABLE rows (value TEXT)")
database.executemany("INSERT INTO rows VALUES (?)", [(json.dumps(row),) for row in rows])
print(*database.execute("SELECT count(*) FROM rows").fetchone(), "rows")
