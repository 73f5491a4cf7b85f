"""The card of a data set on the hub: its README, made from manifests."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tvsight.errors import UsageError
from tvsight.storage.manifests import ROWS, VECTORS, Result
from tvsight.texts import markdown
from tvsight.writing import folder_name

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
        manifests: those of all results in it.
        licence: the hub's name of the licence; None claims none.

    Raises:
        UsageError: when that is no such name.
    """
    if licence is not None and not LICENCE.fullmatch(licence):
        raise UsageError(
            f"--licence {licence!r}: a name of the hub was expected, such as cc-by-4.0 or mit."
        )
    held = sorted(manifests, key=lambda manifest: json.dumps(manifest["identity"], sort_keys=True))
    configurations = _configurations(held)
    first = configurations[0]["config_name"] if configurations else ""
    vectors = sum(VECTORS in manifest["files"] for manifest in held)
    parts = [
        _front(configurations, licence),
        f"# {markdown(repository)}",
        "Measurements of task vectors of in-context learning, made with "
        "[tvsight](https://github.com/tvsight/tvsight). "
        f"Results: {len(held):,}, of them with vectors: {vectors:,}. A result is a folder "
        f"`experiment/model/task-key` with `{ROWS}`, a manifest with identity and checksums, and "
        f"`{VECTORS}` where vectors are kept. [Every column and field]({DOCUMENTATION}).",
        _table(("Experiment", "Results", "Models", "Tasks"), _of_experiments(held)),
        _table(
            ("Model", "Weights from", "Revision", "Precision", "Measured on", "Results"),
            _of_models(held),
        ),
        _table(("Setting", "Values"), _settings(held)),
        "## Use",
        "```bash\n"
        f"python -m analyses.results pull hf://datasets/{repository} --results pulled\n"
        "python -m analyses.results list --results pulled\n```",
        f'```python\nimport datasets\n\ndatasets.load_dataset("{repository}", "{first}")\n```',
        "`pull` compares every file with its checksum, and every row with its schema.",
    ]
    return "\n\n".join(parts) + "\n"


def _front(configurations: Sequence[dict[str, Any]], licence: str | None) -> str:
    """The fields of a card. YAML reads JSON as it is."""
    fields: dict[str, Any] = {"license": licence} if licence else {}
    fields |= {"tags": TAGS, "configs": configurations}
    return "\n".join(["---", *(f"{key}: {json.dumps(of)}" for key, of in fields.items()), "---"])


def _configurations(manifests: Sequence[Manifest]) -> list[dict[str, Any]]:
    """The files of rows that have the same columns: those of one experiment, and of one schema."""
    configurations: list[dict[str, Any]] = []
    for (experiment,), of in _grouped(manifests, lambda one: (_identity(one, "experiment"),)):
        name = folder_name(experiment)
        by_schema = _grouped(of, lambda one: (str(one.get("schema_version")),))
        for (schema,), same in by_schema:
            files = [f"{Result(one['identity']).path.as_posix()}/{ROWS}" for one in same]
            is_one = len(by_schema) == 1
            configurations.append(
                {
                    "config_name": name if is_one else f"{name}_schema_{folder_name(schema)}",
                    "data_files": f"{name}/*/*/{ROWS}" if is_one else files,
                    "default": not configurations,
                }
            )
    return configurations


def _of_experiments(manifests: Sequence[Manifest]) -> list[tuple[str, ...]]:
    return [
        (name, str(len(of)), _count(of, "model"), _count(of, "task"))
        for (name,), of in _grouped(manifests, lambda one: (_identity(one, "experiment"),))
    ]


def _of_models(manifests: Sequence[Manifest]) -> list[tuple[str, ...]]:
    def key(one: Manifest) -> tuple[str, ...]:
        source = one.get("source")
        known = source if isinstance(source, dict) else {}
        origin = " ".join(str(known[name]) for name in ("kind", "id") if known.get(name))
        revision = str(known.get("revision") or "")
        device = str(one.get("device") or "")
        return _identity(one, "model"), origin, revision, _identity(one, "dtype"), device

    return [(*names, str(len(of))) for names, of in _grouped(manifests, key)]


def _settings(manifests: Sequence[Manifest]) -> list[tuple[str, str]]:
    """The values that occur of each setting, each once."""
    found: dict[str, set[str]] = {}
    for one in manifests:
        settings = {name: of for name, of in one["identity"].items() if name not in NO_SETTINGS}
        settings |= {"tvsight": one["versions"]["tvsight"], "written": str(one["written"])[:10]}
        for name, value in settings.items():
            if isinstance(value, str | int | float):
                found.setdefault(name, set()).add(str(value))
    return [(name, ", ".join(sorted(values, key=_natural))) for name, values in found.items()]


def _natural(text: str) -> tuple[int, str]:
    return len(text) if text.isdecimal() else 0, text


def _identity(manifest: Manifest, name: str) -> str:
    value = manifest["identity"].get(name)
    return "" if value is None else str(value)


def _count(manifests: Sequence[Manifest], name: str) -> str:
    return str(len({_identity(one, name) for one in manifests}))


def _grouped(
    manifests: Sequence[Manifest], key: Callable[[Manifest], tuple[str, ...]]
) -> list[tuple[tuple[str, ...], list[Manifest]]]:
    groups: dict[tuple[str, ...], list[Manifest]] = {}
    for manifest in manifests:
        groups.setdefault(key(manifest), []).append(manifest)
    return sorted(groups.items())


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *(list(map(markdown, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
