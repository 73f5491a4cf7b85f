"""From rows of token projections to what is shown: top tokens, and how near the top a task's
answers and description come."""

import pandas as pd

from tvsight.texts import printable

SHOWN = 20
"""Tokens in a table, as in the paper."""
ABOVE = 2
"""The paper shows tokens so many blocks above the chosen one."""
KEYS = ["model", "category", "task"]


def with_chosen(rows: pd.DataFrame, central: pd.DataFrame) -> pd.DataFrame:
    """Rows of one task with the block that the central comparison chose for its task vector.

    Args:
        central: rows of the central comparison, the task's among them.

    Returns:
        The rows and `chosen`, `two_above` (at most the last block), `layer_identified`, and
        `episodes`, over how many the vector is a mean.
    """
    first = rows.iloc[0]
    is_ours = (central["model"] == first["model"]) & (central["task"] == first["task"])
    of_vector = central[is_ours & (central["procedure"] == "task_vector")]
    patched = of_vector[of_vector["split"] == "test"].iloc[0]
    chosen = int(patched["layer"])
    return rows.assign(
        chosen=chosen,
        two_above=min(chosen + ABOVE, int(rows["layer"].max())),
        layer_identified=bool(patched["layer_identified"]),
        episodes=of_vector.loc[of_vector["split"] == "dev", "episode"].nunique(),
    )


def top_tokens(rows: pd.DataFrame, most: int = SHOWN, all_tokens: bool = False) -> pd.DataFrame:
    """The most probable tokens of the task vectors after every block.

    Args:
        rows: from `with_chosen`, of any models and tasks.
        most: how many after each block.
        all_tokens: keep tokens that the paper leaves out: those that are not letters alone, and
            all but the most probable of those that differ in white space or case only.

    Returns:
        The rows that are left, with `order` from 1 and `shown`, the token as a text on one line.
    """
    top = rows[rows["kind"] == "top"].sort_values("rank", kind="stable")
    if all_tokens:
        shown = [visible(*of) for of in zip(top["token"], top["token_id"], strict=True)]
        top = top.assign(shown=shown)
    else:
        top = top.assign(shown=top["token"].str.strip())
        top = top[top["shown"].str.isalpha()]
        folded = top.assign(folded=top["shown"].str.casefold())
        top = top[~folded.duplicated([*KEYS, "layer", "folded"])]
    order = top.groupby([*KEYS, "layer"], observed=True).cumcount() + 1
    return top.assign(order=order)[order <= most].sort_index().reset_index(drop=True)


def visible(token: str, token_id: int) -> str:
    r"""A token with nothing in it that is not to be seen: a space is `␣`, a line break `\n`.

    A token without a text is shown as its number.
    """
    spaced = "".join(_written(character) for character in token)
    return printable(spaced) if token else f"<{token_id}>"


def at_blocks(table: pd.DataFrame) -> pd.DataFrame:
    """The part of a table that is of the chosen block, then that of two blocks above, per task.

    Returns:
        The same columns and `place`: `chosen` or `two above`.
    """
    parts = []
    for _, of_task in table.groupby(KEYS, sort=False, observed=True):
        for place, column in (("chosen", "chosen"), ("two above", "two_above")):
            parts.append(of_task[of_task["layer"] == of_task[column]].assign(place=place))
    return pd.concat(parts or [table.assign(place="")], ignore_index=True)


def ranks(rows: pd.DataFrame) -> pd.DataFrame:
    """Rank and probability of the answers and of each word after every block.

    Args:
        rows: from `with_chosen`.

    Returns:
        Per model, task, `kind`, `word` (empty for answers) and `layer`: `rank` and `probability`
        of the task vector; the same of random vectors, median over draws, with `_low` and `_high`
        the least and the most of any; `tokens` behind them and the number of `draws`.
    """
    asked = rows[rows["kind"] != "top"].rename(columns={"token": "word"}).fillna({"word": ""})
    keys = [*KEYS, "kind", "word", "layer", "chosen", "two_above", "layer_identified", "tokens"]
    task, drawn = (asked[asked["vector"] == vector] for vector in ("task", "random"))
    ours = task.set_index(keys)[["rank", "probability"]]
    by_draw = drawn.groupby(keys, sort=False, observed=True)
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
        Per model, `kind`, `vector` and `layer`: `rank`, `low`, `high`, and the number of `tasks`.
    """
    asked = rows[rows["kind"] != "top"]
    keys = ["model", "kind", "vector", "layer"]
    best = asked.groupby([*keys, "task", "draw"], sort=False, observed=True)["rank"].min()
    by_task = best.groupby(level=[*keys, "task"], sort=False).median()
    grouped = by_task.groupby(level=keys, sort=False)
    return grouped.agg(
        rank="median",
        low=lambda values: values.quantile(0.25),
        high=lambda values: values.quantile(0.75),
        tasks="size",
    ).reset_index()


def _written(character: str) -> str:
    if character == " ":
        return "␣"
    return character.encode("unicode_escape").decode() if character.isspace() else character
