"""GRPO updates: TRL's `GRPOTrainer` with rollouts, advantages and mini-batches of our own.

The log-probabilities are of the temperature and nucleus that were used for sampling; mini-batches hold completions of
like lengths, which saves padding, and completions without an advantage are not computed. The loss is TRL's. It does not
know configurations, files, or what texts mean.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from transformers import PreTrainedModel
from trl import GRPOTrainer

from game24lab.models.policy import decode_texts
from game24lab.training.advantages import (
    Baseline,
    measure_groups,
    normalise_groups,
    normalise_with_momentum,
    split_groups,
)
from game24lab.training.callbacks import Keep
from game24lab.training.loop import StopAtNaN
from game24lab.training.lora import find_plain
from game24lab.training.rollouts import Rollouts, Sampler, score, takes_cut
from game24lab.training.saving import Resumable
from game24lab.training.search_rollouts import teach, weigh
from game24lab.training.token_credit import credit_lines, find_tokens

Locate = Callable[..., Sequence[tuple[int, int] | None]]  # completions and columns to where each first goes wrong

# Names in the log, shorter than TRL's; `rewards/<name>/mean` becomes `reward/<name>`
_NAMES = {"completions/mean_length": "tokens", "completions/clipped_ratio": "unfinished", "step_time": "seconds",
          "frac_reward_zero_std": "equal_groups", "clip_ratio/region_mean": "clipped"}  # fmt: skip


class Trainer(Resumable, GRPOTrainer):
    """TRL's trainer with our rollouts, log-probabilities, advantages and mini-batches.

    Its arguments must make one generation serve one whole optimiser step, or `num_iterations` of them.
    """

    def __init__(
        self, rollouts: Rollouts, *, reference: PreTrainedModel | None = None, beta: float = 0.0, momentum: float = 0.0,
        skip_equal: bool = True, keep: Keep | None = None, locate: Locate | None = None, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__(**options)
        # TRL's constructor would load the reference a second time
        self.beta, self.ref_model, self.momentum, self.skip_equal = beta, reference, momentum, skip_equal
        self.keep, self.locate = keep, locate
        self.rollouts, self.sampler = rollouts, Sampler(find_plain(self.model), self.processing_class, rollouts)
        self.sampler.reward, self.sampler.highest = self._reward_rows, float(self.reward_weights.sum())
        self.rollout_func = self._roll_out
        self._cut_logits = takes_cut(find_plain(self.model))

    @property
    def memory(self) -> dict[str, Any]:
        """State that is saved and loaded with every resume point."""
        empty = {"sampled_tokens": 0, "prompt_tokens": 0, "baseline": Baseline().to_dict()}
        return self.state.stateful_callbacks.setdefault("grpo", empty)

    # Rollouts, rewards, advantages
    def _roll_out(self, prompts: list[str], trainer: GRPOTrainer) -> dict[str, list]:
        first = self.accelerator.process_index * len(prompts)
        half = torch.autocast("cuda", torch.bfloat16, self.args.bf16 and self.model.device.type == "cuda")
        try:
            with half:
                output = self.sampler.sample(prompts, self.args.seed, self.state.global_step, first)
        except ValueError:  # weights may have grown beyond numbers, though each update was finite
            with torch.no_grad():
                logits = self.model(**self.processing_class(prompts[:1], return_tensors="pt").to(self.model.device))[0]
            StopAtNaN().check([logits], self.args, self.state, self.state.global_step + 1)
            raise
        asked = {tuple(ids) for ids in output["prompt_ids"]}  # a prompt is forwarded once, however many completions
        counts = [sum(map(len, output["completion_ids"])), sum(map(len, asked))]
        if (search := self.sampler.searched) is not None:  # all its rollouts are sampled tokens too
            counts[0] += search.sampled_tokens - sum(map(len, search.ids))
            counts[1] += search.prompt_tokens
            self._metrics["train"]["search_changed"].append(search.changed)
        counts = self.accelerator.reduce(torch.tensor(counts, device=self.accelerator.device), "sum").tolist()
        for name, count in zip(("sampled_tokens", "prompt_tokens"), counts, strict=True):
            self.memory[name] += count
            self._metrics["train"][name] = [self.memory[name]]
        return output

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        found = super()._calculate_rewards(*args, **kwargs)  # (completions of all processes, rewards)
        self._found_rewards, self._texts = found, args[2]
        total = (found * self.reward_weights.to(found.device)).nansum(1)
        self._rewards = total.masked_fill(found.isnan().all(1), math.nan)
        return found

    def _reward_rows(self, rows: list[int], texts: list[str]) -> list[float | None]:
        """The weighted rewards of answers to some rows of this step, for a search."""
        asked = [self._inputs[row] for row in rows]
        columns = {name: [row[name] for row in asked] for name in asked[0] if name not in ("prompt", "completion")}
        given = {"prompts": [row["prompt"] for row in asked], "completions": texts, "trainer_state": self.state}
        rewards = [function(**given, **columns) for function in self.reward_funcs]
        weights = self.reward_weights.tolist()
        found = [[weight * value for weight, value in zip(weights, values, strict=True) if value is not None]
                 for values in zip(*rewards, strict=True)]  # fmt: skip
        return [math.fsum(parts) if parts else None for parts in found]

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self._inputs = inputs
        with warnings.catch_warnings():  # TRL 1.16 reads a property that transformers 5 calls by another name
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            batch = super()._generate_and_score_completions(inputs)
        begin = self.accelerator.process_index * len(inputs)
        mine = slice(begin, begin + len(inputs))
        rule, rewards, size, advantages = self.rollouts.search, self._rewards, self.num_generations, None
        searched = torch.tensor([rule.is_searched(row, size) for row in range(len(rewards))], device=rewards.device)
        taught = rule.enter == "supervised" and bool(rule.share)
        if taught:  # searched members are left out of the baseline
            rewards = rewards.masked_fill(searched, math.nan)
            advantages = normalise_groups(rewards, size)
        if self.momentum:
            baseline = Baseline.from_dict(self.memory["baseline"])
            advantages, baseline = normalise_with_momentum(rewards, size, baseline, self.momentum)
            self.memory["baseline"] = baseline.to_dict()
        if taught:
            advantages = teach(self._rewards, searched, advantages, size, rule.weight)
        if advantages is not None:
            batch["advantages"] = advantages[mine]
        if rule.share:
            for name, rows in (("searched_reward", searched), ("own_reward", ~searched)):
                self._metrics["train"][name].append(self._rewards[rows].nanmean().item())
        if self.keep is not None and self.model.training and self.keep.is_due(self.state.global_step):
            self._keep_samples(inputs, batch, mine)
        if self.locate is not None:
            batch["advantages"] = self._credit_lines(inputs, batch)
        if rule.share and rule.enter == "corrected":
            weights = torch.ones_like(batch["completion_mask"], dtype=batch["advantages"].dtype)
            for row, (logprobs, shares) in self.sampler.found.items():
                weights[row, : len(shares)] = weights.new_tensor(weigh(logprobs, shares, rule.clip))
            known = batch["advantages"]
            batch["advantages"] = (known if known.ndim > 1 else known[:, None]) * weights
        if self.skip_equal:
            _, spreads = measure_groups(split_groups(self._rewards, self.num_generations))
            differs = (spreads > 1e-8).repeat_interleave(self.num_generations)[mine]
            batch["completion_mask"] = batch["completion_mask"] * differs[:, None].to(batch["completion_mask"].device)
            mask = batch["completion_mask"] * batch.get("tool_mask", 1)
            batch["num_items_in_batch"] = self.accelerator.gather(mask.sum()).sum()
        return batch

    def _credit_lines(self, inputs: list[dict[str, Any]], batch: Mapping[str, Any]) -> torch.Tensor:
        """Advantages of tokens, by where each completion first went wrong."""
        columns = {name: [row[name] for row in inputs] for name in inputs[0] if name not in ("prompt", "completion")}
        spans = self.locate(completions=self._texts, **columns)
        ids, mask = batch["completion_ids"], batch["completion_mask"]
        faults = [None if span is None else find_tokens(self._decode, row[: int(length)].tolist(), span)
                  for span, row, length in zip(spans, ids, mask.sum(1), strict=True)]  # fmt: skip
        self._metrics["train"]["faulty"].append(sum(span is not None for span in spans) / len(spans))
        return credit_lines(batch["advantages"], mask.shape[1], faults)

    def _decode(self, ids: Sequence[int]) -> str:
        return decode_texts(self.processing_class, [ids])[0]

    def _keep_samples(self, inputs: list[dict[str, Any]], batch: Mapping[str, Any], mine: slice) -> None:
        """Write the samples of this step: prompt and columns, text, tokens, rewards by name and in all, advantage."""
        named = zip(self.reward_func_names, self._found_rewards[mine].T.tolist(), strict=True)
        rows = pd.DataFrame(inputs).assign(
            step=self.state.global_step, text=self._texts, tokens=batch["completion_mask"].sum(1).tolist(),
            **{f"reward/{name}": values for name, values in named}, reward=self._rewards[mine].tolist(),
            advantage=batch["advantages"].tolist(),
        )  # fmt: skip
        self.keep.write_samples(self.state.global_step, self.accelerator.process_index, rows)

    # Mini-batches
    def _prepare_inputs(self, generation_batch: Any) -> dict[str, Any]:
        if not self.model.training:
            return super()._prepare_inputs(generation_batch)
        each = self.args.steps_per_generation
        if self._buffered_inputs is None:  # the beginning, or a resume point
            self._step = self.state.global_step * self.args.gradient_accumulation_steps
        if self._buffered_inputs is None or self._step % (each * self.num_iterations) == 0:
            self._buffered_inputs = cut(self._generate_and_score_completions(generation_batch), each)
        return self._buffered_inputs[self._step % each]

    # Log-probabilities
    def _get_per_token_logps_and_entropies(
        self, model, input_ids, attention_mask, logits_to_keep, batch_size=None, **more
    ):
        """As TRL's, of the distribution that was sampled from; rows without a token to learn from are not computed.

        The entropies are estimates, `-log p` of the sampled tokens, whose mean is the entropy's: they cost nothing.
        """
        lengths = attention_mask[:, -logits_to_keep:].sum(1)
        rows = lengths.argsort(descending=True, stable=True)[: max(1, int((lengths > 0).sum()))]
        device, sampling = next(model.parameters()).device, self.rollouts.sampling
        with self.accelerator.autocast():
            found = [
                score(model, input_ids[part].to(device), attention_mask[part].to(device), logits_to_keep, sampling,
                      cut_logits=self._cut_logits).to(input_ids.device)
                for part in rows.split(batch_size or len(rows))
            ]  # fmt: skip
        logps = torch.zeros(input_ids.shape[0], logits_to_keep, device=input_ids.device)
        logps = logps.index_copy(0, rows, torch.cat(found))
        self._found = logps.detach()
        return logps, -self._found, None

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        loss = super()._compute_loss(model, inputs)
        if not inputs["completion_mask"].any():  # a mean over nothing is NaN, not 0
            for name in {"entropy", "kl"} & self._metrics["train"].keys():
                self._metrics["train"][name][-1] = math.nan
        sampling = self.rollouts.sampling
        if sampling.temperature == 1 and sampling.top_p == 1 and "old_per_token_logps" not in inputs:
            gaps = (self._found - inputs["sampling_per_token_logps"]).abs() * inputs["completion_mask"]
            self._metrics["train"]["mismatch"].append(gaps.max().item())
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        metrics = self._metrics["train" if self.model.training else "eval"]
        for name in list(metrics):
            parts = name.split("/")
            short = f"reward/{parts[1]}" if parts[0] == "rewards" and parts[-1] == "mean" else _NAMES.get(name, name)
            metrics[short] = metrics.pop(name)
        super().log(logs, start_time)


def cut(batch: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """A step's completions in `count` mini-batches of equally many, the longest first, each as wide as its longest.

    A completion whose mask is all 0 counts as empty. Tensors of the completions' width are trimmed with them; scalars
    go to all.
    """
    mask = batch["completion_mask"]
    lengths = (mask * torch.arange(1, mask.shape[1] + 1, device=mask.device)).amax(1)
    parts = []
    for rows in lengths.argsort(descending=True, stable=True).chunk(count):
        widest = max(1, int(lengths[rows].max()))
        part = {}
        for name, value in batch.items():
            if isinstance(value, torch.Tensor) and value.ndim:
                value = value[rows]
                if value.ndim > 1 and not name.startswith("prompt") and value.shape[1] == mask.shape[1]:
                    value = value[:, :widest]
            part[name] = value
        parts.append(part)
    return parts
