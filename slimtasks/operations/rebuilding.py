"""What `doit verify-reproducible` runs in a process of its own: a slim image once more, from its trace on.

python -m slimtasks.operations.rebuilding ROOT FOLDER NAME HIDDEN: FOLDER stands for build/; HIDDEN is a JSON object of
those variables of the caller that have another value here, null where he has none: what the spec asks for stays the
same.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from slimtasks.assembly.finish import write
from slimtasks.assembly.packed import read_packed
from slimtasks.engine.client import Engine
from slimtasks.errors import EngineError, SlimError, of_system
from slimtasks.interrupt import install
from slimtasks.job import Job
from slimtasks.session import Session
from slimtasks.stages import layers, select
from slimtasks.workspace import Workspace


def rebuild(engine: Engine, folder: Path, name: str, environ: Mapping[str, str]) -> None:
    """Writes below `folder` all that select and layers write, and image.tar, which no engine gets.

    A variant is made together with what it is a variant of.
    """
    root = engine.checkout
    images = Session(root, environ, _silent).by_name
    for one in filter(None, (images[name].variant_of, name)):
        job = Job(images[one], images, Workspace(root, folder), engine, environ, _silent, _silent)
        select.run(job)
        layers.run(job)
    packed = read_packed(job)
    write(job, packed.config, packed.layers, packed.below)


def _silent(line: str) -> None:
    """All was said when the image was made first."""


def main(arguments: list[str]) -> None:
    """Ends with 1, and the cause on stderr, where it fails."""
    install()
    os.umask(0o022 if os.umask(0o077) == 0o077 else 0o077)
    root, folder, name, hidden = arguments
    known = {**os.environ, **json.loads(hidden)}
    environ = {key: value for key, value in known.items() if value is not None}
    engine = Engine(Path(root), environ)
    try:
        rebuild(engine, Path(folder), name, environ)
    except SlimError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(str(of_system(error)))
    finally:
        with suppress(EngineError):
            engine.release()


if __name__ == "__main__":
    main(sys.argv[1:])
