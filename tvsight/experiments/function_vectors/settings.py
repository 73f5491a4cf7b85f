"""Measure vectors at equal freedom: each has its block, its factor and, where it is a sum of heads,
their number chosen on dev.

Procedures: `function_vector`, the sum of heads of largest effect on the task itself or on the
other tasks; `own_mean`, the mean task vector of the dev episodes; `mean_state`, the mean state of
few-shot dev prompts. Each is added to the residual stream and written over it, at the last token of
a zero-shot prompt.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypedDict

from torch import Tensor

from tvsight.interventions.attention import Head
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.heads import contributions
from tvsight.methods import mean_state
from tvsight.methods.function_vector import summed
from tvsight.methods.method import Use, extract
from tvsight.prompts.tokens import PromptTokens
from tvsight.protocol.conditions import BASELINE, Condition, Progress, Prompts, Read, silent
from tvsight.protocol.measure import correct_by_block, extract_with_icl

LABELS = ("setting", "operation", "heads_of", "heads", "factor")
"""Columns of a row beside those of every prediction."""
FIXED_FACTOR = 1.0
USES: tuple[Use, ...] = ("add", "overwrite")


class OwnAndOthers(TypedDict):
    """The heads of one task."""

    means: Tensor
    """The mean of every head on the task, `[depth, heads, head_width]`."""
    ranking: dict[str, list[Head]]
    """All heads, those of the largest mean effect first: by the effect on the task itself (`own`),
    and by that on the other tasks (`others`), where there are any."""
    counts: list[int]
    """Numbers of heads that are tried."""
    factors: list[float]
    """Factors of the vector that are tried."""
    fixed: int
    """That of the fixed setting."""


class Setting(NamedTuple):
    """What is applied, with everything that is chosen but the block."""

    procedure: str
    heads_of: str | None
    use: Use
    heads: int | None
    factor: float = FIXED_FACTOR

    def others(self, known: OwnAndOthers) -> "list[Setting]":
        """The same vector with every number of heads and every factor."""
        sizes = [self.heads] if self.heads is None else known["counts"]
        factors = known["factors"]
        return [self._replace(heads=size, factor=factor) for size in sizes for factor in factors]


class Settings(TypedDict):
    """The test answers of one task."""

    test: list[Read]
    """`baseline`, and each vector with its fixed and its tuned setting, labelled with these."""
    finite: bool


def measure(
    decoder: Decoder,
    dev: PromptTokens,
    test: PromptTokens,
    known: OwnAndOthers,
    progress: Progress | None = None,
) -> Settings:
    """Choose the setting of each vector on dev, and answer the test queries with it, in one job.

    The fixed setting chooses the block alone. The tuned one chooses the number of heads and the
    factor at that block, and the block again; of all that were tried it is the best on dev, of
    equal ones the first.
    """
    say = progress or silent
    say("vectors")
    written = contributions(
        decoder, known["means"].to(decoder.device, decoder.dtype), normalised=True
    ).float()
    sums = {
        (heads_of, count): summed(written, ranking[:count])
        for heads_of, ranking in known["ranking"].items()
        for count in known["counts"]
    }
    vectors = {
        "own_mean": extract_with_icl(decoder, dev).vectors["task_vector"].mean(dim=0),
        "mean_state": extract(decoder, dev, mean_state.METHOD)[0],
    }

    def condition(of: Setting, blocks: Sequence[int], chosen: str = "") -> Condition:
        if of.heads_of is None or of.heads is None:
            vector = vectors[of.procedure]
        else:
            vector = sums[of.heads_of, of.heads]
        condition = Condition(of.procedure, of.factor * vector, blocks, of.use)
        labels = of._asdict() | {"operation": of.use, "setting": chosen}
        return condition.labelled(**{name: labels[name] for name in LABELS})

    every = range(decoder.depth)
    prompts = Prompts(decoder, dev["zero_shot"], dev["expected"])

    def tried(asked: Sequence[tuple[Setting, Sequence[int]]]) -> list[list[int]]:
        """The number of right dev answers with each setting, after each of its blocks."""
        reads = prompts.read([condition(*of) for of in asked])
        return [correct_by_block(read["answers"], dev["accepted"]) for read in reads]

    say("blocks")
    fixed = _fixed(known, vectors)
    firsts = [_best(right) for right in tried([(setting, every) for setting in fixed])]
    say("heads and factors")
    tuned = []
    for setting, (_, block) in zip(fixed, firsts, strict=True):
        grid = setting.others(known)
        right = tried([(other, [block]) for other in grid])
        tuned.append(grid[right.index(max(right))])
    say("blocks again")
    again = [_best(right) for right in tried([(setting, every) for setting in tuned])]

    conditions = []
    for number, (first, block) in enumerate(firsts):
        conditions.append(condition(fixed[number], [block], "fixed"))
        most, chosen = again[number]
        better = (tuned[number], [chosen]) if most > first else (fixed[number], [block])
        conditions.append(condition(*better, "tuned"))
    say("test")
    on_test = Prompts(decoder, test["zero_shot"], test["expected"])
    finite = all(bool(of.isfinite().all()) for of in (*sums.values(), *vectors.values()))
    return {"test": on_test.read([BASELINE, *conditions]), "finite": finite}


def _fixed(known: OwnAndOthers, vectors: Iterable[str]) -> list[Setting]:
    """Every vector with both operations, the fixed number of heads and the fixed factor."""
    sums = [("function_vector", heads_of, known["fixed"]) for heads_of in known["ranking"]]
    return [
        Setting(procedure, heads_of, use, heads)
        for procedure, heads_of, heads in [*sums, *((name, None, None) for name in vectors)]
        for use in USES
    ]


def _best(right: Sequence[int]) -> tuple[int, int]:
    """The most right answers after a block, and the first block that has them."""
    return max(right), right.index(max(right))
