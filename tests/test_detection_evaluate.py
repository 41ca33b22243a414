"""COCO figures of detectors whose mistakes are known, and annotations that do not fit."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from capture.errors import UserError
from capture.frame import Frame
from detection.annotate import detect_frames
from detection.detections import Detections, no_detections
from detection.detector import DetectorSettings
from detection.drawing import draw_detections
from detection.training.evaluate import evaluate, settings_for_evaluation
from detection.training.formats import read_dataset, write_yolo_txt

# Heights 16, 40, 100: one small, one medium, one large box an image.
BOXES_XYWH = ([10, 10, 12, 16], [60, 20, 30, 40], [120, 50, 60, 100])


class ScriptedDetector:
    """Answers each frame, known by the value of its first pixel, with prepared detections."""

    input_size_wh = (320, 240)

    def __init__(self, answers: dict[int, Detections], class_names: tuple[str, ...] = ("monster",)) -> None:
        self.answers = answers
        self.class_names = class_names

    def detect(self, frame: Frame) -> Detections:
        return self.answers.get(int(frame.pixels[0, 0, 0]), no_detections())

    def close(self) -> None:
        pass


def make_detections(
    xywh: Any, scores: list[float] | None = None, classes: list[int] | None = None
) -> Detections:
    boxes = np.array(xywh, np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    count = len(boxes)
    return Detections(
        boxes,
        np.array(scores or [0.9] * count, np.float32),
        np.array(classes or [0] * count, np.int32),
    )


@pytest.fixture
def data(tmp_path: Path) -> tuple[Path, Path, dict[str, Any]]:
    """Two images, with the boxes of BOXES_XYWH in each."""
    images = tmp_path / "images"
    images.mkdir()
    coco: dict[str, Any] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 4, "name": "monster"}, {"id": 9, "name": "imp"}],
    }
    for image_id in (1, 2):
        cv2.imwrite(str(images / f"{image_id}.png"), np.full((240, 320, 3), image_id, np.uint8))
        coco["images"].append({"id": image_id, "file_name": f"{image_id}.png", "width": 320, "height": 240})
        coco["annotations"] += [
            {"id": 10 * image_id + index, "image_id": image_id, "category_id": 4, "bbox": box, "iscrowd": 0}
            for index, box in enumerate(BOXES_XYWH)
        ]
    annotations = tmp_path / "annotations.json"
    annotations.write_text(json.dumps(coco))
    return images, annotations, coco


def save(path: Path, coco: object) -> Path:
    path.write_text(json.dumps(coco))
    return path


def test_a_perfect_detector_scores_one_at_every_height(data: tuple[Path, Path, dict[str, Any]]) -> None:
    annotations = data[1]
    detector = ScriptedDetector({1: make_detections(BOXES_XYWH), 2: make_detections(BOXES_XYWH)})
    figures = evaluate(detector, read_dataset(annotations), "scripted")
    assert figures["model"] == "scripted"
    assert figures["images"] == 2
    assert figures["map50"] == figures["map50_95"] == figures["precision"] == figures["recall"] == 1
    assert [figures["by_height"][name]["map50"] for name in ("small", "medium", "large")] == [1, 1, 1]


def test_a_missed_height_costs_that_height_alone(data: tuple[Path, Path, dict[str, Any]]) -> None:
    annotations = data[1]
    tall = make_detections(BOXES_XYWH[1:])
    figures = evaluate(ScriptedDetector({1: tall, 2: tall}), read_dataset(annotations))
    parts = [figures["by_height"][name] for name in ("small", "medium", "large")]
    assert [(part["map50"], part["recall"], part["boxes"]) for part in parts] == [
        (0, 0, 2),
        (1, 1, 2),
        (1, 1, 2),
    ]
    assert figures["precision"] == 1
    assert figures["recall"] == pytest.approx(2 / 3)


def test_a_false_alarm_counts_against_its_own_height_alone(data: tuple[Path, Path, dict[str, Any]]) -> None:
    annotations = data[1]
    alarm = [200, 10, 30, 40]
    seen = make_detections([*BOXES_XYWH, alarm], [0.8, 0.8, 0.8, 0.95])
    figures = evaluate(ScriptedDetector({1: seen, 2: seen}), read_dataset(annotations))
    assert figures["by_height"]["small"]["map50"] == figures["by_height"]["large"]["map50"] == 1
    assert figures["by_height"]["medium"]["map50"] == pytest.approx(0.5, abs=0.01)
    assert figures["precision"] == pytest.approx(0.75)


def test_boxes_that_overlap_by_two_thirds_pass_at_50_and_fail_at_95(
    data: tuple[Path, Path, dict[str, Any]],
) -> None:
    annotations = data[1]
    shifted = make_detections([[x + width / 5, y, width, height] for x, y, width, height in BOXES_XYWH])
    figures = evaluate(ScriptedDetector({1: shifted, 2: shifted}), read_dataset(annotations))
    assert figures["map50"] == 1
    assert figures["map50_95"] == pytest.approx(0.4, abs=0.01)  # passes at 0.50, 0.55, 0.60, 0.65


def test_boxes_marked_iscrowd_are_neither_wanted_nor_punished(
    data: tuple[Path, Path, dict[str, Any]], tmp_path: Path
) -> None:
    coco = data[2]
    coco["annotations"][0]["iscrowd"] = 1
    annotations = save(tmp_path / "crowd.json", coco)
    detector = ScriptedDetector({1: make_detections(BOXES_XYWH), 2: make_detections(BOXES_XYWH)})
    figures = evaluate(detector, read_dataset(annotations))
    assert figures["map50"] == figures["precision"] == figures["recall"] == 1


def test_classes_count_unless_the_evaluation_is_class_agnostic(
    data: tuple[Path, Path, dict[str, Any]],
) -> None:
    annotations = data[1]
    wrong = make_detections(BOXES_XYWH, classes=[1, 1, 1])
    detector = ScriptedDetector({1: wrong, 2: wrong}, ("monster", "imp"))
    figures = evaluate(detector, read_dataset(annotations))
    assert figures["map50"] == 0
    assert figures["by_class"]["monster"]["boxes"] == 6
    assert figures["by_class"]["imp"] == {
        "map50": -1, "map50_95": -1, "precision": 0, "recall": 0, "boxes": 0,
    }  # fmt: skip
    agnostic = evaluate(detector, read_dataset(annotations), class_agnostic=True)
    assert agnostic["map50"] == 1
    assert "by_class" not in agnostic


def test_a_blind_detector_scores_nothing(data: tuple[Path, Path, dict[str, Any]]) -> None:
    annotations = data[1]
    figures = evaluate(ScriptedDetector({}), read_dataset(annotations))
    assert figures["map50"] == figures["precision"] == figures["recall"] == 0


def test_predictions_are_coco_results_in_the_annotations_ids(
    data: tuple[Path, Path, dict[str, Any]], tmp_path: Path
) -> None:
    annotations = data[1]
    out = tmp_path / "sub" / "predictions.json"
    evaluate(
        ScriptedDetector({2: make_detections(BOXES_XYWH[:1])}), read_dataset(annotations), predictions=out
    )
    assert json.loads(out.read_text()) == [
        {"image_id": 2, "category_id": 4, "category": "monster", "bbox": [10, 10, 12, 16], "score": 0.9}
    ]


def test_ids_may_be_words(data: tuple[Path, Path, dict[str, Any]], tmp_path: Path) -> None:
    coco = data[2]
    seen = make_detections(BOXES_XYWH[:2], classes=[0, 1])
    detector = ScriptedDetector({1: seen, 2: seen}, ("monster", "imp"))
    figures = evaluate(detector, read_dataset(data[1]))
    for image in coco["images"]:
        image["id"] = f"image {image['id']}"
    for box in coco["annotations"]:
        box["image_id"], box["category_id"] = f"image {box['image_id']}", "m"
    coco["categories"][0]["id"] = "m"
    out = tmp_path / "predictions.json"
    named = evaluate(detector, read_dataset(save(tmp_path / "named.json", coco)), predictions=out)
    assert named == figures
    assert {row["image_id"] for row in json.loads(out.read_text())} == {"image 1", "image 2"}


def test_evaluation_asks_for_the_unsure_boxes_too() -> None:
    settings = settings_for_evaluation(DetectorSettings(confidence=0.5, iou=0.6))
    assert settings.confidence == 0.01
    assert settings.iou == 0.6


def test_the_same_boxes_score_the_same_as_yolo_txt_but_for_the_crowds(
    data: tuple[Path, Path, dict[str, Any]], tmp_path: Path
) -> None:
    coco = data[2]
    annotations = save(tmp_path / "plain.json", coco)
    write_yolo_txt(read_dataset(annotations), tmp_path / "plain")
    seen = make_detections(BOXES_XYWH)
    detector = ScriptedDetector({1: seen, 2: make_detections(BOXES_XYWH[1:])})
    figures = evaluate(detector, read_dataset(annotations))
    assert evaluate(detector, read_dataset(tmp_path / "plain")) == figures
    assert 0 < figures["recall"] < 1
    coco["annotations"][0]["iscrowd"] = 1
    annotations = save(tmp_path / "crowd.json", coco)
    write_yolo_txt(read_dataset(annotations), tmp_path / "crowd")
    assert evaluate(detector, read_dataset(annotations))["precision"] == 1
    assert evaluate(detector, read_dataset(tmp_path / "crowd"))["precision"] == pytest.approx(4 / 5)


def test_images_that_are_not_as_labelled_are_all_looked_for(
    data: tuple[Path, Path, dict[str, Any]], tmp_path: Path
) -> None:
    images, _, coco = data
    coco["images"][0]["width"] = 640
    (images / "2.png").write_bytes(b"no image")
    wanted = (
        r"1\.png: an image of 320x240, labelled as 640x240; images/2\.png: an image that cannot be decoded"
    )
    with pytest.raises(UserError, match=wanted):
        evaluate(ScriptedDetector({}), read_dataset(save(tmp_path / "sized.json", coco)))


def test_data_with_nothing_to_find_is_refused(
    data: tuple[Path, Path, dict[str, Any]], tmp_path: Path
) -> None:
    coco = data[2]
    for box in coco["annotations"]:
        box["iscrowd"] = 1
    with pytest.raises(UserError, match=r"expected boxes to find in .*crowds\.json"):
        evaluate(ScriptedDetector({}), read_dataset(save(tmp_path / "crowds.json", coco)))


def test_a_class_that_the_annotations_lack_is_named(data: tuple[Path, Path, dict[str, Any]]) -> None:
    annotations = data[1]
    with pytest.raises(UserError, match="missing: cacodemon"):
        evaluate(ScriptedDetector({}, ("monster", "cacodemon")), read_dataset(annotations))


@pytest.mark.parametrize("channels", [3, 4])
def test_drawing_leaves_the_frame_alone_and_marks_the_boxes(channels: int) -> None:
    pixels = np.zeros((240, 320, channels), np.uint8)
    picture = draw_detections(pixels, make_detections(BOXES_XYWH), ("monster",))
    assert not pixels.any()
    assert picture.shape == (240, 320, 3)
    assert picture[20:60, 60].any(axis=1).all()  # the left edge of the second box


def test_a_source_becomes_rows_and_pictures(data: tuple[Path, Path, dict[str, Any]], tmp_path: Path) -> None:
    from capture.frame import Region

    frames = [
        Frame(np.full((240, 320, 3), value, np.uint8), 0, value, Region(0, 0, 320, 240)) for value in (1, 2)
    ]
    detector = ScriptedDetector({2: make_detections(BOXES_XYWH[:1])})
    rows = detect_frames(detector, frames, tmp_path / "pictures")
    assert rows == [
        {"image_id": 2, "category_id": 1, "category": "monster", "bbox": [10, 10, 12, 16], "score": 0.9}
    ]
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["000001.jpg", "000002.jpg"]
    detect_frames(detector, frames, tmp_path / "video", video_fps=30)
    video = cv2.VideoCapture(str(tmp_path / "video" / "annotated.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 2


def test_a_frame_of_another_size_is_scaled_into_the_video(tmp_path: Path) -> None:
    from capture.frame import Region

    frames = [
        Frame(np.full((height, width, 3), 200, np.uint8), 0, index, Region(0, 0, width, height))
        for index, (width, height) in enumerate([(320, 240), (100, 100), (640, 240)])
    ]
    detect_frames(ScriptedDetector({}), frames, tmp_path, video_fps=30)
    video = cv2.VideoCapture(str(tmp_path / "annotated.mp4"))
    _, square, wide = (video.read()[1] for _ in frames)
    assert [square[120, column].mean() > 100 for column in (20, 60, 260, 300)] == [False, True, True, False]
    assert [wide[row, 160].mean() > 100 for row in (40, 80, 160, 200)] == [False, True, True, False]
