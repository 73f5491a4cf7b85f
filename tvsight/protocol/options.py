"""Options that several analyses share: methods, answers, scores and the compared block."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import tyro

from tvsight.config import IDENTITY, RUNTIME, Count, File, Names, RunConfig
from tvsight.errors import UsageError, option
from tvsight.methods import CENTRAL

NAME = "main_results"
EFFECTS = "head_effects"
"""The folder of the causal effects of heads."""


@dataclass(frozen=True)
class MethodOptions(RunConfig):
    """Options of a run, and of the vectors that are compared."""

    methods: Names = field(default=CENTRAL, metadata=RUNTIME)
    """Vectors beside `task_vector`, on the same episodes: `mean_state`, `function_vector`,
    `learned_vector`. `averaged_vector` is always measured in the central comparison."""
    method_file: File = field(default=None, metadata=RUNTIME)
    """A Python file with a method of your own, which is measured too. It needs
    --trust-method-file."""
    trust_method_file: bool = field(default=False, metadata=RUNTIME)
    """Run the code of --method-file, here or on the server. Only for authors you trust."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.method_file is not None and not self.trust_method_file:
            raise UsageError(
                f"{option('method_file', self.method_file)}: the file would be run as code. Add "
                f"{option('trust_method_file', True)} if you trust its author."
            )


@dataclass(frozen=True)
class OneVectorOptions(MethodOptions):
    """Options of a run, and of the vectors that an analysis of one vector is made with."""

    methods: Names = field(default=("task_vector",), metadata=RUNTIME)
    """Vectors that the analysis is made with, each in tables and figures of its own, beside
    `task_vector`: `mean_state`, `function_vector`, `learned_vector`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if "averaged_vector" in self.methods:
            raise UsageError(
                f"{option('methods', 'averaged_vector')}: main_results, layer_sweep and shots "
                "compare it, and this analysis is not made with it. Leave it out."
            )


@dataclass(frozen=True)
class AnswerOptions(MethodOptions):
    """Options of a run, of the vectors that are compared, and of what is an answer."""

    answer_tokens: Count = field(default=1, metadata=IDENTITY)
    """Tokens of an answer at most. With 1 an answer is the next token, as in the paper. With more
    it is generated greedily up to the template's separator, and scored as a text; then tasks whose
    answers are longer than one token are measured too."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.answer_tokens < 1:
            given = option("answer_tokens", self.answer_tokens)
            raise UsageError(f"{given}: at least 1 was expected.")


@dataclass(frozen=True)
class Options(AnswerOptions):
    """Options of a run, and of the score that is shown."""

    score: Literal["accuracy", "gap", "kl", "rank"] = field(default="accuracy", metadata=RUNTIME)
    """What is drawn. `gap`: log-probability of the answer minus that of a wrong one. `kl`: KL
    divergence of the answers from those of ICL. `rank`: place of the answer among all tokens."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.score != "accuracy" and self.answer_tokens > 1:
            raise UsageError(
                f"{option('score', self.score)} is of answers of one token. "
                f"Leave {option('answer_tokens')} out."
            )


def shown_score(options: RunConfig) -> str:
    """The score that is shown; accuracy for a command that has no such option."""
    return options.score if isinstance(options, Options) else "accuracy"


def longest_answer(options: RunConfig) -> int:
    """The largest number of tokens of an answer; 1 for a command that has no such option."""
    return options.answer_tokens if isinstance(options, AnswerOptions) else 1


@dataclass(frozen=True)
class VectorOptions(RunConfig):
    """Options of a run, and of the block whose vectors are compared."""

    layer: Annotated[int | None, tyro.conf.arg(metavar="N")] = field(default=None, metadata=RUNTIME)
    """Block whose vectors are taken for all tasks, 0-based. By default, for each model, the one
    where the mean dev accuracy over the tasks peaks."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layer is not None and self.layer < 0:
            raise UsageError(f"{option('layer', self.layer)}: blocks are numbered from 0.")
