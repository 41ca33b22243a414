"""Box decoding, and suppression on request, at the end of a deploy graph: raw heads to rows of boxes.

The best candidates are chosen by their scores before anything else is computed, so that boxes are decoded
for a few hundred cells and not for all. All shapes are fixed, but of what NonMaxSuppression picks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.errors import UserError
from converters.export import GraphWriter
from detection.darknet import DarknetConfig, YoloHead
from detection.decode import MAX_LOG_SIZE
from detection.layers import LayerShape, trace_layers

ROWS = "detections"


@dataclass(frozen=True, slots=True)
class Suppression:
    """Greedy non-maximum suppression within each class; scores below `confidence` take no part in it."""

    iou: float
    confidence: float
    limit: int


def decode_planes(
    planes: Sequence[str], config: DarknetConfig, candidates: int, suppression: Suppression | None = None
) -> tuple[GraphWriter, list[int]]:
    """The nodes from raw heads to the output `detections`, float32 (1, K, 6), and its shape.

    planes: the heads' tensors, (1, A·(5+C), h, w), in the cfg's order. A row is left, top, right, bottom in
    pixels of the input, score and class; best first. K is `candidates`, or the suppression's limit; without
    it boxes overlap, and with it rows of score 0 may come last. Formulas: detection/decode.py. UserError
    where some heads have new_coords and others not.
    """
    if len({head.new_coords for head in config.heads}) > 1:
        raise UserError("expected new_coords= alike in every [yolo] to decode inside the graph, got both")
    graph = GraphWriter()
    raw, geometry, cells = _join_heads(graph, planes, config)
    count = min(candidates, cells)
    best, index = _pick_best(graph, _score_cells(graph, raw, config.heads[0]), count, "decode_best")
    boxes = _decode_boxes(graph, raw, geometry, index, config.heads[0])
    classes = _find_classes(graph, raw, index, config.heads[0], count)
    if suppression:
        kept = _suppress(graph, boxes, best, classes, config.heads[0].classes, count, suppression)
        count = min(suppression.limit, count)
        best, index = _pick_best(graph, kept, count, "decode_kept")
        boxes = graph.add("Gather", [boxes, index], "decode_kept_boxes", axis=2)
        classes = graph.add("Gather", [classes, index], "decode_kept_classes", axis=2)
    columns = graph.add("Concat", [boxes, best, classes], "decode_columns", axis=1)
    graph.add("Transpose", [columns], ROWS, perm=[0, 2, 1])
    return graph, [1, count, 6]


def _join_heads(graph: GraphWriter, planes: Sequence[str], config: DarknetConfig) -> tuple[str, str, int]:
    """All heads as (1, 5+C, N), what their cells stand for as (1, 5, N), and N.

    N counts heads, anchors, rows and columns, in this order.
    """
    traced = trace_layers(config.sections, (config.width_px, config.height_px))
    shapes = [shape for section, shape in zip(config.sections, traced, strict=True) if section.type == "yolo"]
    raws, geometries, cells = [], [], 0
    for number, (plane, head, shape) in enumerate(zip(planes, config.heads, shapes, strict=True)):
        anchors, name = len(head.anchors_wh_px), f"decode_{number}"
        by_anchor = [1, anchors, 5 + head.classes, shape.height * shape.width]
        x = graph.add("Reshape", [plane, _hold_ints(graph, f"{name}_split", by_anchor)], f"head_{number}")
        x = graph.add("Transpose", [x], f"{name}_planes", perm=[0, 2, 1, 3])
        raws.append(_flatten(graph, x, 5 + head.classes, f"{name}_raw"))
        tables = [graph.hold(table, f"{name}_{key}") for key, table in tabulate_cells(head, shape).items()]
        x = graph.add("Add", tables[:2], f"{name}_columns_and_rows")
        x = graph.add("Add", [x, tables[2]], f"{name}_cells")
        geometries.append(_flatten(graph, x, 5, f"{name}_geometry"))
        cells += anchors * shape.height * shape.width
    if len(raws) == 1:
        return raws[0], geometries[0], cells
    raw = graph.add("Concat", raws, "decode_raw", axis=2)
    return raw, graph.add("Concat", geometries, "decode_geometry", axis=2), cells


def tabulate_cells(head: YoloHead, shape: LayerShape) -> dict[str, NDArray[np.float32]]:
    """Three tables whose sum, (1, 5, A, h, w), says what the cells of a head stand for.

    The five: the centre's pixels for each unit of sigmoid(t_xy), its x and its y at 0, half the anchor's
    width and height; small tables, for their sum would be a third of a small model's file.
    """
    columns = np.zeros((1, 5, 1, 1, shape.width), np.float32)
    columns[0, 1] = np.arange(shape.width) * head.stride
    rows = np.zeros((1, 5, 1, shape.height, 1), np.float32)
    rows[0, 2] = np.arange(shape.height)[:, None] * head.stride
    anchors = np.zeros((1, 5, len(head.anchors_wh_px), 1, 1), np.float32)
    anchors[0, 0] = head.scale_x_y * head.stride
    anchors[0, 1:3] = -(head.scale_x_y - 1) / 2 * head.stride
    anchors[0, 3:, :, 0, 0] = np.transpose(head.anchors_wh_px) / 2
    return {"columns": columns, "rows": rows, "anchors": anchors}


def _score_cells(graph: GraphWriter, raw: str, head: YoloHead) -> str:
    """Objectness times the best class's probability, (1, 1, N)."""
    objectness = _take(graph, raw, 4, 5, "decode_objectness")
    best = _take(graph, raw, 5, 5 + head.classes, "decode_class_scores")
    if head.classes > 1:
        best = graph.add("ReduceMax", [best], "decode_class_score", axes=[1])
    if not head.new_coords:
        objectness = graph.add("Sigmoid", [objectness], "decode_objectness_sigmoid")
        best = graph.add("Sigmoid", [best], "decode_class_sigmoid")
    return graph.add("Mul", [objectness, best], "decode_scores")


def _pick_best(graph: GraphWriter, scores: str, count: int, name: str) -> tuple[str, str]:
    """The largest of (1, 1, N) scores, (1, 1, count), best first, and where they stand, (count,)."""
    wanted = _hold_ints(graph, f"{name}_count", [count])
    best, index = graph.add_pair("TopK", [scores, wanted], name, f"{name}_index", axis=2)
    return best, graph.add("Reshape", [index, wanted], f"{name}_cells")


def _decode_boxes(graph: GraphWriter, raw: str, geometry: str, index: str, head: YoloHead) -> str:
    """Corners of the picked cells' boxes, (1, 4, K)."""
    where = _take(graph, raw, 0, 4, "decode_where")
    where = graph.add("Gather", [where, index], "decode_picked", axis=2)
    cells = graph.add("Gather", [geometry, index], "decode_picked_cells", axis=2)
    xy, wh = (_take(graph, where, start, start + 2, f"decode_{key}") for start, key in ((0, "xy"), (2, "wh")))
    factor = _take(graph, cells, 0, 1, "decode_factor")
    shift = _take(graph, cells, 1, 3, "decode_shift")
    anchor = _take(graph, cells, 3, 5, "decode_anchor")
    if head.new_coords:
        two = graph.hold(np.array(2, np.float32), "decode_two")
        growth = graph.add("Mul", [wh, two], "decode_wh_twice")
        growth = graph.add("Mul", [growth, growth], "decode_growth")
    else:
        xy = graph.add("Sigmoid", [xy], "decode_xy_sigmoid")
        limit = graph.hold(np.array(MAX_LOG_SIZE, np.float32), "decode_max_log_size")
        growth = graph.add("Exp", [graph.add("Min", [wh, limit], "decode_wh_limited")], "decode_growth")
    centre = graph.add("Mul", [xy, factor], "decode_xy_px")
    centre = graph.add("Add", [centre, shift], "decode_centre")
    half = graph.add("Mul", [growth, anchor], "decode_half")
    corners = [graph.add("Sub", [centre, half], "decode_left_top")]
    corners.append(graph.add("Add", [centre, half], "decode_right_bottom"))
    return graph.add("Concat", corners, "decode_boxes", axis=1)


def _find_classes(graph: GraphWriter, raw: str, index: str, head: YoloHead, count: int) -> str:
    """The best class of each picked cell, float32 (1, 1, count); of one class there is nothing to find."""
    import onnx

    if head.classes == 1:
        return graph.hold(np.zeros((1, 1, count), np.float32), "decode_class_float")
    classes = _take(graph, raw, 5, 5 + head.classes, "decode_class_logits")
    classes = graph.add("Gather", [classes, index], "decode_picked_classes", axis=2)
    best = graph.add("ArgMax", [classes], "decode_class", axis=1)
    return graph.add("Cast", [best], "decode_class_float", to=onnx.TensorProto.FLOAT)


def _suppress(
    graph: GraphWriter, boxes: str, scores: str, classes: str, every_class: int, count: int, rule: Suppression
) -> str:
    """The scores of the `count` candidates that stay, and 0 of the others; (1, 1, K) both."""
    import onnx

    by_class = scores
    if every_class > 1:
        numbers = graph.hold(np.arange(every_class, dtype=np.float32)[None, :, None], "decode_every_class")
        own = graph.add("Equal", [classes, numbers], "decode_is_class")
        own = graph.add("Cast", [own], "decode_is_class_float", to=onnx.TensorProto.FLOAT)
        by_class = graph.add("Mul", [scores, own], "decode_scores_by_class")
    rows = graph.add("Transpose", [boxes], "decode_box_rows", perm=[0, 2, 1])
    limits = [
        _hold_ints(graph, "decode_nms_most", [count]),
        graph.hold(np.array([rule.iou], np.float32), "decode_nms_iou"),
        graph.hold(np.array([rule.confidence], np.float32), "decode_nms_confidence"),
    ]
    chosen = graph.add("NonMaxSuppression", [rows, by_class, *limits], "decode_nms")
    chosen = _take(graph, chosen, 2, 3, "decode_nms_candidates")  # of batch, class, candidate
    flat = graph.add("Reshape", [scores, limits[0]], "decode_nms_scores")
    values = graph.add("Gather", [flat, chosen], "decode_nms_values")
    values = graph.add("Reshape", [values, _hold_ints(graph, "decode_nms_flat", [-1])], "decode_nms_updates")
    none = graph.hold(np.zeros(count, np.float32), "decode_nms_none")
    kept = graph.add("ScatterND", [none, chosen, values], "decode_nms_kept")
    return _flatten(graph, kept, 1, "decode_nms_masked")


def _flatten(graph: GraphWriter, x: str, channels: int, name: str) -> str:
    return graph.add("Reshape", [x, _hold_ints(graph, f"{name}_shape", [1, channels, -1])], name)


def _take(graph: GraphWriter, x: str, start: int, end: int, name: str) -> str:
    """Those from `start` to before `end` of the second axis."""
    limits = [
        _hold_ints(graph, f"{name}_{key}", [value])
        for key, value in (("start", start), ("end", end), ("axis", 1))
    ]
    return graph.add("Slice", [x, *limits], name)


def _hold_ints(graph: GraphWriter, name: str, values: list[int]) -> str:
    return graph.hold(np.array(values, np.int64), name)
