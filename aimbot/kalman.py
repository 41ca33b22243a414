"""A constant-velocity Kalman filter of one axis.

Bar-Shalom, Li, Kirubarajan: Estimation with Applications to Tracking and Navigation (2001), chapter 6.2, with
white noise acceleration in continuous time, so that a run at half the frame rate trusts its past alike.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class AxisFilter:
    """Position and velocity, with their covariance; units are the caller's, here mouse counts and seconds."""

    position: float
    velocity: float
    var_position: float
    cov: float
    var_velocity: float

    def predict(self, dt_s: float, agility: float) -> None:
        """Move on by `dt_s`; `agility` is what the velocity's deviation grows to in one second of it."""
        q = agility * agility
        self.position += self.velocity * dt_s
        self.var_position += (2 * self.cov + (self.var_velocity + q * dt_s / 3) * dt_s) * dt_s
        self.cov += (self.var_velocity + q * dt_s / 2) * dt_s
        self.var_velocity += q * dt_s

    def innovate(self, measured: float, var_measured: float) -> tuple[float, float]:
        """What the measurement adds to the prediction, and the variance that this should have."""
        return measured - self.position, self.var_position + var_measured

    def correct(self, measured: float, var_measured: float) -> None:
        """Take a measurement in."""
        innovation, variance = self.innovate(measured, var_measured)
        gain, gain_velocity = self.var_position / variance, self.cov / variance
        self.position += gain * innovation
        self.velocity += gain_velocity * innovation
        self.var_velocity -= gain_velocity * self.cov
        self.cov *= 1 - gain
        self.var_position *= 1 - gain
