"""What some tries say: lines with their scores, of toy languages, drawn in parts and in one batch."""

from toy_tries import Language

from game24lab.models.trie import draw

COUNTS = ((3, 1, 7, 2), (1, 9, 2, 6), (20, 20, 20, 20))  # lines that each of four tries is asked for, draw after draw
LANGUAGES = {
    "small": {"seed": 3, "vocabulary": 3, "limit": 3}, "spelt alike": {"seed": 4, "spell_by": 2},
    "more than the head": {"seed": 5, "vocabulary": 45, "limit": 3, "spread": 0.4},
}  # fmt: skip


def say():
    """By language and order, of each draw and trie: lines in letters, with ids, scores and prices; and what is left."""
    said = {}
    for name, options in LANGUAGES.items():
        for order in ("random", "likeliest"):
            language = Language(**options)
            shared = language.open().book
            tries = [language.open(seed, order, shared if seed < 2 else None) for seed in range(4)]
            rows = []
            for counts in COUNTS:
                begun = [len(trie.said) for trie in tries]
                drawn = draw(tries, counts, language.forward, language.spell)
                for trie, first, one in zip(tries, begun, drawn, strict=True):
                    rows.append([[line.text, list(line.ids), known.log, known.score, line.tokens]
                                 for line, known in zip(one.lines, trie.said[first:], strict=True)])  # fmt: skip
            said[f"{name}, {order}"] = [rows, [[trie.tokens, trie.left, sum(trie.weigh())] for trie in tries]]
    return said
