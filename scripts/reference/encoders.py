"""Tiny CLIP and SigLIP of random weights, each as two graphs, as Optimum exports them."""

import torch
from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipModel
from transformers.models.clip import CLIPImageProcessorPil
from transformers.models.siglip import SiglipImageProcessorPil

from common import EXPRESSIONS, PHOTOS, export, floats, packed, photo, pinned, pixels_of, randomised, shortened, write_json
from prompted import CLIP, clip_tokenizer

SIDE = 32
SIGNED = ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])


class Looks(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixel_values):
        return embedded(self.model.get_image_features(pixel_values=pixel_values))


class Reads(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids):
        return embedded(self.model.get_text_features(input_ids=input_ids))


def embedded(features):
    return features if isinstance(features, torch.Tensor) else features.pooler_output


def make(out):
    part = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2)
    for name, seed in (("clip", 51), ("siglip", 53)):
        is_clip = name == "clip"
        folder = out / name
        folder.mkdir(parents=True)
        tokenizer = clip_tokenizer()
        tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
        text = dict(**part, vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=16)
        if is_clip:
            text |= dict(eos_token_id=1, bos_token_id=0, pad_token_id=1)
        vision = dict(**part, image_size=SIDE, patch_size=8)
        config = (CLIPConfig if is_clip else SiglipConfig)(text_config=text, vision_config=vision)
        if is_clip:
            config.projection_dim = 16
        model = (CLIPModel if is_clip else SiglipModel)._from_config(config, attn_implementation="eager")
        randomised(model, seed)
        mean, std = CLIP if is_clip else SIGNED
        images = (
            CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
            if is_clip
            else SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE})
        )
        rows = []
        for expression in EXPRESSIONS:
            ids = tokenizer.encode(expression).ids
            rows.append(ids if is_clip else ids + [1] * (16 - len(ids)))
        first = {0: "batch_size"}
        export(Looks(model), (torch.zeros(2, 3, SIDE, SIDE),), folder / "vision_model.onnx", ["pixel_values"], ["image_embeds"], {"pixel_values": first, "image_embeds": first})
        words = {0: "batch_size", 1: "sequence_length"} if is_clip else first
        export(Reads(model), (torch.tensor([rows[0]]),), folder / "text_model.onnx", ["input_ids"], ["text_embeds"], {"input_ids": words, "text_embeds": first})
        for file in ("vision_model.onnx", "text_model.onnx"):
            shortened(folder / file)
        unit = lambda values: values / values.norm(dim=-1, keepdim=True)
        golden = {"family": name, "expressions": EXPRESSIONS, "tokens": rows, "texts": [], "photos": []}
        with torch.no_grad():
            for row in rows:
                golden["texts"].append(floats(unit(Reads(model)(torch.tensor([row])))[0]))
            for file in PHOTOS:
                image = photo(file)
                values = images(images=image, return_tensors="pt")["pixel_values"]
                golden["photos"].append(
                    {
                        "file": file,
                        "size": list(image.size),
                        "pixels": packed(pixels_of(values[0], mean, std)),
                        "embedding": floats(unit(Looks(model)(values))[0]),
                    }
                )
        write_json(folder / "golden.json", golden)
        card = {
            "schema": 1,
            "kind": "encoder",
            "name": name,
            "family": name,
            "title": f"a tiny {name} of random weights",
            **pinned(folder / "vision_model.onnx"),
            "files": [pinned(folder / "text_model.onnx"), pinned(folder / "tokenizer.json")],
            "licence": "MIT",
            "citation": "see docs/models/clip.md",
            "source": {"added": "scripts/reference/encoders.py"},
            "image": {
                "name": "pixel_values",
                "type": "float32",
                "layout": "nchw",
                "width": SIDE,
                "height": SIDE,
                "batch": "any",
                "fit": "cover" if is_clip else "stretch",
                "fill": 0,
                "channels": "rgb",
                "scale": 1 / 255,
                "mean": mean,
                "std": std,
                "output": "image_embeds",
            },
            "text": {
                "model": "text_model.onnx",
                "tokenizer": "tokenizer.json",
                "input": "input_ids",
                "output": "text_embeds",
                "length": 16,
                "padded": not is_clip,
                "pad": 1,
                "template": "{}",
            },
            "match": {"scale": 100, "bias": None if is_clip else 0},
        }
        write_json(folder / "card.json", card)
