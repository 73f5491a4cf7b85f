"""A tokenizer of given pieces."""

from collections.abc import Iterable
from typing import Any

from tokenizers import Tokenizer, decoders
from tokenizers.models import Unigram
from transformers import PreTrainedTokenizerFast

CHARACTERS = "\n !:->abcdefghijklmnopqrstuvwxyzQAE0123456789"


def piece_tokenizer(pieces: Iterable[str]) -> Any:
    """A tokenizer that knows single characters and the given longer pieces.

    The fewest tokens win, so `->x` as a piece takes the arrow away from the prompt before `x`.
    """
    longer = [piece for piece in dict.fromkeys(pieces) if len(piece) > 1]
    scored = [("<unk>", -100.0)]
    scored += [(text, -10.0) for text in (*dict.fromkeys(CHARACTERS), *longer)]
    tokenizer = Tokenizer(Unigram(scored, unk_id=0, byte_fallback=False))
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", clean_up_tokenization_spaces=False
    )
