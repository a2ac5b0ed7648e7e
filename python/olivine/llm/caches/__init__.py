"""Kinds of caches, one in a file; `olivine.llm.cache` says what they have in common."""
