"""Notes in a SQLite file, as pages and as JSON."""

import csv
import hashlib
import io
import sqlite3
from datetime import datetime, timezone

from flask import Flask, Response, abort, flash, g, jsonify, redirect, render_template, request, session, url_for

app = Flask(__name__)
app.secret_key = "for tests only"


def database():
    if "database" not in g:
        g.database = sqlite3.connect("/data/notes.db")
        g.database.row_factory = sqlite3.Row
        g.database.execute("CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, text TEXT, at TEXT)")
    return g.database


@app.teardown_appcontext
def close(_):
    if "database" in g:
        g.database.close()


@app.get("/")
def index():
    return render_template("index.html", notes=database().execute("SELECT * FROM note ORDER BY id").fetchall())


@app.post("/notes")
def add():
    text = (request.get_json() if request.is_json else request.form).get("text", "")
    if not text:
        abort(400, "a note needs a text")
    with database() as connection:
        now = datetime.now(timezone.utc).isoformat()
        made = connection.execute("INSERT INTO note (text, at) VALUES (?, ?)", (text, now))
    if request.is_json:
        return jsonify(id=made.lastrowid, text=text), 201
    flash("noted")
    session["count"] = session.get("count", 0) + 1
    return redirect(url_for("index"))


@app.get("/notes/<int:number>")
def one(number):
    note = database().execute("SELECT * FROM note WHERE id = ?", (number,)).fetchone()
    return dict(note) if note else abort(404)


@app.delete("/notes/<int:number>")
def delete(number):
    with database() as connection:
        connection.execute("DELETE FROM note WHERE id = ?", (number,))
    return "", 204


@app.get("/notes.csv")
def as_csv():
    out = io.StringIO()
    csv.writer(out).writerows(map(tuple, database().execute("SELECT id, text FROM note")))
    return Response(out.getvalue(), mimetype="text/csv")


@app.get("/digest")
def digest():
    return hashlib.sha256(request.args["of"].encode()).hexdigest()


@app.get("/host/<name>")
def host(name):
    """Imports when asked: what only a trace of this request sees."""
    import ipaddress
    import socket

    return str(ipaddress.ip_address(socket.gethostbyname(name)))


@app.get("/xml")
def xml():
    import xml.etree.ElementTree as etree

    root = etree.Element("notes")
    for row in database().execute("SELECT * FROM note"):
        etree.SubElement(root, "note", id=str(row["id"])).text = row["text"]
    return Response(etree.tostring(root), mimetype="application/xml")


@app.errorhandler(404)
def absent(_):
    return render_template("absent.html", path=request.path), 404
