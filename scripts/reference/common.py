"""What the makers of all families share: photos, exports, tokenisers, and how the expected numbers are written."""

import base64
import hashlib
import json
import pathlib
import warnings

warnings.filterwarnings("ignore")

import numpy as np
import onnx
import torch
from PIL import Image, ImageOps
from tokenizers import pre_tokenizers

ROOT = pathlib.Path(__file__).resolve().parents[2]
PHOTOS = ["cats.jpg", "dogs-on-grass.jpg"]
EXPRESSIONS = ["the left cat", "a dog that lies on the grass", "remote control"]
OPSET = 17

torch.set_num_threads(1)


def photo(name):
    image = Image.open(ROOT / "fixtures" / "images" / name)
    return ImageOps.exif_transpose(image).convert("RGB")


def randomised(model, seed, gain=1.0):
    """The same random weights for the same seed, of a size that lets outputs differ from photo to photo."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in sorted(model.named_parameters()):
            if value.dim() > 1:
                spread = gain / value[0].numel() ** 0.5
                value.copy_(torch.randn(value.shape, generator=generator) * spread)
            elif name.endswith("bias"):
                value.copy_(torch.randn(value.shape, generator=generator) * 0.02)
            else:
                value.copy_(1 + torch.randn(value.shape, generator=generator) * 0.05)
    return model.eval()


def byte_pairs(splitter, texts, specials, end=""):
    """Vocabulary and merges that know the words of the texts, always the same: trainers break ties by chance."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {}
    for token in [*specials, *alphabet, *(letter + end for letter in alphabet)]:
        vocabulary.setdefault(token, len(vocabulary))
    merges = []
    for text in texts:
        for word, _ in splitter.pre_tokenize_str(text):
            left, *others = [*word[:-1], word[-1] + end]
            for right in others:
                if (left, right) not in merges:
                    merges.append((left, right))
                left += right
                vocabulary.setdefault(left, len(vocabulary))
    return vocabulary, merges


def export(module, inputs, path, names, outputs, dynamic):
    torch.onnx.export(
        module.eval(),
        inputs,
        str(path),
        input_names=names,
        output_names=outputs,
        dynamic_axes=dynamic,
        opset_version=OPSET,
        dynamo=False,
    )


def pixels_of(values, mean, std):
    """[3, h, w] as a model takes it, back as the 8-bit pixels it was made of. Raises where it was made of others."""
    mean, std = (torch.tensor(numbers).reshape(3, 1, 1) for numbers in (mean, std))
    pixels = ((values * std + mean) * 255).round()
    again = (pixels / 255 - mean) / std
    assert (again - values).abs().max() < 1e-5, "the processor does not round to 8 bits"
    return pixels.permute(1, 2, 0).to(torch.uint8).numpy()


def packed(values):
    """Numbers as text: base64 of little-endian bytes."""
    values = np.ascontiguousarray(values)
    return {
        "type": str(values.dtype),
        "dims": list(values.shape),
        "data": base64.b64encode(values.tobytes()).decode("ascii"),
    }


def floats(values):
    return packed(values.detach().to(torch.float32).numpy())


def pinned(path):
    data = path.read_bytes()
    return {"file": path.name, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def write_json(path, value):
    indent = None if path.name == "golden.json" else 1
    path.write_text(json.dumps(value, indent=indent, ensure_ascii=False) + "\n", "utf8")


def merge_constants(graph):
    """Constants that come again are taken from their first place."""
    first, again, nodes = {}, {}, []
    for node in graph.node:
        if node.op_type == "Constant":
            name = node.output[0]
            kept = first.setdefault(node.attribute[0].SerializeToString(), name)
            if kept != name:
                again[name] = kept
                continue
        nodes.append(node)
    given = {port.name for port in graph.output}
    if given & again.keys():
        return
    kept_nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept_nodes)

    def rename(part):
        for node in part.node:
            node.input[:] = [again.get(name, name) for name in node.input]
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    rename(attribute.g)

    rename(graph)


def shortened(path):
    """The same graph with short names inside, and without texts for people and the shapes between: half of a tiny file."""
    model = onnx.load(str(path))
    kept = {port.name for port in [*model.graph.input, *model.graph.output]} | {""}
    names = {}
    short = lambda name: name if name in kept else names.setdefault(name, f"t{len(names)}")

    def walk(graph, inner):
        merge_constants(graph)
        for tensor in graph.initializer:
            tensor.name = short(tensor.name)
            tensor.doc_string = ""
        for node in graph.node:
            node.name = node.doc_string = ""
            node.input[:] = [short(name) for name in node.input]
            node.output[:] = [short(name) for name in node.output]
            for attribute in node.attribute:
                attribute.doc_string = ""
                if attribute.HasField("t"):
                    attribute.t.name = ""
                if attribute.HasField("g"):
                    walk(attribute.g, True)
        del graph.value_info[:]
        if inner:
            for port in graph.output:
                port.name = short(port.name)

    walk(model.graph, False)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
