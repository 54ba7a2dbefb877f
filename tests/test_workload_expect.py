from __future__ import annotations

import pytest

from slimtasks.workload.expect import shortened, text_of, unmet, unmet_headers

BODY = "<!DOCTYPE html>\n<title>Hi</title>\n!bang /slash/ a.c\n"


@pytest.mark.parametrize(
    ("source", "met"),
    [
        ("<title>", True),
        ("absent", False),
        ("!absent", True),
        ("!<title>", False),
        ("/^<!DO/", True),
        ("/^<title>.*</title>$/", True),
        ("!/^<!DO/", False),
        ("!/^nothing/", True),
        ("a.c", True),
        ("a?c", False),
        ("\\!bang", True),
        ("\\/slash/", True),
        ("/slash", True),
        ("!\\!bang", False),
        ("/", True),
        ("", True),
    ],
)
def test_text(source: str, met: bool) -> None:
    assert unmet([source], BODY) == (() if met else (source,))


HEADERS = (("Content-Range", "bytes 0-3/612"), ("ETag", '"x"'), ("Server", "nginx"))


@pytest.mark.parametrize(
    ("source", "met"),
    [
        ("Content-Range: bytes 0-3/", True),
        ("content-range:bytes 0-3/", True),
        ("Content-Range: bytes 1", False),
        ("content-range: BYTES", False),
        ("!Server: nginx", False),
        ("!X-Powered-By:", True),
        ("etag: ", True),
        ("Range: bytes", False),
        ("/^ETag: .x.$/", True),
        ("nginx", True),
    ],
)
def test_headers(source: str, met: bool) -> None:
    assert unmet_headers([source], HEADERS) == (() if met else (source,))


def test_unmet_keeps_the_order_of_the_spec() -> None:
    assert unmet(["z", "<title>", "a-b", "!Hi"], BODY) == ("z", "a-b", "!Hi")


def test_bytes_that_are_not_utf8_and_crlf() -> None:
    assert unmet(["/^b$/"], text_of(b"a\xff\r\nb\r\n")) == ()


def test_shortened() -> None:
    assert shortened("abc", 3) == "abc"
    assert shortened("abcd", 3) == "a\n[... 4 characters in all ...]\ncd"
