"""Small COCO box evaluations and the twelve numbers that pycocotools gives for them.

Run from the repository root, with pycocotools (2.0.11) and numpy at hand:

    python3 test/evaluate/oracle/coco_oracle.py            # writes coco.generated.json
    python3 test/evaluate/oracle/coco_oracle.py 300 FILE   # 300 random cases for a longer comparison
"""

import contextlib
import copy
import io
import json
import pathlib
import random
import sys

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

KEYS = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]


def expected(gt, dt):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = copy.deepcopy(gt)
        truth.createIndex()
        if dt:
            found = truth.loadRes(copy.deepcopy(dt))
        else:
            # loadRes stops at an empty list.
            found = COCO()
            found.dataset = {"images": gt["images"], "categories": gt["categories"], "annotations": []}
            found.createIndex()
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return dict(zip(KEYS, map(float, evaluation.stats)))


def random_case(
    seed,
    images=6,
    categories=3,
    objects=5,
    detections=12,
    crowds=0.1,
    scores=None,
    ignore=0.0,
    whole_pixels=False,
    first_id=1,
    stray=False,
    side=200,
):
    """`scores`: how many different ones there are; few make many ties. Detections are moved annotations or strays."""
    rng = random.Random(seed)
    image_ids = rng.sample(range(1, 1000), images)
    gt = {
        "images": [{"id": i} for i in image_ids],
        "categories": [{"id": 2 * k + 1, "name": f"c{k}"} for k in range(categories)],
        "annotations": [],
    }
    number = (lambda v: float(round(v))) if whole_pixels else (lambda v: round(v, 3))

    def box():
        return [number(v) for v in (rng.random() * 300, rng.random() * 300, 4 + rng.random() ** 2 * side, 4 + rng.random() ** 2 * side)]

    for image in image_ids:
        for _ in range(rng.randrange(objects + 1)):
            b = box()
            annotation = {
                "id": first_id + len(gt["annotations"]),
                "image_id": image,
                "category_id": 2 * rng.randrange(categories) + 1,
                "bbox": b,
                "area": round(b[2] * b[3] * rng.choice([1.0, 0.6]), 3),
                "iscrowd": int(rng.random() < crowds),
            }
            if rng.random() < ignore:
                annotation["ignore"] = 1
            gt["annotations"].append(annotation)
    dt = []
    for image in image_ids:
        here = [a for a in gt["annotations"] if a["image_id"] == image]
        for _ in range(rng.randrange(detections + 1)):
            near = rng.choice(here) if here and rng.random() < 0.7 else None
            if near:
                by = 0.25 * min(near["bbox"][2:]) * rng.random()
                b = [number(max(0, v + rng.uniform(-by, by))) for v in near["bbox"]]
            else:
                b = box()
            category = near["category_id"] if near and rng.random() < 0.9 else 2 * rng.randrange(categories) + 1
            score = rng.randrange(scores) / scores if scores else round(rng.random(), 4)
            dt.append({"image_id": image, "category_id": category, "bbox": b, "score": score})
    if stray:
        dt.append({"image_id": image_ids[0], "category_id": 999, "bbox": box(), "score": 0.9})
        gt["annotations"].append(
            {"id": 5000, "image_id": 4321, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0}
        )
    rng.shuffle(dt)
    return gt, dt


def swarm():
    """One object and 130 detections of one image, the right one in place 101: it is not looked at."""
    gt = {
        "images": [{"id": 1}],
        "categories": [{"id": 1, "name": "c"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 50, 50], "area": 2500, "iscrowd": 0}],
    }
    dt = [
        {"image_id": 1, "category_id": 1, "bbox": [300 + n, 300, 10, 10], "score": 1 - n / 1000}
        for n in range(130)
    ]
    dt[100]["bbox"] = [0, 0, 50, 50]
    return gt, dt


def area_edges():
    """Annotations of exactly 32 x 32 and 96 x 96: both ends of an area range belong to it."""
    gt = {"images": [{"id": 1}], "categories": [{"id": 1, "name": "c"}], "annotations": []}
    dt = []
    for n, side in enumerate([31, 32, 33, 95, 96, 97]):
        box = [n * 100, 0, side, side]
        gt["annotations"].append(
            {"id": n + 1, "image_id": 1, "category_id": 1, "bbox": box, "area": side * side, "iscrowd": 0}
        )
        dt.append({"image_id": 1, "category_id": 1, "bbox": box, "score": 0.9 - n / 10})
    dt.append({"image_id": 1, "category_id": 1, "bbox": [0, 300, 32, 32], "score": 0.95})
    return gt, dt


NAMED = {
    "boxes of all sizes": random_case(1),
    "many ties": random_case(2, scores=3),
    "whole pixels and ties": random_case(3, scores=2, whole_pixels=True, side=30),
    "mostly crowds": random_case(4, crowds=0.7),
    "ignore flags, which pycocotools passes by": random_case(5, ignore=0.5),
    "an annotation with the id 0": random_case(6, first_id=0),
    "unlisted image and category": random_case(7, stray=True),
    "categories without ground truth": random_case(8, categories=20, objects=2),
    "no detections": (random_case(9)[0], []),
    "no annotations": random_case(10, objects=0),
    "neither": random_case(11, objects=0, detections=0),
    "only small boxes": random_case(12, side=20),
    "more detections than are looked at": swarm(),
    "edges of the area ranges": area_edges(),
}

if len(sys.argv) > 1:
    count, target = int(sys.argv[1]), pathlib.Path(sys.argv[2])
    chosen = {
        f"random {seed}": random_case(
            seed,
            images=1 + seed % 9,
            categories=1 + seed % 5,
            objects=seed % 8,
            detections=5 + seed % 40,
            crowds=seed % 4 / 6,
            scores=[None, 2, 5, 20][seed % 4],
            ignore=seed % 2 / 4,
            whole_pixels=seed % 3 == 0,
            first_id=seed % 2,
            side=[20, 60, 200, 400][seed // 2 % 4],
        )
        for seed in range(1000, 1000 + count)
    }
else:
    chosen, target = NAMED, pathlib.Path(__file__).with_name("coco.generated.json")

cases = {name: {"gt": gt, "dt": dt, "expected": expected(gt, dt)} for name, (gt, dt) in chosen.items()}
target.write_text("{\n" + ",\n".join(f"{json.dumps(n)}: {json.dumps(c)}" for n, c in cases.items()) + "\n}\n")
print(f"{target}: {len(cases)} cases")
