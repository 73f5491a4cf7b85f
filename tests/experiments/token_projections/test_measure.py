import torch

from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight.execution.here import run
from tvsight.experiments.token_projections.measure import project, random_vectors
from tvsight.models.loading import Model

MEAN = 3 * torch.randn(DEPTH, WIDTH, generator=torch.Generator().manual_seed(1))
SEED = 5


def test_random_vectors_are_as_long_and_the_same_each_time() -> None:
    drawn = random_vectors(MEAN, 200, SEED)
    assert drawn.shape == (200, DEPTH, WIDTH)
    torch.testing.assert_close(drawn.norm(dim=-1), MEAN.norm(dim=-1).expand(200, DEPTH))
    assert torch.equal(drawn, random_vectors(MEAN, 200, SEED))
    assert not torch.equal(drawn, random_vectors(MEAN, 200, SEED + 1))
    directions = drawn / drawn.norm(dim=-1, keepdim=True)
    assert directions.mean(dim=0).norm(dim=-1).max() < 0.15
    assert (directions**2).mean(dim=(0, 1)).sub(1 / WIDTH).abs().max() < 0.3 / WIDTH


def test_a_token_that_the_unembedding_lacks_is_last(model: Model) -> None:
    vocabulary = model.decoder.vocabulary
    groups = [[vocabulary + 3], [0, vocabulary]]
    read = run(model.decoder, project, MEAN, groups, 1, 0, SEED)
    assert (read["best"][..., 0] == vocabulary).all()
    assert (read["probability"][..., 0] == 0).all()
    assert (read["best"][..., 1] < vocabulary).any()


def test_a_group_has_its_median_and_its_best_rank(model: Model) -> None:
    read = run(model.decoder, project, MEAN, [[3], [7], [9], [3, 7, 9]], 4, 2, SEED)
    assert read["top"].shape == read["top_probability"].shape == (DEPTH, 4)
    assert read["median"].shape == (3, DEPTH, 4)
    single = read["best"][..., :3]
    assert torch.equal(read["median"][..., 3], single.median(dim=-1).values)
    assert torch.equal(read["best"][..., 3], single.amin(dim=-1))
    torch.testing.assert_close(read["probability"][..., 3], read["probability"][..., :3].sum(-1))
    vocabulary = model.decoder.vocabulary  # no more tokens than it has are kept
    read = run(model.decoder, project, MEAN, [[3]], vocabulary + 1, 0, SEED)
    assert read["top"].sort(dim=1).values.tolist() == [list(range(vocabulary))] * DEPTH
