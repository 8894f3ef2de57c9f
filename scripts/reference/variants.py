"""The first tiny Florence-2 in the precisions that repositories of the hub offer. Made for `npm run reference` alone: they are not committed."""

import json
import shutil

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from onnxruntime.transformers.float16 import convert_float_to_float16

from common import pinned, write_json

SOURCE = "florence-2-a"
GRAPHS = ["vision_encoder.onnx", "embed_tokens.onnx", "encoder_model.onnx", "decoder_model_merged.onnx"]


def int8(path):
    quantize_dynamic(
        str(path),
        str(path),
        weight_type=QuantType.QUInt8,
        op_types_to_quantize=["MatMul", "Gather"],
        extra_options={"EnableSubgraph": True},
    )


def half(keep_ports):
    def convert(path):
        model = convert_float_to_float16(onnx.load(str(path)), keep_io_types=keep_ports)
        onnx.save(model, str(path))

    return convert


def four_bits(path):
    quantizer = MatMulNBitsQuantizer(onnx.load(str(path)), block_size=16, is_symmetric=True)
    quantizer.process()
    quantizer.model.save_model_to_file(str(path))


VARIANTS = {"int8": int8, "fp16": half(True), "fp16-ports": half(False), "q4": four_bits}


def make(out):
    for name, convert in VARIANTS.items():
        folder = out / f"{SOURCE}-{name}"
        shutil.copytree(out / SOURCE, folder)
        for graph in GRAPHS:
            convert(folder / graph)
        card = json.loads((folder / "card.json").read_text("utf8"))
        card["name"] = folder.name
        card |= pinned(folder / GRAPHS[0])
        card["files"] = [pinned(folder / file["file"]) for file in card["files"]]
        write_json(folder / "card.json", card)
        (folder / "golden.json").unlink()
