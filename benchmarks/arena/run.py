"""`benchmark arena`: every player in every scenario, as rows and a table."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any, Literal, get_args

from rich.console import Console
from rich.table import Table

from aimbot.aimer import Aimer
from aimbot.assistant import RunPlan, run_assistant
from aimbot.commands.common import open_live
from aimbot.commands.demo import enter_game
from aimbot.config import Settings
from aimbot.hotkeys import Person
from arena.process import GameProcess
from arena.truth import TruthLog
from benchmarks.arena.players import OracleAimer, SimpleAimer
from benchmarks.arena.watching import WatchedDetector
from capture.errors import UserError
from detection.detector import Detector, open_detector

PlayerName = Literal["ours", "oracle", "omniscient", "simple"]
PLAYERS: tuple[PlayerName, ...] = get_args(PlayerName)
SCENARIOS = ("defend_the_center", "defend_the_line", "deadly_corridor")
EMPTY_S = 1.0  # an episode ends so long after the last round: time enough for it to hit
GRACE_S = 30.0  # of a game process, over its game time: it loads maps
COLUMNS = {
    "kills": "kills",
    "kills_a_minute": "kills/min",
    "shots": "shots",
    "hit_rate": "hit rate",
    "time_to_target_ms": "to target, ms",
    "time_to_target_p90_ms": "p90",
    "on_to_shot_ms": "on it to shot, ms",
    "overshoots": "overshoots",
    "walked_off": "walked off",
    "on_target_share": "on target",
    "visible_share": "in sight",
    "recall": "recall",
}
Track = Callable[[Sequence[Any]], Iterable[Any]]


def choose_players(names: Sequence[str]) -> list[PlayerName]:
    """The named players, or all; UserError for a name that is none."""
    for name in names:
        if name not in PLAYERS:
            raise UserError(f"expected --player to be one of {', '.join(PLAYERS)}, got {name!r}")
    return [player for player in PLAYERS if not names or player in names]


def choose_scenarios(names: Sequence[str]) -> list[str]:
    """The named scenarios, or all; UserError for a name that is none."""
    for name in names:
        if name not in SCENARIOS:
            raise UserError(f"expected --scenario to be one of {', '.join(SCENARIOS)}, got {name!r}")
    return list(names or SCENARIOS)


def run(
    settings: Settings,
    scenarios: Sequence[str] = SCENARIOS,
    players: Sequence[PlayerName] = PLAYERS,
    episodes: int = 10,
    episode_s: float = 60.0,
    seed: int = 1,
    sessions: Path | None = None,
    track: Track = iter,
) -> dict[str, Any]:
    """{"rows": one for each scenario and player}, played on the present DISPLAY.

    sessions: a folder that gets a recording of each.
    """
    rows = []
    detector = open_detector(settings.detector)
    try:
        for scenario, player in track(list(product(scenarios, players))):
            record = sessions / f"{scenario}-{player}" if sessions else None
            limits = {"episodes": episodes, "episode-seconds": episode_s, "empty-seconds": EMPTY_S}
            figures = play(settings, detector, scenario, player, seed, limits, record)
            rows.append({"scenario": scenario, "player": player, **figures})
    finally:
        detector.close()
    return {"model": settings.detector.model, "rows": rows}


def play(
    settings: Settings,
    detector: Detector,
    scenario: str,
    player: PlayerName,
    seed: int,
    limits: Mapping[str, float],
    record: Path | None = None,
) -> dict[str, Any]:
    """One player's games in one scenario; returns the score, the loop's figures and the detector's."""
    with ExitStack() as stack:
        game = stack.enter_context(GameProcess(scenario, seed, limits))
        pointer = enter_game(game, settings)
        source, watch = open_live(settings, stack)
        confidence = settings.aim.selector.min_confidence
        tells_truth = player in ("oracle", "omniscient")
        watched = WatchedDetector(detector, game.truth, confidence, tells_truth)
        plan = RunPlan(
            settings,
            source,
            watched,
            pointer,
            Person(settings.hotkeys.model_copy(update={"arm": "always"})),
            watch,
            limits["episodes"] * limits["episode-seconds"] + GRACE_S,
            record,
            header={"scenario": scenario, "player": player, "seed": seed},
            finished=lambda: game.over,
            aimer=make_aimer(player, settings, detector, game.truth),
        )
        game.go()
        figures = run_assistant(plan)
        score = game.wait_score()
    return {**score, **watched.sightings.summary(), **figures}


def make_aimer(player: PlayerName, settings: Settings, detector: Detector, truth: TruthLog) -> Aimer | None:
    """Who decides in the assistant's place; None: nobody."""
    if player == "ours":
        return None
    if player == "simple":
        return SimpleAimer(settings.aim, detector.class_names)
    return OracleAimer(settings.aim, detector.class_names, truth, sees_all=player == "omniscient")


def print_table(result: Mapping[str, Any]) -> None:
    """One line a scenario and player."""
    table = Table("scenario", "player", *COLUMNS.values(), title=f"arena, {result['model']}")
    last = ""
    for row in result["rows"]:
        scenario = "" if row["scenario"] == last else row["scenario"]
        last = row["scenario"]
        table.add_row(scenario, row["player"], *(str(row[name]) for name in COLUMNS))
    Console().print(table)
