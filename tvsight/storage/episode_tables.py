"""The episodes of a result, as they lie beside its rows: demonstrations, accepted answers, prompt.

They have no part in the identity: a result without them is as valid. Rows and episodes belong
together by split and number of the episode.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tvsight.prompts.episodes import Episode
from tvsight.storage.checks import DamagedResult
from tvsight.storage.schemas import EPISODES

if TYPE_CHECKING:
    import pandas as pd


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
        columns=list(EPISODES.columns),
    )


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
    usual_rows = usual[keys].sort_values(keys).to_numpy().tolist()
    if usual_rows != rows[keys].drop_duplicates().sort_values(keys).to_numpy().tolist():
        raise DamagedResult("the episodes are not those of the rows")
    if not table["inputs"].map(len).eq(table["answers"].map(len)).all():
        raise DamagedResult("a demonstration lacks its answer")
    if not table["prompt"].map(len).all():
        raise DamagedResult("an episode has no prompt")
