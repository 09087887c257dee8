"""Studies and training runs."""

from collections.abc import Callable
from dataclasses import asdict

from core.study.run import ExperimentConfig
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
