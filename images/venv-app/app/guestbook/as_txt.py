"""Nobody asks for it in the workload."""

import textwrap


def written(entries, width="70"):
    return textwrap.fill(", ".join(entry["name"] for entry in entries), int(width))
