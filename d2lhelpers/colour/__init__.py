"""Which colours a picture has, wherever they are, in numbers that a network can be trained by."""

from d2lhelpers.colour.distances import chi_squared, earth_movers, kl_divergence
from d2lhelpers.colour.histograms import memberships, soft_histogram, soft_joint_histogram
from d2lhelpers.colour.statistics import colour_statistics, colour_statistics_loss

__all__ = [
    "chi_squared",
    "colour_statistics",
    "colour_statistics_loss",
    "earth_movers",
    "kl_divergence",
    "memberships",
    "soft_histogram",
    "soft_joint_histogram",
]
