"""`benchmark arena`: every player in every scenario, as rows and a table."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any, Literal, get_args

from rich.console import Console
from rich.table import Table

from aimbot.aimer import Aimer
from aimbot.assistant import RunPlan, run_assistant
from aimbot.commands.common import open_live
from aimbot.commands.demo import enter_game
from aimbot.commands.signals import leave_by_signal
from aimbot.config import Settings
from aimbot.hotkeys import Person
from aimbot.levels import Levels, open_levels
from arena.process import GameProcess
from arena.score import Episode, summarize
from arena.truth import TruthLog
from benchmarks.arena.players import OracleAimer, SimpleAimer
from benchmarks.arena.watching import Sightings, WatchedDetector
from capture.errors import UserError
from detection.detector import Detector

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
    "crossed": "crossed",
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

    The players take turns, an episode each of the same seed, so that a machine that is slow for a while is
    so for all of them. sessions: a folder that gets a recording of each episode.
    """
    limits = {"episodes": 1.0, "seconds": episode_s, "empty-seconds": EMPTY_S}
    turns = list(product(scenarios, range(episodes), players))
    parts: dict[tuple[str, PlayerName], Part] = defaultdict(Part)
    levels = open_levels(settings)
    try:
        for scenario, number, player in track(turns):
            record = sessions / f"{scenario}-{player}-{number}" if sessions else None
            play(settings, levels, scenario, player, seed + number, limits, parts[scenario, player], record)
    finally:
        levels.detector.close()
    rows = [
        {"scenario": scenario, "player": player, **parts[scenario, player].summary()}
        for scenario, player in product(scenarios, players)
    ]
    return {"model": settings.detector.model, "rows": rows}


@dataclass(slots=True)
class Part:
    """What one player did in one scenario, over its episodes."""

    episodes: list[Episode] = field(default_factory=list)
    sightings: Sightings = field(default_factory=Sightings)
    loops: list[dict[str, Any]] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """The score, what the detector saw, and the medians over the episodes of the loop's figures."""
        ages = [loop["age_at_move_ms"] for loop in self.loops if loop["age_at_move_ms"]]
        return {
            **summarize(self.episodes),
            **self.sightings.summary(),
            "loop_fps": round(median(loop["loop_fps"] for loop in self.loops), 2),
            "age_at_move_ms": {name: round(median(age[name] for age in ages), 2) for name in ages[0]}
            if ages
            else {},
        }


def play(
    settings: Settings,
    levels: Levels,
    scenario: str,
    player: PlayerName,
    seed: int,
    limits: Mapping[str, float],
    part: Part,
    record: Path | None = None,
) -> None:
    """One player's game in one scenario; `part` takes in what comes of it."""
    person = Person(settings.hotkeys.model_copy(update={"arm": "always"}))
    with ExitStack() as stack:
        stack.enter_context(leave_by_signal(person))
        game = stack.enter_context(GameProcess(scenario, seed, limits))
        pointer = enter_game(game, settings)
        detector = levels.detector
        source, watch = open_live(settings, stack)
        confidence = settings.aim.selector.min_confidence
        tells_truth = player in ("oracle", "omniscient")
        watched = WatchedDetector(detector, game.truth, confidence, tells_truth, part.sightings)
        plan = RunPlan(
            settings,
            source,
            watched,
            pointer,
            person,
            watch,
            limits["seconds"] + GRACE_S,
            record,
            header={"scenario": scenario, "player": player, "seed": seed},
            finished=lambda: game.over,
            aimer=make_aimer(player, settings, detector, game.truth),
            governor=levels.governor,
            rungs=levels.rungs,
        )
        game.go()
        part.loops.append(run_assistant(plan))
        part.episodes += [Episode(**episode) for episode in game.wait_score()["episodes"]]


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
