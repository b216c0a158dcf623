"""Muon in batches: the same steps as torch's, states that torch's reads and writes, bf16 only where it is computed."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st

from game24lab.models.checkpoints import make_model
from game24lab.models.tokenizer import make_tokenizer
from game24lab.training import muon, precision
from game24lab.training.muon import BatchedMuon, MuonAdamW, orthogonalise

SETTINGS = {"lr": 0.03, "weight_decay": 0.1, "momentum": 0.95}
JORDAN = (3.4445, -4.7750, 2.0315)


@pytest.fixture
def both_in_float32(monkeypatch):
    """Torch's own iteration, which asks for bfloat16 by name, and ours in float32."""
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone, raising=False)
    monkeypatch.setattr(muon, "computes_bf16", lambda: False)


def make_weights(seed=0):
    """Wide, tall, square and single-column matrices, several of a shape; two have no gradient."""
    torch.manual_seed(seed)
    shapes = [(24, 8), (8, 24), (24, 8), (16, 16), (1, 8), (8, 1), (16, 16), (40, 8)]
    weights = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    return [*weights, torch.nn.Parameter(torch.randn(3, 3))]


def give_gradients(weights, step):
    torch.manual_seed(1000 + step)
    for weight in weights[:-1]:
        weight.grad = torch.randn(weight.shape) * 10.0 ** (step % 5 - 3)


def test_it_steps_as_torch_does(both_in_float32):
    ours, theirs = make_weights(), make_weights()
    optimizers = [BatchedMuon(ours, **SETTINGS), torch.optim.Muon(theirs, **SETTINGS)]
    for step in range(30):
        for weights, optimizer in zip((ours, theirs), optimizers, strict=True):
            give_gradients(weights, step)
            optimizer.param_groups[0]["lr"] = 0.03 * (1 - step / 30)
            optimizer.step()
        for a, b in zip(ours, theirs, strict=True):
            assert torch.allclose(a, b, atol=2e-5, rtol=0), f"step {step}, shape {tuple(a.shape)}"
    untouched = make_weights()[-1]
    assert torch.equal(ours[-1], untouched)
    assert not torch.allclose(ours[0], make_weights()[0], atol=0.1)


def test_a_preset_is_trained_as_by_torch(both_in_float32):
    """The demo's model and real gradients, one batch learnt again and again."""
    torch.manual_seed(0)
    ids = torch.randint(3, 400, (4, 12))
    models = [make_model("tiny", make_tokenizer()) for _ in range(2)]
    optimizers = [MuonAdamW(model, lr=3e-3, matrix_lr=0.03, weight_decay=0.1) for model in models]
    matrices = optimizers[1]._parts[0].param_groups[0]["params"]
    optimizers[1]._parts[0] = torch.optim.Muon(matrices, **SETTINGS)
    for _ in range(4):
        for model, optimizer in zip(models, optimizers, strict=True):
            optimizer.zero_grad()
            model(input_ids=ids, labels=ids).loss.backward()
            optimizer.step()
    for (name, a), b in zip(models[0].named_parameters(), models[1].parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-4), name


def test_states_are_interchangeable_with_torchs(both_in_float32):
    """A resume point from before this optimiser is one of torch's."""
    ours, theirs = make_weights(), make_weights()
    before, after = torch.optim.Muon(theirs, **SETTINGS), BatchedMuon(ours, **SETTINGS)
    for step in range(3):
        give_gradients(theirs, step)
        before.step()
    for a, b in zip(ours, theirs, strict=True):
        a.data.copy_(b.data)
    after.load_state_dict(copy.deepcopy(before.state_dict()))
    for step in range(3, 6):
        for weights, optimizer in ((ours, after), (theirs, before)):
            give_gradients(weights, step)
            optimizer.step()
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, atol=1e-5)
    assert after.state_dict().keys() == before.state_dict().keys()
    assert after.state_dict()["param_groups"] == before.state_dict()["param_groups"]
    before.load_state_dict(after.state_dict())


def test_the_state_of_another_optimiser_is_refused():
    model = make_model("tiny", make_tokenizer())
    optimizer = MuonAdamW(model, lr=3e-3, matrix_lr=0.03, weight_decay=0.1)
    other = torch.optim.AdamW(model.parameters())
    for state in (other.state_dict(), {"parts": []}, {"parts": [other.state_dict()] * 2}):
        with pytest.raises(ValueError, match="optimiser state must be of Muon and AdamW") as error:
            optimizer.load_state_dict(state)
        assert "\n" not in str(error.value)


@rules(deadline=None, max_examples=40)
@given(rows=st.integers(1, 12), columns=st.integers(1, 12), count=st.integers(1, 4), seed=st.integers(0, 99))
def test_singular_values_come_near_one(rows, columns, count, seed):
    torch.manual_seed(seed)
    basis = [torch.linalg.svd(torch.randn(rows, columns), full_matrices=False) for _ in range(count)]
    least = min(rows, columns)
    given = [u @ torch.diag(torch.linspace(1, 0.2, least)) @ v for u, _, v in basis]
    for result, (u, _, v) in zip(orthogonalise(given, torch.float32, JORDAN, 5, 1e-7), basis, strict=True):
        assert result.shape == (rows, columns)
        values = torch.diag(u.T @ result @ v.T)
        assert ((values > 0.5) & (values < 1.3)).all(), values
        assert torch.allclose(u @ torch.diag(values) @ v, result, atol=1e-3)


def test_batches_of_any_size_are_the_same(monkeypatch):
    torch.manual_seed(0)
    given = [torch.randn(shape) for shape in [(6, 4), (4, 6), (5, 5), (6, 4), (4, 6), (4, 6)]]
    whole = orthogonalise(given, torch.float32, JORDAN, 5, 1e-7)
    monkeypatch.setattr(muon, "_MOST", 1)
    for a, b in zip(whole, orthogonalise(given, torch.float32, JORDAN, 5, 1e-7), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_bfloat16_is_near_float32():
    torch.manual_seed(0)
    given = [torch.randn(32, 16) for _ in range(3)]
    full, half = (orthogonalise(given, dtype, JORDAN, 5, 1e-7) for dtype in (torch.float32, torch.bfloat16))
    for a, b in zip(full, half, strict=True):
        assert (a.dtype, b.dtype) == (torch.float32, torch.bfloat16)
        assert (a - b.float()).norm() < 0.05 * a.norm()


@pytest.mark.parametrize(
    ("capability", "amx", "bf16", "most", "units", "computed"),
    [("AVX512", False, True, "", "AVX512, bf16", True), ("AVX512", True, True, "", "AVX512, AMX, bf16", True),
     ("AVX512", False, False, "", "AVX512, no bf16", False), ("AVX2", True, True, "", "AVX2, no bf16", False),
     ("AVX512", True, True, "avx2", "AVX512, no bf16", False), ("DEFAULT", False, False, "", "DEFAULT, no bf16", False),
     ("AVX512", False, True, "AVX512_CORE_BF16", "AVX512, bf16", True)],
)  # fmt: skip
def test_units_and_precision(monkeypatch, capability, amx, bf16, most, units, computed):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bf16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", most)
    assert precision.describe_units() == units
    assert precision.computes_bf16() == computed
    assert precision.pick_precision("auto") == ("bf16" if computed else "fp32")
    assert precision.pick_precision("fp32") == "fp32"
    if computed:
        assert precision.pick_precision("bf16") == "bf16"
    else:
        with pytest.raises(ValueError, match=rf"'auto' or 'fp32' on this machine \({units}\), got 'bf16'"):
            precision.pick_precision("bf16")
    with pytest.raises(ValueError, match="precision must be one of auto, bf16, fp32, got 'int8'"):
        precision.pick_precision("int8")
