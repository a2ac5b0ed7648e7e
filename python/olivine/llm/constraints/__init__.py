"""Text that must match: a regular expression, a JSON schema, a grammar, one of several choices.

    stream_generate(model, tokenizer, prompt, constraint=json_schema({"type": "integer"}))

The matching is llguidance's (MIT licence, `pip install 'olivine[llm]'`): a lexer of derivatives of
regular expressions under an Earley parser, walked along a trie of the vocabulary's bytes, so UTF-8
and `$ref` with recursion need nothing special. It was chosen over a matcher of our own and over
others by these figures: one 3 MB wheel for every Python, x86-64 and aarch64, that needs no other
package; xgrammar needs torch and transformers, outlines-core knows no recursion. For 49,152 tokens
the trie takes 0.18 s once, a schema 1.4 ms, a mask 0.05 to 0.4 ms on average, which the evaluation
of the next token hides.
"""

from olivine.llm.constraints.guidance import Constraint, choice, grammar, json_schema, regex

__all__ = ["Constraint", "choice", "grammar", "json_schema", "regex"]
