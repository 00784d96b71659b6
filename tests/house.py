"""The rules of the house, as readers of its sources: each answers with what breaks it."""

from __future__ import annotations

import ast
import configparser
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

# Each folder of the library, and the package it is.
FOLDERS = {"seqpipe": "seqpipe", "components": "seqpipe.components", "corpora": "seqpipe.corpora"}

# From the ground up: what a room may import besides itself. A room that is not here does not exist.
GROUND = frozenset({"errors", "files", "heap"})
CORE = GROUND | {"text", "nets", "search", "train", "held", "bridge", "onnx", "models"}
CORE |= {"pipelines", "repositories"}
MAY_IMPORT = {
    "errors": frozenset(),
    "files": frozenset({"errors"}),
    "heap": frozenset(),
    "text": GROUND,
    "nets": GROUND,
    "search": GROUND | {"nets"},
    "train": GROUND | {"text", "nets", "search"},
    # The one learner is driven from here too, by what spaCy calls.
    "bridge": GROUND | {"text", "nets", "search", "train", "held"},
    "held": GROUND | {"text"},
    "onnx": GROUND | {"text", "held", "search"},
    "models": GROUND | {"held", "bridge", "onnx"},
    "repositories": GROUND,
    "pipelines": GROUND | {"models", "repositories"},
    # Its documents come from there.
    "annotation": CORE | {"corpora"},
    "explain": CORE,
    "hub": CORE,
    "components": CORE,
    "corpora": GROUND | {"text"},
    "cli": CORE | {"annotation", "explain", "hub", "components", "corpora"},
    "spacy_command": frozenset({"__main__"}),
    # seqpipe/__init__.py, which hands out the public names, and seqpipe/__main__.py.
    "__init__": CORE | {"annotation", "explain", "hub"},
    "__main__": GROUND | {"cli"},
}
# What stages may take from beside them; one of the other they know nothing.
SHARED = {
    "_as_tokenizer",
    "_beginning",
    "_certainty",
    "_classifier",
    "_codec_recipe",
    "_confidence",
    "_earlier",
    "_encoder_decoder",
    "_known",
    "_label_scores",
    "_lookup",
    "_memory",
    "_mindful",
    "_polarity",
    "_protection",
    "_recut",
    "_remembering",
    "_reminding",
    "_search",
    "_segments",
    "_sides",
    "_stage",
    "_surprisal",
    "_tagger",
    "_text_memory",
    "_text_stream",
    "_translation",
    "_trust",
    "_trusting",
    "_units",
    "_writing",
    "raw_text",
}
FOREIGN_TO = {
    "errors": {"spacy", "thinc", "torch", "tokenizers", "numpy"},
    "files": {"spacy", "thinc", "torch", "tokenizers", "numpy"},
    "heap": {"spacy", "thinc", "torch", "tokenizers", "numpy"},
    "text": {"spacy", "thinc"},
    "nets": {"spacy", "thinc", "tokenizers"},
    "search": {"spacy", "thinc", "tokenizers"},
    # What runs without torch.
    "held": {"spacy", "onnx", "onnxruntime"},
    "onnx": {"spacy", "thinc", "torch", "tokenizers"},
}
BARE = {"components", "corpora"}
# The page of `text` that fills a tensor; all others do without torch.
TENSORS = {"seqpipe.text.vectors"}
UNPICKLERS = {"pickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
UNPICKLING = {"torch.load", "torch.jit.load", "torch.serialization.load", "pandas.read_pickle"}
OURS = {"test", "dev"}  # extras of those who work on the library; it imports nothing of them
LONGEST_FUNCTION = 60
LONGEST_FILE = 400


@dataclass(frozen=True, slots=True)
class Module:
    name: str
    path: Path
    tree: ast.Module

    @property
    def room(self) -> str:
        """The first name below `seqpipe`; the package's own `__init__` is a room of its own."""
        return self.name.split(".")[1] if "." in self.name else "__init__"

    @property
    def package(self) -> str:
        """What a relative import starts from."""
        return self.name if self.path.stem == "__init__" else self.name.rpartition(".")[0]

    def at(self, line: int, message: str) -> str:
        return f"{self.name}:{line} {message}"


@dataclass(frozen=True, slots=True)
class Import:
    target: str
    line: int


def library(root: Path) -> list[Module]:
    found = []
    for folder, package in FOLDERS.items():
        for path in sorted((root / folder).rglob("*.py")):
            parts = [package, *path.relative_to(root / folder).with_suffix("").parts]
            name = ".".join(part for part in parts if part != "__init__")
            found.append(Module(name, path, ast.parse(path.read_text(encoding="utf-8"))))
    return found


def imports(module: Module) -> Iterator[Import]:
    """Every import, at the top or in a function; `from a import b` may mean the module `a.b`."""
    for node in ast.walk(module.tree):
        match node:
            case ast.Import():
                yield from (Import(alias.name, node.lineno) for alias in node.names)
            case ast.ImportFrom():
                home = resolved(module, node)
                yield from (Import(f"{home}.{alias.name}", node.lineno) for alias in node.names)
            case ast.Call(args=[ast.Constant(value=str(target)), *_]) if ast.unparse(
                node.func
            ).endswith(("import_module", "__import__")):
                yield Import(target, node.lineno)


def resolved(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    home = module.package.split(".")
    home = home[: len(home) - node.level + 1]
    return ".".join([*home, *([node.module] if node.module else [])])


def points_up(module: Module) -> Iterator[str]:
    if module.room not in MAY_IMPORT:
        yield module.at(1, f"stands in {module.room!r}, a room that the house does not have")
        return
    for found in imports(module):
        top, _, rest = found.target.partition(".")
        room = rest.split(".")[0]
        if top != "seqpipe" or rest in ("", "__version__"):
            continue
        if room not in MAY_IMPORT:
            yield module.at(found.line, f"takes {found.target} from the front: go to its home")
        elif room == module.room == "components":
            if not SHARED & {*rest.split(".")[1:2]}:
                yield module.at(found.line, f"imports the sibling {found.target}")
        elif room not in MAY_IMPORT[module.room] | {module.room}:
            yield module.at(found.line, f"imports {found.target}, which does not lie below it")


def knows_strangers(module: Module) -> Iterator[str]:
    strangers = FOREIGN_TO.get(module.room, set())
    if module.room == "text" and module.name not in TENSORS:
        strangers = strangers | {"torch"}
    for found in imports(module):
        if found.target.split(".")[0] in strangers:
            yield module.at(found.line, f"imports {found.target}, foreign to {module.room}")


def imports_bare(module: Module) -> Iterator[str]:
    for found in imports(module):
        if found.target.split(".")[0] in BARE:
            yield module.at(found.line, f"imports {found.target} bare: put seqpipe. before it")


def unpickles(module: Module) -> Iterator[str]:
    bound: dict[str, str] = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            bound |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            home = resolved(module, node)
            bound |= {alias.asname or alias.name: f"{home}.{alias.name}" for alias in node.names}
    for found in imports(module):
        if found.target.split(".")[0] in UNPICKLERS or found.target in UNPICKLING:
            yield module.at(found.line, f"imports {found.target}: nothing is ever unpickled")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute):
            head, _, tail = ast.unparse(node).partition(".")
            if f"{bound.get(head, head)}.{tail}" in UNPICKLING:
                yield module.at(node.lineno, f"uses {head}.{tail}: nothing is ever unpickled")
        elif isinstance(node, ast.keyword) and ast.unparse(node) == "allow_pickle=True":
            yield module.at(node.value.lineno, "allows pickle: nothing is ever unpickled")


def runs_long(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LONGEST_FUNCTION:
                yield module.at(node.lineno, f"{node.name} has {lines} lines")
    lines = len(module.path.read_text(encoding="utf-8").splitlines())
    if lines > LONGEST_FILE:
        yield module.at(1, f"has {lines} lines")


def is_an_attic(module: Module) -> Iterator[str]:
    if module.path.stem in ("util", "utils", "helpers", "misc", "common"):
        yield module.at(1, "is named for nothing: give each noun its page")


RULES: list[Callable[[Module], Iterator[str]]] = [
    points_up,
    knows_strangers,
    imports_bare,
    unpickles,
    runs_long,
    is_an_attic,
]


def violations(root: Path) -> list[str]:
    return [found for module in library(root) for rule in RULES for found in rule(module)]


def settings(root: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    # Entry points are spelled with capitals.
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(root / "setup.cfg", encoding="utf-8")
    return parser


def listed(root: Path, section: str, option: str) -> list[str]:
    return settings(root).get(section, option, fallback="").split()


def disk(root: Path) -> dict[str, Path]:
    """Every file of the library by the path it has in the wheel."""
    return {
        "/".join([*package.split("."), *path.relative_to(root / folder).parts]): path
        for folder, package in FOLDERS.items()
        for path in sorted((root / folder).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def left_out(root: Path) -> list[str]:
    """Packages and data that setup.cfg would leave out of a wheel, or lists without having them."""
    files = disk(root)
    packages = set(listed(root, "options", "packages"))
    there = {name.rpartition("/")[0].replace("/", ".") for name in files if name.endswith(".py")}
    found = [f"setup.cfg does not list the package {name}" for name in sorted(there - packages)]
    found += [f"setup.cfg lists {name}, which is not there" for name in sorted(packages - there)]
    for package in sorted(there):
        if f"{package.replace('.', '/')}/__init__.py" not in files:
            found.append(f"{package} has no __init__.py")
    folders = {package: folder for folder, package in FOLDERS.items()}
    shipped = {
        path
        for package, folder in folders.items()
        for pattern in listed(root, "options.package_data", package)
        for path in (root / folder).glob(pattern)
    }
    data = {name: path for name, path in files.items() if path.suffix != ".py"}
    found += [f"package_data leaves out {n}" for n, path in data.items() if path not in shipped]
    return found


def undeclared(root: Path) -> list[str]:
    """What the library imports without asking for it, of everybody or as an extra."""
    declared = settings(root).get("options", "install_requires").strip().splitlines()
    extras = settings(root).items("options.extras_require")
    declared += [line for name, lines in extras if name not in OURS for line in lines.split("\n")]
    known = {re.split(r"[^\w-]", line, maxsplit=1)[0].replace("-", "_") for line in declared}
    known |= {"seqpipe", *sys.stdlib_module_names}
    return [
        module.at(found.line, f"imports {found.target}, which setup.cfg does not require")
        for module in library(root)
        for found in imports(module)
        if found.target.split(".")[0] not in known
    ]


def entry_points(root: Path) -> dict[str, dict[str, str]]:
    """Group, name, and the object meant."""
    section = settings(root)["options.entry_points"]
    return {
        group: dict(line.split(" = ") for line in section[group].strip().splitlines())
        for group in section
    }
