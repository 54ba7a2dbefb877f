"""doit verify-reproducible: makes an image once more, and compares."""

from __future__ import annotations

from slimtasks.commands.named import RunNamed


class VerifyReproducible(RunNamed):
    """Runs the task behind the command, and those that it needs."""

    name = "verify-reproducible"
    named = "a slim image"
    doc_purpose = "make NAME once more from its trace under other circumstances, and say whether the same comes out"
    doc_description = (
        "Selects, packs and writes the image again: in another folder and with another umask, locale, time zone and "
        "hash seed. Nothing is traced for it, and nothing of it stays. Ends with 1 where config, manifest or layers "
        "have other digests than in build/NAME, and says which paths and fields differ."
    )
