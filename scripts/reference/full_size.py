"""Florence-2-base of random weights at full size, for measuring speed and memory: nothing is compared with it.

    python3 scripts/reference/full_size.py OUT [fp32|int8]
"""

import pathlib
import sys

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import BartConfig, Florence2Config, Florence2ForConditionalGeneration
from transformers.models.florence2.configuration_florence2 import Florence2VisionConfig

from common import randomised, write_json
from florence2 import card_of, export_all, tokenizer_of

PLAN = dict(side=768, bins=1000, width=768, layers=(6, 6), heads=12, seed=3)
GRAPHS = ["vision_encoder", "embed_tokens", "encoder_model", "decoder_model_merged"]

if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True)
    tokenizer_of(PLAN["bins"]).save(str(folder / "tokenizer.json"), pretty=False)
    text = BartConfig(
        vocab_size=51289,
        d_model=768,
        encoder_layers=6,
        decoder_layers=6,
        encoder_attention_heads=12,
        decoder_attention_heads=12,
        encoder_ffn_dim=3072,
        decoder_ffn_dim=3072,
        max_position_embeddings=1024,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        decoder_start_token_id=2,
    )
    vision = Florence2VisionConfig(projection_dim=768, drop_path_rate=0.0)
    config = Florence2Config(text_config=text.to_dict(), vision_config=vision.to_dict(), image_token_id=51288)
    model = Florence2ForConditionalGeneration._from_config(config, attn_implementation="eager")
    randomised(model, PLAN["seed"])
    model.tie_weights()
    torch.set_num_threads(2)
    export_all(model, PLAN, folder)
    if "int8" in sys.argv[2:]:
        for name in GRAPHS:
            path = folder / f"{name}.onnx"
            quantize_dynamic(
                str(path),
                str(path),
                weight_type=QuantType.QUInt8,
                op_types_to_quantize=["MatMul", "Gather"],
                extra_options={"EnableSubgraph": True},
            )
    card = card_of("florence-full", PLAN, folder, "phrase-grounding")
    card["input"]["text"]["length"] = 447
    card["decoding"]["maxDetections"] = 5
    write_json(folder / "card.json", card)
