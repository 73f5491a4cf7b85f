"""Tasks that share a word list, such as the translations, which are no independent draws."""

from collections.abc import Sequence
from itertools import combinations

from tvsight.tasks.registry import packaged_tasks

SHARED = 0.25
"""Two tasks share a list when this share of their inputs and usual answers, taken together, is of
both. Two tasks that have one of three lists in common, such as en_fr and en_es, share a third."""


def word_lists(names: Sequence[str]) -> list[str]:
    """The first task, in the order of `names`, that each task shares a word list with, directly or
    through others. A task of the user's own shares none.

    The paper's 18 tasks make eight groups: four of letters, two of lists, four translations, two of
    verbs, three of places, and three tasks alone.
    """
    known = packaged_tasks()
    words = {
        name: {word for pair in known[name].pairs for word in (pair.input, pair.answer)}
        for name in dict.fromkeys(names)
        if name in known
    }
    first = {name: name for name in names}
    for one, other in combinations(words, 2):
        alike = len(words[one] & words[other]) >= SHARED * len(words[one] | words[other])
        if alike and first[one] != first[other]:
            kept, joined = sorted((first[one], first[other]), key=names.index)
            first = {name: kept if of == joined else of for name, of in first.items()}
    return [first[name] for name in names]
