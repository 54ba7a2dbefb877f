#!/usr/bin/python3
"""Tables of numbers are handed in by HTTP and summed up by a worker: `spool web`, `spool worker`, `spool show NAME`."""

import json
import sys
import time
from pathlib import Path

NEW, DONE = Path("/spool/new"), Path("/spool/done")


def web() -> None:
    """Takes a table by PUT /NAME and shows its sums by GET /NAME, once they are there."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            table = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            (NEW / self._name()).write_bytes(table)
            self._answer(202, {"took": len(table)})

        def do_GET(self) -> None:
            done = DONE / self._name()
            if done.exists():
                self._answer(200, json.loads(done.read_text()))
            else:
                waiting = (NEW / self._name()).exists()
                self._answer(202 if waiting else 404, {"waiting": waiting})

        def _name(self) -> str:
            return Path(self.path).name or "table"

        def _answer(self, status: int, content: dict[str, object]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    ThreadingHTTPServer(("", 8000), Handler).serve_forever()


def worker() -> None:
    """Sums up each table that comes."""
    print("watching", NEW, flush=True)
    while True:
        for path in sorted(NEW.iterdir()):
            if not (DONE / path.name).exists():
                (DONE / path.name).write_text(json.dumps(summed(path)))
                print("done", path.name, flush=True)
        time.sleep(0.1)


def summed(path: Path) -> dict[str, object]:
    """Number, mean and median of each column."""
    import csv
    import statistics

    with path.open(newline="") as file:
        head, *rows = csv.reader(file)
    columns = {name: [float(row[index]) for row in rows] for index, name in enumerate(head)}
    means = {name: statistics.fmean(values) for name, values in columns.items()}
    medians = {name: statistics.median(values) for name, values in columns.items()}
    return {"rows": len(rows), "mean": means, "median": medians}


def show(name: str) -> None:
    """Prints the sums of one table."""
    print((DONE / name).read_text())


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    try:
        {"web": web, "worker": worker, "show": show}[command](*arguments)
    except KeyboardInterrupt:
        pass
