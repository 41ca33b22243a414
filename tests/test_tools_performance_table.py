"""docs/performance.md and the script that makes it from raw JSON."""

from typing import Any

from tools.performance_table import NOTES, PAGE, RAW, make_page, read_results


def measure(rounds: int, fps: float, gpu: str = "NVIDIA H100", **row: Any) -> dict[str, Any]:
    """What benchmarks/tensorrt.py writes, of one engine."""
    times = {"p50": 0.4, "p99": 0.5, "mean": 0.4}
    return {
        "gpu": gpu,
        "compute_capability": "9.0",
        "driver": "580, 1980 MHz, 700.00 W",
        "driver_cuda": "13.0",
        "runtime": "TensorRT 8.5.3.1",
        "rounds": rounds,
        "rows": [
            {
                "model": "yolov4-tiny-416",
                "precision": "fp16",
                "size": "416x416",
                "network_ms": times,
                "infer_ms": times,
                "detect_ms": times,
                "fps": fps,
                "roofline": {"compute_ms": 0.01, "memory_ms": 0.02},
                **row,
            }
        ],
    }


def find_rows(page: str, *parts: str) -> list[list[str]]:
    """Cells of the tables' rows in which every part occurs."""
    rows = [
        line for line in page.splitlines() if line.startswith("|") and all(part in line for part in parts)
    ]
    return [[cell.strip(" *") for cell in row.split("|")[1:-1]] for row in rows]


def test_the_committed_page_is_what_the_script_makes_of_the_committed_json() -> None:
    made = make_page(read_results(RAW), NOTES.read_text(encoding="utf-8")) + "\n"
    assert PAGE.read_text(encoding="utf-8") == made, "update it: python tools/performance_table.py"


def test_more_rounds_give_the_times_and_any_rounds_the_map50() -> None:
    many, few = measure(2000, 900.4), measure(300, 800, map50=0.7698)
    for results in ([many, few], [few, many]):
        compared, detailed = find_rows(make_page(results), "8.5.3.1 FP16", "yolov4-tiny")
        assert compared[3:] == ["", "900 / 77.0", "", ""]
        assert detailed[-1] == "2000"


def test_the_letter_of_a_training_stands_behind_its_map50() -> None:
    page = make_page([measure(2000, 900, map50=0.77) | {"training": "b"}])
    assert find_rows(page, "8.5.3.1 FP16", "**yolov4-tiny**")[0][4] == "900 / 77.0 b"


def test_what_was_not_measured_is_an_empty_cell() -> None:
    page = make_page([measure(2000, 900)])
    assert find_rows(page, "8.5.3.1 FP16", "**yolov4-tiny**")[0][3:] == ["", "900 / –", "", ""]
    assert find_rows(page, "8.5.3.1 INT8", "**yolov4-tiny**")[0][3:] == [""] * 4
    assert find_rows(page, "TF-TRT INT8", "**yolov4**")[0][3:] == [""] * 4


def test_the_share_is_that_of_the_larger_of_the_rooflines_times() -> None:
    (row,) = find_rows(make_page([measure(2000, 900)]), "416x416")
    assert row[7:9] == ["compute 0.0100, memory 0.0200", "5.0 %"]


def test_a_card_of_unknown_peaks_has_no_roofline() -> None:
    unknown = {"compute_ms": None, "memory_ms": None}
    (row,) = find_rows(make_page([measure(2000, 900, gpu="NVIDIA T4", roofline=unknown)]), "416x416")
    assert row[0] == "NVIDIA T4"
    assert row[7:9] == ["–", "–"]


def test_runtimes_on_a_processor_have_a_table_of_their_own() -> None:
    row = {"model": "doom-nano", "backend": "openvino", "precision": "int8", "size": "640x480", "threads": 2}
    row |= {"p50_ms": 6.84, "p99_ms": 9.0, "fps": 134.0, "matched_share": 0.989}
    left_out = {"backend": "litert", "reason": "not installed"}
    page = make_page([{"cpu": "AMD EPYC (X86_V4)", "rounds": 60, "rows": [row], "left_out": [left_out]}])
    assert "doom-nano in every runtime" in page
    assert find_rows(page, "openvino") == [["openvino", "INT8", "6.8 / 9.0", "134.0", "98.9 %"]]
    assert "Left out: litert, every precision: not installed." in page
