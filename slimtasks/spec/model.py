"""What a valid spec says: frozen dataclasses that need neither pydantic nor yaml.

`where` ('images/nginx/image.yaml:12:7') is part of neither equality nor repr: a moved line is no change.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from slimtasks.spec.fields import (
    Age,
    Command,
    DecimalBytes,
    Exposed,
    HealthCommand,
    NotNegative,
    Number,
    Pairs,
    Parsed,
    PullPolicy,
    Seconds,
    TargetPath,
    Word,
    matching,
    spelled,
)
from slimtasks.spec.run import Run
from slimtasks.spec.scenario import Scenario
from slimtasks.spec.service import Service
from slimtasks.spec.steps import Client, Step

SHARED_LAYERS = 6  # unless the repo says otherwise: with more, less and less is left to share (design, "Layers")

Kind = Literal["slim", "base", "build"]
Variant = Literal[  # mmdebstrap(1), --variant
    "extract",
    "custom",
    "essential",
    "apt",
    "required",
    "minbase",
    "buildd",
    "important",
    "debootstrap",
    "-",
    "standard",
]
Preset = Literal["certificates", "timezones", "locales", "nss", "shell", "debug"]


@dataclass(frozen=True)
class Rule:
    """A path pattern or a package name, and where it stands ('images/nginx/image.yaml:12:7')."""

    text: Annotated[str, Parsed(matching(r"(?s).+", "a string that is not empty"))]
    where: str = field(default="", compare=False, repr=False)
    __pydantic_config__ = spelled(text="@text")


@dataclass(frozen=True)
class KeepPreset(Rule):
    """The name of a preset, and where it stands."""

    text: Preset
    __pydantic_config__ = spelled(text="@text")


@dataclass(frozen=True)
class Bootstrap:
    """A Debian tree, made by mmdebstrap."""

    suite: Word
    variant: Variant = "minbase"
    include: tuple[Word, ...] = ()
    mirror: str = ""  # empty: the bootstrap's own default
    __pydantic_config__ = spelled()


@dataclass(frozen=True)
class Secret:
    """A build secret: the content of a file, or of a variable of the caller; exactly one of both is set."""

    id: str
    file: Path | None = None
    environment: str = ""
    __pydantic_config__ = spelled(id="@id")


@dataclass(frozen=True)
class From:
    """What gets slimmed: exactly one of dockerfile, image, bootstrap is set. Host paths are absolute.

    Where a file of another tool says what, that one names it, and the file and the place in it are told as well.
    """

    dockerfile: Path | None = None
    context: Path | None = None  # with a dockerfile, never None after loading
    target: str = ""
    args: Pairs = ()  # names without a value have taken the caller's, or are left out
    secrets: tuple[Secret, ...] = ()
    ssh: tuple[Word, ...] = ()  # 'default' or 'ID=path', as buildx takes them
    cache_from: tuple[Word, ...] = ()
    image: str = ""
    pull_policy: PullPolicy = "missing"
    bootstrap: Bootstrap | None = None
    compose: Path | None = None  # the Compose file that has said so
    service: str = ""  # of that
    kubernetes: Path | None = None  # the same, of manifests
    container: str = ""
    stdout: Command = ()  # the container prints a build context
    where: str = field(default="", compare=False, repr=False)
    __pydantic_config__ = spelled(pull_policy="pull_policy")


@dataclass(frozen=True)
class Squash:
    """What a base loses before it becomes one layer."""

    remove: tuple[Rule, ...] = ()
    purge: tuple[Rule, ...] = ()
    only_packages: tuple[Rule, ...] = ()
    __pydantic_config__ = spelled()


@dataclass(frozen=True)
class Add:
    """A file or folder of the repo, and the path in the image that it becomes."""

    source: Path  # absolute host path, exists
    target: TargetPath
    retrace: bool = True  # whether a change of it traces again
    where: str = field(default="", compare=False, repr=False)
    __pydantic_config__ = spelled()


@dataclass(frozen=True)
class Also:
    """A trace from elsewhere that adds to the image's own."""

    file: Path  # absolute host path, exists
    any_image: bool = False  # whether it may be one of another image
    where: str = field(default="", compare=False, repr=False)
    __pydantic_config__ = spelled()


@dataclass(frozen=True)
class Trace:
    """How the workload is traced."""

    backend: Literal["auto", "ebpf", "notify", "strace", "fanotify", "inotify", "all"] = "auto"
    timeout: Seconds = 600.0
    allow_incomplete: bool = False
    lookups: Literal["all", "startup"] = "all"
    also: tuple[Also, ...] = ()
    __pydantic_config__ = spelled()


@dataclass(frozen=True)
class Final:
    """What the image's config says other than the fat image's; None carries over."""

    base: str = "scratch"  # or an image that the files are laid over
    builder: Literal["archive", "docker"] = "archive"
    user: str | None = None
    command: Command | None = None
    entrypoint: Command | None = None
    expose: tuple[Exposed, ...] | None = None  # '80/tcp'; replaces the fat image's
    environment: Pairs = ()  # added to the fat image's, or replacing them by name
    labels: Pairs = ()  # the same
    healthcheck: HealthCommand = None  # (): none
    variants: tuple[KeepPreset, ...] = ()  # of which each is an image of its own, see Image.variants
    __pydantic_config__ = spelled()


@dataclass(frozen=True)
class Limits:
    """Past which the image fails; None is no limit."""

    size: DecimalBytes | None = None  # of the files, uncompressed
    compressed_size: DecimalBytes | None = None  # of what push sends: layers and config
    reduction: NotNegative | None = None  # bytes of the fat image for each of the slim one, at least
    files: Number | None = None
    packages: Number | None = None  # in the bill of materials
    setuid: Number | None = None
    shells: Number | None = None
    writable_paths: Number | None = None
    age: Age | None = None  # seconds, of the oldest that it is made of
    places: Pairs = field(default=(), compare=False, repr=False)  # of each key: file:line:column
    __pydantic_config__ = spelled(places="@places")


@dataclass(frozen=True)
class Image:
    """One declared image. Paths on the host are absolute; `file` is the image.yaml or image.toml."""

    source: From  # `from` in the file
    kind: Kind = "slim"
    tags: tuple[str, ...] = ()  # with ':latest' where none was written; at least one after loading
    squash: Squash = Squash()
    add: tuple[Add, ...] = ()
    run: Run = field(default_factory=Run)
    keep: tuple[Rule, ...] = ()
    keep_packages: tuple[Rule, ...] = ()
    keep_presets: tuple[KeepPreset, ...] = ()
    drop: tuple[Rule, ...] = ()
    own: tuple[Rule, ...] = ()
    unowned: Literal["own", "traced", "all"] = "own"
    granularity: Literal["auto", "file", "package"] = "auto"
    trace: Trace = Trace()
    metadata: Literal["keep", "none"] = "keep"
    final: Final = Final()
    limits: Limits = Limits()
    workload: tuple[Step, ...] = ()
    checks: tuple[Step, ...] = ()
    scenarios: tuple[Scenario, ...] = ()  # in the order of the file
    services: tuple[Service, ...] = ()  # that it needs, each behind those that it depends on
    name: str = ""
    file: Path = Path()
    folder: Path = Path()
    references: tuple[tuple[str, str], ...] = ()  # (an image as it is written, name of the declared one), sorted
    dockerfile_images: tuple[str, ...] = ()  # that its Dockerfile names, as it writes them
    scenario: str = ""  # of which `run`, `workload` and `checks` are, see `by_scenario`
    variant: KeepPreset | None = None  # what it has besides all of the image that it is a variant of
    variant_of: str = ""  # the name of that one
    __pydantic_config__ = spelled(
        source="from",
        name="@name",
        file="@file",
        folder="@folder",
        references="@references",
        dockerfile_images="@dockerfile_images",
        scenario="@scenario",
        variant="@variant",
        variant_of="@variant_of",
    )

    @property
    def by_scenario(self) -> tuple[Image, ...]:
        """The image as each scenario starts it, with that one's `run`, `workload` and `checks`; there is always one.

        What stands at the top of the spec is the scenario without a name, the first; beside others it needs a step.
        """
        own = (replace(self, scenarios=()),) if self.steps or not self.scenarios else ()
        named = (
            replace(self, scenario=one.name, run=one.run, workload=one.workload, checks=one.checks, scenarios=())
            for one in self.scenarios
        )
        return (*own, *named)

    @property
    def variants(self) -> tuple[Image, ...]:
        """The images with more in them that `final.variants` names, for each of the image's tags a `TAG-PRESET`."""
        return tuple(map(self.with_preset, self.final.variants))

    def with_preset(self, preset: KeepPreset) -> Image:
        """The variant that has what the preset keeps, too."""
        return replace(
            self,
            name=f"{self.name}-{preset.text}",
            tags=tuple(f"{tag}-{preset.text}" for tag in self.tags),
            final=replace(self.final, variants=()),
            limits=Limits(reduction=0),
            variant=preset,
            variant_of=self.name,
        )

    @property
    def known_as(self) -> str:
        """The name by which other containers find it."""
        return self.variant_of or self.name

    @property
    def network_names(self) -> tuple[str, ...]:
        """All of them; in Compose, others know it by its service's name."""
        names = (self.known_as, self.source.service, *self.run.aliases)
        return tuple(dict.fromkeys(filter(None, names)))

    def all_steps(self, *, checks: bool) -> tuple[Step, ...]:
        """Those of every scenario's workload, with `checks` those too."""
        return tuple(step for one in self.by_scenario for step in (one.steps if checks else one.workload))

    @property
    def steps(self) -> tuple[Step, ...]:
        """All that the slim image has to pass in this scenario."""
        rest = tuple(step for step in self.workload if not step.last)
        return (*rest, *self.checks, *self.workload[len(rest) :])

    @property
    def printer(self) -> str:
        """The declared image whose container prints what this one is made of (from.stdout); empty for none."""
        printers = (name for written, name in self.references if written == self.source.image)
        return next(printers, "") if self.source.stdout else ""

    @property
    def bases(self) -> tuple[str, ...]:
        """The images that it is made of, as the spec or its Dockerfile writes them, sorted."""
        named = {self.source.image, self.final.base, *self.dockerfile_images}
        return tuple(sorted(named - {"", "scratch"}))

    @property
    def foreign(self) -> tuple[str, ...]:
        """Those of them that are not declared in this repo."""
        declared = {written for written, _ in self.references}
        return tuple(name for name in self.bases if name not in declared)

    @property
    def never_pulled(self) -> frozenset[str]:
        """The images that are taken only as the engine has them (`pull_policy: never`), as the spec writes them.

        Of clients, those of this scenario, or of all.
        """
        actions = (step.action for step in self.all_steps(checks=True))
        clients = (action for action in actions if isinstance(action, Client))
        named: tuple[From | Service | Client, ...] = (self.source, *self.services, *clients)
        return frozenset(one.image for one in named if one.pull_policy == "never")

    @property
    def depends(self) -> tuple[str, ...]:
        """Names of the declared images that this one uses, sorted."""
        return tuple(sorted({name for _, name in self.references}))


@dataclass(frozen=True)
class Repo:
    """All images of a checkout, sorted by name, and what [tool.slimtasks] says of them."""

    root: Path
    images: tuple[Image, ...] = ()
    default: tuple[str, ...] = ()  # names of the images that a plain `doit` builds; all unless said
    notes: tuple[str, ...] = ()  # what is not wrong, but worth a line
    shared_layers: int = SHARED_LAYERS  # that an image may have

    def image(self, name: str) -> Image:
        """The image of that name; KeyError where there is none."""
        for image in self.images:
            if image.name == name:
                return image
        raise KeyError(name)
