"""The command, and the pages."""

import argparse
import json
from importlib import import_module, metadata
from urllib.parse import parse_qs

import waitress
from jinja2 import Environment, PackageLoader, select_autoescape

from guestbook.book import Book

PAGES = Environment(loader=PackageLoader("guestbook"), autoescape=select_autoescape())
TYPES = {"html": "text/html; charset=utf-8", "json": "application/json", "xml": "application/xml", "txt": "text/plain"}


def application(environ, start_response):
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
    status, kind, text = answer(method, path, sent, parse_qs(environ["QUERY_STRING"]))
    body = text.encode()
    start_response(status, [("Content-Type", TYPES[kind]), ("Content-Length", str(len(body)))])
    return [] if method == "HEAD" else [body]


def answer(method, path, sent, query):
    """(status, type, text)"""
    book = Book("/data/book.json")
    if method == "POST" and path == "/entries":
        name = parse_qs(sent).get("name", [""])[0]
        if not name:
            return "400 Bad Request", "txt", "a guest needs a name"
        return "201 Created", "json", json.dumps(book.add(name))
    if method == "DELETE" and path == "/entries":
        book.clear()
        return "204 No Content", "txt", ""
    if method not in ("GET", "HEAD"):
        return "405 Method Not Allowed", "txt", f"no {method} here"
    if path == "/":
        return "200 OK", "html", PAGES.get_template("book.html").render(entries=book.entries())
    if path == "/about":
        return "200 OK", "txt", f"guestbook {metadata.version('guestbook')}"
    name, _, kind = path.removeprefix("/entries").lstrip(".").partition("/")
    if path.startswith("/entries.") and not kind and name in ("json", "xml", "txt"):
        writer = import_module(f"guestbook.as_{name}")  # only when somebody asks for it
        return "200 OK", name, writer.written(book.entries(), **{key: values[0] for key, values in query.items()})
    return "404 Not Found", "html", PAGES.get_template("absent.html").render(path=path)


def main():
    parser = argparse.ArgumentParser(prog="guestbook")
    parser.add_argument("--port", type=int, default=8000)
    waitress.serve(application, port=parser.parse_args().port)
