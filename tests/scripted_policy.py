"""A policy that says what it was told to say: for tests of what comes behind generation."""

from dataclasses import dataclass, field

from fake_models import FakeCompletion


@dataclass
class ScriptedPolicy:
    """The Policy protocol over texts: prompt -> texts of its samples, one token a word and one for the end.

    What is longer than the budget is cut there, as real policies do.
    """

    texts: dict
    parameters: int = 1000
    name: str = "scripted"
    calls: list = field(default_factory=list)

    def count(self, text):
        return len(text.split(" "))

    def generate(self, prompts, n, *, max_tokens, temperature=1.0, top_p=1.0, top_k=0, stop_line=False, seeds=None):
        self.calls.append({"prompts": list(prompts), "n": n, "temperature": temperature, "seeds": list(seeds)})
        return [[self._say(self.texts[prompt][index], max_tokens) for index in range(n)] for prompt in prompts]

    def _say(self, text, limit):
        words = text.split(" ")
        kept = words[:limit]
        whole = len(words) < limit
        ids = tuple(range(len(kept) + whole))
        return FakeCompletion(" ".join(kept), ids, (-0.5,) * len(ids), "stop" if whole else "length")
