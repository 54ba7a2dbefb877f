"""doit update: fetches newer packages, and makes anew what follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from doit.cmd_run import Run
from doit.exceptions import InvalidCommand

from slimtasks.commands.named import RunNamed
from slimtasks.spec.suggest import choice


class Update(Run):  # type: ignore[misc]  # doit has no types
    """For each image, lowest first, runs `_update:NAME` and its own tasks; then `_changes:NAME`."""

    doc_purpose = "fetch newer packages and images, make anew what follows, and say which packages changed"
    doc_usage = "[NAME...]"
    doc_description = (
        "Bootstraps anew, pulls images of registries, and builds Dockerfiles without cache: for each NAME (without "
        "one, for what a plain `doit` builds), for all that it is made of, and for its services and `client` steps. An "
        "images/NAME/packages.lock is written anew. Images that were built before and use a NAME are made anew, too. "
        "Where something cannot be fetched, what is made of it stays as it was."
    )
    sel_tasks: list[str]
    cmd_options: ClassVar[tuple[dict[str, Any], ...]] = RunNamed.cmd_options

    def _execute(self, outfile: Any, verbosity: Any, reporter: Any, pos_args: list[str]) -> int:
        tasks = {task.name.partition(":")[2]: task for task in self.task_list if task.name.startswith("_update:")}
        for name in pos_args:
            if name not in tasks:
                raise InvalidCommand(f"update: no image is called {name}; {choice(tasks, name)}")
        named = [name for name in self.sel_tasks if name in tasks]  # without arguments, doit's defaults
        below = {name: tuple(_below(tasks, name)) for name in tasks}
        fetched = list(dict.fromkeys(one for name in named for one in (*below[name], name)))
        following = [name for name, task in tasks.items() if task.meta["built"] and set(below[name]) & set(named)]
        shown = dict.fromkeys((*fetched, *following))
        self.sel_tasks = [task for name in fetched for task in (f"_update:{name}", name)]
        self.sel_tasks += [*following, *(f"_changes:{name}" for name in shown), "report"]
        return int(super()._execute(outfile, verbosity, continue_=True, reporter=reporter))


def _below(tasks: Mapping[str, Any], name: str) -> Iterator[str]:
    """What an image is made of or tried with, lowest first."""
    for below in tasks[name].meta["uses"]:
        yield from _below(tasks, below)
        yield below
