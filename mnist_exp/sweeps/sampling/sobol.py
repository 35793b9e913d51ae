"""The points of a Sobol sequence, computed by SciPy."""

from collections.abc import Sequence

from mnist_exp.sweeps.limits import MOST_TRIALS

#: Exponent of the number of points. A Sobol sequence is balanced at powers of two; this one is
#: enough for the longest sweep.
_EXPONENT = (MOST_TRIALS - 1).bit_length()


def sobol_points(dimensions: int, seed: int) -> Sequence[Sequence[float]]:
    """Return 1024 points of the unit cube that spread more evenly than independent draws.

    The sequence is SciPy's, with Owen scrambling by the seed. Azure ML documents neither its
    direction numbers nor its scrambling, so its numbers differ, but their spread is the same.

    Args:
        dimensions: The number of parameters.
        seed: The same seed repeats the sequence.

    Returns:
        Shape (1024, dimensions), each in [0, 1).
    """
    # Here and not above: SciPy takes half a second to import, and most sweeps do not need it.
    from scipy.stats import qmc  # noqa: PLC0415

    points: Sequence[Sequence[float]] = (
        qmc.Sobol(dimensions, scramble=True, rng=seed).random_base2(_EXPONENT).tolist()
    )
    return points
