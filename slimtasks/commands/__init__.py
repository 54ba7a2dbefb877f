"""Commands of doit that change what is committed, or only answer: `doit NAME ...`, entry points `doit.COMMAND`.

Each module has the class of one command; `answering` has what those have in common that only answer. doit imports all
of them for its help, in projects of others too: they import nothing of slimtasks before they run.
"""
