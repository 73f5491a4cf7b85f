"""Write the numbers of the documents anew, from the reference results and those of benchmarks.

    python -m benchmarks.document_numbers

A block begins with `<!-- generated: NAME -->` and ends with `<!-- end -->`, each on a line of its
own, in the README or a page of `docs/`. Between them stands the table that `document_numbers.toml`
declares under that name, whose head says how.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pandas as pd

from tvsight.models.catalogue import catalogue
from tvsight.output.labels import MISSING, interval, number
from tvsight.output.procedures import PROCEDURES
from tvsight.protocol.layers import over_tasks, paper_by_layer, peaks

ROOT = Path(__file__).parent.parent
TABLES = ROOT / "results" / "tables"
MEASURED = ROOT / "benchmarks" / "results"
DECLARED = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
BLOCK = re.compile(r"(<!-- generated: ([\w ]+) -->\n).*?(?=<!-- end -->)", re.DOTALL)
FIELD = re.compile(r"\{(\w+)(?::([^}]*))?\}")

Spec = Mapping[str, Any]
"""A table, or a part of one, as it is declared."""


def pages() -> list[Path]:
    """The documents that may have blocks."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def written(text: str) -> str:
    """A document with every block as the committed results make it.

    Raises:
        KeyError: when a block has a name that is not declared.
    """
    return BLOCK.sub(lambda found: f"{found[1]}\n{markdown(found[2])}\n", text)


def markdown(name: str) -> str:
    """The declared table of this name, in Markdown. Columns of numbers stand at the right."""
    spec = DECLARED["tables"][name]
    table = cells(spec)
    if spec.get("turned"):
        table = table.T
    table = table.reset_index(names=spec.get("heading", ""))
    marks = ["---:" if table[column].str.match(r"$|[-–\d]").all() else "---" for column in table]
    return "".join(f"| {' | '.join(line)} |\n" for line in (table, marks, *table.to_numpy()))


def cells(spec: Spec) -> pd.DataFrame:
    """The texts of a table with its labels as index; those of its parts side by side."""
    if "parts" in spec:
        parts = [
            DECLARED["tables"][part] if isinstance(part, str) else part for part in spec["parts"]
        ]
        return pd.concat(map(cells, parts), axis=1).fillna("")
    rows = rows_of(spec).to_dict("records")
    columns = {
        heading: [worded(template, row) for row in rows]
        for heading, template in spec["columns"].items()
    }
    return pd.DataFrame(columns, [worded(spec["label"], row) for row in rows])


def rows_of(spec: Spec) -> pd.DataFrame:
    """The rows that a table is made from, chosen, computed and summed up.

    Raises:
        ValueError: when no row is chosen.
    """
    rows = measured(spec) if "file" in spec else SOURCES.get(spec["table"], read)(spec["table"])
    for column, values in spec.get("where", {}).items():
        kept = values if isinstance(values, list) else [values]
        rows = pd.concat([rows[rows[column] == value] for value in kept])
    rows = _computed(rows, spec.get("compute", {}))
    rows = rows.query(spec.get("query", "index >= 0")).head(spec.get("first", len(rows)))
    if "group" in spec:
        groups = rows.groupby(spec["group"], sort=False)
        # The mean of the ends of intervals is no end of an interval.
        sums = groups.agg(spec["each"], numeric_only=True).filter(regex="(?<!_low)(?<!_high)$")
        rows = sums.assign(counted=groups.size()).reset_index()
    if rows.empty:
        raise ValueError(f"{spec.get('table', spec.get('file'))} has no row for {spec['columns']}")
    return _computed(rows, spec.get("then", {}))


def _computed(rows: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    text = "\n".join(f"{name} = {expression}" for name, expression in columns.items())
    return cast("pd.DataFrame", rows.copy().eval(text)) if text else rows


def worded(template: str, row: Mapping[Any, Any]) -> str:
    """A template with the fields of a row; a dash where one of them is not known."""
    texts = [_field(row, name, form) for name, form in FIELD.findall(template)]
    if MISSING in texts:
        return MISSING
    return FIELD.sub("{}", template).format(*texts)


def _field(row: Mapping[Any, Any], name: str, form: str) -> str:
    value = row[name]
    if isinstance(value, str):
        title = PROCEDURES[value].title if value in PROCEDURES else value
        return str(DECLARED["names"].get(value, title))
    if pd.isna(value):
        return MISSING
    if form:
        return format(value, form)
    if f"{name}_low" in row:
        return interval(row, name)
    return number(value) if isinstance(value, float) else str(value)


@cache
def read(name: str) -> pd.DataFrame:
    """A table of the reference results."""
    return pd.read_csv(TABLES / f"{name}.csv")


def measured(spec: Spec) -> pd.DataFrame:
    """The numbers in a benchmark's output: a row per match of the pattern, by its named groups."""
    text = (MEASURED / spec["file"]).read_text(encoding="utf-8")
    found = [match.groupdict() for match in re.finditer(spec["pattern"], text, re.DOTALL)]
    return pd.read_csv(StringIO(pd.DataFrame(found).to_csv(index=False)))  # numbers are numbers


def _peaks(_: str) -> pd.DataFrame:
    """Where mean dev accuracy is highest; of the paper's models the range of depths."""
    paper = peaks(over_tasks(paper_by_layer()))["relative_depth"]
    depths = " to ".join(map(number, (paper.min(), paper.max())))
    papers = pd.DataFrame({"model": ["All seven"], "relative_depth": [depths]})
    return pd.concat([peaks(over_tasks(read("layer_sweep"))), papers], ignore_index=True)


def _neighbours(_: str) -> pd.DataFrame:
    """Tasks with the vectors of others, how near these are, and the accuracy with the own one."""
    answers = read("controls_transfer")
    apart = read("vector_clusters_distances").rename(columns={"other": "source"})
    apart["place"] = apart.groupby(["model", "task"])["distance"].rank().astype(int)
    own = answers[answers["source"] == answers["task"]]
    own = own[["model", "task", "accuracy"]].rename(columns={"accuracy": "own"})
    return (
        answers.merge(apart)
        .merge(own)
        .assign(pair=lambda table: table["task"] + " " + table["source"])
    )


def _catalogue(_: str) -> pd.DataFrame:
    """Parameters of the models, and the shapes that are declared."""
    shapes = DECLARED["shapes"]
    rows = [
        (alias, entry.parameters, *shapes.get(alias, (None, None)))
        for alias, entry in catalogue().items()
    ]
    table = pd.DataFrame(rows, columns=["model", "parameters", "blocks", "width"])
    return table.assign(run="All ten")


SOURCES: dict[str, Callable[[str], pd.DataFrame]] = {
    "peaks": _peaks,
    "neighbours": _neighbours,
    "catalogue": _catalogue,
}
"""Tables that are computed from the committed ones, by name."""


def main() -> None:
    """Write every document whose numbers are not those of the results, and name it."""
    for page in pages():
        old = page.read_text(encoding="utf-8")
        if (new := written(old)) != old:
            page.write_text(new, encoding="utf-8")
            print(page.relative_to(ROOT))


if __name__ == "__main__":
    main()
