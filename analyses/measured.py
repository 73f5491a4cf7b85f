"""The rows that an analysis draws: from the store, or measured where they are missing."""

from typing import TYPE_CHECKING, Any

from tvsight.config import RunConfig
from tvsight.experiments import MAIN_RESULTS

if TYPE_CHECKING:
    from tvsight.console import Display
    from tvsight.outcome import Outcome


def main_results(config: RunConfig, display: "Display") -> "Outcome":
    """Rows of the central comparison; none for `--dry-run`, which says what would be measured."""
    from tvsight import runner
    from tvsight.outcome import Outcome

    if config.dry_run:
        runner.preview(config, MAIN_RESULTS, _measure_task, display)
        return Outcome()
    if config.redraw:
        return runner.stored(config, MAIN_RESULTS, display)
    return runner.run(config, MAIN_RESULTS, _measure_task, display)


def _measure_task(*arguments: Any) -> Any:
    from tvsight.experiments.main_results import measure_task  # torch, once all is in order

    return measure_task(*arguments)
