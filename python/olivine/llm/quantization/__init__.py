"""Quantizing a whole model: plainly, with calibration (GPTQ, AWQ), or mixed by sensitivity.

`plan.QuantizationPlan` says which layer gets which format; `quantize_model` applies one. `gptq` and
`awq` choose the packed values and scales by how the model uses them on calibration texts, and
`sensitivity` chooses the plan.
"""

from olivine.llm.quantization.plan import Format, QuantizationPlan, bits_per_weight, quantize_model

__all__ = ["Format", "QuantizationPlan", "bits_per_weight", "quantize_model"]
