"""The episodes of a result, as they lie beside its rows: demonstrations, accepted answers, prompt.

They have no part in the identity: a result without them is as valid. Rows and episodes belong
together by split and number of the episode.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tvsight.prompts.episodes import Episode
from tvsight.storage.checks import DamagedResult

if TYPE_CHECKING:
    import pandas as pd

WORDS = "list<element: string>"
EPISODE_TYPES = {
    "split": "string",
    "episode": "int64",
    "query": "string",
    "accepted": WORDS,
    "inputs": WORDS,
    "answers": WORDS,
    "dummies": WORDS,
    "prompt": WORDS,
}
"""Types of the columns of `episodes.parquet`, in order."""


def tabled(episodes: Sequence[Episode], prompts: Sequence[Sequence[str]]) -> "pd.DataFrame":
    """The episodes of one split as a table, one row each, in their order.

    Args:
        prompts: the texts of the tokens of each few-shot prompt.
    """
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "split": episode.split,
                "episode": number,
                "query": episode.query,
                "accepted": list(episode.accepted),
                "inputs": [given for given, _ in episode.demonstrations],
                "answers": [answer for _, answer in episode.demonstrations],
                "dummies": list(episode.dummy_queries),
                "prompt": list(prompt),
            }
            for number, (episode, prompt) in enumerate(zip(episodes, prompts, strict=True))
        ],
        columns=list(EPISODE_TYPES),
    )


def write(table: "pd.DataFrame", file: Path, metadata: dict[str, str]) -> None:
    """Write episodes to a parquet file.

    Raises:
        OSError: when the file cannot be written.
    """
    import pyarrow
    import pyarrow.parquet as parquet

    kinds = {
        "string": pyarrow.string(),
        "int64": pyarrow.int64(),
        WORDS: pyarrow.list_(pyarrow.field("element", pyarrow.string())),
    }
    schema = pyarrow.schema([(name, kinds[kind]) for name, kind in EPISODE_TYPES.items()], metadata)
    columns = [table[name].tolist() for name in EPISODE_TYPES]
    parquet.write_table(pyarrow.table(columns, schema=schema), file, compression="zstd")


def read(file: Path) -> "pd.DataFrame":
    """The episodes in a parquet file. Columns of words hold lists.

    Raises:
        DamagedResult: when it cannot be read, or holds other columns or types, or empty cells.
    """
    import pandas as pd
    import pyarrow.parquet as parquet

    try:
        table = parquet.read_table(file, partitioning=None)
        columns = table.to_pydict()
    except Exception as error:  # pyarrow raises a dozen unrelated types
        raise DamagedResult(f"{file.name} cannot be read as parquet") from error
    if {field.name: str(field.type) for field in table.schema} != EPISODE_TYPES:
        raise DamagedResult(f"{file.name} has other columns or types than its schema")
    lists = [column.combine_chunks() for column in table.columns]
    inside = [words.flatten() for words in lists if str(words.type) == WORDS]
    if any(values.null_count for values in (*lists, *inside)):
        raise DamagedResult(f"{file.name} has empty cells")
    return pd.DataFrame(columns, columns=list(EPISODE_TYPES))


def check(table: "pd.DataFrame", rows: "pd.DataFrame") -> None:
    """Check that episodes are those of the rows, each once: the same queries and usual answers, a
    demonstration's answer for each of its inputs, and a prompt.

    Raises:
        DamagedResult: with what is wrong.
    """
    if not table["accepted"].map(len).all():
        raise DamagedResult("an episode has no accepted answer")
    keys = ["split", "episode", "query", "expected"]
    usual = table.assign(expected=table["accepted"].map(lambda words: words[0]))
    found = usual[keys].sort_values(keys).to_numpy().tolist()
    if found != rows[keys].drop_duplicates().sort_values(keys).to_numpy().tolist():
        raise DamagedResult("the episodes are not those of the rows")
    if not table["inputs"].map(len).eq(table["answers"].map(len)).all():
        raise DamagedResult("a demonstration lacks its answer")
    if not table["prompt"].map(len).all():
        raise DamagedResult("an episode has no prompt")
