"""Curves and verdicts, against COCO's own evaluation and by hand."""

from typing import Any

import numpy as np
import pytest

from detection.training.mistakes import find_false_alarms, find_misses
from detection.training.scoring import (
    HEIGHTS_PX,
    MAX_DETECTIONS,
    average_precision,
    find_best_f1,
    judge_rows,
    score_rows,
    trace_curves,
)

NAMES = ("imp", "zombie", "baron")


def make_case(seed: int, images: int = 40, classes: int = 3) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Random labels, some of them regions to ignore, and predictions near them, twice, and elsewhere."""
    rng = np.random.default_rng(seed)
    labels: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for image_id in range(images):
        for _ in range(rng.integers(0, 6)):
            size = np.exp(rng.uniform(np.log(8), np.log(160), 2))
            box = np.array([*rng.uniform(0, 400, 2), *size])
            category = int(rng.integers(classes)) + 1
            label = {"image_id": image_id, "category_id": category, "bbox": box.tolist()}
            labels.append({**label, "iscrowd": int(rng.random() < 0.15)})
            for _ in range(rng.integers(0, 3)):
                near = box + rng.normal(0, 0.12, 4) * [*size, *size]
                seen_as = category if rng.random() < 0.8 else int(rng.integers(classes)) + 1
                rows.append(make_row(image_id, seen_as, near.tolist(), rng.beta(3, 2)))
        for _ in range(rng.integers(0, 4)):
            box = np.array([*rng.uniform(0, 400, 2), *rng.uniform(8, 160, 2)])
            rows.append(make_row(image_id, int(rng.integers(classes)) + 1, box.tolist(), rng.beta(2, 4)))
    return make_coco(labels, images, classes), rows


def make_coco(labels: list[dict[str, Any]], images: int = 1, classes: int = 1) -> dict[str, Any]:
    return {
        "images": [{"id": index, "file_name": f"{index}.png"} for index in range(images)],
        "annotations": labels,
        "categories": [{"id": index + 1, "name": NAMES[index]} for index in range(classes)],
    }


def make_row(image_id: int, category_id: int, bbox: list[float], score: float) -> dict[str, Any]:
    name = NAMES[category_id - 1]
    row = {"image_id": image_id, "category_id": category_id, "category": name}
    return {**row, "bbox": bbox, "score": float(score)}


def make_label(bbox: list[float], **more: Any) -> dict[str, Any]:
    return {"image_id": 0, "category_id": 1, "bbox": bbox, **more}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("agnostic", [False, True])
def test_the_curves_have_the_average_precision_that_coco_computes(seed: int, agnostic: bool) -> None:
    coco, rows = make_case(seed)
    figures, curves = score_rows(coco, rows, agnostic), trace_curves(coco, rows, agnostic)
    ours = {name: average_precision(curve) for name, curve in curves.items()}
    if agnostic:
        assert ours["all"] == pytest.approx(figures["map50"], abs=0.005)
        for name in HEIGHTS_PX:
            assert ours[name] == pytest.approx(figures["by_height"][name]["map50"], abs=0.005)
    else:
        for name in NAMES:
            assert ours[f"class {name}"] == pytest.approx(figures["by_class"][name]["map50"], abs=0.005)
        assert figures["map50"] == pytest.approx(
            np.mean([ours[f"class {name}"] for name in NAMES]), abs=0.005
        )


@pytest.mark.parametrize("seed", range(3))
def test_coco_agrees_where_most_labels_are_regions_to_ignore(seed: int) -> None:
    coco, rows = make_case(seed)
    rng = np.random.default_rng(seed)
    for label in coco["annotations"]:
        label["iscrowd"] = int(rng.random() < 0.7)
        if label["iscrowd"]:  # regions are larger than what stands in them
            x, y, width, height = label["bbox"]
            label["bbox"] = [x - width, y - height, 3 * width, 3 * height]
    figures, curves = score_rows(coco, rows, True), trace_curves(coco, rows, True)
    assert 0.05 < figures["map50"] < 0.95
    assert average_precision(curves["all"]) == pytest.approx(figures["map50"], abs=0.005)
    for name in HEIGHTS_PX:
        assert average_precision(curves[name]) == pytest.approx(
            figures["by_height"][name]["map50"], abs=0.005
        )


def test_every_label_is_counted_at_one_height_and_in_one_class() -> None:
    coco, rows = make_case(7)
    for index, height in enumerate((24.0, 64.0, 23.9999, 64.0001)):
        coco["annotations"][index]["bbox"][3] = height
    figures = score_rows(coco, rows, agnostic=False)
    wanted = sum(not label["iscrowd"] for label in coco["annotations"])
    assert figures["boxes"] == wanted
    assert sum(part["boxes"] for part in figures["by_height"].values()) == wanted
    assert sum(part["boxes"] for part in figures["by_class"].values()) == wanted


def test_precision_and_recall_of_the_parts_are_at_the_one_best_confidence() -> None:
    coco = make_coco(
        [make_label([0, 0, 20, 20]), make_label([100, 0, 50, 100]), make_label([200, 0, 50, 100])]
    )
    rows = [
        make_row(0, 1, [100, 0, 50, 100], 0.9),
        make_row(0, 1, [200, 0, 50, 100], 0.8),
        make_row(0, 1, [300, 0, 20, 20], 0.7),
        make_row(0, 1, [320, 40, 20, 20], 0.6),
        make_row(0, 1, [0, 0, 20, 20], 0.5),
    ]
    figures = score_rows(coco, rows, agnostic=True)
    assert figures["confidence"] == 0.8
    assert (figures["precision"], figures["recall"]) == (1.0, pytest.approx(2 / 3))
    assert figures["by_height"]["large"]["recall"] == 1
    assert (figures["by_height"]["small"]["precision"], figures["by_height"]["small"]["recall"]) == (0, 0)
    assert figures["by_height"]["medium"] == {
        "map50": -1, "map50_95": -1, "precision": 0, "recall": 0, "boxes": 0,
    }  # fmt: skip


def test_a_prediction_inside_a_region_to_ignore_neither_counts_nor_harms() -> None:
    region = make_label([0, 0, 200, 200], iscrowd=1)  # its IoU with the rows is far below a half
    coco = make_coco([region, make_label([300, 0, 40, 80])])
    rows = [
        make_row(0, 1, [10, 10, 20, 30], 0.95),
        make_row(0, 1, [60, 10, 20, 30], 0.9),
        make_row(0, 1, [300, 0, 40, 80], 0.8),
        make_row(0, 1, [190, 100, 40, 30], 0.7),  # a quarter of it inside: a false alarm
    ]
    verdicts = judge_rows(coco, rows, agnostic=True)
    assert verdicts.ignored.tolist() == [True, True, False, False]
    assert verdicts.partner.tolist() == [-1, -1, 1, -1]
    assert verdicts.wanted.tolist() == [False, True]
    assert score_rows(coco, rows, agnostic=True)["map50"] == 1
    assert [case.xywh for case in find_false_alarms(coco, rows, verdicts, 0.1)] == [[190, 100, 40, 30]]
    assert find_misses(coco, rows, verdicts, 0.1) == []


def test_predictions_beyond_the_hundredth_of_an_image_are_left_out_as_in_coco() -> None:
    coco = make_coco([make_label([300, 0, 40, 80])])
    rows = [make_row(0, 1, [0, 0, 10, 10], 0.9 - index / 1000) for index in range(MAX_DETECTIONS)]
    rows.append(make_row(0, 1, [300, 0, 40, 80], 0.5))
    assert judge_rows(coco, rows, agnostic=True).partner[-1] == -1
    assert score_rows(coco, rows, agnostic=True)["map50"] == 0


def test_without_predictions_there_is_no_confidence_and_nothing_found() -> None:
    coco = make_coco([make_label([0, 0, 20, 20])])
    curve = trace_curves(coco, [], agnostic=False)["class imp"]
    assert (find_best_f1(curve), curve.at(0.0), average_precision(curve)) == (0.0, (0.0, 0.0), 0.0)


def test_misses_come_largest_first_with_what_was_predicted_near() -> None:
    coco = make_coco(
        [
            make_label([0, 0, 50, 50]),
            make_label([100, 0, 30, 60]),
            make_label([300, 0, 40, 40]),
            make_label([400, 0, 90, 90]),
        ]
    )
    rows = [
        make_row(0, 1, [400, 0, 90, 90], 0.9),
        make_row(0, 1, [0, 0, 50, 25], 0.8),
        make_row(0, 1, [300, 0, 40, 40], 0.2),
    ]
    misses = find_misses(coco, rows, judge_rows(coco, rows, agnostic=True), 0.5)
    assert [case.xywh for case in misses] == [[100, 0, 30, 60], [300, 0, 40, 40]]
    assert misses[0].caption == ("60 px high", "nothing predicted near")
    assert misses[1].caption == ("40 px high", "nearest: 0.20, IoU 1.00")
    assert ("unsure", [300, 0, 40, 40]) in misses[1].boxes
    assert [kind for kind, _ in misses[0].boxes].count("unsure") == 0


def test_a_box_found_twice_is_called_so_whatever_its_class_where_classes_do_not_count() -> None:
    coco = make_coco([{**make_label([0, 0, 50, 50]), "category_id": 2}], classes=2)
    rows = [make_row(0, 1, [0, 0, 50, 50], 0.7), make_row(0, 1, [0, 5, 50, 50], 0.6)]
    (alarm,) = find_false_alarms(coco, rows, judge_rows(coco, rows, agnostic=True), 0.5)
    assert alarm.caption == ("imp 0.60, 50 px high", "nearest: zombie IoU 0.82, found twice")


def test_false_alarms_come_surest_first_and_name_the_class_they_took_for_another() -> None:
    coco = make_coco([make_label([0, 0, 50, 50]), make_label([100, 0, 50, 50])], classes=2)
    rows = [
        make_row(0, 1, [0, 0, 50, 50], 0.7),
        make_row(0, 1, [0, 5, 50, 50], 0.6),
        make_row(0, 2, [100, 0, 50, 50], 0.9),
        make_row(0, 2, [100, 0, 50, 50], 0.3),
    ]
    alarms = find_false_alarms(coco, rows, judge_rows(coco, rows, agnostic=False), 0.5)
    assert [case.caption for case in alarms] == [
        ("zombie 0.90, 50 px high", "nearest: imp IoU 1.00"),
        ("imp 0.60, 50 px high", "nearest: imp IoU 0.82, found twice"),
    ]
