"""Which paths of the fat image stay, and why (the design's table of reasons)."""

from slimtasks.selection.inputs import Inputs, Selection
from slimtasks.selection.lookups import Missing, missing
from slimtasks.selection.recipe import select

__all__ = ["Inputs", "Missing", "Selection", "missing", "select"]
