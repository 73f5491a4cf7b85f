import pandas as pd

from tests.helpers.commands import analysis
from tests.helpers.recorded import Told
from tvsight.models import catalogue


def test_every_model_is_listed_with_its_alias_and_whether_it_can_be_used() -> None:
    process = analysis("models", forked=False)
    assert (process.returncode, process.stderr) == (0, "")
    rows = [line for line in process.stdout.splitlines() if line.split(" ")[0] in catalogue()]
    told = ("usable", "needs", "too large")
    for row, (alias, entry) in zip(rows, catalogue().items(), strict=True):
        assert row.split()[0] == alias
        assert entry.hub_id in row
        assert any(f"  {state}" in row for state in told), row
    assert "Gemma Terms of" in process.stdout


def test_no_id_is_broken_on_a_narrow_terminal() -> None:
    display = Told()
    ids = pd.DataFrame({"Alias": list(catalogue()), "Model": "A name " * 9})
    ids["Hub id"] = [entry.hub_id for entry in catalogue().values()]
    display.table(ids, "Models", ["Model"], whole=["Alias", "Hub id"])
    assert [name for name in ids["Hub id"] if name not in display.text] == []
    assert "Left out at 80 columns: Model." in display.text
