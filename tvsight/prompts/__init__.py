"""Prompts that every experiment shares: filter pairs, sample episodes, tokenise them."""

from tvsight.prompts.episode_files import episodes_digest, read_episodes, write_episodes
from tvsight.prompts.episodes import Episode, Sampling, sample_episodes
from tvsight.prompts.filtering import UsablePairs, usable_pairs
from tvsight.prompts.templates import TEMPLATES, Template, template
from tvsight.prompts.tokens import PromptTokens, check_window, parts, tokenise

__all__ = [
    "TEMPLATES",
    "Episode",
    "PromptTokens",
    "Sampling",
    "Template",
    "UsablePairs",
    "check_window",
    "episodes_digest",
    "parts",
    "read_episodes",
    "sample_episodes",
    "template",
    "tokenise",
    "usable_pairs",
    "write_episodes",
]
