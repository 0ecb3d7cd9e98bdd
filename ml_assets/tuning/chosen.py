"""Which hyperparameters make the model: the declared ones, or those of a trial."""

from dataclasses import replace

from ml_assets.errors import TrainingError
from ml_assets.problem import Problem
from ml_assets.storage import Home
from ml_assets.tuning.space import applied
from ml_assets.tuning.studies import Trial, best_trial, studies, trial_named, trials_of

DECLARED, TUNED = "declared", "tuned"


def with_chosen(problem: Problem, home: Home) -> Problem:
    """The problem with the hyperparameters that `training.hyperparameters` asks for.

    Its section `training` then has one estimator with the values of a trial, and names the trial.
    So both are in whatever is made from the section: the fingerprint and the manifest of a model.

    Raises:
        TrainingError: If there is no such trial.
    """
    training = problem.config.training
    if training.hyperparameters == DECLARED:
        return problem
    trial = _asked_for(problem, home)
    tuned = applied(training, trial.choice).model_copy(update={"hyperparameters": trial.name})
    return replace(problem, config=problem.config.model_copy(update={"training": tuned}))


def _asked_for(problem: Problem, home: Home) -> Trial:
    """The best trial of the newest study that has one, or the trial that is named."""
    wanted = problem.config.training.hyperparameters
    if wanted != TUNED:
        return trial_named(problem, home, wanted)
    for study in reversed(studies(problem, home)):
        best = best_trial(study, trials_of(home, study.name))
        if best is not None:
            return best
    raise TrainingError(
        f"{problem.name}: training.hyperparameters is tuned, and no trial is done yet. "
        f"Run `ml-assets tune {problem.name}` first, or set it to declared."
    )
