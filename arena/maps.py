"""Which maps a data set may show: training, validation and the reserved ones, all apart."""

SCENARIOS = ("defend_the_center", "defend_the_line", "deadly_corridor")
VALIDATION_MAPS = (
    "freedoom2/MAP18",
    "freedoom2/MAP19",
    "freedoom2/MAP20",
    "freedoom1/E2M7",
    "freedoom1/E2M9",
)
RESERVED_MAPS = tuple(
    [f"freedoom2/MAP{n}" for n in range(21, 33)]
    + [f"freedoom1/E{e}M{m}" for e in (3, 4) for m in range(1, 10)]
)
TRAIN_MAPS = tuple(
    name
    for name in [f"freedoom2/MAP{n:02d}" for n in range(1, 21)]
    + [f"freedoom1/E{e}M{m}" for e in (1, 2) for m in range(1, 10)]
    if name not in VALIDATION_MAPS
)
SPLITS = {"train": TRAIN_MAPS, "validation": VALIDATION_MAPS, "reserved": RESERVED_MAPS}
