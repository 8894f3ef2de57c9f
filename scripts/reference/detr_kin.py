"""Tiny detection transformers of random weights: DETR, RT-DETR v2, D-FINE, RF-DETR, as Optimum exports them."""


import torch
from transformers import (
    DetrConfig,
    DetrForObjectDetection,
    DFineConfig,
    DFineForObjectDetection,
    HGNetV2Config,
    ResNetConfig,
    RTDetrResNetConfig,
    RTDetrV2Config,
    RTDetrV2ForObjectDetection,
)
from transformers.models.detr import DetrImageProcessorPil
from transformers.models.rt_detr import RTDetrImageProcessorPil

from common import PHOTOS, export, floats, packed, photo, pinned, pixels_of, randomised, shortened, write_json

SIDE = 64
LABELS = ["cat", "dog", "remote", "grass", "couch"]
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
PLAIN = ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0])
THRESHOLD = 0.05


def names():
    return {"id2label": dict(enumerate(LABELS)), "label2id": {name: at for at, name in enumerate(LABELS)}}


def detr():
    backbone = ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], layer_type="basic", out_features=["stage4"]
    )
    config = DetrConfig(
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        backbone=None,
        backbone_config=backbone,
        d_model=16,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_ffn_dim=24,
        num_queries=12,
        **names(),
    )
    processor = DetrImageProcessorPil(size={"height": SIDE, "width": SIDE}, do_pad=False)
    return DetrForObjectDetection._from_config(config, attn_implementation="eager"), processor, "softmax", IMAGENET, 1.0


def hybrid(kind):
    common = dict(
        d_model=16,
        encoder_hidden_dim=16,
        encoder_ffn_dim=24,
        decoder_ffn_dim=24,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        decoder_layers=2,
        num_queries=12,
        decoder_in_channels=[16, 16, 16],
        num_denoising=0,
        anchor_image_size=None,
        **names(),
    )
    processor = RTDetrImageProcessorPil(size={"height": SIDE, "width": SIDE})
    if kind == "d-fine":
        backbone = HGNetV2Config(
            embedding_size=8,
            hidden_sizes=[8, 12, 16, 20],
            depths=[1, 1, 1, 1],
            stem_channels=[3, 8, 8],
            stage_in_channels=[8, 8, 12, 16],
            stage_mid_channels=[8, 8, 8, 8],
            stage_out_channels=[8, 12, 16, 20],
            stage_num_blocks=[1, 1, 1, 1],
            stage_downsample=[False, True, True, True],
            stage_light_block=[False, False, True, True],
            stage_kernel_size=[3, 3, 5, 5],
            stage_numb_of_layers=[2, 2, 2, 2],
            out_indices=[2, 3, 4],
        )
        config = DFineConfig(backbone_config=backbone, encoder_in_channels=[12, 16, 20], hidden_expansion=0.5, **common)
        model = DFineForObjectDetection._from_config(config, attn_implementation="eager")
    else:
        backbone = RTDetrResNetConfig(
            embedding_size=8, hidden_sizes=[8, 12, 16, 20], depths=[1, 1, 1, 1], layer_type="basic", out_indices=[2, 3, 4]
        )
        config = RTDetrV2Config(backbone_config=backbone, encoder_in_channels=[12, 16, 20], **common)
        model = RTDetrV2ForObjectDetection._from_config(config, attn_implementation="eager")
    return model, processor, "sigmoid", PLAIN, 1.0


def rf_detr():
    from transformers import RfDetrConfig, RfDetrForObjectDetection
    from transformers.models.rf_detr.configuration_rf_detr import RfDetrDinov2Config

    backbone = RfDetrDinov2Config(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=16,
        num_windows=2,
        out_indices=[2, 4],
        window_block_indexes=[1, 2],
    )
    config = RfDetrConfig(
        backbone_config=backbone,
        d_model=16,
        decoder_layers=2,
        decoder_self_attention_heads=2,
        decoder_cross_attention_heads=2,
        decoder_ffn_dim=24,
        num_queries=12,
        group_detr=1,
        **names(),
    )
    # Its own processor wants torchvision; this one scales, normalises and takes the best of all classes in the same way.
    processor = RTDetrImageProcessorPil(
        size={"height": SIDE, "width": SIDE}, do_normalize=True, image_mean=IMAGENET[0], image_std=IMAGENET[1]
    )
    model = RfDetrForObjectDetection._from_config(config, attn_implementation="eager")
    for module in model.modules():
        # The photo has the side of the position embeddings; the exporter has no antialiased interpolation, which would change nothing.
        if hasattr(module, "interpolate_pos_encoding"):
            module.interpolate_pos_encoding = lambda *_, module=module: module.position_embeddings
    return model, processor, "sigmoid", IMAGENET, 1.0


KINDS = {
    "detr": detr,
    "rt-detr-v2": lambda: hybrid("rt-detr-v2"),
    "d-fine": lambda: hybrid("d-fine"),
    "rf-detr": rf_detr,
}


class Boxes(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixel_values):
        found = self.model(pixel_values=pixel_values)
        return found.logits, found.pred_boxes


def card_of(name, folder, activation, mean, std):
    return {
        "schema": 1,
        "kind": "detector",
        "name": name,
        "family": "detr",
        "title": f"a tiny {name} of random weights",
        **pinned(folder / "model.onnx"),
        "licence": "Apache-2.0",
        "citation": "Carion et al., End-to-End Object Detection with Transformers, arXiv 2005.12872",
        "source": {"added": "scripts/reference/detr_kin.py"},
        "input": {
            "name": "pixel_values",
            "type": "float32",
            "layout": "nchw",
            "width": SIDE,
            "height": SIDE,
            "batch": "any",
            "fit": "stretch",
            "kernel": "linear",
            "fill": 0,
            "channels": "rgb",
            "scale": 1 / 255,
            "mean": mean,
            "std": std,
        },
        "outputs": {"logits": ["logits"], "boxes": ["pred_boxes"]},
        "decoding": {
            "minScore": THRESHOLD,
            "maxDetections": 300,
            "nmsIou": None,
            "strides": [],
            "activation": activation,
        },
        "labels": [{"id": at, "name": label} for at, label in enumerate(LABELS)],
    }


def make(out):
    for at, (name, build) in enumerate(KINDS.items()):
        torch.manual_seed(at)
        model, processor, activation, (mean, std), gain = build()
        randomised(model, 20 + at, gain)
        folder = out / name
        folder.mkdir(parents=True)
        axes = {key: {0: "batch_size"} for key in ("pixel_values", "logits", "pred_boxes")}
        module = Boxes(model)
        export(module, (torch.zeros(1, 3, SIDE, SIDE),), folder / "model.onnx", ["pixel_values"], ["logits", "pred_boxes"], axes)
        shortened(folder / "model.onnx")
        golden = {"family": "detr", "photos": []}
        for file in PHOTOS:
            image = photo(file)
            values = processor(images=image, return_tensors="pt")["pixel_values"]
            with torch.no_grad():
                found = model(pixel_values=values)
            sizes = [(image.height, image.width)]
            detections = processor.post_process_object_detection(found, threshold=THRESHOLD, target_sizes=sizes)[0]
            golden["photos"].append(
                {
                    "file": file,
                    "size": list(image.size),
                    "pixels": packed(pixels_of(values[0], mean, std)),
                    "outputs": {"logits": floats(found.logits), "pred_boxes": floats(found.pred_boxes)},
                    "detections": [
                        {"score": float(score), "label": LABELS[int(label)], "box": box.tolist()}
                        for score, label, box in zip(detections["scores"], detections["labels"], detections["boxes"])
                    ],
                }
            )
        write_json(folder / "golden.json", golden)
        write_json(folder / "card.json", card_of(name, folder, activation, mean, std))
