"""The models that tvsight knows by name, and which of them can be used here and now."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """No options: the whole catalogue is printed."""


def main(_: Options) -> int:
    """Print the catalogue; returns the exit code."""
    import pandas as pd

    from tvsight.models.availability import availability
    from tvsight.models.catalogue import catalogue
    from tvsight.output.console import Display

    rows = [
        {
            "Alias": entry.alias,
            "Model": entry.display_name,
            "Hub id": entry.hub_id,
            "Alias loads": "the package" if entry.package else "the hub id",
            "Parameters": f"{entry.parameters / 1e9:.3g} B",
            "Licence": entry.licence + (", gated" if entry.gated else ""),
            "Here and now": availability(entry),
        }
        for entry in catalogue().values()
    ]
    display = Display()
    display.verbose = False
    others = ["Model", "Alias loads", "Parameters", "Licence"]
    display.table(pd.DataFrame(rows), "Models by alias", others, whole=["Alias", "Hub id"])
    display.note("Any hub id or checkpoint directory works as well.")
    return 0
