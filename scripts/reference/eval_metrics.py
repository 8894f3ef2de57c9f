"""The metrics of `vgr eval` written a second time, straight from the definitions in docs/evaluation.md. Standard library alone.

    python3 scripts/reference/eval_metrics.py QUERIES RESULTS
    python3 scripts/reference/eval_metrics.py QUERIES --tool NAME --answer NAME

prints {"metrics": {..}, "groups": {..}}, the keys of `vgr eval --json`. The files of test/evaluate/oracle/answers.*, which a
test compares with, are made by

    python3 scripts/reference/eval_metrics.py --fixture test/evaluate/oracle
"""

import argparse
import itertools
import json
import pathlib
import random


def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    common = width * height if width > 0 and height > 0 else 0
    area = lambda box: max(0, box[2] - box[0]) * max(0, box[3] - box[1])
    return common / (area(a) + area(b) - common + 1e-6)


def lines(path):
    return [json.loads(text) for text in pathlib.Path(path).read_text("utf8").splitlines() if text]


def truths_of(query):
    listed = query["boxes"] if query.get("boxes") is not None else [query["bbox"]]
    return [[x, y, x + w, y + h] for x, y, w, h in listed]


def of_results(results):
    """By id: the tool's boxes, the answer's, which of these may count alone, the score, whether it is `none`."""
    told = {}
    for line in results:
        key = line.get("id", str(line.get("line")))
        if line["type"] == "error":
            continue
        answer = line["answer"]
        boxes = answer.get("boxes")
        if boxes is None:
            boxes = [] if answer["bbox_2d"] is None else [answer]
        tool = line["tool"]["bbox_2d"]
        told[key] = {
            "tool": [] if tool is None else [tool],
            "boxes": [box["bbox_2d"] for box in boxes],
            "alternatives": [box["bbox_2d"] for box in boxes],
            "score": answer.get("score"),
            "none": answer["bbox_2d"] is None and answer["decision"] != "fallback",
        }
    return told


def of_tools(queries, tool, answer):
    told = {}
    for number, query in enumerate(queries, 1):
        entries = query.get("tools") or {}
        boxes = lambda name: None if name not in entries else [box["bbox_2d"] for box in entries[name]]
        given = boxes(answer)
        told[query.get("id") or str(number)] = {
            "tool": boxes(tool),
            "boxes": given,
            "alternatives": given and given[:1],
            "score": entries[answer][0].get("score") if given else None,
            "none": given == [],
        }
    return told


def matches(given, truths):
    """By trying every order: the fixtures have three boxes at most."""
    if len(given) != len(truths):
        return False
    return any(
        all(iou(box, truth) >= 0.5 for box, truth in zip(given, order))
        for order in itertools.permutations(truths)
    )


def judged(query, told):
    """One query: t, f, and what else counts."""
    truths = truths_of(query)
    row = {"t": 0.0, "f": 0.0, "score": None, "none": False, "exact": False, "truths": truths}
    if told is None:
        return row
    tool, boxes = told["tool"], told["boxes"]
    if not truths:
        row["t"] = 1.0 if tool == [] else 0.0
        row["f"] = 1.0 if told["none"] else 0.0
    else:
        if tool:
            row["t"] = max(iou(tool[0], truth) for truth in truths)
        if boxes:
            counted = told["alternatives"] if len(truths) == 1 else boxes[:1]
            row["f"] = max(iou(box, truth) for box in counted for truth in truths)
    row.update(score=told["score"], none=told["none"])
    row["exact"] = boxes is not None and matches(boxes, truths)
    return row


def share(rows, holds):
    rows = list(rows)
    return sum(1 for row in rows if holds(row)) / len(rows) if rows else None


def mean(values):
    values = list(values)
    return sum(values) / len(values) if values else None


def gain(row):
    t, f = row["t"], row["f"]
    if abs(f - t) <= 1e-9:
        return 0.0
    return (f - t) / (1 - t) if f > t else (f - t) / t


def size_of(row):
    if len(row["truths"]) != 1:
        return None
    x1, y1, x2, y2 = row["truths"][0]
    area = (x2 - x1) * (y2 - y1)
    return "small" if area < 32**2 else "medium" if area < 96**2 else "large"


def auc(rows):
    right = [row["score"] for row in rows if row["f"] > 0.5]
    wrong = [row["score"] for row in rows if row["f"] <= 0.5]
    pairs = [1.0 if r > w else 0.5 if r == w else 0.0 for r in right for w in wrong]
    return mean(pairs)


def ece(rows):
    if not rows:
        return None
    total = 0.0
    for index in range(10):
        inside = [row for row in rows if min(9, int(row["score"] * 10)) == index]
        if inside:
            gap = mean(row["score"] for row in inside) - share(inside, lambda row: row["f"] > 0.5)
            total += abs(gap) * len(inside)
    return total / len(rows)


def metrics(rows):
    right = lambda row: row["f"] > 0.5
    same = lambda row: abs(row["f"] - row["t"]) <= 1e-9
    tool_right = [row for row in rows if row["t"] > 0.5]
    tool_wrong = [row for row in rows if row["t"] <= 0.5]
    scored = [row for row in rows if row["score"] is not None]
    at = lambda threshold: share(rows, lambda row: row["f"] > threshold)
    nsri = mean(map(gain, rows))
    return {
        "total": len(rows),
        "accuracy": share(rows, right),
        "tool_accuracy": share(rows, lambda row: row["t"] > 0.5),
        "mean_iou": mean(row["f"] for row in rows),
        "tool_mean_iou": mean(row["t"] for row in rows),
        "ccr": share(tool_wrong, right),
        "refinement_rate": share(tool_right, lambda row: row["f"] > row["t"] and not same(row)),
        "follow_correct_rate": share(tool_right, same),
        "worsen_rate": share(rows, lambda row: row["f"] < row["t"] and not same(row)),
        "inherited_error_rate": share(
            (row for row in rows if not right(row)), lambda row: row["t"] <= 0.5 and same(row)
        ),
        "mean_iou_delta": mean(row["f"] - row["t"] for row in rows),
        "nsri": nsri,
        "nsri_tool_correct": mean(map(gain, tool_right)),
        "nsri_tool_wrong": mean(map(gain, tool_wrong)),
        "nsri_scaled": None if nsri is None else (nsri + 1) / 2,
        "accuracy_50": at(0.5),
        "accuracy_75": at(0.75),
        "accuracy_90": at(0.9),
        "mean_accuracy": mean(at(threshold / 100) for threshold in range(50, 100, 5)) if rows else None,
        "by_size": {
            size: share((row for row in rows if size_of(row) == size), right)
            for size in ("small", "medium", "large")
        },
        "n_acc": share((row for row in rows if not row["truths"]), lambda row: row["none"]),
        "t_acc": share((row for row in rows if row["truths"]), lambda row: not row["none"]),
        "set_precision": share(rows, lambda row: row["exact"]),
        "score_auc": auc(scored),
        "score_ece": ece(scored),
    }


def evaluated(queries, told):
    rows = [
        {**judged(query, told.get(query.get("id") or str(number))), "kind": query.get("kind")}
        for number, query in enumerate(queries, 1)
    ]
    kinds = sorted({row["kind"] for row in rows if row["kind"] is not None})
    return {
        "metrics": metrics(rows),
        "groups": {kind: metrics([row for row in rows if row["kind"] == kind]) for kind in kinds},
    }


def fixture_lines(count):
    """Queries that mean one object, three, or none, and answers of every kind; one of eleven has no line."""
    draw = random.Random(20)
    near = lambda box, by: [round(side + draw.uniform(-by, by), 2) for side in box]
    queries, results = [], []
    for index in range(count):
        kind = ("one", "set", "absent", "single")[index % 4]
        truths = []
        for place in range({"one": 1, "set": 3, "absent": 0, "single": 1}[kind]):
            side = draw.choice((20, 60, 150))
            x, y = 10 + 170 * place + draw.randrange(5), draw.randrange(100)
            truths.append([x, y, side + draw.randrange(8), side])
        key = f"q{index}"
        query = {"id": key, "image": "a.jpg", "query": "the lions", "kind": kind}
        query.update({"bbox": truths[0], "boxes": None} if kind == "one" else {"boxes": truths})
        corners = [[x, y, x + w, y + h] for x, y, w, h in truths]
        by = draw.choice((0, 2, 8, 40))
        found = [near(box, by) if by else box for box in corners]
        found = [[min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3])] for b in found]
        draw.shuffle(found)
        if draw.random() < 0.25:
            found = found[1:]
        if draw.random() < 0.25:
            found = found + [[400, 200, 440, 260]]
        tool = draw.choice([None, [400, 200, 440, 260], *corners, *found[:1]])
        score = draw.randrange(21) / 20
        decision = "correct" if found else draw.choice(("none", "none", "fallback"))
        answer = {"bbox_2d": found[0] if found else None, "score": score, "decision": decision, "text": ""}
        if len(found) > 1:
            answer["boxes"] = [{"bbox_2d": box, "score": score} for box in found]
        entry = lambda boxes: [{"bbox_2d": box, "score": score} for box in boxes]
        query["tools"] = {"before": entry([tool] if tool else []), "after": entry(found)}
        if index % 9 == 8:
            del query["tools"]["after"]
        queries.append(query)
        result = {"type": "result", "schema": 1, "id": key, "image": "a.jpg", "query": "the lions"}
        result["tool"] = {"name": "before", "bbox_2d": tool}
        if index % 13 == 12:
            results.append({"type": "error", "schema": 1, "id": key, "code": "IMAGE_MISSING", "message": ""})
        elif index % 11 != 10:
            results.append({**result, "answer": answer})
    return queries, results


def write_fixture(folder):
    queries, results = fixture_lines(120)
    for name, rows in (("queries", queries), ("results", results)):
        text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
        (folder / f"answers.{name}.jsonl").write_text(text)
    expected = {
        "results": evaluated(queries, of_results(results)),
        "tools": evaluated(queries, of_tools(queries, "before", "after")),
    }
    (folder / "answers.generated.json").write_text(json.dumps(expected, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="*")
    parser.add_argument("--tool")
    parser.add_argument("--answer")
    parser.add_argument("--fixture", type=pathlib.Path)
    flags = parser.parse_args()
    if flags.fixture:
        write_fixture(flags.fixture)
        return
    queries = lines(flags.files[0])
    told = of_tools(queries, flags.tool, flags.answer) if flags.tool else of_results(lines(flags.files[1]))
    print(json.dumps(evaluated(queries, told)))


if __name__ == "__main__":
    main()
