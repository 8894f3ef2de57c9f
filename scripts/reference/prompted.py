"""Tiny detectors of random weights that are asked in words: OWLv2, Grounding DINO and MM-Grounding-DINO, as Optimum exports them."""

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    MMGroundingDinoConfig,
    MMGroundingDinoForObjectDetection,
    Owlv2Config,
    Owlv2ForObjectDetection,
    PreTrainedTokenizerFast,
    SwinConfig,
)
from transformers.models.grounding_dino import GroundingDinoImageProcessorPil
from transformers.models.owlv2 import Owlv2ImageProcessorPil

from common import EXPRESSIONS, PHOTOS, byte_pairs, export, floats, packed, photo, pinned, pixels_of, randomised, shortened, write_json

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
CLIP = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])


def clip_tokenizer():
    words = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    splitter = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    specials = ["<|startoftext|>", "<|endoftext|>"]
    pairs = byte_pairs(splitter, EXPRESSIONS, specials, "</w>")
    tokenizer = Tokenizer(models.BPE(*pairs, unk_token="<|endoftext|>", end_of_word_suffix="</w>", continuing_subword_prefix=""))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = splitter
    tokenizer.add_special_tokens(specials)
    tokenizer.post_processor = processors.RobertaProcessing(
        ("<|endoftext|>", 1), ("<|startoftext|>", 0), trim_offsets=False, add_prefix_space=False
    )
    return tokenizer


def bert_tokenizer():
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = sorted({word for text in EXPRESSIONS for word in text.split()})
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", *letters, *(f"##{letter}" for letter in letters), *words]
    vocabulary = {token: at for at, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(tokens[:5])
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def card_of(name, family, folder, maker, side, fit, kernel, fill, encoding, text, decoding):
    mean, std = encoding
    return {
        "schema": 1,
        "kind": "detector",
        "name": name,
        "family": family,
        "title": f"a tiny {name} of random weights",
        **pinned(folder / "model.onnx"),
        "files": [pinned(folder / "tokenizer.json")],
        "licence": "Apache-2.0",
        "citation": "see docs/models",
        "source": {"added": f"scripts/reference/{maker}.py"},
        "input": {
            "name": "pixel_values",
            "type": "float32",
            "layout": "nchw",
            "width": side,
            "height": side,
            "batch": 1 if family == "owlv2" else "any",
            "fit": fit,
            "kernel": kernel,
            "fill": fill,
            "channels": "rgb",
            "scale": 1 / 255,
            "mean": mean,
            "std": std,
            **text,
        },
        "outputs": {"logits": ["logits"], "boxes": ["pred_boxes"]},
        "decoding": {"minScore": 0.05, "maxDetections": 300, "nmsIou": None, "strides": [], **decoding},
        "labels": "prompts",
    }


class Owl(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, pixel_values, attention_mask):
        found = self.model(input_ids=input_ids, pixel_values=pixel_values, attention_mask=attention_mask)
        return found.logits, found.pred_boxes


def make_owl(out):
    side, length, name = 48, 16, "owlv2"
    folder = out / name
    folder.mkdir(parents=True)
    tokenizer = clip_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<|endoftext|>")
    part = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2)
    config = Owlv2Config(
        text_config=dict(**part, vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=length),
        vision_config=dict(**part, image_size=side, patch_size=12),
        projection_dim=16,
    )
    model = randomised(Owlv2ForObjectDetection._from_config(config, attn_implementation="eager"), 31)
    images = Owlv2ImageProcessorPil(size={"height": side, "width": side})
    ids = torch.zeros(len(EXPRESSIONS), length, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, text in enumerate(EXPRESSIONS):
        encoded = tokenizer.encode(text).ids
        ids[row, : len(encoded)] = torch.tensor(encoded)
        mask[row, : len(encoded)] = 1
    text = {0: "num_queries"}
    axes = {"input_ids": text, "attention_mask": text, "logits": {2: "num_queries"}}
    example = (ids, torch.zeros(1, 3, side, side), mask)
    names = ["input_ids", "pixel_values", "attention_mask"]
    export(Owl(model), example, folder / "model.onnx", names, ["logits", "pred_boxes"], axes)
    shortened(folder / "model.onnx")
    golden = {"family": "owlv2", "expressions": EXPRESSIONS, "tokens": [row[: int(kept.sum())].tolist() for row, kept in zip(ids, mask)], "photos": []}
    for file in PHOTOS:
        image = photo(file)
        values = images(images=image, return_tensors="pt")["pixel_values"]
        with torch.no_grad():
            found = model(input_ids=ids, pixel_values=values, attention_mask=mask)
        detections = images.post_process_object_detection(found, threshold=0.05, target_sizes=[(image.height, image.width)])[0]
        golden["photos"].append(
            {
                "file": file,
                "size": list(image.size),
                "values": floats(values[0]),
                "outputs": {"logits": floats(found.logits), "pred_boxes": floats(found.pred_boxes)},
                "detections": [
                    {"score": float(score), "label": EXPRESSIONS[int(label)], "box": box.tolist()}
                    for score, label, box in zip(detections["scores"], detections["labels"], detections["boxes"])
                ],
            }
        )
    write_json(folder / "golden.json", golden)
    prompt = {"text": {"ids": "input_ids", "mask": "attention_mask", "type": "int64", "length": length, "padded": True, "pad": 0, "prompts": "any", "tokenizer": "tokenizer.json"}}
    write_json(folder / "card.json", card_of(name, "owlv2", folder, "prompted", side, "letterbox", "linear", 0, CLIP, prompt, {}))


def running(values, most):
    """The highest, or lowest, of each row's values up to each place."""
    length = values.shape[1]
    at = torch.arange(length)
    seen = (at[None, :] <= at[:, None]).unsqueeze(0)
    wide = values.unsqueeze(1).expand(-1, length, -1)
    unseen = torch.full((), -10_000 if most else 10_000)
    kept = torch.where(seen, wide, unseen)
    return (kept.amax(-1) if most else kept.amin(-1)), None


class Exportable:
    """What the exporter does not know, in words that it knows."""

    def __enter__(self):
        self.before = torch.isin, torch.cummax, torch.cummin, torch.eye
        at = torch.arange
        torch.eye = lambda size, **_: at(size)[:, None] == at(size)[None, :]
        torch.isin = lambda values, few: (values.unsqueeze(-1) == few).any(-1)
        torch.cummax = lambda values, dim: running(values, True)
        torch.cummin = lambda values, dim: running(values, False)

    def __exit__(self, *_):
        torch.isin, torch.cummax, torch.cummin, torch.eye = self.before


class Grounding(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixel_values, input_ids, token_type_ids, attention_mask, pixel_mask):
        found = self.model(
            pixel_values=pixel_values,
            input_ids=input_ids,
            token_type_ids=token_type_ids,
            attention_mask=attention_mask,
            pixel_mask=pixel_mask,
        )
        return found.logits, found.pred_boxes


def make_grounding(out, name, seed):
    side = 128
    folder = out / name
    folder.mkdir(parents=True)
    tokenizer = bert_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    backbone = SwinConfig(
        image_size=side, patch_size=4, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4, out_indices=[2, 3, 4], drop_path_rate=0.0
    )
    text = BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24, max_position_embeddings=64
    )
    sort, of = (
        (GroundingDinoConfig, GroundingDinoForObjectDetection)
        if name == "grounding-dino"
        else (MMGroundingDinoConfig, MMGroundingDinoForObjectDetection)
    )
    config = sort(
        backbone_config=backbone,
        text_config=text,
        num_queries=10,
        encoder_layers=1,
        encoder_ffn_dim=24,
        encoder_attention_heads=4,
        decoder_layers=2,
        decoder_ffn_dim=24,
        decoder_attention_heads=4,
        d_model=32,
        max_text_len=32,
        disable_custom_kernels=True,
    )
    model = randomised(of._from_config(config, attn_implementation="eager"), seed)
    images = GroundingDinoImageProcessorPil(size={"height": side, "width": side})
    # Separators are known by their number in BERT's own vocabulary.
    from transformers.models.grounding_dino import modeling_grounding_dino
    from transformers.models.mm_grounding_dino import modeling_mm_grounding_dino

    special = [tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]", ".", "?")]
    for module in (modeling_grounding_dino, modeling_mm_grounding_dino):
        if hasattr(module, "SPECIAL_TOKENS"):
            module.SPECIAL_TOKENS = special
    prompts = [f"{text}." for text in EXPRESSIONS]
    encoded = [tokenizer.encode(text).ids for text in prompts]
    inputs = lambda ids: (
        torch.tensor([ids]),
        torch.zeros(1, len(ids), dtype=torch.int64),
        torch.ones(1, len(ids), dtype=torch.int64),
    )
    ids, types, mask = inputs(encoded[0])
    words = {0: "batch_size", 1: "sequence_length"}
    axes = {key: words for key in ("input_ids", "token_type_ids", "attention_mask")}
    axes |= {key: {0: "batch_size"} for key in ("pixel_values", "pixel_mask", "logits", "pred_boxes")}
    names = ["pixel_values", "input_ids", "token_type_ids", "attention_mask", "pixel_mask"]
    example = (torch.zeros(1, 3, side, side), ids, types, mask, torch.ones(1, side, side, dtype=torch.int64))
    with Exportable():
        export(Grounding(model), example, folder / "model.onnx", names, ["logits", "pred_boxes"], axes)
    shortened(folder / "model.onnx")
    golden = {"family": "grounding-dino", "expressions": EXPRESSIONS, "tokens": encoded, "photos": []}
    for file in PHOTOS:
        image = photo(file)
        values = images(images=image, return_tensors="pt")["pixel_values"]
        outputs = []
        for row in encoded:
            ids, types, mask = inputs(row)
            with torch.no_grad():
                found = model(pixel_values=values, input_ids=ids, token_type_ids=types, attention_mask=mask)
            outputs.append({"logits": floats(found.logits[:, :, : len(row)]), "pred_boxes": floats(found.pred_boxes)})
        golden["photos"].append(
            {"file": file, "size": list(image.size), "pixels": packed(pixels_of(values[0], *IMAGENET)), "prompts": outputs}
        )
    write_json(folder / "golden.json", golden)
    prompt = {
        "extra": [{"name": "pixel_mask", "type": "int64", "holds": "ones", "dims": [side, side]}],
        "text": {"ids": "input_ids", "mask": "attention_mask", "types": "token_type_ids", "type": "int64", "length": 32, "padded": False, "pad": 0, "prompts": "any", "tokenizer": "tokenizer.json"},
    }
    write_json(folder / "card.json", card_of(name, "grounding-dino", folder, "prompted", side, "stretch", "linear", 0, IMAGENET, prompt, {"textScore": 0.25}))


def make(out):
    make_owl(out)
    make_grounding(out, "grounding-dino", 41)
    make_grounding(out, "mm-grounding-dino", 43)
