"""report: all images side by side. It joins what the stages wrote and decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slimtasks import costs
from slimtasks.ages import DAY, oldest
from slimtasks.errors import Damaged
from slimtasks.job import files_of, result_file
from slimtasks.oci.config import timestamp
from slimtasks.records import intact, read_header, read_json, write_json
from slimtasks.sizes import count, for_health, whole_packages
from slimtasks.spec import Image, Repo
from slimtasks.trace.file import notes
from slimtasks.workspace import Workspace

_HEADS = ("image", "platform", "base age", "fat MB", "slim MB", "ratio", "layers", "files", "verified", "seconds")
_OF_TRACE = ("backend", "complete", "incomplete", "unseen")  # what a trace says of itself
_OF_SELECTION = ("whole", "beyond", "unseen", "depended_on")  # what a selection says of whole packages

_MOST_NAMES = 3  # of images, in a line that is for all of them


def rows(workspace: Workspace, repo: Repo, now: float) -> list[dict[str, Any]]:
    """What is known, `now`, of each image that a plain `doit` builds, and of others that were begun.

    Sizes are in bytes, uncompressed; seconds are those of each stage's last run.
    """
    shown = (i for i in repo.images if i.name in repo.default or workspace.image(i.name).folder.exists())
    images = {image.name: image for image in repo.images}
    return [
        {**_row(workspace, repo, one), "base": _base(workspace, images, image, now)}
        for image in shown
        for one in (image, *image.variants)
    ]


def write(workspace: Workspace, found: Sequence[dict[str, Any]]) -> None:
    """Writes build/report.json."""
    write_json(workspace.report, {"images": list(found)})


def table(found: Sequence[dict[str, Any]]) -> str:
    """The rows as text, columns aligned; below it what traces lack, which packages stay whole, what is often missed."""
    if not found:
        return ""
    lines = [_HEADS, *(_cells(row) for row in found)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADS))]
    missing = [f"{row['image']}: {note}" for row in found for note in row["notes"]]
    return "\n".join([*(_align(line, widths) for line in lines), *missing, *_not_kept(found)])


def _row(workspace: Workspace, repo: Repo, image: Image) -> dict[str, Any]:
    files = files_of(workspace, image)
    fat, made, verify = map(_known, (files.fat, result_file(workspace, image), files.verify))
    trace, selection = map(_header, (files.trace, files.selection))
    return {
        "image": image.name,
        "kind": image.kind,
        "tags": list(image.tags),
        "platform": made.get("platform") or _platform(fat),
        "source_size": _source_size(workspace, repo, image, fat),
        "size": made.get("size", 0),
        "layers": len(made.get("layers", ())),
        "files": made.get("files", 0),
        "config_digest": made.get("config_digest", ""),
        "verified": bool(made) and verify.get("image") == made.get("id"),
        "steps": verify.get("steps", 0),
        "seconds": costs.seconds(files),
        "start": ", ".join(one["start"] for one in verify.get("results", ()) if one.get("start")),
        "trace": {name: trace[name] for name in _OF_TRACE if name in trace},
        "packages": {name: selection[name] for name in _OF_SELECTION if name in selection},
        "healthcheck": selection.get("healthcheck", 0),
        "not_kept": selection.get("not_kept", []),
        "notes": [] if image.variant else [*notes(trace), *whole_packages(selection), *for_health(selection)],
    }


def _base(workspace: Workspace, images: Mapping[str, Image], image: Image, now: float) -> dict[str, Any]:
    """The oldest of what the image is made of; nothing where that is not known, or of this repo alone."""
    one = oldest(workspace, images, image)
    if one is None:
        return {}
    days = max(0, int((now - one.date) / DAY))
    return {"name": one.name, "counts": one.counts, "date": timestamp(one.date), "days": days}


def _not_kept(found: Sequence[dict[str, Any]]) -> list[str]:
    """What is often missed later, in one line for all images."""
    images: dict[str, list[str]] = {}
    for row in found:
        for missed in row["not_kept"]:
            images.setdefault(missed["preset"], []).append(row["image"])
    whats = {missed["preset"]: missed["what"] for row in found for missed in row["not_kept"]}
    listed = (f"{whats[preset]} of {_some(names)} (keep-presets: [{preset}])" for preset, names in images.items())
    return [f"not kept, though the fat image has them: {'; '.join(listed)}"] if images else []


def _some(names: Sequence[str]) -> str:
    few = names if len(names) <= _MOST_NAMES else names[: _MOST_NAMES - 1]
    more = len(names) - len(few)
    return ", ".join(few) + (f" and {more} more" if more else "")


def _header(path: Path) -> dict[str, Any]:
    """The file's header; nothing where there is none, or a damaged one."""
    try:
        return read_header(path) if path.exists() else {}
    except Damaged:
        return {}


def _known(path: Path) -> dict[str, Any]:
    """What the file says; nothing where it is not there, or damaged, which its own stage finds out."""
    try:
        with intact(path):
            return dict(read_json(path)) if path.exists() else {}
    except Damaged:
        return {}


def _source_size(workspace: Workspace, repo: Repo, image: Image, fat: dict[str, Any]) -> int:
    """The bytes of what was slimmed: of an image whose context another one printed, that other one's."""
    printer = _known(result_file(workspace, repo.image(image.printer))) if image.printer else {}
    return int((printer or fat).get("size", 0))


def _platform(fat: dict[str, Any]) -> str:
    config = fat.get("config", {})
    return f"{config.get('os', 'linux')}/{config['architecture']}" if config.get("architecture") else ""


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    fat, size = row["source_size"], row["size"]
    slim = row["kind"] != "build"
    return (
        row["image"],
        row["platform"] or "-",
        f"{row['base']['days']} d" if row["base"] else "-",
        f"{fat / 1e6:.1f}" if fat else "-",
        f"{size / 1e6:.2f}" if size and slim else "-",
        f"{fat / size:.1f}" if fat and size and row["kind"] == "slim" else "-",
        str(row["layers"] or "-"),
        str(row["files"] or "-"),
        _verdict(row),
        f"{sum(row['seconds'].values()):.1f}" if row["seconds"] else "-",
    )


def _verdict(row: dict[str, Any]) -> str:
    if not row["verified"]:
        return "no"
    if row["steps"]:
        return count(row["steps"], "step")
    return "start only" if row["start"] else "nothing" if row["kind"] == "slim" else "no steps"


def _align(cells: Sequence[str], widths: Sequence[int]) -> str:
    rest = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
    return "  ".join([cells[0].ljust(widths[0]), *rest])
