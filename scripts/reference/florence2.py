"""Tiny Florence-2 models of random weights, exported as the hub's ONNX repositories are laid out, and what the reference answers."""


import onnx
import torch
from onnx import TensorProto, helper
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import BartConfig, Florence2Config, Florence2ForConditionalGeneration, PreTrainedTokenizerFast
from transformers.cache_utils import DynamicCache, EncoderDecoderCache
from transformers.models.clip import CLIPImageProcessorPil
from transformers.models.florence2 import modeling_florence2
from transformers.models.florence2.configuration_florence2 import Florence2VisionConfig
from transformers.models.florence2.processing_florence2 import Florence2Processor

from common import EXPRESSIONS, PHOTOS, byte_pairs, export, floats, packed, photo, pinned, pixels_of, randomised, shortened, write_json

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
TASKS = {"phrase-grounding": "<CAPTION_TO_PHRASE_GROUNDING>", "open-vocabulary": "<OPEN_VOCABULARY_DETECTION>"}
MASKED = -1e9
BEAMS = 3

CORPUS = EXPRESSIONS + ["Locate the phrases in the caption: the man", "Locate the woman in the image."]

PLANS = {
    # As the model itself is made: a thousand bins, scales worked out from the photo.
    "florence-2-a": dict(side=96, bins=1000, width=32, layers=(2, 2), heads=2, seed=7),
    # Another configuration, traced as the published export was: on a smaller photo, with its scales as constants.
    "florence-2-b": dict(side=96, bins=100, width=48, layers=(1, 3), heads=3, seed=11, frozen=64),
}


def tokenizer_of(bins):
    """A tokeniser of BART's kind: byte pairs, `<s>` and `</s>` around a text, location tokens behind the words."""
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = Tokenizer(models.BPE(*byte_pairs(splitter, CORPUS, specials), unk_token="<unk>"))
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(specials)
    added = ["<mask>", "<od>", "</od>", "<ocr>", "</ocr>"] + [f"<loc_{at}>" for at in range(bins)]
    added += ["<cap>", "</cap>", "<poly>", "</poly>", "<sep>"]
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in added])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return tokenizer


def config_of(plan, vocabulary):
    vision = Florence2VisionConfig(
        depths=(1, 1, 2, 1),
        embed_dim=(8, 16, 24, 32),
        num_heads=(1, 2, 3, 4),
        num_groups=(1, 2, 3, 4),
        window_size=4,
        projection_dim=plan["width"],
        max_position_embeddings=8,
        drop_path_rate=0.0,
    )
    text = BartConfig(
        vocab_size=vocabulary,
        d_model=plan["width"],
        encoder_layers=plan["layers"][0],
        decoder_layers=plan["layers"][1],
        encoder_attention_heads=plan["heads"],
        decoder_attention_heads=plan["heads"],
        encoder_ffn_dim=2 * plan["width"],
        decoder_ffn_dim=2 * plan["width"],
        max_position_embeddings=160,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        decoder_start_token_id=2,
    )
    return Florence2Config(
        text_config=text.to_dict(), vision_config=vision.to_dict(), image_token_id=vocabulary - 1
    )


class Vision(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixel_values):
        return self.model.get_image_features(pixel_values=pixel_values).pooler_output


class Embeddings(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.table = model.get_input_embeddings()

    def forward(self, input_ids):
        return self.table(input_ids)


def additive(mask, rows):
    return ((1 - mask[:, None, None, :].to(torch.float32)) * MASKED).expand(-1, 1, rows, -1)


class Encoder(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.encoder = model.model.language_model.encoder

    def forward(self, attention_mask, inputs_embeds):
        mask = additive(attention_mask, inputs_embeds.shape[1])
        return self.encoder(attention_mask=mask, inputs_embeds=inputs_embeds).last_hidden_state


class Decoder(torch.nn.Module):
    """One branch of the merged decoder: with an empty cache, or with one."""

    def __init__(self, model, cached):
        super().__init__()
        self.decoder = model.model.language_model.decoder
        self.head = model.lm_head
        self.layers = model.config.text_config.decoder_layers
        self.cached = cached

    def forward(self, encoder_attention_mask, encoder_hidden_states, inputs_embeds, *past):
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        before = 0
        if self.cached:
            for layer in range(self.layers):
                key, value, cross_key, cross_value = past[4 * layer : 4 * layer + 4]
                cache.self_attention_cache.update(key, value, layer)
                cache.cross_attention_cache.update(cross_key, cross_value, layer)
                cache.is_updated[layer] = True
            before = past[0].shape[2]
        length = inputs_embeds.shape[1]
        at = torch.arange(before + length)
        causal = torch.where(at[None, :] <= at[before:, None], 0.0, MASKED)
        states = self.decoder(
            inputs_embeds=inputs_embeds,
            attention_mask=causal[None, None].expand(inputs_embeds.shape[0], 1, -1, -1),
            encoder_hidden_states=encoder_hidden_states,
            encoder_attention_mask=additive(encoder_attention_mask, length),
            cache=cache,
            use_cache=True,
        ).last_hidden_state
        outputs = [self.head(states)]
        for layer in range(self.layers):
            own = cache.self_attention_cache.layers[layer]
            cross = cache.cross_attention_cache.layers[layer]
            outputs += [own.keys, own.values]
            if not self.cached:
                outputs += [cross.keys, cross.values]
        return tuple(outputs)


def cache_names(prefix, layers, kinds=("decoder", "encoder")):
    return [f"{prefix}.{layer}.{kind}.{part}" for layer in range(layers) for kind in kinds for part in ("key", "value")]


def merged(first, later, layers, heads, width, path):
    """Both branches behind one `If`, as Optimum merges them: the later one gives empty caches for the encoder's keys."""
    branches = []
    weights = {}
    for model, tag in ((first, "first"), (later, "later")):
        graph = model.graph
        renamed = {}
        for tensor in graph.initializer:
            key = (tuple(tensor.dims), tensor.data_type, onnx.numpy_helper.to_array(tensor).tobytes())
            if key not in weights:
                kept = onnx.TensorProto()
                kept.CopyFrom(tensor)
                kept.name = f"weight_{len(weights)}"
                weights[key] = kept
            renamed[tensor.name] = weights[key].name
        outer = {port.name for port in graph.input}
        name_of = lambda name: renamed.get(name, name if name in outer or name == "" else f"{tag}/{name}")
        nodes = []
        for node in graph.node:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.name = f"{tag}/{node.name}"
            copy.doc_string = ""
            copy.input[:] = [name_of(name) for name in node.input]
            copy.output[:] = [name_of(name) for name in node.output]
            nodes.append(copy)
        outputs = []
        for name in ["logits"] + cache_names("present", layers):
            inner = f"{tag}/{name}"
            if tag == "later" and ".encoder." in name:
                empty = helper.make_tensor(f"{inner}/empty", TensorProto.FLOAT, [0, heads, 1, width // heads], [])
                nodes.append(helper.make_node("Constant", [], [inner], value=empty))
            outputs.append(helper.make_tensor_value_info(inner, TensorProto.FLOAT, None))
        branches.append(helper.make_graph(nodes, tag, [], outputs))
    inputs = {port.name: port for port in [*first.graph.input, *later.graph.input]}
    port = lambda name, dims: helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
    ordered = [
        helper.make_tensor_value_info("encoder_attention_mask", TensorProto.INT64, ["batch_size", "encoder_sequence_length_out"]),
        port("encoder_hidden_states", ["batch_size", "encoder_sequence_length_out", width]),
        port("inputs_embeds", ["batch_size", "decoder_sequence_length", width]),
    ]
    for name in cache_names("past_key_values", layers):
        length = "past_decoder_sequence_length" if ".decoder." in name else "encoder_sequence_length_out"
        ordered.append(port(name, ["batch_size", heads, length, width // heads]))
    assert set(inputs) <= {value.name for value in ordered}, sorted(inputs)
    ordered.append(helper.make_tensor_value_info("use_cache_branch", TensorProto.BOOL, [1]))
    outputs = [port("logits", ["batch_size", "decoder_sequence_length", "vocabulary"])]
    outputs += [port(name, ["batch_size_out", heads, "length_out", width // heads]) for name in cache_names("present", layers)]
    choice = helper.make_node(
        "If", ["use_cache_branch"], [value.name for value in outputs], then_branch=branches[1], else_branch=branches[0]
    )
    graph = helper.make_graph([choice], "decoder", ordered, outputs, list(weights.values()))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))


class Frozen:
    """Channel attention as the model's first code has it: the tracer takes `float(N)` for a constant."""

    def __enter__(self):
        kind = modeling_florence2.Florence2VisionChannelAttention
        self.before = kind.forward

        def forward(module, states):
            batch, tokens, width = states.shape
            parts = module.qkv(states).reshape(batch, tokens, 3, module.groups, width // module.groups)
            query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
            query = query * (float(tokens) ** -0.5)
            attention = (query.transpose(-1, -2) @ key).softmax(dim=-1)
            mixed = (attention @ value.transpose(-1, -2)).transpose(-1, -2)
            return module.proj(mixed.transpose(1, 2).reshape(batch, tokens, width))

        kind.forward = forward

    def __exit__(self, *_):
        modeling_florence2.Florence2VisionChannelAttention.forward = self.before


def export_all(model, plan, folder):
    width, heads = plan["width"], plan["heads"]
    layers = plan["layers"][1]
    traced = plan.get("frozen", plan["side"])
    photo_axes = {"pixel_values": {0: "batch_size", 2: "height", 3: "width"}, "image_features": {0: "batch_size", 1: "tokens"}}
    vision = Vision(model)
    example = torch.zeros(1, 3, traced, traced)
    arguments = (example,), folder / "vision_encoder.onnx", ["pixel_values"], ["image_features"], photo_axes
    if "frozen" in plan:
        with Frozen():
            export(vision, *arguments)
    else:
        export(vision, *arguments)
    text = {0: "batch_size", 1: "sequence_length"}
    export(
        Embeddings(model),
        (torch.ones(2, 3, dtype=torch.int64),),
        folder / "embed_tokens.onnx",
        ["input_ids"],
        ["inputs_embeds"],
        {"input_ids": text, "inputs_embeds": text},
    )
    states = torch.randn(2, 5, width)
    mask = torch.ones(2, 5, dtype=torch.int64)
    export(
        Encoder(model),
        (mask, states),
        folder / "encoder_model.onnx",
        ["attention_mask", "inputs_embeds"],
        ["last_hidden_state"],
        {"attention_mask": text, "inputs_embeds": text, "last_hidden_state": text},
    )
    axes = {
        "encoder_attention_mask": {0: "batch_size", 1: "encoder_sequence_length_out"},
        "encoder_hidden_states": {0: "batch_size", 1: "encoder_sequence_length_out"},
        "inputs_embeds": {0: "batch_size", 1: "decoder_sequence_length"},
        "logits": {0: "batch_size", 1: "decoder_sequence_length"},
    }
    for name in cache_names("past_key_values", layers) + cache_names("present", layers):
        axes[name] = {0: "batch_size", 2: "length" if ".decoder." in name else "encoder_sequence_length_out"}
    inputs = ["encoder_attention_mask", "encoder_hidden_states", "inputs_embeds"]
    first = Decoder(model, False)
    start = torch.randn(2, 4, width)
    export(first, (mask, states, start), folder / "first.onnx", inputs, ["logits"] + cache_names("present", layers), axes)
    past = first(mask, states, start)[1:]
    export(
        Decoder(model, True),
        (mask, states, torch.randn(2, 3, width), *past),
        folder / "later.onnx",
        inputs + cache_names("past_key_values", layers),
        ["logits"] + cache_names("present", layers, ("decoder",)),
        axes,
    )
    parts = [onnx.load(str(folder / name)) for name in ("first.onnx", "later.onnx")]
    merged(*parts, layers, heads, width, folder / "decoder_model_merged.onnx")
    for name in ("first.onnx", "later.onnx"):
        (folder / name).unlink()
    for name in ("vision_encoder", "embed_tokens", "encoder_model", "decoder_model_merged"):
        shortened(folder / f"{name}.onnx")


def card_of(name, plan, folder, task):
    files = [pinned(folder / file) for file in ("embed_tokens.onnx", "encoder_model.onnx", "decoder_model_merged.onnx", "tokenizer.json")]
    card = {
        "schema": 1,
        "kind": "detector",
        "name": name,
        "family": "florence-2",
        "title": "a tiny Florence-2 of random weights",
        **pinned(folder / "vision_encoder.onnx"),
        "files": files,
        "graphs": {
            "embeddings": "embed_tokens.onnx",
            "encoder": "encoder_model.onnx",
            "decoder": "decoder_model_merged.onnx",
        },
        "licence": "MIT",
        "citation": "Xiao et al., Florence-2, arXiv 2311.06242",
        "source": {"added": "scripts/reference/florence2.py"},
        "input": {
            "name": "pixel_values",
            "type": "float32",
            "layout": "nchw",
            "width": plan["side"],
            "height": plan["side"],
            "batch": "any",
            "fit": "stretch",
            "kernel": "cubic",
            "fill": 0,
            "channels": "rgb",
            "scale": 1 / 255,
            "mean": MEAN,
            "std": STD,
            "text": {
                "ids": "input_ids",
                "mask": "attention_mask",
                "type": "int64",
                "length": 120,
                "padded": False,
                "pad": 1,
                "prompts": "any",
                "tokenizer": "tokenizer.json",
            },
        },
        "outputs": {"features": ["image_features"]},
        "decoding": {"minScore": 0, "maxDetections": BEAMS, "nmsIou": None, "strides": [], "task": task},
        "labels": "prompts",
    }
    if "frozen" in plan:
        card["frozenAt"] = plan["frozen"]
    return card


def smoothed_peaks(logits, allowed, radius, count):
    """The likeliest bins, none within `radius` of a likelier one, with the probability of their surroundings."""
    low, high = allowed
    probabilities = torch.softmax(logits[low:high].double(), dim=0)
    left = probabilities.clone()
    peaks = []
    while len(peaks) < count and left.max() > 0:
        at = int(left.argmax())
        start, end = max(0, at - radius), at + radius + 1
        peaks.append((low + at, float(probabilities[start:end].sum())))
        left[start:end] = 0
    return peaks


def beams_of(model, encoded, mask, start, first, bins):
    """The best boxes by a beam over four location tokens, each step with the whole model and no cache."""
    radius = bins // 50
    beams = [([], 1.0)]
    logits_seen = []
    for step in range(4):
        grown = []
        for locations, score in beams:
            tokens = torch.tensor([start + [first + at for at in locations]])
            logits = model(
                encoder_outputs=encoded, attention_mask=mask, decoder_input_ids=tokens, use_cache=False
            ).logits[0, -1, first : first + bins]
            if not locations or locations == beams[0][0]:
                logits_seen.append(logits)
            low = locations[step - 2] + 1 if step > 1 else 0
            high = bins if step > 1 else bins - 1
            for at, mass in smoothed_peaks(logits, (low, high), radius, BEAMS):
                grown.append((locations + [at], score * mass))
        grown.sort(key=lambda beam: -beam[1])
        beams = grown[:BEAMS]
    return beams, torch.stack(logits_seen)


def make(out):
    for name, plan in PLANS.items():
        folder = out / name
        folder.mkdir(parents=True)
        tokenizer = tokenizer_of(plan["bins"])
        tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
        words = tokenizer.get_vocab_size()
        tokenizer.add_tokens([AddedToken("<image>", special=True)])
        fast = PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            bos_token="<s>",
            eos_token="</s>",
            pad_token="<pad>",
            unk_token="<unk>",
            extra_special_tokens={"image_token": "<image>"},
        )
        model = Florence2ForConditionalGeneration._from_config(config_of(plan, words + 1), attn_implementation="eager")
        randomised(model, plan["seed"])
        model.tie_weights()
        export_all(model, plan, folder)
        images = CLIPImageProcessorPil(
            size={"height": plan["side"], "width": plan["side"]},
            do_center_crop=False,
            image_mean=MEAN,
            image_std=STD,
        )
        cells = (plan["side"] + 31) // 32
        images.image_seq_length = cells * cells + 1
        processor = Florence2Processor(
            image_processor=images,
            tokenizer=fast,
            post_processor_config={"phrase_grounding": {}, "description_with_bboxes_or_polygons": {}},
        )
        processor.post_processor.quantize_bins = (plan["bins"], plan["bins"])
        first = tokenizer.token_to_id("<loc_0>")
        golden = {"family": "florence-2", "bins": plan["bins"], "photos": [], "queries": []}
        for file in PHOTOS:
            image = photo(file)
            values = processor(text="<OD>", images=image, return_tensors="pt")["pixel_values"]
            features = model.get_image_features(pixel_values=values).pooler_output
            golden["photos"].append(
                {
                    "file": file,
                    "size": list(image.size),
                    "pixels": packed(pixels_of(values[0], MEAN, STD)),
                    "features": floats(features),
                }
            )
            for task, token in TASKS.items():
                for expression in EXPRESSIONS:
                    inputs = processor(text=token + expression, images=image, return_tensors="pt")
                    embeds = model.get_input_embeddings()(inputs["input_ids"])
                    place = inputs["input_ids"] == model.config.image_token_id
                    embeds = embeds.masked_scatter(place.unsqueeze(-1), features)
                    encoded = model.model.language_model.encoder(
                        inputs_embeds=embeds, attention_mask=inputs["attention_mask"]
                    )
                    phrase = fast(expression, add_special_tokens=False)["input_ids"]
                    beams, logits = beams_of(model, encoded, inputs["attention_mask"], [2, 0] + phrase, first, plan["bins"])
                    boxes = []
                    for locations, score in beams:
                        said = [2, 0] + phrase + [first + at for at in locations] + [2]
                        text = fast.batch_decode([said], skip_special_tokens=False)[0]
                        parsed = processor.post_process_generation(text=text, task=token, image_size=image.size)[token]
                        label = parsed["labels" if task == "phrase-grounding" else "bboxes_labels"][0]
                        whole = parsed["bboxes"][0]
                        # The first code of the model gives the middle of a bin; transformers cuts its fraction off.
                        box = [(at + 0.5) / plan["bins"] * side for at, side in zip(locations, image.size * 2)]
                        assert [int(value) for value in box] == whole, (box, whole)
                        boxes.append({"locations": locations, "score": score, "box": box, "label": label})
                    golden["queries"].append(
                        {
                            "photo": file,
                            "task": task,
                            "expression": expression,
                            "tokens": inputs["input_ids"][0][~place[0]].tolist(),
                            "phrase": phrase,
                            "firstLogits": floats(logits[0]),
                            "boxes": boxes,
                        }
                    )
        write_json(folder / "golden.json", golden)
        write_json(folder / "card.json", card_of(name, plan, folder, "phrase-grounding"))
