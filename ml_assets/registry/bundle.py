"""A model as a folder that lasts: manifest, fitted pipeline, reference statistics, libraries.

    manifest.json      everything that made the model; see `manifest`
    model.skops        the fitted pipeline; see `frozen`
    reference.json     statistics of the training rows, where there are any
    requirements.txt   the libraries that it was fitted with

The same inputs give the same bytes. A bundle is opened against the problem as it is installed:
when contract, features or hooks are other code than the model was made with, its answers would be
possible and wrong, so it is refused.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from ml_assets.errors import ArtifactError
from ml_assets.features.view import feature_code_hash
from ml_assets.fingerprint import library_versions, source_hash
from ml_assets.problem import Problem
from ml_assets.registry.frozen import freeze, model_hash, thaw
from ml_assets.registry.manifest import FORMAT, NO_HOOKS, Manifest

if TYPE_CHECKING:
    import pandas as pd

MANIFEST = "manifest.json"
MODEL = "model.skops"
REFERENCE = "reference.json"
REQUIREMENTS = "requirements.txt"
NOT_LIBRARIES = ("python", "platform")

Content = TypeVar("Content", str, bytes)


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A model that can answer.

    Attributes:
        manifest: Everything that made it.
        pipeline: The fitted scikit-learn pipeline.
        reference: Content of `reference.json`, as text; None where there is none.
        warnings: What differs here from where it was fitted without making it wrong.
    """

    manifest: Manifest
    pipeline: Any
    reference: str | None
    warnings: tuple[str, ...]

    @property
    def threshold(self) -> float:
        """Probability from which on a decision is positive."""
        return self.manifest.decides_from

    def predict(self, features: "pd.DataFrame") -> npt.NDArray[np.float64]:
        """Probability of the positive class, or the value, of each row.

        Args:
            features: n rows; columns as in the manifest's signature, others are ignored.

        Returns:
            n numbers.

        Raises:
            ArtifactError: If a feature that the model needs is missing.
        """
        needed = list(self.manifest.signature.features)
        if missing := [name for name in needed if name not in features]:
            raise ArtifactError(
                f"The model needs the features {', '.join(missing)}, which these rows lack."
            )
        rows = features[needed]
        if rows.empty:  # scikit-learn refuses to answer nothing
            return np.zeros(0)
        if self.manifest.signature.kind == "regression":
            return np.asarray(self.pipeline.predict(rows), dtype=np.float64)
        positive = self.manifest.signature.classes.index(1.0)
        return np.asarray(self.pipeline.predict_proba(rows)[:, positive], dtype=np.float64)

    def answers(self, features: "pd.DataFrame") -> npt.NDArray[np.float64]:
        """What `predict` gives; where the model has intervals, with their ends.

        Returns:
            n numbers, or n rows of value, lower and upper end.
        """
        values, intervals = self.predict(features), self.manifest.intervals
        if intervals is None:
            return values
        groups = None if intervals.by is None else named_groups(features[intervals.by])
        return intervals.with_ends(values, groups)


def named_groups(feature: "pd.Series") -> list[str | None]:
    """The values of a feature of text; None where it is missing."""
    return feature.astype(object).where(feature.notna(), None).tolist()


def save_bundle(
    folder: Path, *, manifest: Manifest, pipeline: object, reference: str | None = None
) -> Manifest:
    """Write a bundle into `folder`, which is made.

    Args:
        folder: Where; must not exist yet.
        manifest: Its `model_hash` is filled in here.
        pipeline: Fitted.
        reference: JSON text of statistics of the training rows.

    Returns:
        The manifest as written.

    Raises:
        TrainingError: If the pipeline contains something that could not be loaded again.
    """
    frozen = freeze(pipeline)
    written = manifest.model_copy(update={"model_hash": model_hash(frozen)})
    folder.mkdir(parents=True)
    (folder / MODEL).write_bytes(frozen)
    (folder / MANIFEST).write_text(written.to_json(), encoding="utf-8")
    (folder / REQUIREMENTS).write_text(_requirements(written), encoding="utf-8")
    if reference is not None:
        (folder / REFERENCE).write_text(reference, encoding="utf-8")
    return written


def open_bundle(folder: Path, problem: Problem | None) -> Bundle:
    """Load a bundle from a folder, and check it.

    Args:
        folder: As written by `save_bundle`.
        problem: As installed here. Without one the code that made the features is not compared,
            which is right only where features are read as they were stored, never for new rows.

    Raises:
        ArtifactError: If it is no bundle, was changed, contains what is not trusted, or was made
            by other code than what is installed; the message names what differs.
    """
    manifest = read_manifest(folder)
    frozen = _read(folder, MODEL, Path.read_bytes)
    if (found := model_hash(frozen)) != manifest.model_hash:
        raise ArtifactError(
            f"The model in {folder} was changed: its content is {found[:12]}, the manifest says "
            f"{manifest.model_hash[:12]}. It is not used."
        )
    if problem is not None:
        _require_same_code(manifest, problem)
    reference = folder / REFERENCE
    return Bundle(
        manifest=manifest,
        pipeline=_thaw_quietly(frozen),
        reference=reference.read_text(encoding="utf-8") if reference.exists() else None,
        warnings=_other_libraries(manifest),
    )


def read_manifest(folder: Path) -> Manifest:
    """Read only the manifest of a bundle.

    Raises:
        ArtifactError: If there is none, or of another format.
    """
    text = _read(folder, MANIFEST, Path.read_text)
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ArtifactError(
            f"The manifest in {folder} cannot be read: {place}: {first['msg']}."
        ) from None
    if manifest.format != FORMAT:
        raise ArtifactError(
            f"The bundle in {folder} has format {manifest.format}, this platform reads {FORMAT}. "
            "Use the platform's version that wrote it, or train the model again."
        )
    return manifest


def contract_code_hash(problem: Problem) -> str:
    """Source of the contract and its helpers."""
    return source_hash(problem.contract)


def hooks_code_hash(problem: Problem) -> str:
    """Source of the hooks and their helpers."""
    return source_hash(*problem.hooks) if problem.hooks else NO_HOOKS


def _require_same_code(manifest: Manifest, problem: Problem) -> None:
    """Refuse a bundle whose rows went through other code than rows would here."""
    if manifest.problem != problem.name:
        raise ArtifactError(
            f"The bundle is a model of {manifest.problem}, not of {problem.name}."
        )
    installed = {
        "contract": contract_code_hash(problem),
        "features": feature_code_hash(problem),
        "hooks": hooks_code_hash(problem),
    }
    differing = [
        f"the code of {name} is {hashed[:12]} here and {getattr(manifest.code, name)[:12]} there"
        for name, hashed in installed.items()
        if hashed != getattr(manifest.code, name)
    ]
    if differing:
        raise ArtifactError(
            f"The model was made by other code than what is installed: {'; '.join(differing)}. "
            "Its answers would be possible and wrong. Train it again, or install the code it "
            "was made with."
        )


def _other_libraries(manifest: Manifest) -> tuple[str, ...]:
    """Libraries whose version here is another."""
    names = [name for name in manifest.environment if name != "platform"]
    here = library_versions(*names)
    return tuple(
        f"{name} is {here[name]} here, the model was fitted with {manifest.environment[name]}"
        for name in names
        if here[name] != manifest.environment[name]
    )


def _thaw_quietly(frozen: bytes) -> Any:
    """Build the pipeline; another scikit-learn is in `Bundle.warnings` already."""
    from sklearn.exceptions import InconsistentVersionWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        return thaw(frozen)


def _requirements(manifest: Manifest) -> str:
    libraries = {k: v for k, v in manifest.environment.items() if k not in NOT_LIBRARIES}
    return "".join(f"{name}=={version}\n" for name, version in sorted(libraries.items()))


def _read(folder: Path, name: str, read: Callable[[Path], Content]) -> Content:
    try:
        return read(folder / name)
    except FileNotFoundError:
        raise ArtifactError(f"{folder} is no model bundle: it has no {name}.") from None
