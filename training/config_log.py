"""Sections of the training configuration that say how a query log is read and counted."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from training.config_section import Section


class QueryLogSource(Section):
    """A query log: `.txt` (a query a line), a table, or JSON as other systems write it, also compressed."""

    path: str = Field(
        "",
        description="File, or glob pattern: `.txt` (a query a line), `.tsv`, `.csv`, `.jsonl`, `.ndjson`, `.json` or "
        "`.parquet`, also with `.gz`, `.xz` or `.zst` behind.",
    )
    live: str | None = Field(
        None,
        description="In place of `path`: a server's live state, an SQLite file or the URL of a Redis, whose events of "
        "this model are the log: what users submitted or selected, with time, user and session. `autocomplete train` "
        "reads it, as it is when training starts.",
    )
    query_column: str = Field(
        "query",
        description="Column that holds the query (`.txt` has no columns). In JSON and Parquet a name with dots goes "
        "into nested fields, in JSON also into lists: `hits.hits._source.user_query`.",
    )
    count_column: str | None = Field(None, description="Column with the number of times it was submitted.")
    time_column: str | None = Field(None, description="Column with the time of submission (UTC unless it says).")
    user_column: str | None = Field(None, description="Column with a pseudonymous user id.")
    session_column: str | None = Field(
        None, description="Column with the session. Queries of one session follow each other; a session is no user."
    )
    hits_column: str | None = Field(
        None,
        description="Column with the number of results that it found. A query that found none (0) when it was last "
        "submitted is neither suggested nor learnt. An empty field says nothing.",
    )
    where: dict[str, str | int | float | bool | tuple[str | int | float | bool, ...]] = Field(
        {},
        description='Read only rows with these values in these columns, such as `{ event = "search" }` or '
        '`{ country = ["AT", "DE"] }`. Upper and lower case count alike.',
    )
    on_bad_row: Literal["stop", "drop"] = Field(
        "stop",
        description="For rows that cannot be used (not UTF-8, above 64 KB, a quote that is not closed, another number "
        "of fields, no count, no time, a time more than a day ahead, hits that are no count): `stop` names the line "
        "and ends the run, `drop` counts the row and goes on.",
    )
    max_lines: int | None = Field(None, ge=1, description="Read only this many lines of each file.")
    name: str | None = Field(
        None,
        pattern=r"^[a-z][a-z0-9_-]{0,30}$",
        description="A name by which a language model can be trained on this log alone (`query_logs`). Logs may share "
        "one.",
    )

    def allowed(self) -> dict[str, tuple[object, ...]]:
        """The values of `where` for each column."""
        return {column: value if isinstance(value, tuple) else (value,) for column, value in self.where.items()}


class Counting(Section):
    """How submissions are counted. The bundle's metrics say how many were left out, by reason."""

    robot_submissions: int = Field(
        1000,
        ge=1,
        description="A user with more submissions on one day (UTC), or in all where the log has no times, is a robot: "
        "nothing that it typed counts.",
    )
    half_life_days: float | None = Field(
        None,
        gt=0,
        description="Age, before the log's latest time, at which a submission counts half; rows without a time count "
        "in full. Unset: all count alike. Thresholds are on submissions as they are.",
    )
    # a week, so that no day of the week counts for much more than another
    recent_half_life_days: float | None = Field(
        7,
        gt=0,
        description="Logs with times: half-life by which submissions of late are counted besides. The ranking learns "
        "what they say from held-out queries, which are then of the last two half-lives if these have 1000 rows, at "
        "most a tenth of them in each part. Unset: neither.",
    )
    half_typed_seconds: float = Field(
        30,
        ge=0,
        description="A submission is half-typed, and does not count, if within this time the same user, or session, "
        "next typed a query that goes on within its last word; 0: all count.",
    )
    # on 139,000 distinct web queries 20 finds `yah`, `goo`, `horosco`; 10 also `yellow page` and `southwest airline`
    half_typed_ratio: float = Field(
        20,
        ge=0,
        description="Logs without users: a query is half-typed, and dropped, if one that goes on within its last word "
        "was submitted this many times as often, and queries that go on with another word less than a tenth as often; "
        "0: none.",
    )
    misspelt_ratio: float = Field(
        20,
        ge=0,
        description="A query counts as another one, and is not suggested, if it misspells one word of it and query and "
        "word are this many times as rare; 0: none.",
    )
