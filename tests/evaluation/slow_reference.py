"""The protocols as plain loops, one box at a time, to compare the real ones with."""

from itertools import permutations

import numpy as np
from sklearn.metrics import average_precision_score


def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    inter = max(width, 0.0) * max(height, 0.0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter
    return inter / union if union > 0 else 0.0


def inside(box, crowd):
    """The share of a box's own area inside an ignored box; -1 for none."""
    width = min(box[2], crowd[2]) - max(box[0], crowd[0])
    height = min(box[3], crowd[3]) - max(box[1], crowd[1])
    return width * height / ((box[2] - box[0]) * (box[3] - box[1])) if min(width, height) > 0 else -1.0


def by_image(detections, threshold):
    """Return `name -> (boxes, scores, feats)` of the boxes with a high enough score."""
    result, start = {}, 0
    for name, count in zip(detections.gallery_names, detections.gallery_counts, strict=True):
        dets = detections.gallery_dets[start : start + count]
        feats = detections.gallery_feats[start : start + count]
        start += count
        keep = dets[:, 4] >= dets.dtype.type(threshold)
        result[str(name)] = (dets[keep, :4].astype(float), dets[keep, 4], feats[keep])
    return result


def detection(split, detections, threshold, labelled_only, match_iou=0.5):
    found = by_image(detections, threshold)
    correct, scores, wanted = [], [], 0
    for scene in split.scenes:
        truth = scene.boxes[scene.person_ids >= 0] if labelled_only else scene.boxes
        if labelled_only and not len(truth):
            continue
        wanted += len(truth)
        boxes, box_scores, _ = found.get(scene.name, ([], [], []))
        table = np.array([[np.float32(iou(t, b)) for b in boxes] for t in truth]).reshape(
            len(truth), len(boxes)
        )
        for j in range(len(boxes)):
            best = int(np.argmax(table[:, j])) if len(truth) else -1
            hit = best >= 0 and table[best, j] >= np.float32(match_iou) and int(np.argmax(table[best])) == j
            if not hit and any(inside(boxes[j], crowd) >= match_iou for crowd in scene.ignored):
                continue
            correct.append(hit)
            scores.append(box_scores[j])
    recall = sum(correct) / wanted if wanted else 0.0
    ap = average_precision_score(correct, scores) if any(correct) else 0.0
    return {"ap": ap * recall, "recall": recall}


def largest_matching(weights):
    """Return the pairs of the heaviest matching that leaves no row (or else no column) over."""
    rows, columns = weights.shape
    if rows > columns:
        return [(r, c) for c, r in largest_matching(weights.T)]
    choices = permutations(range(columns), rows)
    best = max(choices, key=lambda chosen: sum(weights[r, c] for r, c in enumerate(chosen)))
    return list(enumerate(best))


def rescore(entries, found, people, k1):
    ranked = sorted(
        ((value, name) for name, values, _ in entries for value in values), key=lambda pair: -pair[0]
    )
    top = {name for _, name in ranked[:k1]}
    for name, values, _ in entries:
        if name in top:
            weights = people.astype(float) @ found[name][2].astype(float).T
            pairs = largest_matching(weights)
            for person, box in pairs:
                if person == 0:
                    values[box] = max(weights[r, c] for r, c in pairs)


def one_query(split, detections, found, gallery, index, *, duplicates, cbgm):
    feature = detections.query_feats[index].astype(float)
    positives = dict(zip(gallery.positives.tolist(), gallery.boxes, strict=True))
    entries, seen = [], set()
    for position, scene in enumerate(gallery.scenes.tolist()):
        name = split.scenes[scene].name
        if name not in found or not len(found[name][0]) or (duplicates == "once" and name in seen):
            continue
        seen.add(name)
        entries.append((name, found[name][2].astype(float) @ feature, positives.get(position)))
    if cbgm:
        starts = np.concatenate([[0], np.cumsum(detections.query_counts)])
        people = detections.query_ctx_feats[starts[index] : starts[index + 1]][: cbgm.k2]
        rescore(entries, found, people, cbgm.k1)
    labels, scores = [], []
    for name, values, truth in entries:
        marks = [0] * len(values)
        if truth is not None:
            width, height = truth[2] - truth[0], truth[3] - truth[1]
            needed = min(0.5, width * height / ((width + 10) * (height + 10)))
            for box in np.argsort(-values, kind="stable"):
                if iou(found[name][0][box], truth) >= needed:
                    marks[box] = 1
                    break
        labels += marks
        scores += values.tolist()
    ranked = [label for _, label in sorted(zip(scores, labels, strict=True), key=lambda p: (-p[0], p[1]))]
    tops = [float(any(ranked[:k])) for k in (1, 5, 10)]
    if not any(labels):
        return [0.0, *tops]
    return [average_precision_score(labels, scores) * sum(labels) / len(positives), *tops]


def search(split, detections, gallery, threshold, *, duplicates="once", cbgm=None):
    found = by_image(detections, threshold)
    rows = [
        one_query(
            split,
            detections,
            found,
            split.galleries[gallery].of_query(index, query.scene, split.cameras),
            index,
            duplicates=duplicates,
            cbgm=cbgm,
        )
        for index, query in enumerate(split.queries)
    ]
    return dict(zip(("mAP", "top1", "top5", "top10"), np.mean(rows, axis=0).tolist(), strict=True))
