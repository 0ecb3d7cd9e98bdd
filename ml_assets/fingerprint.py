"""What was something made from? Hashes that change when that changes, and only then.

`source_hash` answers for code: it reads the functions and classes that it is given, and whatever
of the same package they use in turn. Comments, docstrings, formatting and the annotations of
functions do not count. Annotations in a class do, and where another package reads them, as in
contracts, so does what they name.
`fingerprint` answers for values. What is done about a changed hash is decided elsewhere.

What cannot be followed: a function that arrives as an argument, and a name made up at run time
(`getattr(module, name)`). Other packages count by their version, see `library_versions`; this
module does not count, since it makes nothing. A module's constants are read as they are when asked,
so what is filled while running belongs into `functools.cache`, not into a global.
"""

import ast
import datetime as dt
import dis
import enum
import functools
import hashlib
import importlib.util
import json
import linecache
import platform
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from functools import singledispatch
from importlib import metadata
from pathlib import PurePath
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple
from uuid import UUID

HEX_DIGITS = 32
OWN_PACKAGE = __name__.partition(".")[0]
MISSING = object()
GENERATED = "<string>"
"""Where Python says that the methods of a dataclass are from."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
Chain = tuple[str, ...]


def source_hash(*objects: Callable[..., object] | type) -> str:
    """Hash of the source of `objects` and of everything of their own packages that they use.

    Followed are globals, closures, defaults, decorators, base classes, methods, partials,
    attributes of modules, and imports inside functions. Constants count by value.

    Args:
        objects: Functions, classes, partials or bound methods; their order does not matter.

    Returns:
        32 hexadecimal digits, the same in every process.
    """
    reader = _Reader({OWN_PACKAGE, *(_package(_module_of(each)) for each in objects)})
    for each in objects:
        reader.read(each)
    return _digest(sorted(reader.pages()))


def fingerprint(**parts: object) -> str:
    """Hash of named values; mappings and sets count without their order.

    Returns:
        32 hexadecimal digits, the same in every process.

    Raises:
        TypeError: If a part holds something that is not a value, such as a function.

    Example:
        >>> fingerprint(a=1, b=[1, 2]) == fingerprint(b=[1, 2], a=1)
        True
        >>> fingerprint(a="b,c") == fingerprint(a=["b", "c"])
        False
    """
    return _digest(canonical(parts, _Form(kind=_name_of, other=_refuse, ordered=False)))


def library_versions(*names: str) -> dict[str, str]:
    """Return the installed version of each library; "python" is the interpreter's own."""
    return {
        name: platform.python_version() if name == "python" else _version(name)
        for name in sorted(names)
    }


@functools.cache
def _version(name: str) -> str:
    return metadata.version(name)


@dataclass(frozen=True, kw_only=True)
class _Form:
    """How values become JSON: what to do about other objects, and whether mappings have order."""

    kind: Callable[[type], object]
    other: Callable[[object], object]
    ordered: bool


@singledispatch
def canonical(value: object, form: _Form) -> object:
    """Turn a value into JSON that is the same in every process."""
    if isinstance(value, type):
        return form.other(value)
    if is_dataclass(value):
        members = {field.name: getattr(value, field.name) for field in fields(value)}
        return [form.kind(type(value)), canonical(members, form)]
    if hasattr(value, "model_fields_set"):
        members = {name: getattr(value, name) for name in type(value).model_fields}  # type: ignore[attr-defined]
        return [form.kind(type(value)), canonical(members, form)]
    if type(value).__module__.startswith("pandas") and hasattr(value, "to_dict"):
        return canonical(value.to_dict(), form)
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return [str(value.dtype), canonical(value.tolist(), form)]  # type: ignore[attr-defined]
    return form.other(value)


@canonical.register(str)
@canonical.register(int)
@canonical.register(float)
@canonical.register(type(None))
def _scalar(value: object, _form: _Form) -> object:
    return value


@canonical.register
def _enum(value: enum.Enum, form: _Form) -> object:
    return [form.kind(type(value)), value.name]


@canonical.register(bytes)
@canonical.register(complex)
@canonical.register(range)
@canonical.register(slice)
@canonical.register(type(Ellipsis))
@canonical.register(Decimal)
@canonical.register(UUID)
@canonical.register(PurePath)
@canonical.register(dt.date)
@canonical.register(dt.time)
@canonical.register(dt.timedelta)
@canonical.register(dt.tzinfo)
def _printed(value: object, _form: _Form) -> object:
    return [type(value).__name__, str(value)]


@canonical.register
def _pattern(value: re.Pattern, _form: _Form) -> object:  # type: ignore[type-arg]
    return ["pattern", str(value.pattern), value.flags]


@canonical.register(list)
@canonical.register(tuple)
def _sequence(value: Iterable[object], form: _Form) -> object:
    kind = form.kind(type(value)) if hasattr(value, "_fields") else "list"
    return [kind, *(canonical(each, form) for each in value)]


@canonical.register(set)
@canonical.register(frozenset)
def _set(value: Iterable[object], form: _Form) -> object:
    return ["set", *sorted((canonical(each, form) for each in value), key=_json)]


@canonical.register(Mapping)
def _mapping(value: Mapping[object, object], form: _Form) -> object:
    pairs = [[canonical(key, form), canonical(each, form)] for key, each in value.items()]
    return ["map", *(pairs if form.ordered else sorted(pairs, key=_json))]


def _refuse(value: object) -> object:
    raise TypeError(
        f"A fingerprint is made of values; {type(value).__name__} is none: {value!r}"
    )


class _Reader:
    """Reads objects and what they use, each once, and keeps one page about each."""

    def __init__(self, packages: set[str]) -> None:
        self._packages = packages
        self._form = _Form(kind=self.read, other=self._describe, ordered=True)
        self._pages: dict[int, tuple[str, object]] = {}
        self._read: dict[int, object] = {}
        self._constants: dict[str, tuple[str, object]] = {}
        self._instances: dict[int, object] = {}

    def pages(self) -> Iterator[str]:
        """What was read, as JSON."""
        yield from (_json(page) for page in [*self._pages.values(), *self._constants.values()])

    def read(self, value: object) -> object:
        """Read `value` and what it uses; returns what stands for it where it is used."""
        return canonical(value, self._form)

    def _describe(self, value: object) -> object:
        """Describe what is no plain value."""
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, ModuleType):
            return self._module(value)
        parts = _parts(value)
        return [type(value).__name__, self.read(parts)] if parts else self._instance(value)

    def _owns(self, module: str | None) -> bool:
        return _package(module) in self._packages and module != __name__

    def _once(self, value: object) -> bool:
        """Whether `value` is met for the first time; it is kept, so that its id stays its own."""
        first = id(value) not in self._read
        self._read[id(value)] = value
        return first

    def _function(self, function: FunctionType) -> object:
        name = f"{function.__module__}.{function.__qualname__}"
        wrapped = getattr(function, "__wrapped__", None)
        registry = getattr(function, "registry", None)
        if not self._owns(function.__globals__.get("__name__")):
            return ["function", name, self.read(wrapped), self._overloads(registry)]
        if self._once(function):
            source = _source_of(function.__code__)
            page = [source.text, self._closure(function), self._defaults(function)]
            self._pages[id(function)] = (name, page)
            self._chains(function.__globals__, source.chains)
        return ["function", *self._pages.get(id(function), (name,))]

    def _overloads(self, registry: object) -> object:
        """Read the implementations of a `singledispatch` function."""
        if not isinstance(registry, Mapping):
            return None
        return sorted(
            _json([_name_of(kind), self.read(made)]) for kind, made in registry.items()
        )

    def _closure(self, function: FunctionType) -> object:
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        return [[name, self.read(_cell_contents(cell))] for name, cell in cells]

    def _defaults(self, function: FunctionType) -> object:
        return [self.read(function.__defaults__), self.read(function.__kwdefaults__)]

    def _class(self, kind: type) -> object:
        name = _name_of(kind)
        if self._owns(kind.__module__) and self._once(kind):
            home = sys.modules[kind.__module__]
            source = _source_of_class(kind, _page_of(home))
            self._pages[id(kind)] = (name, source.text)
            self._chains(vars(home), source.chains)
            for part in (*kind.__bases__, *_methods(kind)):
                self.read(part)
        return ["class", name]

    def _module(self, module: ModuleType) -> object:
        """Read a whole module, used as a value: everything that is defined in it."""
        if self._owns(module.__name__) and self._once(module):
            names = [name for name in vars(module) if not name.startswith("__")]
            self._chains(vars(module), ((name,) for name in names))
        return ["module", module.__name__]

    def _instance(self, value: object) -> object:
        kind = type(value)
        if not self._owns(kind.__module__):
            return ["object", _name_of(kind), self.read(getattr(value, "__qualname__", None))]
        if self._once(value):
            self._instances[id(value)] = "being read"
            self._instances[id(value)] = [self.read(kind), self.read(_state(value))]
        return ["object", self._instances[id(value)]]

    def _chains(self, scope: dict[str, Any], chains: Iterable[Chain]) -> None:
        """Read what dotted names stand for, in the globals of a module."""
        for chain in chains:
            if chain[0] == IMPORTED:
                self._import(*chain[1:])
            elif chain[0] in scope:
                self._named(scope["__name__"], chain[0], scope[chain[0]], chain[1:])

    def _import(self, module: str, *names: str) -> None:
        """Read what a function imports when it runs."""
        if not self._owns(module):
            return
        home = importlib.import_module(module)
        for name in names:
            found = getattr(home, name, MISSING)
            if found is MISSING:
                found = importlib.import_module(f"{module}.{name}")
            self._named(module, name, found, ())
        if not names:
            self.read(home)

    def _named(self, module: str, name: str, value: object, attributes: Chain) -> None:
        """Read `module.name`, and the attributes after it while they lead through modules."""
        for attribute in attributes:
            if not (isinstance(value, ModuleType) and self._owns(value.__name__)):
                break
            module, name = value.__name__, attribute
            value = getattr(value, attribute, MISSING)
        label = f"{module}.{name}"
        if isinstance(value, FunctionType | type | ModuleType):
            self.read(value)
        elif value is not MISSING and label not in self._constants:
            self._constants[label] = (label, "being read")
            self._constants[label] = (
                label,
                [self.read(value), self._assignment(module, name, value)],
            )

    def _assignment(self, module: str, name: str, value: object) -> object:
        """For an object of another package: how it was made, since it cannot say so itself."""
        if self._owns(type(value).__module__) or type(value).__module__ in PLAIN_MODULES:
            return None
        source = _source_of_assignment(module, name)
        self._chains(vars(sys.modules[module]), source.chains)
        return source.text


PLAIN_MODULES = {
    "builtins",
    "datetime",
    "decimal",
    "functools",
    "numpy",
    "pathlib",
    "re",
    "types",
    "uuid",
}
IMPORTED = "<imported>"


class _Source(NamedTuple):
    """The source of one definition: its canonical text, and the dotted names that it uses."""

    text: str
    chains: tuple[Chain, ...]


_sources: dict[tuple[str, CodeType], _Source] = {}


def _source_of(code: CodeType) -> _Source:
    """Return the source of loaded code; where there is none that matches, its instructions."""
    key = (code.co_filename, code)
    if key not in _sources:
        nodes = _definitions(code)
        text = _json([_tree(node) for node in nodes] or _instructions(code))
        chains = dict.fromkeys([*_globals_of(code), *_chains_around(nodes)])
        _sources[key] = _Source(text=text, chains=tuple(chains))
    return _sources[key]


def _chains_around(nodes: Iterable[Definition]) -> Iterator[Chain]:
    """What functions use before they run, in their decorators, and what they import then."""
    for node in nodes:
        for decorator in getattr(node, "decorator_list", ()):
            yield from _dotted(decorator)
        yield from _imports(node)


@functools.cache
def _source_of_class(kind: type, page: "_Page | None") -> _Source:
    nodes = page.classes.get(kind.__qualname__, []) if page else []
    annotated = _reads_annotations(kind)
    parts = [part for node in nodes for part in _class_level(node, annotated=annotated)]
    chains = [chain for part in parts for chain in _dotted(part)]
    chains += [chain for node in nodes for chain in _imports(node)]
    for code in page.codes if page else ():
        if code.co_qualname.startswith(f"{kind.__qualname__}."):
            chains += _globals_of(code)
    text = _json([_tree(node) for node in nodes])
    return _Source(text=text, chains=tuple(dict.fromkeys(chains)))


def _reads_annotations(kind: type) -> bool:
    """Whether a base class of another package gives meaning to annotations, as Pandera's does."""
    own = {_package(kind.__module__), "builtins", "abc", "enum", "typing"}
    return any(_package(base.__module__) not in own for base in kind.__mro__)


def _source_of_assignment(module: str, name: str) -> _Source:
    """Return every top-level assignment to `name`, followed through `from ... import name`."""
    page = _page_of(sys.modules[module])
    found: list[ast.AST] = []
    for node in page.top_level if page else ():
        if isinstance(node, ast.ImportFrom) and name in _bound(node):
            origin = importlib.util.resolve_name("." * node.level + (node.module or ""), module)
            if origin in sys.modules and origin != module:
                return _source_of_assignment(origin, _bound(node)[name])
        if name in _targets(node):
            found.append(node)
    chains = dict.fromkeys(
        chain for node in found for chain in _dotted(node) if chain != (name,)
    )
    return _Source(text=_json([_tree(node) for node in found]), chains=tuple(chains))


class _Page:
    """One source file, read once: its definitions, its top-level statements, its code."""

    def __init__(self, text: str, file: str) -> None:
        tree = ast.parse(text)
        self.top_level = list(_statements(tree))
        self.codes = dict.fromkeys(_nested(compile(text, file, "exec", dont_inherit=True)))
        self.functions: dict[int, list[Definition]] = {}
        self.classes: dict[str, list[ast.ClassDef]] = {}
        self._index(tree, ())

    def _index(self, node: ast.AST, outer: Chain) -> None:
        for child in ast.iter_child_nodes(node):
            inner = outer
            if isinstance(child, Definition):
                inner = (*outer, getattr(child, "name", "<lambda>"))
            if isinstance(child, ast.ClassDef):
                self.classes.setdefault(".".join(inner), []).append(child)
            elif isinstance(child, Definition):
                self.functions.setdefault(_first_line(child), []).append(child)
                inner = (*inner, "<locals>")
            self._index(child, inner)

    def definitions_of(self, code: CodeType) -> list[Definition]:
        """Definitions that `code` may be; only lambdas of one line can be more than one."""
        alike = code if code in self.codes else self._alike(code)
        return [
            node
            for node in self.functions.get(alike.co_firstlineno if alike else 0, [])
            if getattr(node, "name", "<lambda>") == code.co_name
        ]

    def _alike(self, code: CodeType) -> CodeType | None:
        """Find code that does the same at another place: lines were added above it since."""
        named = (each for each in self.codes if each.co_qualname == code.co_qualname)
        return next(
            (each for each in named if _instructions(each) == _instructions(code)), None
        )


_pages: dict[str, _Page] = {}


def _definitions(code: CodeType) -> list[Definition]:
    """Find the source that `code` was compiled from; nothing where it is not to be had.

    A file may have been edited after it was loaded. The page that was read first is kept; when it
    does not have the code, as after a reload, the file is read again.
    """
    page = _pages.get(code.co_filename) or _fresh_page(code.co_filename)
    found = page.definitions_of(code) if page else []
    if page and not found:
        page = _fresh_page(code.co_filename)
        found = page.definitions_of(code) if page else []
    return found


def _page_of(module: ModuleType) -> _Page | None:
    file = getattr(module, "__file__", None)
    return (_pages.get(file) or _fresh_page(file)) if file else None


def _fresh_page(file: str) -> _Page | None:
    linecache.checkcache(file)
    text = "".join(linecache.getlines(file))
    if text:
        _pages[file] = _Page(text, file)
    return _pages.get(file)


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _instructions(code: CodeType) -> list[object]:
    """What code does, without its line numbers and file; for code whose source is not to be had."""
    form = _Form(
        kind=_name_of,
        other=lambda value: _instructions(value) if isinstance(value, CodeType) else str(value),
        ordered=True,
    )
    return [[each.opname, canonical(each.argval, form)] for each in dis.get_instructions(code)]


def _globals_of(code: CodeType) -> Iterator[Chain]:
    """Dotted names that code reads from its module, with the attributes that follow at once."""
    for each in _nested(code):
        chain: list[str] = []
        for step in dis.get_instructions(each):
            if chain and step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
                chain.append(str(step.argval))
                continue
            if chain:
                yield tuple(chain)
            starts = step.opname in ("LOAD_GLOBAL", "LOAD_NAME")
            chain = [str(step.argval)] if starts else []


def _dotted(node: ast.AST) -> Iterator[Chain]:
    """Dotted names in a piece of source."""
    parts: list[str] = []
    inner: ast.AST = node
    while isinstance(inner, ast.Attribute):
        parts.append(inner.attr)
        inner = inner.value
    if isinstance(inner, ast.Name):
        yield (inner.id, *reversed(parts))
        return
    for child in ast.iter_child_nodes(inner):
        yield from _dotted(child)


def _imports(node: ast.AST) -> Iterator[Chain]:
    """Imports inside a function; relative ones are banned in this house."""
    for each in ast.walk(node):
        if isinstance(each, ast.ImportFrom) and each.module and not each.level:
            yield (IMPORTED, each.module, *(alias.name for alias in each.names))
        elif isinstance(each, ast.Import):
            yield from ((IMPORTED, alias.name) for alias in each.names)


def _class_level(node: ast.ClassDef, *, annotated: bool) -> Iterator[ast.AST]:
    """Parts of a class's source that ran when it was made; methods are read as functions."""
    yield from (*node.decorator_list, *node.bases, *node.keywords)
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from statement.decorator_list
        elif isinstance(statement, ast.ClassDef):
            yield from _class_level(statement, annotated=annotated)
        elif isinstance(statement, ast.AnnAssign) and not annotated:
            yield from [statement.value] if statement.value else []
        else:
            yield statement


def _tree(node: object) -> object:
    """Return a piece of source without what does not count, in the same form in every Python."""
    if isinstance(node, list):
        return [_tree(each) for each in node if not _is_text_statement(each)]
    if not isinstance(node, ast.AST):
        return repr(node)
    ignored = _ignored_fields(node)
    members = [
        [name, _tree(value)]
        for name, value in ast.iter_fields(node)
        if name not in ignored and value is not None and value != []
    ]
    return [type(node).__name__, *members]


def _ignored_fields(node: ast.AST) -> set[str]:
    ignored = {"ctx", "kind", "type_comment"}
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        ignored.add("returns")
    if isinstance(node, ast.arg):
        ignored.add("annotation")
    return ignored


def _is_text_statement(node: object) -> bool:
    """Whether a statement is text and nothing else, as docstrings are."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Statements that run when a module is loaded, also those under `if` and `try`."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.stmt | ast.excepthandler) and not isinstance(
            child, Definition
        ):
            yield child
            yield from _statements(child)


def _targets(node: ast.AST) -> set[str]:
    match node:
        case ast.Assign():
            places = node.targets
        case ast.AnnAssign() | ast.AugAssign():
            places = [node.target]
        case _:
            return set()
    return {
        each.id for place in places for each in ast.walk(place) if isinstance(each, ast.Name)
    }


def _bound(node: ast.ImportFrom) -> dict[str, str]:
    """Names that an import binds, and what they are called where they come from."""
    return {alias.asname or alias.name: alias.name for alias in node.names}


def _first_line(node: ast.AST) -> int:
    """Line where the compiler says that a definition begins: its first decorator."""
    decorators = getattr(node, "decorator_list", [])
    return min(each.lineno for each in [node, *decorators])


def _parts(value: object) -> list[object]:
    """Take what wraps functions apart: partials, methods, properties, cached functions."""
    match value:
        case functools.partial():
            return [value.func, value.args, value.keywords]
        case MethodType():
            return [value.__self__, value.__func__]
        case property():
            return [value.fget, value.fset, value.fdel]
        case functools.cached_property():
            return [value.func]
    wrapped = getattr(value, "__wrapped__", None)
    return [wrapped] if isinstance(wrapped, FunctionType) else []


def _methods(kind: type) -> Iterator[object]:
    """Functions of a class, whatever they are wrapped in; generated ones follow from its source."""
    for member in vars(kind).values():
        if isinstance(member, FunctionType):
            inner = getattr(member, "__wrapped__", member)
            if inner.__code__.co_filename != GENERATED:
                yield member
        elif not isinstance(member, type):
            yield from _parts(member)


def _state(value: object) -> dict[str, object]:
    """What an object holds, without what it only remembers (`cached_property`)."""
    names = [*getattr(value, "__dict__", {}), *getattr(type(value), "__slots__", ())]
    remembered = functools.cached_property
    return {
        name: getattr(value, name, None)
        for name in sorted(names)
        if not isinstance(getattr(type(value), name, None), remembered)
    }


def _cell_contents(cell: Any) -> object:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _module_of(value: object) -> str:
    """Name the module that a function, class, partial or method comes from."""
    while isinstance(value, functools.partial):
        value = value.func
    return str(getattr(value, "__module__", None) or type(value).__module__)


def _package(module: str | None) -> str:
    return (module or "").partition(".")[0]


def _name_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _digest(value: object) -> str:
    return hashlib.sha256(_json(value).encode()).hexdigest()[:HEX_DIGITS]
