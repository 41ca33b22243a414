"""The motion to a target: pure functions over degrees and seconds, alike at every frame rate."""

import math

from aimbot.target import XY

SPRINGS_A_SMOOTHING = 2.15  # a critically damped step has closed 63 % of an error at ω·t = 2.15


def approach_target(
    error_deg: XY,
    target_deg_per_s: XY,
    velocity_deg_per_s: XY,
    dt_s: float,
    smoothing_s: float,
    dead_deg: float,
) -> tuple[XY, XY]:
    """The step of the `dt_s` since the last one, and the velocity after it.

    error_deg: from the crosshair, where the last step left it, to where the target is now. A critically
    damped spring between the crosshair and the moving target, solved exactly over the step: so there is no
    lag behind a constant speed, no overshoot from rest, and one path at every frame rate. An error inside
    the dead zone counts as none, and a larger one from its edge: nothing jumps at the edge, and nothing
    swings about it. Without smoothing the whole error is one step.
    """
    size = math.hypot(*error_deg)
    share = max(0.0, 1 - dead_deg / size) if size else 0.0
    if smoothing_s == 0:
        return (error_deg[0] * share, error_deg[1] * share), target_deg_per_s
    omega = SPRINGS_A_SMOOTHING / smoothing_s
    decay = math.exp(-omega * dt_s)
    steps, velocities = [], []
    for error, moves, velocity in zip(error_deg, target_deg_per_s, velocity_deg_per_s, strict=True):
        before = error * share - moves * dt_s  # the error when the last step was made
        pull = moves - velocity + omega * before
        steps.append(error * share - (before + pull * dt_s) * decay)
        velocities.append(moves - (pull * (1 - omega * dt_s) - omega * before) * decay)
    return (steps[0], steps[1]), (velocities[0], velocities[1])


def brake(
    step_deg: XY,
    velocity_deg_per_s: XY,
    before_deg_per_s: XY,
    error_deg: XY,
    dt_s: float,
    max_speed_deg_per_s: float,
    max_acceleration_deg_per_s2: float,
) -> tuple[XY, XY]:
    """A step within the limits, both axes shortened alike, and the velocity after it.

    With a limit of acceleration the speed stays one from which the rest of the error suffices to stop.
    """
    if dt_s == 0:
        return (0.0, 0.0), before_deg_per_s
    wanted = (step_deg[0] / dt_s, step_deg[1] / dt_s)
    limit = max_speed_deg_per_s
    if most := max_acceleration_deg_per_s2:
        half = most * dt_s / 2  # the step is made at once, so it brakes half a step late
        limit = min(limit, math.sqrt(2 * most * math.hypot(*error_deg) + half * half) - half)
    speed = limit_length(wanted, limit)
    if most:
        change = limit_length((speed[0] - before_deg_per_s[0], speed[1] - before_deg_per_s[1]), most * dt_s)
        speed = (before_deg_per_s[0] + change[0], before_deg_per_s[1] + change[1])
    if speed == wanted:
        return step_deg, velocity_deg_per_s
    return (speed[0] * dt_s, speed[1] * dt_s), speed


def limit_length(vector: XY, longest: float) -> XY:
    """The vector, shortened to `longest` where it is longer."""
    length = math.hypot(*vector)
    return vector if length <= longest else (vector[0] * longest / length, vector[1] * longest / length)
