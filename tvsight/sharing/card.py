"""The card of a data set on the hub: its README, made from manifests."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from tvsight.errors import UsageError
from tvsight.storage.manifests import ROWS, VECTORS, Result
from tvsight.texts import markdown
from tvsight.writing import folder_name

if TYPE_CHECKING:
    import pandas as pd

LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]*")
"""The hub's name of a licence."""
TAGS = ("tvsight", "task-vectors", "in-context-learning", "interpretability")
NO_SETTINGS = ("experiment", "model", "task", "task_data", "weights", "dtype", "method_source")
"""Fields of an identity that are names or checksums, or stand in another table."""
DOCUMENTATION = "https://github.com/tvsight/tvsight/blob/main/docs/results.md"
Manifest = dict[str, Any]


def card(repository: str, manifests: Iterable[Manifest], licence: str | None = None) -> str:
    """The text of a card, in Markdown with its fields in YAML.

    Every word of a manifest is escaped. Each experiment is a configuration of the data set, or one
    for each schema, so that the hub's viewer and the package `datasets` read its rows.

    Args:
        repository: owner and name of the data set.
        manifests: those of all results in it, at least one.
        licence: the hub's name of the licence; None claims none.

    Raises:
        UsageError: when that is no such name.
    """
    import pandas as pd

    if licence is not None and not LICENCE.fullmatch(licence):
        raise UsageError(
            f"--licence {licence!r}: a name of the hub was expected, such as cc-by-4.0 or mit."
        )
    held = sorted(manifests, key=lambda manifest: json.dumps(manifest["identity"], sort_keys=True))
    table = pd.DataFrame(list(map(facts, held)))
    configurations = _configurations(table)
    first = configurations[0]["config_name"]
    vectors = sum(VECTORS in manifest["files"] for manifest in held)
    fields: dict[str, Any] = {"license": licence} if licence else {}
    fields |= {"tags": TAGS, "configs": configurations}
    by_experiment = table.groupby("experiment")
    parts = [
        # YAML reads JSON as it is.
        "\n".join(["---", *(f"{key}: {json.dumps(of)}" for key, of in fields.items()), "---"]),
        f"# {markdown(repository)}",
        "Measurements of task vectors of in-context learning, made with "
        "[tvsight](https://github.com/tvsight/tvsight). "
        f"Results: {len(held):,}, of them with vectors: {vectors:,}. A result is a folder "
        f"`experiment/model/task-key` with `{ROWS}`, a manifest with identity and checksums, and "
        f"`{VECTORS}` where vectors are kept. [Every column and field]({DOCUMENTATION}).",
        _table(
            ("Experiment", "Results", "Models", "Tasks"),
            zip(
                by_experiment.groups,
                by_experiment.size(),
                by_experiment["model"].nunique(),
                by_experiment["task"].nunique(),
                strict=True,
            ),
        ),
        _table(
            ("Model", "Weights from", "Revision", "Precision", "Measured on", "Results"),
            table.value_counts(["model", "origin", "revision", "dtype", "device"], sort=False)
            .reset_index()
            .to_numpy(),
        ),
        _table(("Setting", "Values"), settings(held)),
        "## Use",
        "```bash\n"
        f"python -m analyses.results pull hf://datasets/{repository} --results pulled\n"
        "python -m analyses.results list --results pulled\n```",
        f'```python\nimport datasets\n\ndatasets.load_dataset("{repository}", "{first}")\n```',
        "`pull` compares every file with its checksum, and every row with its schema.",
    ]
    return "\n\n".join(parts) + "\n"


def facts(manifest: Manifest) -> dict[str, str]:
    """What tables say of a result, as texts."""
    source = manifest.get("source")
    known = source if isinstance(source, dict) else {}
    identity = manifest["identity"]
    facts = {
        **{name: identity.get(name) for name in ("experiment", "model", "task", "dtype")},
        "origin": " ".join(str(known[name]) for name in ("kind", "id") if known.get(name)),
        "revision": known.get("revision"),
        "device": manifest.get("device"),
        "schema": manifest.get("schema_version"),
        "folder": Result(identity).path.as_posix(),
    }
    return {name: "" if of is None else str(of) for name, of in facts.items()}


def _configurations(facts: "pd.DataFrame") -> list[dict[str, Any]]:
    """The files of rows that have the same columns: those of one experiment, and of one schema."""
    configurations: list[dict[str, Any]] = []
    for (experiment, schema), same in facts.groupby(["experiment", "schema"]):
        name = folder_name(str(experiment))
        is_one = len(same) == (facts["experiment"] == experiment).sum()
        files = [f"{folder}/{ROWS}" for folder in same["folder"]]
        configurations.append(
            {
                "config_name": name if is_one else f"{name}_schema_{folder_name(str(schema))}",
                "data_files": f"{name}/*/*/{ROWS}" if is_one else files,
                "default": not configurations,
            }
        )
    return configurations


def settings(manifests: Sequence[Manifest]) -> list[tuple[str, str]]:
    """The values that occur of each setting, each once."""
    found: dict[str, set[str]] = {}
    for manifest in manifests:
        known = {name: of for name, of in manifest["identity"].items() if name not in NO_SETTINGS}
        known["tvsight"] = manifest["versions"]["tvsight"]
        known["written"] = str(manifest["written"])[:10]
        for name, value in known.items():
            if isinstance(value, str | int | float):
                found.setdefault(name, set()).add(str(value))
    return [(name, ", ".join(sorted(values, key=_natural))) for name, values in found.items()]


def _natural(text: str) -> tuple[int, str]:
    return len(text) if text.isdecimal() else 0, text


def _table(columns: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    cells = [[markdown(str(cell)) for cell in row] for row in rows]
    lines = [columns, ["---"] * len(columns), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
