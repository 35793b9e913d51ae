"""Functions that draw figures as PNG, SVG or PDF. A file is written completely or not at all."""

from mnist_exp.report.figures.comparison import comparison_curves
from mnist_exp.report.figures.confusion import confusion_matrix
from mnist_exp.report.figures.curves import learning_curves
from mnist_exp.report.figures.digits import predictions
from mnist_exp.report.figures.parallel import parallel_coordinates
from mnist_exp.report.figures.sweep import sweep_figure

__all__ = [
    "comparison_curves",
    "confusion_matrix",
    "learning_curves",
    "parallel_coordinates",
    "predictions",
    "sweep_figure",
]
