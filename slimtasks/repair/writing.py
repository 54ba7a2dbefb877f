"""Adds rules to a spec; all else in the file stays as it is, byte for byte."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from slimtasks.errors import SlimError, SpecError
from slimtasks.job import Job
from slimtasks.records import whole_file
from slimtasks.repair.lines import KEYS, Line, as_spec, with_lines
from slimtasks.selection.spec_lines import literal, quoted, spec_line
from slimtasks.spec import load

if TYPE_CHECKING:
    import yaml

WIDEST = 120  # columns of a list that gets longer in its line


def add_lines(job: Job, lines: Collection[Line]) -> None:
    """Writes the spec with the lines; SlimError, with the lines, where it would then say anything else, too."""
    path, toml = job.image.file, job.image.file.suffix == ".toml"
    before = path.read_bytes()
    try:
        after = with_rules(before.decode(), lines, toml=toml).encode()
        repo = load(job.workspace.root, job.environ, {path: after})
        if repo.image(job.image.name) != with_lines(job.image, lines):
            raise ValueError("with them, it would say something else, too")
    except (ValueError, SpecError) as error:
        listed = "".join(f"\n     {line}" for line in as_spec(lines, toml=toml))
        why = "" if isinstance(error, SpecError) else f": {error}"
        what = f"{os.path.relpath(path, job.workspace.root)} is not written so that lines can be added to it{why}"
        raise SlimError(what, f"add by hand{listed}") from None
    with whole_file(path) as file:
        os.fchmod(file.fileno(), path.stat().st_mode & 0o7777)
        file.write(after)


def with_rules(text: str, lines: Collection[Line], *, toml: bool) -> str:
    """The text of a spec with the lines; ValueError where it has no place for them."""
    add: Callable[[str, str, Sequence[str]], str] = _add_to_toml if toml else _add_to_yaml
    for key in KEYS:
        texts = sorted(line.text for line in lines if line.key == key)
        if texts:
            text = add(text, key, texts)
    return text


def _add_to_yaml(text: str, key: str, texts: Sequence[str]) -> str:
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:  # by a rule that was added before
        raise ValueError("nothing can stand behind its end") from None
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise ValueError("its keys stand in braces")
    end = "\r\n" if "\r\n" in text else "\n"
    name, found = next(((name, value) for name, value in root.value if name.value == key), (None, None))
    if name is None:
        return f"{text}{'' if text.endswith(end) else end}{spec_line(key, *texts)}{end}"
    if not isinstance(found, yaml.SequenceNode) or found.start_mark.index < name.end_mark.index:
        raise ValueError(f"{key} is no list that stands there")
    return _longer(text, found, texts) if found.flow_style else _taller(text, found, texts, end)


def _longer(text: str, found: yaml.SequenceNode, texts: Sequence[str]) -> str:
    """With more items behind the last one of a list in brackets; in a line of their own where it gets too wide."""
    at = found.value[-1].end_mark.index if found.value else found.start_mark.index + 1
    items = ", ".join(map(quoted, texts))
    if not found.value:
        return text[:at] + items + text[at:]
    width = len(text[:at].rpartition("\n")[2] + text[at:].partition("\n")[0])
    if width + len(f", {items}") > WIDEST:
        return f"{text[:at]},\n{' ' * (found.start_mark.column + 1)}{items}{text[at:]}"
    return f"{text[:at]}, {items}{text[at:]}"


def _taller(text: str, found: yaml.SequenceNode, texts: Sequence[str], end: str) -> str:
    """With more items below the last one of a list with an item a line."""
    at = found.value[-1].end_mark.index
    items = "".join(f"{' ' * found.start_mark.column}- {quoted(one)}{end}" for one in texts)
    if text[at - 1] != "\n":  # of `|` and `>` the end is that of the line
        at = text.find("\n", at) + 1 or len(text)
    return text[:at] + ("" if text[at - 1] == "\n" else end) + items + text[at:]


def _add_to_toml(text: str, key: str, texts: Sequence[str]) -> str:
    import tomlkit

    document = tomlkit.parse(text)
    if key not in document:
        document.add(key, tomlkit.item([literal(one) for one in texts]))
    elif isinstance(found := document[key], tomlkit.items.Array):
        found.extend(map(literal, texts))
    else:
        raise ValueError(f"{key} is no list")
    return tomlkit.dumps(document)
