"""What kept files need in order to run: libraries, loaders, interpreters."""

from __future__ import annotations

import re
from collections.abc import Iterator

from slimtasks.ldso import Candidate, Loaded, plain_directory
from slimtasks.records import Elf, Entry, ImagePath, Reason
from slimtasks.rootfs import join, parent
from slimtasks.selection.image import FatImage
from slimtasks.selection.kept import Kept
from slimtasks.selection.rules import quoted

Chain = tuple[Loaded, ...]

# Marks of CPUs in the names of libraries that a program chooses from by itself.
_CPU = re.compile(
    r"(?<=[-_.])(?:haswell|broadwell|skylakex?|icelake|cascadelake|cooperlake|sapphirerapids|alderlake|sandybridge"
    r"|nehalem|westmere|zen\d?|core2|avx(?:2|512\w*|_vnni)?|sse\d?(?:[._]\d)?|fma\d?|neon|sve\d?|amx\w*"
    r"|x86-64-v\d|armv\d[\w.]*|x64|generic|baseline|dynamic)(?=[-_.])"
)


class Closure:
    """Follows every kept file once; `run` again after more was kept."""

    def __init__(self, image: FatImage, kept: Kept, errors: list[str]) -> None:
        self.image = image
        self.kept = kept
        self.errors = errors
        self.unresolved: dict[str, list[ImagePath]] = {}  # library -> who needs it
        self._seen: set[tuple[object, ...]] = set()
        self._linked: set[ImagePath] = set()  # libraries reached from a program
        self._programs: list[Loaded] = []  # with an RPATH, which what they dlopen inherits

    def run(self) -> None:
        while self.kept.fresh:
            entries, self.kept.fresh = sorted(self.kept.fresh, key=lambda entry: entry.path), []
            libraries = []
            for entry in entries:
                elf = self.image.tree.elf(entry)
                if elf is None:
                    self._keep_script_interpreter(entry)
                elif elf.interpreter:
                    self._follow_program(entry, elf)
                else:
                    libraries.append((entry, elf))
            for entry, elf in libraries:
                self._follow_library(entry, elf)

    def _follow_program(self, entry: Entry, elf: Elf) -> None:
        reason = Reason("needed", f"ELF interpreter of {entry.path}", entry.path)
        walk = self.kept.follow(elf.interpreter, reason)
        if walk.final is None:
            self.unresolved.setdefault(elf.interpreter, []).append(entry.path)
        else:
            places = (ImagePath(elf.interpreter), *walk.passed, walk.final.path)
            self._check_dropped(places, entry.path, "its ELF interpreter")
        program = Loaded(entry.path, elf)
        if elf.rpath or elf.runpath:
            self._programs.append(program)
        self._follow_needed((program,))

    def _follow_library(self, entry: Entry, elf: Elf) -> None:
        """A library that was not reached from a program: opened with dlopen, or just kept."""
        self._keep_siblings(entry)
        if entry.path not in self._linked:
            self._follow_needed((Loaded(entry.path, elf),))

    def _follow_needed(self, start: Chain) -> None:
        """The NEEDED closure: each object once for each RPATH that it may inherit."""
        stack = [start]
        while stack:
            chain = stack.pop()
            loaders = (loaded for loaded in chain[1:] if loaded.elf.rpath or loaded.elf.runpath)
            inherited = tuple((parent(loaded.path), loaded.elf.rpath, loaded.elf.runpath) for loaded in loaders)
            key = (chain[0].path, inherited, chain[-1].elf.interpreter)
            if key in self._seen:
                continue
            self._seen.add(key)
            for name in chain[0].elf.needed:
                for candidate in self._find(name, chain):
                    stack += self._keep_candidate(candidate, name, chain)

    def _find(self, name: str, chain: Chain) -> tuple[Candidate, ...]:
        found = self.image.search.find(name, chain)
        if not found and not chain[-1].elf.interpreter:
            for program in self._programs:
                found = self.image.search.find(name, (*chain, program))
                if found:
                    break
        if not found and name not in {path.rpartition("/")[2] for path in self.image.added}:
            self.unresolved.setdefault(name, []).append(chain[0].path)
        if any(candidate.everywhere for candidate in found):
            self._check_candidates(found, name, chain[0].path)
        return found

    def _check_candidates(self, found: tuple[Candidate, ...], name: str, requester: ImagePath) -> None:
        for candidate in found:
            if candidate.everywhere:
                walk = self.image.tree.walk(candidate.path)
                if walk.final is not None:
                    self._check_dropped((candidate.path, *walk.passed, walk.final.path), requester, name)

    def _check_dropped(self, places: tuple[ImagePath, ...], requester: ImagePath, role: str) -> None:
        """It is an error to drop what a kept ELF file needs, unless the base has it."""
        for place in places:
            rule = self.kept.dropped.get(place)
            if rule is None or requester not in self.kept:
                continue
            error = f"{quoted('drop', rule)} takes {place}, which {requester} needs as {role}"
            in_base = self.image.base is not None and self.image.base.walk(place).final is not None
            if error not in self.errors and not in_base:
                self.errors.append(error)
            return

    def _keep_candidate(self, candidate: Candidate, name: str, chain: Chain) -> Iterator[Chain]:
        walk = self.kept.follow(candidate.path, Reason("needed", f"by {chain[0].path} as {name}", chain[0].path))
        elf = self.image.tree.elf(walk.final)
        if walk.final is not None and elf is not None and walk.final.path in self.kept:
            self._linked.add(walk.final.path)
            yield (Loaded(candidate.path, elf), *chain)

    def _keep_siblings(self, entry: Entry) -> None:
        """What another CPU would take in the place of this library."""
        tree = self.image.tree
        reason = Reason("needed", f"another CPU takes it instead of {entry.path}", entry.path)
        directory, _, name = entry.path.rpartition("/")
        plain = plain_directory(directory)
        for place in (plain, *self.image.search.hardware_directories(plain)):
            if place != directory:
                self.kept.follow(join(place, name), reason)
        key = _CPU.sub("*", name)
        if key != name:
            for sibling in tree.children(directory):
                if _CPU.sub("*", sibling.rpartition("/")[2]) == key:
                    self.kept.follow(sibling, reason)

    def _keep_script_interpreter(self, entry: Entry) -> None:
        """What `#!` names; behind env, the command that PATH finds. A script that the run only read was data to it."""
        words = entry.script.split()
        if not words or not words[0].startswith("/"):
            return
        if entry.path not in self.image.executed and not self._may_be_run(entry):
            return
        reason = Reason("needed", f"#! of {entry.path}", entry.path)
        self.kept.follow(words[0], reason)
        command = _env_command(words) if words[0].endswith("/env") else ""
        if command.startswith("/"):
            self.kept.follow(command, reason)
        elif command:
            for place in self.image.command_places(command):
                walk = self.kept.follow(place, reason)
                if walk.final is not None and walk.final.type == "file":
                    break

    def _may_be_run(self, entry: Entry) -> bool:
        """Not what was only read, and of a package that stays whole only its commands."""
        kinds = self.kept.kinds(entry.path) - {"traced", "asked"}
        return bool(kinds - {"package"}) or (bool(kinds) and parent(entry.path) in self.image.command_directories)


def _env_command(words: list[str]) -> str:
    """The command of `env [-S] [options] [NAME=value] command`."""
    rest = iter(words[1:])
    for word in rest:
        if word in ("-u", "--unset", "-C", "--chdir"):
            next(rest, "")
        elif word.startswith("-S") and len(word) > 2:
            return word[2:]
        elif not word.startswith("-") and "=" not in word:
            return word
    return ""


def unresolved_notes(closure: Closure) -> list[str]:
    """Libraries that ld.so finds nowhere in the fat image either, the ten that are needed most.

    One that stays is no such case wherever it is: once a program has opened it by its path, its SONAME is enough.
    """
    elves = (closure.image.tree.elf(closure.image.tree.lookup(path)) for path in closure.kept)
    loadable = {elf.soname for elf in elves if elf is not None}
    unresolved = ((name, by) for name, by in closure.unresolved.items() if name not in loadable)
    by_need = sorted(unresolved, key=lambda item: (-len(item[1]), item[0]))
    notes = []
    for name, needed_by in by_need[:10]:
        more = f" and {len(needed_by) - 1} more" if len(needed_by) > 1 else ""
        notes.append(f"the fat image has no {name}, which {min(needed_by)}{more} needs")
    if len(by_need) > 10:
        notes.append(f"the fat image has none of {len(by_need) - 10} more libraries that kept files need")
    return notes
