"""Top tokens of the mean vectors, and ranks of a task's answers and of words that describe it."""

import pandas as pd

from tvsight.protocol.layers import by_layer, peaks
from tvsight.protocol.layers import over_tasks as layer_means
from tvsight.texts import visible

SHOWN = 20
"""Tokens in a table, as in the paper."""
ABOVE = 2
"""The number of blocks above the chosen one after which the paper shows tokens."""
KEYS = ["model", "category", "task"]


def with_chosen(
    rows: pd.DataFrame, applied: pd.DataFrame, vector: str = "task_vector"
) -> pd.DataFrame:
    """Rows of one task with the block that was chosen for its vector.

    Args:
        applied: rows of the central comparison, or of another method, of the same task.
        vector: the procedure of the vector there.

    Returns:
        The rows and `chosen`, `two_above` (at most the last block), `layer_identified`, and
        `episodes`, the number that the vector is a mean of.
    """
    vector_rows = applied[applied["procedure"] == vector]
    patched = vector_rows[vector_rows["split"] == "test"].iloc[0]
    chosen = int(patched["layer"])
    return rows.assign(
        chosen=chosen,
        two_above=min(chosen + ABOVE, int(rows["layer"].max())),
        layer_identified=bool(patched["layer_identified"]),
        episodes=vector_rows.loc[vector_rows["split"] == "dev", "episode"].nunique(),
    )


def top_tokens(rows: pd.DataFrame, most: int = SHOWN, all_tokens: bool = False) -> pd.DataFrame:
    """The most probable tokens of the task vectors after every block.

    Args:
        rows: from `with_chosen`, of any models and tasks.
        most: the largest number of tokens after a block.
        all_tokens: keep tokens that the paper leaves out: those that are not letters alone, and
            all but the most probable of those that differ in white space or case only. The one
            that is kept is an answer where any that differs from it in white space is one.

    Returns:
        The rows that are left, with `order` from 1, `shown`, the token as a text on one line, and
        `describes`, whether it is one of the words that describe the task.
    """
    described = rows[rows["kind"] == "description"]
    words = set(zip(described["task"], described["token"].str.casefold(), strict=True))
    top = rows[rows["kind"] == "top"].sort_values("rank", kind="stable")
    if all_tokens:
        top = top.assign(shown=list(map(visible, top["token"], top["token_id"])))
    else:
        top = top.assign(shown=top["token"].str.strip(), is_answer=top["is_answer"].astype(bool))
        same_word = top.groupby([*KEYS, "layer", "shown"], observed=True)["is_answer"]
        top = top.assign(is_answer=same_word.transform("any"))
        top = top[top["shown"].str.isalpha()]
        folded = top.assign(folded=top["shown"].str.casefold())
        top = top[~folded.duplicated([*KEYS, "layer", "folded"])]
    order = top.groupby([*KEYS, "layer"], observed=True).cumcount() + 1
    spelt = top["token"].str.strip().str.casefold()
    describes = [word in words for word in zip(top["task"], spelt, strict=True)]
    top = top.assign(order=order, describes=describes)
    return top[order <= most].sort_index().reset_index(drop=True)


def shares(top: pd.DataFrame) -> pd.DataFrame:
    """The share of the most probable tokens after every block that begin an answer.

    Args:
        top: from `top_tokens`, of rows from `with_chosen`.

    Returns:
        Per model, category, task and `layer`: `chosen`, `two_above`, `answers` and `describing`
        (the shares), and the number of `tokens`.
    """
    keys = [*KEYS, "layer", "chosen", "two_above"]
    block_groups = top.assign(is_answer=top["is_answer"].astype(bool)).groupby(keys, sort=False)
    return block_groups.agg(
        answers=("is_answer", "mean"), describing=("describes", "mean"), tokens=("order", "size")
    ).reset_index()


def windows(applied: pd.DataFrame, vector: str = "task_vector") -> dict[str, tuple[int, int]]:
    """By model, the first and last block around the peak where patching works nearly as well
    (`layers.PEAK_SHARE`).

    Args:
        applied, vector: as `with_chosen` takes them.
    """
    found = peaks(layer_means(by_layer(applied, vector))).set_index("model")
    return dict(zip(found.index, zip(found["first"], found["last"], strict=True), strict=True))


def beside_paper(ours: pd.DataFrame, paper: pd.DataFrame, tasks: list[str]) -> pd.DataFrame:
    """The tokens of each task at the blocks that are shown, followed by the paper's.

    Args:
        ours: from `top_tokens`.
        paper: from `paper_top_tokens`.

    Returns:
        A row per token: `task`, `category`, `source` (`tvsight` or `paper`), `model`, `layer`,
        `index`, `order`, `token` and, of ours, the other columns of a rank.
    """
    ours = at_blocks(ours).assign(source="tvsight")
    theirs = paper.assign(source="paper", place="two above", shown=paper["tokens"].str.split(", "))
    theirs = theirs.explode("shown").rename(columns={"best_layer": "chosen"})
    theirs["order"] = theirs.groupby(["model", "task"]).cumcount() + 1
    columns = ["task", "category", "source", "model", "layer", "place", "order", "shown", "rank"]
    columns += ["probability", "is_answer", "token_id", "layer_identified", "chosen"]
    both = [part.reindex(columns=columns).astype(object) for part in (ours, theirs)]
    places = {task: index for index, task in enumerate(tasks)}
    tokens = pd.concat(both, ignore_index=True).assign(at=lambda of: of["task"].map(places))
    tokens = tokens.dropna(subset="at").sort_values("at", kind="stable", ignore_index=True)
    return tokens.drop(columns="at").rename(columns={"shown": "token"})


def at_blocks(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of each task's chosen block, then those of two blocks above.

    Returns:
        The same columns and `place`: `chosen` or `two above`.
    """
    parts = [
        task_rows[task_rows["layer"] == task_rows[column]].assign(place=column.replace("_", " "))
        for _, task_rows in table.groupby(KEYS, sort=False, observed=True)
        for column in ("chosen", "two_above")
    ]
    return pd.concat(parts or [table.assign(place="")], ignore_index=True)


def ranks(rows: pd.DataFrame) -> pd.DataFrame:
    """Rank and probability of the answers and of each word after every block.

    Args:
        rows: from `with_chosen`.

    Returns:
        Per model, task, `kind`, `word` (empty for answers) and `layer`: `rank` and `probability`
        of the task vector; `random_rank` and `random_probability`, medians over draws, with `_low`
        and `_high` (the least and the most of any draw); `tokens` of the answers or the word, and
        the number of `draws`.
    """
    groups = rows[rows["kind"] != "top"].rename(columns={"token": "word"}).fillna({"word": ""})
    keys = [*KEYS, "kind", "word", "layer", "chosen", "two_above", "layer_identified", "tokens"]
    ours = groups[groups["vector"] != "random"].set_index(keys)[["rank", "probability"]]
    by_draw = groups[groups["vector"] == "random"].groupby(keys, sort=False, observed=True)
    theirs = by_draw.agg(
        draws=("draw", "nunique"),
        **{
            f"random_{name}{end}": (name, statistic)
            for name in ("rank", "probability")
            for end, statistic in (("", "median"), ("_low", "min"), ("_high", "max"))
        },
    )
    return ours.join(theirs).reset_index()


def over_tasks(rows: pd.DataFrame) -> pd.DataFrame:
    """Ranks over tasks after every block: median and quartiles.

    Of several words of a task the best-ranked counts, for each vector by itself. Of random
    vectors the median over draws counts, task by task.

    Returns:
        Per model, `kind`, `vector` and `layer`: `rank`, `rank_low`, `rank_high`, and the number of
        `tasks` and of `draws`.
    """
    groups = rows[rows["kind"] != "top"]
    keys = ["model", "kind", "vector", "layer"]
    best = groups.groupby([*keys, "task", "draw"], sort=False, observed=True)["rank"].min()
    by_task = best.groupby(level=[*keys, "task"], sort=False).agg(rank="median", draws="size")
    grouped = by_task.groupby(level=keys, sort=False)
    return grouped.agg(
        rank=("rank", "median"),
        rank_low=("rank", lambda values: values.quantile(0.25)),
        rank_high=("rank", lambda values: values.quantile(0.75)),
        tasks=("rank", "size"),
        draws=("draws", "max"),
    ).reset_index()


def task_line(rows: pd.DataFrame) -> str:
    """Where the answers and each word come nearest to the top, in a line."""
    task_rows = rows[(rows["vector"] != "random") & (rows["kind"] != "top")]
    parts = []
    for (kind, word), word_rows in task_rows.groupby(["kind", "token"], dropna=False, sort=False):
        best = word_rows.sort_values("rank", kind="stable").iloc[0]
        name = "answers" if kind == "answers" else f"“{word}”"
        parts.append(f"{name} at rank {best['rank']:.0f} after block {best['layer']}")
    return "best " + ", ".join(parts)
