"""Values as YAML's flow style has them: one line, to be put into a spec."""

from __future__ import annotations

from typing import Any


def flow(value: Any) -> str:
    """A mapping, list or string, such that the spec's loader reads just that."""
    import yaml

    text = yaml.safe_dump(
        [_literal(value)], default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf")
    )
    return str(text).strip()[1:-1]


def _literal(value: Any) -> Any:
    """The same with each `$` doubled that would be taken for a variable."""
    if isinstance(value, str):
        return value.replace("$", "$$") if "${" in value or "$$" in value else value
    if isinstance(value, dict):
        return {key: _literal(item) for key, item in value.items()}
    return [_literal(item) for item in value] if isinstance(value, (list, tuple)) else value
