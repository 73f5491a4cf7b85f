"""Files of replayed episodes."""

from pathlib import Path

from tvsight.prompts import Episode, write_episodes


def two_tasks(folder: Path, query: str) -> Path:
    """A file of episodes of `to_upper`, always the same, and of `next_letter` about a query."""
    shown, file = ((" a", " A"), (" b", " B")), folder / f"{query}.jsonl"
    episodes = [
        Episode(task, split, shown, asked, (" Y",), (dummy,))
        for task, asked in (("to_upper", "c"), ("next_letter", query))
        for split, dummy in (("dev", " d"), ("test", " g"))
    ]
    write_episodes(file, episodes)
    return file
