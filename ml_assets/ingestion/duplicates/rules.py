"""What a problem declares about duplicates, beside the columns that its contract says."""

from itertools import chain
from typing import NamedTuple, Self

import pyarrow as pa

from ml_assets.errors import ProblemError, SourceError
from ml_assets.problem import Problem
from ml_assets.problem.duplicates import Duplicates


class Rules(NamedTuple):
    """How rows about the same thing are found, and what becomes of them."""

    declared: Duplicates
    entity_id: str
    event_time: str

    @classmethod
    def of(cls, problem: Problem) -> Self:
        """The rules of a problem.

        Raises:
            ProblemError: If it declares none, names a column that its contract lacks, asks for the
                median of texts, or for another id, time or source than one record's.
        """
        declared = problem.config.duplicates
        if declared is None:
            raise ProblemError(
                f"{problem.name} has no section duplicates in config.yaml, so no rows are about "
                "one thing. Add it to have them found."
            )
        fields, together = problem.fields, declared.survivorship.together
        if unknown := [name for name in declared.columns if name not in fields]:
            raise ProblemError(
                f"{problem.name}: duplicates in config.yaml names {', '.join(unknown)}, which the "
                f"contract lacks. It has: {', '.join(fields)}."
            )
        fixed = {problem.entity_id, problem.event_time, declared.source}
        if ruled := sorted(fixed & {*declared.survivorship.rules, *chain(*together)}):
            raise ProblemError(
                f"{problem.name}: duplicates.survivorship names {', '.join(ruled)}. Id, time and "
                "source are those of one record, that of the most trusted source; leave them out."
            )
        texts = {name for name, field in fields.items() if field.kind == "text"}
        if odd := [name for name in texts if declared.survivorship.rule(name) == "median"]:
            raise ProblemError(
                f"{problem.name}: duplicates.survivorship asks for the median of {min(odd)}, and "
                "texts have none. Choose another rule, such as most_frequent."
            )
        if odd := [
            n for n, each in declared.agreement.items() if n in texts and each.by != "text"
        ]:
            raise ProblemError(
                f"{problem.name}: duplicates.agreement measures {min(odd)} by "
                f"{declared.agreement[min(odd)].by}, and it is a text. Write by: text."
            )
        return cls(declared, problem.entity_id, problem.event_time)

    @property
    def named(self) -> list[str]:
        """The columns that say which row it is: id, source and time."""
        return [self.entity_id, self.declared.source, self.event_time]

    @property
    def compared(self) -> list[str]:
        """The columns that have to be there, `named` first."""
        declared = self.declared
        read = {each for name in declared.comparisons for each in declared.compared(name)}
        return [*self.named, *sorted(read - set(self.named))]

    def require(self, rows: pa.Table) -> None:
        """Refuse rows without a column that is compared, an id, a source or a time.

        Raises:
            SourceError: If they lack one.
        """
        if absent := [name for name in self.compared if name not in rows.column_names]:
            raise SourceError(
                f"Rows are compared by {', '.join(absent)}, which they lack. They have: "
                f"{', '.join(rows.column_names)}."
            )
        for name in self.named:
            if missing := rows[name].null_count:
                raise SourceError(
                    f"{missing:,} of {rows.num_rows:,} rows have no {name}; quarantine them "
                    "before duplicates are looked for."
                )
