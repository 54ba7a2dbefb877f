import sqlite3
from importlib import import_module

import bottle

ASKED = sqlite3.connect(":memory:")
ASKED.execute("CREATE TABLE asked (kind TEXT)")


@bottle.get("/")
def index():
    return bottle.template("<title>Units</title><p>{{asked}} asked", asked=asked())


@bottle.get("/units/<kind:re:[a-z]+>/<value:float>")
def units(kind, value):
    try:
        module = import_module(f"units.{kind}")  # only when somebody asks for it
    except ModuleNotFoundError:
        bottle.abort(404, f"no units of {kind}")
    ASKED.execute("INSERT INTO asked VALUES (?)", (kind,))
    return module.changed(value)


@bottle.get("/asked")
def asked():
    return str(*ASKED.execute("SELECT count(*) FROM asked").fetchone())


@bottle.post("/sum")
def summed():
    numbers = (bottle.request.json or {}).get("numbers")
    return {"sum": sum(numbers)} if numbers else bottle.HTTPError(400, "no numbers")


@bottle.post("/upload")
def upload():
    import hashlib
    import lzma

    sent = bottle.request.files.get("file").file.read()
    return {"sha256": hashlib.sha256(sent).hexdigest(), "packed": len(lzma.compress(sent)) > 0}


@bottle.get("/zone/<name:path>")
def zone(name):
    from datetime import datetime, timezone
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return datetime(2026, 7, 1, tzinfo=timezone.utc).astimezone(ZoneInfo(name)).isoformat()
    except ZoneInfoNotFoundError as error:
        bottle.abort(404, str(error))


@bottle.get("/static/<name>")
def static(name):
    return bottle.static_file(name, root="/app/units/static")


bottle.run(host="0.0.0.0", port=8080, quiet=True)
