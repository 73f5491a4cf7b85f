"""Function vectors: a few attention heads, summed and added (Todd et al. 2024).

Claim: a small number of heads carries the task from demonstrations to the last token; their mean
outputs, summed and added to the residual stream of a prompt without the task, bring it back. It
would be refuted by as many random heads, another task's heads or a random direction of equal length
that do as well. Beside it stand the task vector, the mean state and ICL on the same episodes; these
are measured where they are missing.

    python -m analyses.function_vectors
    python -m analyses.function_vectors --heads 20 --tasks knowledge
    python -m analyses.function_vectors --protocol todd --tasks linguistic
    python -m analyses.function_vectors --prompts their_prompts.json
"""

from pathlib import Path

from analyses.analysis import analyse
from analyses.command import FAILURE_EXIT, command
from tvsight.experiments.function_vectors import FUNCTION_VECTOR_RULES, NAME, Options


def main(options: Options) -> int:
    """Measure what is missing, then write tables and figures; returns the exit code."""
    if options.prompts is not None:
        return replayed(options, options.prompts)
    from tvsight.experiments.function_vectors import report

    return analyse(options, NAME, report.collect, report.draw)


def replayed(options: Options, file: str) -> int:
    """Measure the prompts of a file again, and compare; returns the exit code."""
    from tvsight.experiments.function_vectors import prompt_files, replay
    from tvsight.models.loading import load
    from tvsight.output.console import Display

    content = prompt_files.read_prompts(Path(file))
    # Other code measured in float32, and effects are compared within 1e-4.
    dtype = "float32" if options.dtype == "auto" else options.dtype
    display = Display()
    failed = False
    for name in options.model:
        model = load(
            name,
            options.revision,
            options.device,
            dtype,
            trust_remote_code=options.trust_remote_code,
            allow_pickled_weights=options.allow_pickled_weights,
        )
        compared = replay.replay(model, content)
        display.table(replay.cells(compared), f"{model.name}: measured again")
        failed |= any(one.equal < one.compared for one in compared)
    return FAILURE_EXIT if failed else 0


if __name__ == "__main__":
    command(Options, main, __doc__, FUNCTION_VECTOR_RULES)
