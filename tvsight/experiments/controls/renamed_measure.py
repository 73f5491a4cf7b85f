"""Measure demonstrations whose labels are consistently renamed, scored as renamed and as right.

Permuted labels teach no mapping. Here every answer stands for another one, the same in every
demonstration, so that a reader of the demonstrations can rename the answer of a new query too.
Demonstrations, by name: `right`, with the right labels; `renamed`, the same with renamed ones;
`absent`, renamed too, of other pairs, so that none has the answer of the query.

Each is read as a few-shot prompt (`icl`), and its task vector is written over the zero-shot prompt
(`task_vector`). Its block is chosen on dev by two rules: where the vectors of right labels give the
right answer most often (`right`), and where those of renamed labels give the renamed one
(`renamed`).
"""

from tvsight.interventions.decoder import Decoder
from tvsight.prompts.tokens import PromptTokens
from tvsight.protocol.conditions import (
    BASELINE,
    Condition,
    Progress,
    Prompts,
    Read,
    read_states,
    silent,
)
from tvsight.protocol.measure import best_layer, extract_with_icl

VECTOR = "task_vector"


def measure(
    decoder: Decoder,
    dev_right: PromptTokens,
    dev_renamed: PromptTokens,
    test_right: PromptTokens,
    test_renamed: PromptTokens,
    test_absent: PromptTokens,
    progress: Progress | None = None,
) -> dict[str, list[Read]]:
    """Measure one task in one job.

    Args:
        dev_right: whose expected and accepted tokens are the right ones, as those of `test_right`.
        dev_renamed: of the renamed answers, like the others.

    Returns:
        The test answers, scored as `right` and as `renamed` ones. Those of a kind are compared with
        in-context learning from labels of that kind.
    """
    say = progress or silent
    say("blocks")
    layers = {"right": _best(decoder, dev_right), "renamed": _best(decoder, dev_renamed)}
    say("test")
    given = {"right": test_right, "renamed": test_renamed, "absent": test_absent}
    known = {name: extract_with_icl(decoder, of) for name, of in given.items()}
    prompts = Prompts(decoder, test_right["zero_shot"], test_right["expected"])
    conditions = [
        Condition(VECTOR, of.vectors[VECTOR], [layer]).labelled(
            demonstrations=name, layer_rule=rule
        )
        for name, of in known.items()
        for rule, layer in layers.items()
    ]
    conditions.append(BASELINE.labelled(demonstrations=None, layer_rule=None))
    states = prompts.states(conditions)

    def scored_as(kind: str) -> list[Read]:
        icl = known[kind].icl
        return prompts.scored_as(icl).answers(conditions, states) + [
            read_states(decoder, "icl", of.icl.states, icl, demonstrations=name, layer_rule=None)
            for name, of in known.items()
        ]

    return {"right": scored_as("right"), "renamed": scored_as("renamed")}


def _best(decoder: Decoder, dev: PromptTokens) -> int:
    """The block after which the task vectors of some prompts are best on dev."""
    vectors = extract_with_icl(decoder, dev).vectors[VECTOR]
    prompts = Prompts(decoder, dev["zero_shot"], dev["expected"])
    (swept,) = prompts.read([Condition(VECTOR, vectors, range(decoder.depth))])
    return best_layer(swept["answers"], dev["accepted"])
