"""The search of pairs as plain loops over boxes, written apart from the program, to compare it with."""

from tests.evaluation.slow_reference import iou


def boxes_of(detections, index, threshold):
    """Return `scene name -> [(box, similarity)]` of one query."""
    found, start = {}, 0
    listed = (detections.pair_queries, detections.pair_scenes, detections.pair_counts)
    for query, scene, count in zip(*(array.tolist() for array in listed), strict=True):
        rows = range(start, start + count)
        start += count
        if query == index:
            found[str(detections.gallery_names[scene])] = [
                (detections.pair_dets[row, :4].tolist(), float(detections.pair_similarities[row]))
                for row in rows
                if detections.pair_dets[row, 4] >= threshold
            ]
    return found


def true_positive(boxes, person):
    """Return the place of the most similar box on the person, or None."""
    width, height = person[2] - person[0], person[3] - person[1]
    needed = min(0.5, width * height / ((width + 10) * (height + 10)))
    on_person = [place for place, (box, _) in enumerate(boxes) if iou(box, person) >= needed]
    return max(on_person, key=lambda place: boxes[place][1], default=None)


def one_query(split, detections, gallery, index, threshold, duplicates):
    """Return the average precision and the rank of the first true positive, or None."""
    found = boxes_of(detections, index, threshold)
    people = dict(zip(gallery.positives.tolist(), gallery.boxes.tolist(), strict=True))
    right, wrong, seen = [], [], set()
    for place, scene in enumerate(gallery.scenes.tolist()):
        if duplicates == "once" and scene in seen:
            continue
        seen.add(scene)
        boxes = found[split.scenes[scene].name]
        hit = true_positive(boxes, people[place]) if place in people else None
        for number, (_, similarity) in enumerate(boxes):
            (right if number == hit else wrong).append(similarity)
    if not right:
        return 0.0, None
    precisions = []
    for level in right:
        correct = sum(value >= level for value in right)
        precisions.append(correct / (correct + sum(value >= level for value in wrong)))
    return sum(precisions) / len(people), 1 + sum(value >= max(right) for value in wrong)


def search(split, detections, name, threshold, duplicates="once"):
    galleries = split.galleries[name]
    reached = [
        one_query(
            split,
            detections,
            galleries.of_query(index, query.scene, split.cameras),
            index,
            threshold,
            duplicates,
        )
        for index, query in enumerate(split.queries)
    ]
    number = len(reached)
    tops = {
        f"top{k}": sum(rank is not None and rank <= k for _, rank in reached) / number for k in (1, 5, 10)
    }
    return {"mAP": sum(ap for ap, _ in reached) / number, **tops}
