from __future__ import annotations

import pytest

from slimtasks.errors import SlimError
from slimtasks.spec.env_file import parse_env_file

ENVIRON = {"HOST": "caller", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1\nB=2\n", "A=1 B=2"),
        ("# comment\n\n  # more\nA=1", "A=1"),
        ("export A=1", "A=1"),
        ("A: 1", "A=1"),
        ("A = 1", "A=1"),
        ("A=", "A="),
        ("A=x # comment", "A=x"),
        ("A=x#no-comment", "A=x#no-comment"),
        ("A='x # y' # comment", "A=x # y"),
        ("A='$HOST\\n'", "A=$HOST\\n"),
        ('A="$HOST\\tz"', "A=caller\tz"),
        ('A="say \\"hi\\" \\$HOST"', 'A=say "hi" $HOST'),
        ("A=$HOST\nB=${A}x", "A=caller B=callerx"),
        ("A=${NONE:-d} \nB=${EMPTY-d}\nC=${EMPTY:-d}", "A=d B= C=d"),
        ("A=${HOST:+there}\nB=${NONE+there}", "A=there B="),
        ("A=$NONE.", "A=."),
        ('A="two\nlines"\nB=1', "A=two\nlines B=1"),
        ("HOST\nNONE\nB=1", "HOST=caller B=1"),
        ("A=1\r\nB=2\r\n", "A=1 B=2"),
        ("A=1=2", "A=1=2"),
        ("A=it's", "A=it's"),
        ("A=1\nA=2", "A=1 A=2"),
        ("A.b-c=1", "A.b-c=1"),
        ("A=\nB=2", "A= B=2"),
    ],
)
def test_values(text: str, expected: str) -> None:
    assert " ".join(f"{k}={v}" for k, v in parse_env_file(text, "f.env", ENVIRON)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A=1\n=2", "f.env:2: not NAME=value: =2"),
        ("A='x\n", "f.env:1: the quote ' is not closed"),
        ("A=1\n\nB=${NONE:?give it}", "f.env:3: NONE is not set: give it"),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    with pytest.raises(SlimError) as error:
        parse_env_file(text, "f.env", ENVIRON)
    assert error.value.what == message
