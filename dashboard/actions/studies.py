"""Studies and training runs."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial

from core.catalog.jobs import JobRecord, JobState
from core.errors import ReadOnlyError, WorkspaceError
from core.missing import missing_for_training
from core.study.run import ExperimentConfig
from core.training.planned import pace_here, planned
from dashboard.actions.runner import Runner
from dashboard.hub import Topic


class StudyActions(Runner):
    """Studies and training runs."""

    def start_experiment(self, config: Callable[[], ExperimentConfig]) -> None:
        """Start the study described by the form; windows follow it through its files."""

        def add() -> None:
            self._server.jobs.add("experiment", asdict(config()), self.state.analyst)

        self.run(add, lambda _: self.say("The study has started; it is among the jobs."))

    def follow_runs(self, topic: Topic, on: bool) -> None:
        """Keep the training runs, or the studies, in step with their files while a page shows them."""
        runs = self._server.training if topic == Topic.TRAINING else self._server.studies
        if not on:
            runs.leave(self._document)
            return
        if runs.newest is not None:
            self.state.param.update(**{topic: runs.newest})
        runs.watch(self._document)

    def no_training(self, jobs: Sequence[JobRecord]) -> str:
        """Say why no training can begin beside these jobs; "" if one can. Reads nothing."""
        try:
            self.workspace.need_writable()
        except ReadOnlyError as error:
            return str(error)
        if missing := missing_for_training(self.workspace):
            return missing
        job = next((job for job in jobs if job.kind == "train" and job.is_open), None)
        if job is None:
            return ""
        does = "trains an encoder" if job.state == JobState.RUNNING else "waits to train an encoder"
        return f"Job {job.number} {does} already; wait until it ends, or cancel it under Jobs."

    def start_training(self, preset: str, *, weights: str, epochs: int | None, failed: Callable[[], None]) -> None:
        """Train an encoder on the images there are; windows follow the run through its files.

        Args:
            preset: its name.
            weights: name of the file that is written.
            epochs: None for the preset's.
        """

        def add() -> None:
            jobs = self._server.jobs
            if said := self.no_training(jobs.newest()):  # another window may have been first
                raise WorkspaceError(said)
            jobs.add("train", planned(self.workspace, preset, weights=weights, epochs=epochs), self.state.analyst)

        self.run(add, lambda _: self.say(f"The training of {weights} has begun; it is among the jobs."), failed=failed)

    def measure_training(self, preset: str, done: Callable[[float], None], *, failed: Callable[[], None]) -> None:
        """Measure how many images a second a preset trains on here."""
        self.run(partial(pace_here, preset, device=self.workspace.device), done, on=self._server.slow_pool, failed=failed)
