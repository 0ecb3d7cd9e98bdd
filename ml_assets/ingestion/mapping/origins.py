"""What a mapping file says of a source that is fetched: a REST endpoint, or a table of a database.

How it is fetched is for `ingestion.remote`. Secrets are not in the file; it names the environment
variable that has one.
"""

from typing import Annotated

from pydantic import Field, model_validator

from ml_assets.problem.config import Strict


class Rest(Strict):
    """An endpoint that answers with pages of JSON."""

    url: str = Field(pattern="^https?://", description="Of the first page.")
    parameters: dict[str, str] = Field(default={}, description="Asked with every page.")
    secret_headers: dict[str, str] = Field(
        default={}, description="Header to the environment variable that has its value."
    )
    records: str = Field(default="", description="Path of the list of rows in an answer.")
    next: str | None = Field(default=None, description="Path of the next page's address.")
    page: str | None = Field(
        default=None, description="Parameter that counts pages from 1, until one is empty."
    )
    cursor: str | None = Field(
        default=None,
        description="Path in a row of what says how new it is; all rows by default.",
    )
    since: str | None = Field(
        default=None, description="Parameter that asks for rows from a cursor on."
    )
    is_rising: bool = Field(
        default=False,
        description="Whether rows come in the cursor's order, so that a part can be kept.",
    )

    @model_validator(mode="after")
    def _goes_together(self) -> "Rest":
        if self.next and self.page:
            msg = "next and page are two ways to find the next page; keep one"
            raise ValueError(msg)
        if not self.cursor and (self.since or self.is_rising):
            msg = "since and is_rising need cursor, the path of what says how new a row is"
            raise ValueError(msg)
        return self


class Table(Strict):
    """A table of a database."""

    url_from: str = Field(description="Environment variable with SQLAlchemy's address of it.")
    table: Annotated[str, Field(min_length=1)]
    namespace: str | None = Field(default=None, description="The database's schema it is in.")
    cursor: str | None = Field(
        default=None, description="Column that says how new a row is; all rows by default."
    )
