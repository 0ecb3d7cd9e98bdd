"""The Python files of a drafted problem, as text: what people go on to edit.

What is in them is decided in `draft` and `recipes`; here it is only written down. The contract and
the sample have modules of their own.
"""

from textwrap import dedent

from ml_assets.scaffold.draft import Draft
from ml_assets.scaffold.literals import WIDEST, class_name, quoted
from ml_assets.scaffold.recipes import FUNCTIONS, Feature


def init_text(draft: Draft) -> str:
    """`__init__.py`: the problem and its five parts."""
    name = draft.asked.name
    return dedent(f'''\
        """{draft.target.name} of {draft.asked.file.name}: see README.md."""

        from pathlib import Path

        from {name}.contract import {class_name(name)}
        from {name}.features import features
        from {name}.source import sample
        from ml_assets.problem import Config, Problem

        FOLDER = Path(__file__).parent

        {name} = Problem(
            name="{name}",
            folder=FOLDER,
            contract={class_name(name)},
            features=features,
            sample=sample,
            config=Config.from_file(FOLDER / "config.yaml"),
        )
        ''')


def features_text(draft: Draft, features: tuple[Feature, ...]) -> str:
    """`features.py`: rows to what a model reads."""
    used = [name for name in FUNCTIONS if any(each.helper == name for each in features)]
    body = "\n\n".join(FUNCTIONS[name] for name in used)
    listed = "\n".join(f"            {each.name}: {each.says}." for each in features)
    columns = "\n".join(line for each in features for line in _made(each))
    uses = {
        "import numpy as np\n": "np." in body,
        'UNKNOWN = "unknown"\n"""What a missing category is called."""\n\n\n': "UNKNOWN"
        in body,
    }
    numpy, unknown = (text if used else "" for text, used in uses.items())
    left_out = "\n".join(
        f"- {each.name}: {each.why}." for each in draft.columns if each.is_flagged
    )
    why = f"\n\nLeft out on purpose:\n{left_out}\n" if left_out else ""
    return f'''\
"""What the model reads of a row: pure functions, each of one row's own values.{why}"""

{numpy}import pandas as pd

{unknown or chr(10)}def features(rows: pd.DataFrame) -> pd.DataFrame:
    """Describe each row by what is known about it and nothing else.

    Args:
        rows: Rows that hold the contract; n rows.

    Returns:
        n rows, same index, columns:
{listed}
    """
    return pd.DataFrame(
        {{
{columns}
        }},
        index=rows.index,
    )


{body}'''


def _made(feature: Feature) -> list[str]:
    """The item that makes a feature, on one line where it fits."""
    start = f"            {quoted(feature.name)}: {feature.helper}("
    inner = ", ".join(f"rows[{quoted(name)}]" for name in feature.columns)
    if len(start) + len(inner) + len("),") <= WIDEST:
        return [f"{start}{inner}),"]
    return [start, f"                {inner}", "            ),"]


def tests_text() -> str:
    """`tests/test_<name>.py`: what holds of the problem now, and should later."""
    return dedent('''\
        """What holds of this problem, whatever its values: run pytest on this folder."""

        from pathlib import Path

        import numpy as np
        import pandas as pd
        import pyarrow as pa
        import pytest

        from ml_assets.features import build_features, contract_frame
        from ml_assets.problem import problem_in
        from ml_assets.validation import hold_to_contract

        ROWS = 200


        @pytest.fixture(scope="module")
        def problem():
            return problem_in(Path(__file__).parents[1])


        @pytest.fixture(scope="module")
        def verdict(problem):
            sample = problem.sample(ROWS, np.random.default_rng(0))
            texts = {name: pa.array(sample[name], pa.string(), from_pandas=True) for name in sample}
            return hold_to_contract(problem, pa.table(texts))


        @pytest.fixture(scope="module")
        def rows(problem, verdict):
            return contract_frame(problem, verdict.valid)


        def test_sampled_rows_hold_the_contract(verdict):
            assert verdict.broken == {}
            assert len(verdict.valid) == ROWS


        def test_features_of_a_row_do_not_depend_on_its_neighbors(problem, rows):
            features = build_features(problem, rows)

            for place in (0, 7, ROWS - 1):
                alone = build_features(problem, rows.iloc[[place]])
                pd.testing.assert_frame_equal(alone, features.iloc[[place]])


        def test_every_feature_has_its_encoder_and_no_other(problem, rows):
            assert set(problem.config.training.encoders) == set(build_features(problem, rows))


        def test_no_feature_is_protected_or_stands_for_what_is(problem, rows):
            forbidden = {*problem.config.protected, *problem.config.proxies}

            assert forbidden <= set(problem.fields)
            assert not forbidden & set(build_features(problem, rows))
        ''')
