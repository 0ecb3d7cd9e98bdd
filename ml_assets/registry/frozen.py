"""Fitted pipelines as bytes: skops, made deterministic, and loaded without trusting the file.

skops names objects by their address in memory, which differs from run to run. Here they are
numbered in the order in which they are met, so that the same fitted model always gives the same
bytes. What a file may contain is decided by name before anything of it is built: scikit-learn,
numpy, scipy, and this platform's own training code.
"""

import hashlib
import importlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ml_assets.errors import ArtifactError, TrainingError

SCHEMA = "schema.json"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can say
PACKAGES = ("sklearn", "numpy", "scipy")
NPY = b"\x93NUMPY"
HEADER = 256
OWN = "ml_assets.training."
ADDRESSES = ("_stop_words_id",)  # scikit-learn keeps a memory address here, of no use elsewhere


def freeze(pipeline: object) -> bytes:
    """Turn a fitted pipeline into bytes that depend on what was learned and on nothing else.

    Raises:
        TrainingError: If it contains something that could not be loaded again.
    """
    import skops.io
    from skops.io.exceptions import UnsupportedTypeException

    try:
        raw = skops.io.dumps(pipeline)
    except UnsupportedTypeException as error:
        raise TrainingError(f"The model cannot be stored: {error}") from None
    frozen = _normalized(raw)
    if refused := _refused_types(frozen):
        raise TrainingError(
            f"The model cannot be stored: it contains {', '.join(refused)}. "
            f"Use types of {', '.join(PACKAGES)}, or put yours into ml_assets/training."
        )
    return frozen


def thaw(frozen: bytes) -> Any:
    """Build the fitted pipeline that `freeze` stored.

    Raises:
        ArtifactError: If the bytes are no model, or contain a type that is not trusted.
    """
    import skops.io

    try:
        refused = _refused_types(frozen)
        if refused:
            raise ArtifactError(
                f"The model contains types that are not trusted: {', '.join(refused)}. "
                f"Trusted are classes of {', '.join(PACKAGES)} and ml_assets.training."
            )
        return skops.io.loads(frozen, trusted=_untrusted_types(frozen))
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"The model cannot be read: {error}") from error


def model_hash(frozen: bytes) -> str:
    """SHA-256 over what was learned; does not depend on how the zip was compressed."""
    total = hashlib.sha256()
    for name, content in _entries(frozen):
        total.update(f"{name}:{len(content)}:".encode())
        total.update(content)
    return total.hexdigest()


def differences(before: bytes, after: bytes, *, limit: int = 10) -> tuple[str, ...]:
    """Say where two frozen models differ: the place, and by how much.

    Args:
        before: One frozen model.
        after: Another.
        limit: How many places are named at most.
    """
    ours, theirs = (dict(_entries(frozen)) for frozen in (before, after))
    found = list(_walk("model", json.loads(ours[SCHEMA]), json.loads(theirs[SCHEMA])))
    for name in sorted({*ours, *theirs} - {SCHEMA}):
        if ours.get(name) != theirs.get(name):
            place = _places(json.loads(ours[SCHEMA])).get(name, name)
            found.append(f"{place}: {_compare_arrays(ours.get(name), theirs.get(name))}")
    return tuple(found[:limit])


def _untrusted_types(frozen: bytes) -> list[str]:
    """Types in the file that skops does not trust by itself."""
    import skops.io

    return skops.io.get_untrusted_types(data=frozen)


def _refused_types(frozen: bytes) -> list[str]:
    return [name for name in _untrusted_types(frozen) if not _is_trusted(name)]


def _is_trusted(name: str) -> bool:
    """Whether a type may be built: a class, at home in one of the trusted packages.

    A function is not: called with arguments from the file, many could do harm. Neither is a
    class that a trusted package merely imported from elsewhere, such as `Popen`.
    """
    package = name.partition(".")[0]
    module, _, attribute = name.rpartition(".")
    if package not in PACKAGES and not name.startswith(OWN):
        return False
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ImportError:
        return False
    return isinstance(found, type) and found.__module__.partition(".")[0] == package


@dataclass
class _Renumbering:
    """Replaces addresses in skops' schema by numbers in the order of their first appearance."""

    numbers: dict[object, int] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def node(self, node: Any) -> Any:
        """Rewrite one part of the schema."""
        if isinstance(node, list):
            return [self.node(part) for part in node]
        if not isinstance(node, dict):
            return node
        loader = node.get("__loader__")
        return {
            key: self._value(key, value, loader)
            for key, value in node.items()
            if not (
                key == "__id__" and loader == "JsonNode"
            )  # numbers and texts have no identity
        }

    def _value(self, key: str, value: Any, loader: object) -> Any:
        if key == "__id__":
            return self.numbers.setdefault(value, len(self.numbers) + 1)
        if key == "file" and isinstance(value, str):
            suffix = value.rpartition(".")[2]
            return self.files.setdefault(value, f"{len(self.files) + 1:05d}.{suffix}")
        if key in ADDRESSES:
            return {**value, "content": "0", "__id__": None}
        if key == "content" and loader == "SetNode":
            value = sorted(value, key=lambda part: str(part.get("content")))
        if key == "content" and loader == "ObjectNode" and _is_dict(value):
            # Attributes come in the order in which they were set, which a resumed fit changes.
            value = {**value, "content": dict(sorted(value["content"].items()))}
        return self.node(value)


def _is_dict(node: Any) -> bool:
    return isinstance(node, dict) and node.get("__loader__") == "DictNode"


def _normalized(raw: bytes) -> bytes:
    """Rewrite a skops file without addresses and dates."""
    renumbering = _Renumbering()
    with zipfile.ZipFile(io.BytesIO(raw)) as source:
        schema = renumbering.node(json.loads(source.read(SCHEMA)))
        text = json.dumps(schema, separators=(",", ":"), ensure_ascii=False)
        contents = {
            new: _without_padding(source.read(old)) for old, new in renumbering.files.items()
        }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name, content in {SCHEMA: text.encode(), **contents}.items():
            entry = zipfile.ZipInfo(name, date_time=EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, content, compresslevel=6)
    return buffer.getvalue()


def _without_padding(content: bytes) -> bytes:
    """Zero the bytes between the fields of a record array: they are whatever memory held."""
    if not content.startswith(NPY) or b"'descr': [" not in content[:HEADER]:
        return content
    records = np.load(io.BytesIO(content), allow_pickle=False)
    clean = np.zeros(records.shape, records.dtype)  # zeros_like leaves the gaps as they were
    for name in records.dtype.names:
        clean[name] = records[name]
    return content[: len(content) - clean.nbytes] + clean.view(np.uint8).tobytes()


def _entries(frozen: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files inside, by name."""
    with zipfile.ZipFile(io.BytesIO(frozen)) as source:
        for name in sorted(source.namelist()):
            yield name, source.read(name)


def _walk(place: str, before: Any, after: Any) -> Iterator[str]:
    """Places where two schemas differ."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            inside = place if key in ("content", "__reduce__") else f"{place}.{key}"
            yield from _walk(inside, before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (ours, theirs) in enumerate(zip(before, after, strict=True)):
            yield from _walk(f"{place}[{number}]", ours, theirs)
    elif before != after:
        yield f"{place}: {str(before)[:60]}, now {str(after)[:60]}"


def _places(schema: Any, place: str = "model") -> dict[str, str]:
    """Name of an array's file to the attribute that holds it."""
    if isinstance(schema, list):
        parts = [(f"{place}[{number}]", part) for number, part in enumerate(schema)]
    elif isinstance(schema, Mapping):
        parts = [(place if k == "content" else f"{place}.{k}", v) for k, v in schema.items()]
    else:
        return {}
    found = (
        {str(schema["file"]): place} if isinstance(schema, Mapping) and "file" in schema else {}
    )
    for inside, part in parts:
        found |= _places(part, inside)
    return found


def _compare_arrays(before: bytes | None, after: bytes | None) -> str:
    """By how much two stored arrays differ."""
    if before is None or after is None:
        return "only in one of them"
    ours, theirs = (
        np.load(io.BytesIO(content), allow_pickle=False) for content in (before, after)
    )
    if not isinstance(ours, np.ndarray) or ours.dtype.kind not in "fiu":
        return "other values"
    if ours.shape != theirs.shape:
        return f"shape {ours.shape}, now {theirs.shape}"
    return f"largest difference {float(np.abs(ours - theirs).max()):.3g}"
