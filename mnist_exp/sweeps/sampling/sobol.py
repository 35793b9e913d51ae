"""Sobol points for the sampling rule of that name; the one module here that needs scipy."""

from collections.abc import Sequence

from mnist_exp.sweeps.limits import MOST_TRIALS

# The balance of a Sobol sequence holds for powers of two; this one covers the longest sweep.
_EXPONENT = (MOST_TRIALS - 1).bit_length()


def sobol_points(dimensions: int, seed: int) -> Sequence[Sequence[float]]:
    """Return 1024 points of the unit cube that spread more evenly than independent draws.

    The sequence is scipy's, scrambled (Owen) with the seed. Azure ML publishes neither its
    direction numbers nor its scrambling, so its numbers cannot be met, only its properties.

    Args:
        dimensions: How many parameters are drawn.
        seed: Repeats the sequence.

    Returns:
        Shape (1024, dimensions), each in [0, 1).
    """
    # Here and not above: scipy takes half a second to import, and most sweeps draw without it.
    from scipy.stats import qmc  # noqa: PLC0415

    points: Sequence[Sequence[float]] = (
        qmc.Sobol(dimensions, scramble=True, rng=seed).random_base2(_EXPONENT).tolist()
    )
    return points
