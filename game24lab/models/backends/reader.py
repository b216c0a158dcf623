"""The probabilities of given lines behind given prompts, each token forwarded once wherever texts begin alike.

It does not know which lines there are, nor what they are worth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from game24lab.models.backends.trie_forward import Pool
from game24lab.models.policy import Sampling
from game24lab.models.trie import Book, Ids, Look

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_AS_IT_IS = Sampling(1)


class Reader:
    """A reader of lines; while it lives, what prompts and lines begin with is kept."""

    def __init__(
        self, model: PreTrainedModel, pool: Pool, encode: Callable[[str], Ids], tokenizer: PreTrainedTokenizerBase
    ) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.tokens = 0  # of lines that were read
        self._pool, self._encode = pool, encode
        self._books: dict[int, Book] = {}  # by the first token of prompts

    def score(
        self, prompts: Sequence[str], lines: Sequence[str | None], samplings: Sequence[Sampling] = (_AS_IT_IS,)
    ) -> np.ndarray:
        """Natural logs of P(line i and its line end | prompt i) under each sampling: (lines, samplings), float64.

        A line is spelled as the tokenizer spells it; None stands for the end token. -inf where top-k, top-p or
        temperature 0 leave a token out. ValueError where the model's numbers are not finite.
        """
        texts = list({f"{line}\n": None for line in lines if line is not None})
        ids = self.tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
        spelled = {text: tuple(row) for text, row in zip(texts, ids, strict=True)}
        rows = [(self.tokenizer.eos_token_id,) if line is None else spelled[f"{line}\n"] for line in lines]
        self.tokens += sum(map(len, rows))
        begun = {prompt: self._encode(prompt) for prompt in prompts}
        looks = [Look(self._find_book(begun[prompt][0]), begun[prompt][1:]) for prompt in prompts]
        training = self.model.training
        self.model.eval()
        try:
            return self._pool.score(looks, rows, samplings)
        finally:
            if training:
                self.model.train()

    def _find_book(self, first: int) -> Book:
        if first not in self._books:
            self._books[first] = Book((first,), _AS_IT_IS, 1, frozenset())
        return self._books[first]
