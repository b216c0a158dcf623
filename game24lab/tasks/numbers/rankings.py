"""Rankings: how difficult the puzzles are, by the published human record or by the solver.

The published ranking is `24.csv` of Tree of Thoughts (Yao et al. 2023, princeton-nlp/tree-of-thought-llm, MIT): all
1,362 solvable puzzles over 1..13 by human solve time. It does not ship with this package: it is read from a path, or
downloaded on request into the user's cache. What ships is enough to know without it which puzzles belong to the two
published test sets: the first six hex digits of sha256("game24lab " + puzzle) for ranks 901-1000 (Tree of Thoughts) and
1001-1362 (TS-LLM), made by `hash_ranks` from that file and listed in the order of the hashes. Membership can be tested,
ranks cannot be read off; the 1,820 puzzles have 1,820 different hashes. This module does not know of splits or models.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from game24lab.runs.run import write_atomically
from game24lab.tasks.numbers.arithmetic import make_state, measure_difficulty, reachable
from game24lab.tasks.numbers.puzzles import (
    Puzzle,
    list_solvable,
    parse_puzzle,
    read_cell,
    read_cells,
    read_text,
    write_puzzle,
)

RANKING_URL = "https://raw.githubusercontent.com/princeton-nlp/tree-of-thought-llm/master/src/tot/data/24/24.csv"
# Of the file with line feeds as line ends: the repository has carriage returns too, copies often have not.
RANKING_SHA256 = "b9f12b3e36d987a3c714c4cef17d89a137d7c59da26532fcfb93b4821d8111b5"
_MAX_BYTES = 1_000_000
TOT_RANKS = (901, 1000)
TSLLM_RANKS = (1001, 1362)


@dataclass(frozen=True)
class Ranking:
    """Puzzles from easy to hard; the first has rank 1."""

    name: str  # "published", "intrinsic", or the path of another file
    puzzles: tuple[Puzzle, ...]

    @cached_property
    def _ranks(self) -> dict[Puzzle, int]:
        return {puzzle: rank for rank, puzzle in enumerate(self.puzzles, 1)}

    def rank(self, puzzle: Collection[int]) -> int | None:
        """The rank of a puzzle, from 1; None where it is not ranked."""
        return self._ranks.get(tuple(sorted(puzzle)))


def load_ranking(path: str | Path | None = None) -> Ranking:
    """The ranking of a file; without a path the downloaded one if there is one, else the intrinsic one.

    Never goes to the network. Which ranking it is says its name.
    """
    if path is not None:
        return read_ranking(path)
    cached = locate_download()
    return read_ranking(cached) if cached.exists() else rank_by_solver()


def read_ranking(path: str | Path) -> Ranking:
    """The ranking of a CSV file with columns `Rank` and `Puzzles`, ranks counting from 1; cells may be quoted.

    ValueError that names the line: a wrong head or rank, a puzzle that is none, was there before or cannot make 24.
    """
    text = read_text(path)
    puzzles: dict[Puzzle, int] = {}
    head, *lines = text.rstrip().splitlines() or [""]
    try:
        names = [name.strip() for name in read_cells(head)] if head else []
    except ValueError as error:
        raise ValueError(f"{path}, line 1: {error}") from None
    if not {"Rank", "Puzzles"} <= set(names):
        raise ValueError(f"{path}, line 1: columns Rank and Puzzles are needed, found {head[:60]!r}")
    for number, line in enumerate(lines, 2):
        try:
            rank, puzzle = read_cell(line, names.index("Rank")), parse_puzzle(read_cell(line, names.index("Puzzles")))
            if rank != str(number - 1):
                raise ValueError(f"rank {rank[:20]!r}, {number - 1} was expected")
            if puzzle in puzzles:
                raise ValueError(f"puzzle {write_puzzle(puzzle)} has rank {puzzles[puzzle]} already")
            if not reachable(make_state(puzzle)):
                raise ValueError(f"puzzle {write_puzzle(puzzle)} cannot make 24")
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
        puzzles[puzzle] = number - 1
    if not puzzles:
        raise ValueError(f"{path}: no puzzles behind the head")
    published = _fingerprint(text.encode()) == RANKING_SHA256
    return Ranking("published" if published else str(path), tuple(puzzles))


@lru_cache(maxsize=2)
def rank_by_solver(target: int = 24) -> Ranking:
    """The intrinsic ranking of the solvable puzzles over 1..13, needs no file.

    Hard is what leaves a small share of first positions solvable; then what has few solutions; then the higher numbers.
    """
    puzzles = list_solvable(target=target)
    keys = {}
    for puzzle in puzzles:
        count, share = measure_difficulty(puzzle, target)
        keys[puzzle] = (-share, -count, puzzle)
    return Ranking("intrinsic", tuple(sorted(puzzles, key=keys.__getitem__)))


def locate_download() -> Path:
    """Where `download_ranking` keeps the published ranking."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "game24lab" / "24.csv"


def download_ranking(url: str = RANKING_URL, path: Path | None = None, timeout: float = 30.0) -> Path:
    """Fetch the published ranking into the user's cache and return its path; at once where it is there already.

    Raises OSError where there is no network or no place to write, and ValueError where the file is not the published
    one by its hash; then nothing is kept.
    """
    path = path or locate_download()
    if path.exists() and _fingerprint(path.read_bytes()) == RANKING_SHA256:
        return path
    import urllib.request  # doubles the time to import this module, and is hardly ever needed

    with urllib.request.urlopen(url, timeout=timeout) as response:
        data = response.read(_MAX_BYTES)
    if _fingerprint(data) != RANKING_SHA256:
        raise ValueError(f"{url}: sha256 {_fingerprint(data)}, the published ranking has {RANKING_SHA256}")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda temporary: temporary.write_bytes(data))
    return path


def _fingerprint(data: bytes) -> str:
    return hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest()


def _hash(puzzle: Puzzle) -> str:
    return hashlib.sha256(f"game24lab {write_puzzle(puzzle)}".encode()).hexdigest()[:6]


def hash_ranks(ranking: Ranking, first: int, last: int) -> frozenset[str]:
    """The hashes of ranks `first` to `last`, as they are kept below."""
    return frozenset(map(_hash, ranking.puzzles[first - 1 : last]))


@lru_cache(maxsize=2)
def list_published(first: int, last: int) -> tuple[Puzzle, ...]:
    """The puzzles of `TOT_RANKS` or `TSLLM_RANKS` in lexicographic order, known without the file."""
    hashes = {TOT_RANKS: _TOT_HASHES, TSLLM_RANKS: _TSLLM_HASHES}.get((first, last))
    if hashes is None:
        raise ValueError(f"ranks {first}-{last}: {TOT_RANKS} and {TSLLM_RANKS} are known without the ranking")
    return tuple(puzzle for puzzle in list_solvable() if _hash(puzzle) in hashes)


def find_bucket(puzzle: Collection[int], ranking: Ranking | None = None) -> str | None:
    """The bucket of published ranks that a puzzle falls in: `1-900`, `901-1000`, `1001-1362`; None outside the ranking.

    With the published ranking at hand the first is `1-300` or `301-900`.
    """
    puzzle = tuple(sorted(puzzle))
    for ranks in (TOT_RANKS, TSLLM_RANKS):
        if puzzle in list_published(*ranks):
            return f"{ranks[0]}-{ranks[1]}"
    if puzzle not in list_solvable():
        return None
    if ranking is None or ranking.name != "published":
        return "1-900"
    return "1-300" if ranking.rank(puzzle) <= 300 else "301-900"


def _split_hashes(text: str) -> frozenset[str]:
    return frozenset(re.findall("[0-9a-f]{6}", text))


_TOT_HASHES = _split_hashes("""
004b9b0122ad0d00810da8c510825a1483ac17883420c5c623923f24e28328625a29370d2bbcb831144531c19a33a54f36b51637e5cd3a681e
3cbec841d72244eb1b47e59d49f62a4e26ce53ff045426225574035694d7580dee59bbe25ae18b676d136d728a6d95916fac42726fff755278
75ad36785b4978f4d379f01f7b588c7f45ac80f1b58519e389c31b8a1cda8a436c8cc78a8cdd418d97a68e874d8f57e78f65a99080d2928771
93bfa89420f795f685995cf79ba5259d55a99f05eea13970a2886da3074fa562c6a6865ea68e8aa69cebae9b85afadbbb06a18b37e89b63c3b
b67c44b7b252b8e2ffb90946b9df71bbf99ec23e3ac52540c5f7bdcbf12ad15a40d1908ed914e2da5f3fe06e2fe3ad9de4fa75e5236ef3bc66
f3ff70f451c3f5e13cfc143dfcfb4f
""")
_TSLLM_HASHES = _split_hashes("""
000c3b002fae00496501918c01ee0a0212ba028fce02be9002f9a4032a6903b80803d49e03f824051dd6054a9b05675805af890642a1072382
081da8082f1409ec960a410e0a4b6e0ab6b00c376b0d1a730d8a050e0f7a0e1fd00e81e80fd50f11957d1215b912311914d45f14db6e161288
1734ab18e62b19201b19e3121b118a1b4ea41c77231c7b281e716c1ec87a1eea1e203315230a2e2327042419c0247c692570d925868e25dcc9
2693db2927cb294324294ea82a95d82ab9732af9392b141c2b44042bbb642c86b42d11552d39082d8dd32e74052f1f502f3b1c2fd05c2fea69
31422d32dbe1331256339fb835010536aff036d91e36fdeb3902953941ad3a36b43aee823b01cf3b05833dd8913e2ed73eaa353f2bae3f7258
3f95824039374138774384b444a0f945286d4703e947951d48e52748f6de494ea549a99b4a8d894add684b3c234be9104c79cf4dab5e5074db
50c34e522d3a529338532209536ea753a81754249f55633e560f84569bb95768c957fb05590d195922e259cb025a436c5a4b8b5a77a05b1f0e
5b69455c19725c69375cf1825f18295f4b725fc5e860c18060d69e61219a6131b261d97962b769660c736789c268f8ba69269369637f696a32
6d4f4a6e1a0d6e6f526e7ab2701ad3734f26748bfd76a3a276b15f76e61978c46778d7cd78dfe7795a817978d67a2eda7a83727abeb47b7256
7c907c7d9ceb7e85957f6d74808139820ee983660c83b71a84463a8465bb84a95a85211885227186db2187650f8823a68ce05b8da1748db628
8e17e88f08bb8fd4e6908b9a90fe7a9149199214a292be1992dc3693634e939d16947e4c97584898017c98e71198ebc399c25c99ec999b507f
9bed779d77259dd8439e700e9ec2869f4cda9f5d449fcca5a0f05ea132f0a16298a2618ca45b26a50cc7a5698fa608a6a63b83a63c55a6fdca
a70950a74914a88a0fa997c4a9fd9caa1466aae1e8abe6b9ac15fdacd5e9ad1d33ae68b7ae814caea35aaf9847af9dfaafb55ab0abb8b16060
b16b1eb176a2b1cb45b1cd71b1e1feb32c64b35955b36901b3fa30b45a25b4b975b4c1e1b5d966b66dc8b6a964b74fb2b75789b7c480b879f3
b88074b9669eba0fb0bade35bb9a43bbf0f3bc5152bc9fa1bd81fcbed62bbf446dbfaff5c04662c0c1cdc19e7fc20e48c381f4c4476ac4586c
c52320c55a01c5eb53c6558dc65d40c68812c6df22c85960c9988aca60c9cb12d7cb6066cc4b8cccef6bcd3336cde2f5d0f913d2da63d2f0e2
d34ca7d46667d59386d5f041d77793d80e5cd83824d83918d84ff3d8a724d9dc56da22e9da8639dbba8fdbe7a0dbef0bdde5d8de87f9def945
dfd938e0be4be1a339e2d3c6e3ebc1e66974e679e9e8191de9346fe9e858e9f7a9eaed3deb26b7ec0b4bec97f2ed1212eda7e2eeb4f7eecd1b
ef44f2f2b840f354aff38252f59ccef6b119f70046f7374ff745d8f77d0cf789e0f7eb56f8a4a6faf5fefba581fbcc14fd528ffd6afdfeb41c
ff3b90
""")
