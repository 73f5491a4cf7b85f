"""Episodes that suit the rows of the example store."""

import pandas as pd

from tests.helpers.example_store import ROWS
from tests.helpers.hostile import WORDS
from tvsight.prompts import Episode
from tvsight.prompts.episodes import SPLITS
from tvsight.storage.episode_tables import tabled

SHOWN = tuple((word, word[::-1]) for word in WORDS.values())


def example_episodes() -> pd.DataFrame:
    """The episodes of `ROWS`, with demonstrations of hostile words."""
    parts = []
    for split in SPLITS:
        asked = ROWS[(ROWS["split"] == split) & (ROWS["procedure"] == "baseline")]
        episodes = [
            Episode("antonyms", split, SHOWN, query, (" yes", " yea"), ("a", "b"))
            for query in asked["query"]
        ]
        parts.append(tabled(episodes, [["<s>", "in", "->"]] * len(episodes)))
    return pd.concat(parts, ignore_index=True)
