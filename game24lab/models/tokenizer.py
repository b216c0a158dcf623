"""Word-level tokenizers for models from scratch, and chat templates. It does not know models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from jinja2 import TemplateError
from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import (
    AutoTokenizer,
    PreTrainedTokenizerFast,
)

from game24lab.models.locations import check_location
from game24lab.runs.checks import require_one_of
from game24lab.runs.messages import condense
from game24lab.tasks.gsm8k.templates import list_words

PAD, EOS, UNK = "<pad>", "<eos>", "<unk>"
LARGEST_NUMBER = 199  # numbers up to here are one token, with and without a leading space
WORDS = ("Input:", "Target:", "The answer is", " (left:", ")\n", "\n", " +", " -", " *", " /", " =", "(", ")", "/", "-")
_PIECES = r"Input:| ?Target:|The answer is| \(left:|\)\n| [-+*/=](?![0-9])| ?-?[0-9]+|."
# Further words of chains of thought in all their styles (tasks/numbers/chains.py), which "traces" knows too.
CHAIN_WORDS = (
    "roll back", "reach", "! expression:", " (", ") +", ") -", ") *", ") /", ") =", ", left:", ",", "))", "((", " ((",
    "<think>", "</think>", "<answer>", "</answer>",
)  # fmt: skip
_CHAIN_PIECES = (
    r"roll back|reach|! expression:|</?think>|</?answer>|, left:|\) [-+*/](?= )|\) =|\)\n|\)\)| \((?!left)\(?|\(\(|"
    + _PIECES
)
# Word problems: a word is one token, with the blank before it, and so is every digit of a number.
_SIGNS = (".", ",", "?", ":", "'s", "$", "+", "-", "*", "/", "=")
_STORY_PIECES = r"</?(?:reasoning|answer)>\n?|'s\b| ?[A-Za-z]+| ?[0-9]| ?\$| ?[-+*/=]|[.,?:]|\n|."
# Countdown: chains too, and every number up to here, as a part of the problem, a target or a result on the way.
LARGEST_COUNTDOWN = 999
VOCABULARIES = ("lines", "traces", "problems", "countdown")
NUMBERED = ("traces", "countdown")  # whose numbers' embeddings begin as waves, see `models.number_embeddings`


def make_tokenizer(vocabulary: str = "lines") -> PreTrainedTokenizerFast:
    """A reversible tokenizer: numbers and the words of a task are one token, any other text goes byte by byte.

    vocabulary: "lines" knows solution lines of number games, "traces" all styles of long chains too, "countdown" these
    with numbers up to 999 instead of 199, "problems" the stories of word problems, whose numbers are spelled digit by
    digit; ValueError for another name. Byte-pair encoding without merges, after GPT-2's byte alphabet: what the
    vocabulary does not hold whole falls into bytes, a larger number so into its digits, and
    `decode(encode(text)) == text` for any text.
    """
    require_one_of("vocabulary", vocabulary, VOCABULARIES)
    known, pieces = _list_words(vocabulary)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    mapped = ["".join(piece for piece, _ in byte_level.pre_tokenize_str(word)) for word in known]
    numbered = {token: index for index, token in enumerate(dict.fromkeys([PAD, EOS, UNK, *alphabet, *mapped]))}
    tokenizer = Tokenizer(BPE(vocab=numbered, merges=[], unk_token=None, ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pieces), behavior="isolated"), byte_level]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=EOS, unk_token=UNK, clean_up_tokenization_spaces=False,
        padding_side="left",
    )  # fmt: skip


def _list_words(vocabulary: str) -> tuple[list[str], str]:
    """The words that are one token each, and the pattern that splits a text."""
    if vocabulary == "problems":
        tags = [f"<{slash}{tag}>{end}" for tag in ("reasoning", "answer") for slash in ("", "/") for end in ("", "\n")]
        parts = [*list_words(), *_SIGNS, *map(str, range(10))]
        return [*tags, "\n", "Problem", "Form", *parts, *(f" {part}" for part in parts)], _STORY_PIECES
    known, pieces = (WORDS, _PIECES) if vocabulary == "lines" else ((*WORDS, *CHAIN_WORDS), _CHAIN_PIECES)
    numbers = [str(n) for n in range((LARGEST_COUNTDOWN if vocabulary == "countdown" else LARGEST_NUMBER) + 1)]
    negatives = [f"-{n}" for n in range(1, 100)]
    return [*known, " Target:", *numbers, *(f" {n}" for n in numbers), *(f" {n}" for n in negatives)], pieces


def read_chat(name: str | Path) -> Callable[[list[dict[str, str]]], str] | None:
    """The chat template of a checkpoint: a function from messages to a prompt for its answer; None where it has none,
    and for no checkpoint ("").

    What the tokenizer puts before every text is not written twice. ValueError for a checkpoint that is not there or has
    no tokenizer, and from the function for messages that the template refuses.
    """
    if not str(name):
        return None
    check_location(name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(name), trust_remote_code=False)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ValueError(f"checkpoint {name}: its tokenizer cannot be loaded: {condense(error)}") from error
    if not tokenizer.chat_template:
        return None
    first = tokenizer.bos_token if tokenizer("x")["input_ids"][0] == tokenizer.bos_token_id else None

    def write(messages: list[dict[str, str]]) -> str:
        try:
            text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        except TemplateError as error:
            raise ValueError(f"checkpoint {name}: its chat template refuses these messages: {error}") from error
        return text.removeprefix(first) if first else text

    return write
