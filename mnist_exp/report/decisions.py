"""Every decision is told once, whether a workspace says it or only a trial's `why` does."""

from mnist_exp.report.format import plain, trial_label
from mnist_exp.results import JobResult


class Decisions:
    """Remembers what has been told."""

    def __init__(self) -> None:
        self._messages: list[str] = []
        self._reasons: list[str] = []
        self._ended: set[str] = set()

    def is_news(self, text: str) -> bool:
        """Whether a message gives no reason that has been told; from now on it is told."""
        text = plain(text)
        self._messages.append(text)
        return not any(reason in text for reason in self._reasons)

    def ended(self, job: JobResult) -> list[str]:
        """Return a line for each trial that has just ended for a reason nobody has told."""
        lines = []
        for trial in job.trials:
            if not trial.status.is_finished or trial.name in self._ended:
                continue
            self._ended.add(trial.name)
            why = plain(trial.why)
            if why and not any(why in message for message in self._messages):
                self._reasons.append(why)
                label = trial_label(trial.name, job.name)
                lines.append(f"trial {label} {trial.status.value}: {why}")
        return lines
