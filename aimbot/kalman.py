"""Constant-velocity Kalman filters, many at once, of two axes each.

Bar-Shalom, Li, Kirubarajan: Estimation with Applications to Tracking and Navigation (2001), chapter 6.2, with
white noise acceleration in continuous time, so that a run at half the frame rate trusts its past alike.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from aimbot.columns import Columns

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Motions(Columns):
    """Positions and velocities with their covariances, each (N, 2); units are the caller's, and seconds."""

    position: Floats
    velocity: Floats
    var_position: Floats
    cov: Floats
    var_velocity: Floats

    def predict(self, dt_s: Floats, agility: Floats) -> Self:
        """`dt_s` (N, 1) or (N, 2) later.

        agility: (2,), what a velocity's deviation grows to in one second of it.
        """
        gained = agility * agility * dt_s
        return type(self)(
            self.position + self.velocity * dt_s,
            self.velocity,
            self.var_position + (2 * self.cov + (self.var_velocity + gained / 3) * dt_s) * dt_s,
            self.cov + (self.var_velocity + gained / 2) * dt_s,
            self.var_velocity + gained,
        )

    def correct(self, measured: Floats, var_measured: Floats) -> Self:
        """With measurements of the positions taken in, (N, 2) both."""
        innovation, variance = measured - self.position, self.var_position + var_measured
        gain, gain_velocity = self.var_position / variance, self.cov / variance
        return type(self)(
            self.position + gain * innovation,
            self.velocity + gain_velocity * innovation,
            self.var_position * (1 - gain),
            self.cov * (1 - gain),
            self.var_velocity - gain_velocity * self.cov,
        )

    def surprise(self, measured: Floats, var_measured: Floats) -> Floats:
        """Squared deviations of the innovations, both axes together, (N,)."""
        squared: Floats = (measured - self.position) ** 2 / (self.var_position + var_measured)
        return squared[:, 0] + squared[:, 1]

    def doubt(self, var_velocity: Floats, dt_s: Floats) -> Self:
        """The same with velocities that may have changed by so much, (N, 2), `dt_s` ago."""
        return type(self)(
            self.position,
            self.velocity,
            self.var_position + var_velocity * dt_s * dt_s,
            self.cov + var_velocity * dt_s,
            self.var_velocity + var_velocity,
        )


def start_motions(position: Floats, var_position: Floats, var_velocity: Floats) -> Motions:
    """At rest as far as is known; (N, 2) each, `var_velocity` (2,)."""
    none = np.zeros_like(position)
    return Motions(position, none, var_position, none.copy(), none + var_velocity)


def split_axes(rows: Floats) -> Floats:
    """(N, 2) as (2, N), copied: what is computed of it for many pairs then runs over memory in order."""
    return rows.T.copy()
