import torch

from tvsight.experiments.main_results.measure import OnTest, joined
from tvsight.interventions.answers import Answers


def read(tokens: list[int]) -> Answers:
    """Answers with these tokens."""
    zeros, rank = torch.zeros(len(tokens)), torch.ones(len(tokens), dtype=torch.long)
    token = torch.tensor(tokens)
    read: Answers = {"token": token, "log_probability": zeros, "margin": zeros, "rank": rank}
    return {**read, "gap": token / 2, "divergence": zeros}


def test_parts_of_a_split_are_joined_in_order_and_are_finite_when_all_are() -> None:
    def part(tokens: list[int], finite: bool) -> OnTest:
        vectors = torch.tensor(tokens).half().view(-1, 1, 1)
        return {"answers": {"icl": read(tokens)}, "finite": finite, "vectors": vectors}

    whole = joined([part([1, 2], True), part([3], True)])
    assert whole["answers"]["icl"]["token"].tolist() == [1, 2, 3]
    assert whole["answers"]["icl"]["gap"].tolist() == [0.5, 1, 1.5]
    assert whole["vectors"].flatten().tolist() == [1, 2, 3]
    assert whole["finite"] is True
    assert joined([part([1], True), part([2], False)])["finite"] is False
