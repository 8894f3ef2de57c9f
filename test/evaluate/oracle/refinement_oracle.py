"""Refinement metrics and bootstrap intervals written a second time, straight from their definitions, with numpy.

Run from the repository root; it writes the numbers that test/evaluate/metrics.test.ts compares with:

    python3 test/evaluate/oracle/refinement_oracle.py

The rows come from the generator of src/evaluation/seeded-random.ts, written a second time too.
"""

import json
import pathlib

import numpy as np

MASK = 0xFFFFFFFF


def rotated(word, bits):
    return ((word << bits) | (word >> (32 - bits))) & MASK


def mixed(word):
    word ^= word >> 16
    word = word * 0x85EBCA6B & MASK
    word ^= word >> 13
    word = word * 0xC2B2AE35 & MASK
    return word ^ word >> 16


class Xoshiro128StarStar:
    def __init__(self, seed):
        self.words = [mixed((seed + k * 0x9E3779B9) & MASK) for k in (1, 2, 3, 4)]

    def uint32(self):
        s = self.words
        out = rotated(s[1] * 5 & MASK, 7) * 9 & MASK
        shifted = s[1] << 9 & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= shifted
        s[3] = rotated(s[3], 11)
        return out

    def unit(self):
        return self.uint32() / 2**32


def rows_of(seed, size):
    """One row is (tool IoU, final IoU, group). A third are ties, some of them only nearly, some at the thresholds."""
    random = Xoshiro128StarStar(seed)
    rows = []
    for index in range(size):
        tool = random.unit()
        final = random.unit()
        pick = random.uint32() % 12
        if pick < 4:
            final = tool
        if pick == 4:
            final = min(1.0, tool + 5e-10)
        if pick == 5:
            final = max(0.0, tool - 2e-9)
        if pick == 6:
            tool = 0.5
        if pick == 7:
            final = 0.5
        if pick == 8:
            tool = 0.0
        if pick == 9:
            tool, final = 0.0, 0.0
        rows.append((tool, final, "abc"[index % 3]))
    return rows


def mean(values):
    return None if len(values) == 0 else float(np.mean(values))


def metrics_of(t, f, thresholds):
    up = f - t > 1e-9
    down = t - f > 1e-9
    same = ~up & ~down
    with np.errstate(divide="ignore", invalid="ignore"):
        g = np.where(up, (f - t) / (1 - t), np.where(down, (f - t) / t, 0.0))
    tool_right = t > 0.5
    right = f > 0.5
    nsri = mean(g)
    out = {
        "total": len(t),
        "accuracy": mean(right),
        "tool_accuracy": mean(tool_right),
        "mean_iou": mean(f),
        "tool_mean_iou": mean(t),
        "ccr": mean(right[~tool_right]),
        "refinement_rate": mean(up[tool_right]),
        "follow_correct_rate": mean(same[tool_right]),
        "worsen_rate": mean(down),
        "inherited_error_rate": mean((~tool_right & same)[~right]),
        "mean_iou_delta": mean(f - t),
        "nsri": nsri,
        "nsri_tool_correct": mean(g[tool_right]),
        "nsri_tool_wrong": mean(g[~tool_right]),
        "nsri_scaled": None if nsri is None else (nsri + 1) / 2,
    }
    for threshold in thresholds:
        out[f"accuracy@{threshold}"] = mean(f > threshold)
        out[f"tool_accuracy@{threshold}"] = mean(t > threshold)
    return out


def bootstrap(rows, thresholds, seed, resamples):
    random = Xoshiro128StarStar(seed)
    size = len(rows)
    t = np.array([row[0] for row in rows])
    f = np.array([row[1] for row in rows])
    draws = []
    for _ in range(resamples):
        drawn = np.array([random.uint32() * size >> 32 for _ in range(size)])
        draws.append(metrics_of(t[drawn], f[drawn], thresholds))
    intervals = {}
    for key in draws[0]:
        values = [draw[key] for draw in draws if draw[key] is not None]
        if key != "total":
            intervals[key] = np.percentile(values, [2.5, 97.5]).tolist() if values else None
    return intervals


def case(seed, size, thresholds):
    rows = rows_of(seed, size)

    def of(chosen):
        t = np.array([row[0] for row in chosen])
        f = np.array([row[1] for row in chosen])
        return metrics_of(t, f, thresholds)

    return {
        "seed": seed,
        "size": size,
        "thresholds": thresholds,
        "metrics": of(rows),
        "groups": {g: of([row for row in rows if row[2] == g]) for g in "abc"} if rows else {},
        "bootstrap": {
            "seed": seed + 1,
            "resamples": 200,
            "intervals": bootstrap(rows, thresholds, seed + 1, 200) if rows else {},
        },
    }


cases = {
    "no rows": case(1, 0, []),
    "five rows": case(2, 5, []),
    "a thousand rows": case(3, 1000, [0.25, 0.5, 0.75]),
}
target = pathlib.Path(__file__).with_name("refinement.generated.json")
target.write_text(json.dumps(cases, indent=1) + "\n")
print(f"{target}: {len(cases)} cases")
