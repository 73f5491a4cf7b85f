import torch

from tvsight.interventions.answers import Answers
from tvsight.protocol.conditions import Read
from tvsight.protocol.measure import OnSplit, joined


def read(tokens: list[int]) -> Answers:
    """Answers with these tokens."""
    zeros, rank = torch.zeros(len(tokens)), torch.ones(len(tokens), dtype=torch.long)
    token = torch.tensor(tokens)
    read: Answers = {"token": token, "log_probability": zeros, "margin": zeros, "rank": rank}
    return {**read, "gap": token / 2, "divergence": zeros}


def test_parts_of_a_split_are_joined_in_order_and_are_finite_when_all_are() -> None:
    def part(tokens: list[int], finite: bool) -> OnSplit:
        vectors = torch.tensor(tokens).half().view(-1, 1, 1)
        icl: Read = {"procedure": "icl", "blocks": None, "labels": {}, "answers": read(tokens)}
        return {"read": [icl], "finite": finite, "vectors": vectors}

    whole = joined([part([1, 2], True), part([3], True)])
    (icl,) = whole["read"]
    assert (icl["procedure"], icl["blocks"]) == ("icl", None)
    assert icl["answers"]["token"].tolist() == [1, 2, 3]
    assert icl["answers"]["gap"].tolist() == [0.5, 1, 1.5]
    assert whole["vectors"].flatten().tolist() == [1, 2, 3]
    assert whole["finite"] is True
    assert joined([part([1], True), part([2], False)])["finite"] is False
