"""doit lock: writes images/NAME/trace.lock.jsonl."""

from __future__ import annotations

from slimtasks.commands.named import RunNamed


class Lock(RunNamed):
    """Runs the task behind the command, and those that it needs."""

    named = "an image that is traced"
    doc_purpose = "write images/NAME/trace.lock.jsonl, to be committed: with it, NAME is not traced any more"
    doc_description = (
        "Traces the image as it is now, unless the same was traced before, whatever its lock says. "
        "Without that file, it is traced whenever something changes that the trace depends on."
    )
