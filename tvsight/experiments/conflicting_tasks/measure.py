"""Measure conflicting tasks: demonstrations of A, a task vector of B (section 4 of the paper).

The few-shot prompt `S_A, x→` is patched at its last token with θ_B, from demonstrations of B. If
the model then answers as B does, the vector overrides the demonstrations. The vector of another
method takes the place of θ_B, and is applied as that method says.

The block is chosen by two rules, each on dev. `zero_shot` is the paper's: the block where θ_B is
best at B in the zero-shot prompt `x→`. `conflict` takes the block where θ_B is best at B in the
conflict itself: where B is easy without any vector, the first rule picks an early block, at which
nothing is transferred.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from tvsight.interventions.answers import Icl
from tvsight.interventions.decoder import Decoder
from tvsight.methods import task_vector
from tvsight.methods.method import Method, extract_both
from tvsight.prompts.tokens import PromptTokens, whole_prompts
from tvsight.protocol.conditions import Condition, Progress, Prompts, Read, no_op, silent
from tvsight.protocol.measure import best_layer, in_context_learning

UNPATCHED = {"zero_shot": "baseline", "conflict": "icl"}
"""The procedure without a vector, by the prompts that a rule sees."""
VECTOR = "vector"
"""The procedure that applies θ_B, whatever method makes it."""


class PairAnswers(TypedDict):
    """Everything that is measured of one pair. Answers are by the task that they are scored as,
    `demonstrations` or `patched`, whose expected tokens the log-probabilities are of, and whose
    in-context learning the divergences are from. Labels name that task as `scored_as`, and the rule
    that chooses the block as `layer_rule`."""

    dev: dict[str, list[Read]]
    """Zero-shot prompts are scored as `patched` only. Without a vector, with θ_B after every block,
    and with each prompt's own state written back (`no_op`)."""
    test: dict[str, list[Read]]
    """Conflicting prompts without a vector (`icl`), and with θ_B after the block of each rule."""


def measure(
    decoder: Decoder,
    dev_demonstrations: PromptTokens,
    dev_patched: PromptTokens,
    test_demonstrations: PromptTokens,
    test_patched: PromptTokens,
    method: Method = task_vector.METHOD,
    settings: Mapping[str, Any] = {},
    progress: Progress | None = None,
) -> PairAnswers:
    """Measure a pair in one job.

    Args:
        dev_demonstrations: the dev prompts `S_A, x→`.
        dev_patched: the prompts that θ_B is read from, and the zero-shot prompts `x→` of B.
        test_demonstrations: as on dev.
        test_patched: as on dev.
        method: makes the vector of B.
        settings: named arguments of the method.
    """
    say = progress or silent
    say("dev conflicts")
    own, tested = extract_both(decoder, dev_patched, test_patched, method, settings)
    middle, every = [decoder.depth // 2], range(decoder.depth)
    zero_shot = Prompts(decoder, dev_patched["zero_shot"], dev_patched["expected"])
    conflict = Prompts(decoder, whole_prompts(dev_demonstrations), dev_demonstrations["expected"])
    sides = _sides(decoder, conflict, dev_demonstrations, dev_patched)
    dev: dict[str, list[Read]] = {name: [] for name in sides}
    layers = {}
    for rule, prompts in (("zero_shot", zero_shot), ("conflict", conflict)):
        conditions = [
            Condition(UNPATCHED[rule]),
            Condition(VECTOR, own, every, method.use, {"layer_rule": rule}),
            no_op(middle),
        ]
        scored = sides if rule == "conflict" else {"patched": sides["patched"]}
        for name, read in _answers(prompts, conditions, scored).items():
            dev[name] += read
            if name == "patched":
                layers[rule] = best_layer(read[1]["answers"], dev_patched["accepted"])
    say("test conflicts")
    conflict = Prompts(decoder, whole_prompts(test_demonstrations), test_demonstrations["expected"])
    conditions = [Condition("icl")]
    conditions += [
        Condition(VECTOR, tested, [layer], method.use, {"layer_rule": rule})
        for rule, layer in layers.items()
    ]
    sides = _sides(decoder, conflict, test_demonstrations, test_patched)
    return {"dev": dev, "test": _answers(conflict, conditions, sides)}


def _sides(
    decoder: Decoder, conflict: Prompts, demonstrations: PromptTokens, patched: PromptTokens
) -> dict[str, Icl]:
    """In-context learning by the task that answers are scored as: of A in the conflicting prompts,
    and of B with demonstrations of B."""
    states = conflict.own[conflict.index, -1]
    return {
        "demonstrations": Icl(states, demonstrations["expected"], demonstrations["accepted"]),
        "patched": in_context_learning(decoder, patched),
    }


def _answers(
    prompts: Prompts, conditions: Sequence[Condition], sides: Mapping[str, Icl]
) -> dict[str, list[Read]]:
    """The answers under each condition, scored as each task."""
    states = prompts.states(conditions)
    return {
        name: prompts.scored_as(icl).answers(
            [condition.labelled(layer_rule=None, scored_as=name) for condition in conditions],
            states,
        )
        for name, icl in sides.items()
    }
