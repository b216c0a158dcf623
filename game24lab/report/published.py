"""Published numbers to stand beside ours: who reported what, on which puzzles, and how far that has been checked.

They were measured with other models, other tokenizers and partly other rules: they stand in tables of their own, and
where a figure shows them, it marks them as what they are. It does not know of runs.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from game24lab.search.cost import Cost, measure_texts

TOT = "Tree of Thoughts, arXiv 2305.10601"
TSLLM = "TS-LLM, arXiv 2309.17179"
RESCALE = "ReSCALE"
LLM4GAME24 = "LiaoMengqi/LLM4Game24"
GAME24RL = "ElysiaFollower/game24-rl"
SEVEN_B = 7_000_000_000  # parameters, as the name says
# What the 7B models write, and how many of their tokens that takes (from memory, not checked): with it, their tokens
# can be held against our lines and characters.
SOLUTION = """12 / 3 = 4 (left: 2 4 4)
4 + 2 = 6 (left: 4 6)
4 * 6 = 24 (left: 24)
The answer is (12 / 3 + 2) * 4 = 24"""
SOLUTION_TOKENS = 76
_MEMORY = "from memory, not checked"


@dataclass(frozen=True)
class Published:
    """One reported point. `split` is ours of the same puzzles; `tokens` per problem are those of *their* tokenizer."""

    split: str
    source: str
    model: str
    setting: str
    accuracy: float  # 0 to 1
    tokens: int | None  # sampled ones, as they count; None where not reported
    checked: str  # "read" in the paper, "recomputed" from published logs, "stated by others", or `_MEMORY`
    mode: str = "blind"  # nobody checks a line; "verified": an answer counts if any of several is right
    parameters: int | None = None


def _rescale(setting: str, accuracy: float, tokens: int) -> Published:
    return Published("tsllm", RESCALE, "7B", setting, accuracy, tokens, "read", parameters=SEVEN_B)


def _tsllm(setting: str, accuracy: float, tokens: int, checked: str = _MEMORY) -> Published:
    return Published("tsllm", TSLLM, "Llama-2-7B", setting, accuracy, tokens, checked, parameters=SEVEN_B)


PUBLISHED = (
    Published("tot", TOT, "GPT-4", "input-output prompt", 0.073, None, "read"),
    Published("tot", TOT, "GPT-4", "chain of thought", 0.04, None, "read"),
    Published("tot", TOT, "GPT-4", "chain of thought, self-consistency of 100", 0.09, None, "read"),
    Published("tot", TOT, "GPT-4", "chain of thought, pass@100", 0.49, 4600, "recomputed", "verified"),
    Published("tot", TOT, "GPT-4", "Tree of Thoughts, b = 1", 0.45, None, "read"),
    Published("tot", TOT, "GPT-4", "Tree of Thoughts, b = 5", 0.74, 5500, "read", "verified"),
    _tsllm("greedy", 0.127, 76),
    _tsllm("CoT-SC, majority", 0.146, 684),
    _tsllm("CoT-SC, by outcome model", 0.506, 684),
    _tsllm("BFS-V", 0.648, 369, "tokens from memory; accuracy stated by others"),
    _tsllm("MCTS-alpha", 0.633, 412),
    _tsllm("MCTS-rollout", 0.713, 670, "tokens from memory; accuracy stated by others"),
    _rescale("PUCT, 5 simulations, width 6", 0.378, 244),
    _rescale("PUCT, 5 simulations, width 15", 0.605, 366),
    _rescale("PUCT, 5 simulations, width 25", 0.727, 453),
    _rescale("PUCT, 5 simulations, width 55", 0.765, 587),
    _rescale("PUCT, best of a sweep of 169", 0.867, 1297),
    _rescale("best of 32", 0.541, 2500),
)


MGDM = "MGDM, arXiv 2410.14157"
_STATED = "stated by others"


def _countdown(source: str, model: str, setting: str, accuracy: float, millions: int) -> Published:
    """A single answer to four numbers by the rules of Stream of Search."""
    return Published("stream_of_search", source, model, setting, accuracy, None, _STATED, parameters=millions * 10**6)


PUBLISHED_COUNTDOWN = (
    _countdown(MGDM, "6M", "autoregressive, one pass", 0.319, 6),
    _countdown(MGDM, "85M", "autoregressive, one pass", 0.458, 85),
    _countdown(MGDM, "85M", "diffusion", 0.915, 85),
    _countdown("HC-DLM, arXiv 2610.02193", "6M", "diffusion", 0.844, 6),
    Published("stream_of_search", "SAMM, arXiv 2603.16661", "size not told", "diffusion, about ten steps", 0.96, None,
              _STATED),
    _countdown("Stream of Search, arXiv 2404.03683", "250M", "one long chain", 0.542, 250),
    Published("countdown_3to4", "tinker-cookbook, pull request 594", "Qwen3-4B-Instruct", "RL, 2,048 tokens", 0.85,
              None, _STATED, parameters=4 * 10**9),
)  # fmt: skip


def find_published(splits: set[str]) -> list[Published]:
    """The points that were measured on the puzzles of these splits."""
    return [point for point in (*PUBLISHED, *PUBLISHED_COUNTDOWN) if point.split in splits]


def hold_against(point: Published) -> dict[str, Any]:
    """A point's fields, and its cost in our units where that can be said, None where not.

    `sampled_tokens` as reported; `flops`: 2 N tokens, for the sampled tokens alone (prompts, duplicates and the critic
    are in no published count, so it is a lower bound); `sampled_lines` and `sampled_characters`: the tokens at the rate
    of `SOLUTION`, for the models that write it.
    """
    lines, characters = measure_texts([SOLUTION])
    known = point.tokens is not None and point.parameters is not None
    costs = {"sampled_tokens": point.tokens, "flops": None, "sampled_lines": None, "sampled_characters": None}
    if known:
        solutions = point.tokens / SOLUTION_TOKENS
        costs |= {"flops": Cost(sampled_tokens=point.tokens).flops(point.parameters),
                  "sampled_lines": lines * solutions, "sampled_characters": characters * solutions}  # fmt: skip
    return asdict(point) | costs


@dataclass(frozen=True)
class PublishedChain:
    """One reported point of a model that writes long chains: one greedy answer a puzzle, none chosen among several."""

    source: str
    model: str
    training: str  # what it was trained on, and how
    stage: str  # "SFT", or "GRPO" and the step
    budget: int  # tokens of *their* tokenizer
    puzzles: str  # how many, and which
    solved: float  # 0 to 1
    wrong: float | None
    unfinished: float | None
    checked: str  # as above


_QWEN = "Qwen2.5-0.5B"
_RANDOM = "100, random"  # not ranks 901-1000: some of ours may be among their training puzzles and the reverse
_RECOUNT = "recomputed from released answers"


def _sft(training: str, solved: float, wrong: float, unfinished: float) -> PublishedChain:
    return PublishedChain(LLM4GAME24, _QWEN, training, "SFT", 4096, _RANDOM, solved, wrong, unfinished, _RECOUNT)


def _grpo(step: int, solved: float) -> PublishedChain:
    training, stage = "v3 traces", f"GRPO, step {step}"
    return PublishedChain(LLM4GAME24, _QWEN, training, stage, 1024, _RANDOM, solved, None, None, _RECOUNT)


def _larger(training: str, stage: str, budget: int, puzzles: str, solved: float) -> PublishedChain:
    return PublishedChain(GAME24RL, "1.5B", training, stage, budget, puzzles, solved, None, None, "stated by others")


PUBLISHED_SFT = (
    _sft("v3 short, 14,799 traces", 0.57, 0.05, 0.38),
    _sft("v3 medium, 16,535 traces", 0.72, 0.05, 0.23),
    _sft("v3 long, 14,019 traces", 0.50, 0.00, 0.50),
    _sft("v1 mixed, of 45,353 traces", 0.63, 0.12, 0.25),  # 0.66 as reported; the exact verifier rejects three of them
    _sft("v2 mixed, of 45,353 traces", 0.84, 0.02, 0.14),
    _sft("v3 mixed, of 45,353 traces", 0.74, 0.01, 0.25),
    _larger("v2, 35k traces", "SFT", 1024, "136, validation", 0.809),
    _larger("v2, 35k traces", "SFT", 4096, "136, validation", 0.904),
)
PUBLISHED_RL = (  # of LLM4Game24: 12 prompts x 8 answers a step, one run
    *(_grpo(step, solved) for step, solved in ((0, 0.52), (10, 0.73), (20, 0.69), (30, 0.75), (40, 0.74), (50, 0.61))),
    _larger("v2 traces", "GRPO", 1024, "136, validation", 0.853),
    _larger("v2 traces", "GRPO", 4096, "136, validation", 0.927),
    _larger("v2 traces", "GRPO", 1024, "137, test", 0.847),
    _larger("v2 traces", "GRPO", 4096, "137, test", 0.942),
)


@dataclass(frozen=True)
class PublishedRoute:
    """One reported way to spend tokens on questions of a set."""

    data: str
    way: str
    accuracy: float  # 0 to 1
    tokens: float | None  # a question, of *their* tokenizer
    seconds: float | None
    checked: str = "read"


ROUTED = "Huang et al. 2025, arXiv 2509.09864"  # Qwen2.5-1.5B-Instruct, a 7B process reward model; nobody verifies
_NUMINA, _MATH = "NuminaMath", "MATH-500, 100 questions"
PUBLISHED_ROUTES = (
    PublishedRoute(_NUMINA, "majority of 32", 0.378, 18_766, 6.3),
    PublishedRoute(_NUMINA, "weighted majority of 32", 0.392, 18_766, 8.9),
    PublishedRoute(_NUMINA, "beam search 8 x 4 x 20", 0.422, 7_119, 13.9),
    PublishedRoute(_NUMINA, "beam search 16 x 4 x 20", 0.449, 15_332, 24.5),
    PublishedRoute(_NUMINA, "beam search 32 x 2 x 20", 0.467, 34_825, 49.4),
    PublishedRoute(_NUMINA, "beam search 32 x 4 x 40, the best fixed arm", 0.477, 49_159, 92.1),
    PublishedRoute(_NUMINA, "hull of the fixed arms at the router's cost", 0.454, 20_784, None,
                   "recomputed, partly read off a plot"),
    PublishedRoute(_NUMINA, "router, price of a token 1e-6", 0.483, 20_784, 28.8),
    PublishedRoute(_NUMINA, "router, price of a token 1e-7", 0.494, 29_586, 42.9),
    PublishedRoute(_NUMINA, "oracle", 0.579, 5_799, 9.4),
    PublishedRoute(_MATH, "weighted majority of 32", 0.702, None, None),
    PublishedRoute(_MATH, "the best beam search", 0.822, None, None),
    PublishedRoute(_MATH, "oracle", 0.880, 7_000, None),
)  # fmt: skip
