"""What this machine multiplies matrices with, and which number format training takes for it.

Both read what the processor reports and what the environment withholds from it (`ATEN_CPU_CAPABILITY`,
`ONEDNN_MAX_CPU_ISA`), so that a machine can be made to behave as a lesser one. It does not know what is trained.
"""

from __future__ import annotations

import os

import torch

from game24lab.runs.checks import require_one_of

PRECISIONS = ("auto", "bf16", "fp32")
# oneDNN, which multiplies bf16 matrices on CPUs, emulates them where it may not go beyond one of these
_WITHOUT_BF16 = {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI"}


def computes_bf16() -> bool:
    """Whether the GPU, or without one the CPU, multiplies bf16 matrices itself: elsewhere they are emulated, slowly."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(_list_bf16_units())


def describe_units() -> str:
    """The matrix units in a few words: `AVX2, no bf16`, `AVX512, bf16`, `AVX512, AMX, bf16`, or the GPU's name."""
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}, {'bf16' if computes_bf16() else 'no bf16'}"
    units = _list_bf16_units()
    words = [torch.backends.cpu.get_cpu_capability(), *(["AMX"] if "AMX" in units else [])]
    return ", ".join([*words, "bf16" if units else "no bf16"])


def pick_precision(precision: str) -> str:
    """ "bf16" or "fp32": "auto" takes bf16 where the hardware computes in it.

    ValueError for another name, and for "bf16" where it would be emulated: several times slower than float32.
    """
    require_one_of("precision", precision, PRECISIONS)
    if precision == "auto":
        return "bf16" if computes_bf16() else "fp32"
    if precision == "bf16" and not computes_bf16():
        raise ValueError(f"precision must be 'auto' or 'fp32' on this machine ({describe_units()}), got 'bf16'")
    return precision


def _list_bf16_units() -> list[str]:
    """The CPU's units that multiply bf16 matrices and may be used; all of them come with AVX512."""
    most = os.environ.get("ONEDNN_MAX_CPU_ISA", os.environ.get("DNNL_MAX_CPU_ISA", "")).upper()
    if torch.backends.cpu.get_cpu_capability() != "AVX512" or most in _WITHOUT_BF16:
        return []
    supported = {"AVX512": torch.cpu._is_avx512_bf16_supported(), "AMX": torch.cpu._is_amx_tile_supported()}
    return [unit for unit, there in supported.items() if there]
