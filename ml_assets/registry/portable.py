"""A fitted pipeline in ONNX, for programs in other languages: the same answers, or none at all.

The pipeline is converted by skl2onnx, in single precision, and answers real rows beside the
original before anything is written. Where a step cannot be converted, or where the answers differ,
the step is found by asking one after the other, and named. What makes features of a raw row is
Python and stays out of the file: it takes features.
"""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from ml_assets.errors import InsufficientData, NotExportable, RegistryError
from ml_assets.problem import Problem
from ml_assets.registry.bundle import Bundle
from ml_assets.storage import Home

SAME_ANSWER = 1e-6
"""Absolute difference of two probabilities, and relative one of two values, that is rounding."""

PROOF_ROWS = 1_000

INSTALL = "pip install 'ml-assets[onnx]'"


class Proof(NamedTuple):
    """How a file was compared with the model that it was made of."""

    rows: int
    largest_difference: float


class Step(NamedTuple):
    """A part of a pipeline that can be converted alone."""

    name: str
    fitted: Any
    columns: list[str]


def export_onnx(
    bundle: Bundle, features: pd.DataFrame, file: Path, *, about: Mapping[str, str]
) -> Proof:
    """Write a model as ONNX, once it has answered real rows as the original does.

    Its inputs are the features by name, each of shape (n, 1): text, or a number in single precision;
    a missing text is "", a missing number NaN. Its last output are the probabilities of the
    classes, shape (n, classes), or the values, shape (n, 1).

    Args:
        bundle: The model.
        features: Rows to prove it by, at least 1,000; columns as in the manifest's signature.
        file: Where to.
        about: What the file says about itself, by key.

    Returns:
        The proof.

    Raises:
        NotExportable: If a step has no equal in ONNX, or gives other numbers there; it is named.
        InsufficientData: If there are too few rows.
        RegistryError: If the libraries for ONNX are not installed.
    """
    _require_libraries()
    if len(features) < PROOF_ROWS:
        raise InsufficientData(
            "The proof of an ONNX file", rows=len(features), needed=PROOF_ROWS
        )
    kinds = bundle.manifest.signature.features
    rows = features[list(kinds)].head(PROOF_ROWS)
    expected = bundle.predict(rows)
    estimator = f"The estimator {type(bundle.pipeline.steps[-1][1]).__name__}"
    try:
        model = _converted(estimator, bundle.pipeline, kinds)
        found = _answers(bundle, _outputs(estimator, model, rows, kinds))
    except NotExportable:
        _require_steps(bundle.pipeline, rows, kinds)
        raise
    largest = _largest_difference(found, expected, bundle)
    if not largest <= SAME_ANSWER:
        _require_steps(bundle.pipeline, rows, kinds)
        raise NotExportable(
            f"{estimator} gives other answers in ONNX, where it computes in single precision: off by "
            f"{largest:.1e}, at most {SAME_ANSWER:g} is taken. Every encoder before it agrees."
        )
    _write(model, file, about)
    return Proof(len(rows), largest)


def proof_rows(problem: Problem, home: Home) -> pd.DataFrame:
    """Features of real rows, from the newest partitions of the lake; as many as a proof takes.

    Raises:
        TableNotFound: If there are no features.
    """
    table = f"{problem.name}/features"
    parts: list[pa.Table] = []
    for partition in sorted(home.lake.partitions(table), reverse=True):
        parts.append(home.lake.read(table, partitions=[partition]))
        if sum(part.num_rows for part in parts) >= PROOF_ROWS:
            break
    found = pa.concat_tables(parts) if parts else home.lake.read(table)
    return found.to_pandas()


def _converted(name: str, fitted: Any, kinds: Mapping[str, str]) -> Any:
    """Convert a fitted step; the inputs are features."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator

    types = {"text": StringTensorType, "number": FloatTensorType}
    inputs = [(column, types[kind]([None, 1])) for column, kind in kinds.items()]
    last = fitted.steps[-1][1] if hasattr(fitted, "steps") else fitted
    options = {id(last): {"zipmap": False}} if hasattr(last, "predict_proba") else None
    logging.getLogger("skl2onnx").setLevel(logging.ERROR)
    try:
        return convert_sklearn(fitted, initial_types=inputs, options=options)
    except (MissingConverter, MissingShapeCalculator):
        raise NotExportable(
            f"{name} has no equal in ONNX: skl2onnx does not know {type(last).__name__}."
        ) from None
    except (NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise NotExportable(f"{name} cannot be converted to ONNX: {reason}") from None


def _outputs(
    name: str, model: Any, rows: pd.DataFrame, kinds: Mapping[str, str]
) -> list[np.ndarray]:
    """What ONNX Runtime makes of rows."""
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as failures

    refused = (
        failures.Fail,
        failures.InvalidArgument,
        failures.InvalidGraph,
        failures.NotImplemented,
        failures.RuntimeException,
    )
    inputs = {column: _tensor(rows[column], kind) for column, kind in kinds.items()}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised, and need not be printed as well
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        outputs: list[np.ndarray] = session.run(None, inputs)
    except refused as error:
        raise NotExportable(f"{name} does not run in ONNX Runtime: {error}") from None
    return outputs


def _tensor(column: pd.Series, kind: str) -> np.ndarray:
    if kind == "number":
        return column.to_numpy(dtype=np.float32).reshape(-1, 1)
    return column.astype(object).where(column.notna(), "").to_numpy().reshape(-1, 1)


def _answers(bundle: Bundle, outputs: list[np.ndarray]) -> np.ndarray:
    """The answers that `Bundle.predict` gives, among the outputs of the converted model."""
    signature = bundle.manifest.signature
    if signature.kind == "regression":
        return np.asarray(outputs[-1], dtype=np.float64).reshape(-1)
    return np.asarray(outputs[-1][:, signature.classes.index(1.0)], dtype=np.float64)


def _largest_difference(found: np.ndarray, expected: np.ndarray, bundle: Bundle) -> float:
    difference = np.abs(found - expected)
    if bundle.manifest.signature.kind == "regression":
        difference = difference / np.maximum(np.abs(expected), 1.0)
    return float(difference.max())


def _require_steps(pipeline: Any, rows: pd.DataFrame, kinds: Mapping[str, str]) -> None:
    """Convert every encoder alone, and compare what it makes of rows.

    Raises:
        NotExportable: At the first that cannot be converted, or differs.
    """
    for name, fitted, columns in _steps(pipeline):
        taken = {column: kinds[column] for column in columns}
        what = f"The step {name}"
        model = _converted(what, fitted, taken)
        (found, *_) = _outputs(what, model, rows, taken)
        expected = _encoded(fitted, rows, columns)
        difference = np.abs(np.asarray(found) - expected) / np.maximum(np.abs(expected), 1.0)
        if not (worst := float(np.max(difference, initial=0.0))) <= SAME_ANSWER:
            at = int(np.unravel_index(np.argmax(difference), difference.shape)[0])
            raise NotExportable(
                f"{what} gives other numbers in ONNX: off by {worst:.1e} in row {at}, at most "
                f"{SAME_ANSWER:g} is taken. Use another encoder for {', '.join(columns)} "
                "(`training.encoders` in config.yaml), or serve this model by `ml-assets package`."
            )


def _steps(pipeline: Any) -> Iterator[Step]:
    """Every encoder of the first step."""
    place, encode = pipeline.steps[0]
    for name, fitted, columns in getattr(encode, "transformers_", ()):
        if not isinstance(fitted, str):
            named = [columns] if isinstance(columns, str) else list(columns)
            yield Step(f"{place}.{name}", fitted, named)


def _encoded(fitted: Any, rows: pd.DataFrame, columns: list[str]) -> np.ndarray:
    """What an encoder itself makes of rows."""
    is_text = not hasattr(fitted, "feature_names_in_") and len(columns) == 1
    made = fitted.transform(rows[columns[0]] if is_text else rows[columns])
    return np.asarray(made.toarray() if hasattr(made, "toarray") else made, dtype=np.float64)


def _write(model: Any, file: Path, about: Mapping[str, str]) -> None:
    from onnx.helper import set_model_props

    set_model_props(model, dict(about))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(model.SerializeToString())


def _require_libraries() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import skl2onnx  # noqa: F401
    except ModuleNotFoundError as error:
        raise RegistryError(
            f"ONNX files need {error.name}, which is not installed: {INSTALL}"
        ) from None
