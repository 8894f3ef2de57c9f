"""Quantises a graph as the hub's ONNX repositories do: `q4f16` (weights of products in 4 bits, all else in half precision) and
`uint8` (weights in 8 bits, activations while it runs).

    npx tsx scripts/fixtures/grounding.ts grounding.onnx
    python3 scripts/reference/quantise.py grounding.onnx fixtures/quantised

writes grounding_q4f16.onnx and grounding_uint8.onnx. Versions: requirements.txt beside it.
"""
import sys
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from onnxruntime.transformers.float16 import convert_float_to_float16

BLOCK = 32

source, folder = Path(sys.argv[1]), Path(sys.argv[2])

small = MatMulNBitsQuantizer(onnx.load(source), block_size=BLOCK, is_symmetric=True)
small.process()
half = convert_float_to_float16(small.model.model, keep_io_types=False)
onnx.save(half, folder / f"{source.stem}_q4f16.onnx")

quantize_dynamic(source, folder / f"{source.stem}_uint8.onnx", weight_type=QuantType.QUInt8)
