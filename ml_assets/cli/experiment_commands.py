"""The commands of `ml-assets experiment`, as `app` has the others."""

from typing import Annotated, Literal

import typer

from ml_assets.cli.options import HomeOption, JsonOption, ProblemArgument

experiment = typer.Typer(no_args_is_help=True)

IdArgument = Annotated[str, typer.Argument(help="Such as complaints-7.")]


@experiment.command("new")
def new(
    problem: ProblemArgument,
    hypothesis: Annotated[
        str, typer.Argument(help="In words: what is changed, and why it should help.")
    ],
    *,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A value of config.yaml, such as "
            "training.estimators.logistic.hyperparameters.C=0.1; give it often.",
        ),
    ] = None,
    window: Annotated[
        int | None, typer.Option(min=1, help="Learn from the newest so many partitions.")
    ] = None,
    training_set: Annotated[
        str | None, typer.Option(help="Learn from another training set, by its id.")
    ] = None,
    features: Annotated[
        str | None, typer.Option(help="Another feature function, as module:function.")
    ] = None,
    algorithm: Annotated[
        str | None, typer.Option(help="Another estimator of training.estimators.")
    ] = None,
    estimator: Annotated[
        str | None, typer.Option(help="Estimator of the control. Default: the champion's.")
    ] = None,
    expect: Annotated[
        Literal["better", "worse", "same"], typer.Option(help="What the KPI will be.")
    ] = "better",
    by: Annotated[
        float, typer.Option(help="By more than so much (same: by less), in units of the KPI.")
    ] = 0.0,
    axes: Annotated[
        str | None,
        typer.Option(help="Needed where more than one is changed, such as data,features."),
    ] = None,
    follows: Annotated[
        str | None, typer.Option(help="Experiment whose verdict led to this one.")
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(min=1, help="Fit both so often, so that luck in training is no effect."),
    ] = 1,
    run: Annotated[bool, typer.Option("--run", help="Run it at once.")] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Write down a hypothesis and the one thing that is changed; two are refused, unless declared.

    The control is the problem as it is (or, with --follows, what that experiment has shown). Both
    sides answer the same held-out rows. The axis follows from what is changed: data (--window,
    --training-set), features (--features, training.encoders), algorithm, hyperparameters.
    """
    from ml_assets.cli.experiments import (
        declare_experiment,
        print_declared,
        print_experiment,
        run_named,
    )
    from ml_assets.experiments import Asked, Expectation
    from ml_assets.experiments.arms import axes_named
    from ml_assets.experiments.changes import Changes
    from ml_assets.storage import Home

    opened = Home.open(home)
    changes = Changes(
        set=tuple(sets or ()),
        window=window,
        training_set=training_set,
        features=features,
        algorithm=algorithm,
    )
    asked = Asked(
        hypothesis=hypothesis,
        changes=changes,
        expectation=Expectation(expect, by),
        axes=axes_named(axes or ""),
        follows=follows,
        estimator=estimator,
        seeds=seeds,
    )
    declared = declare_experiment(problem, opened, asked)
    if run:
        print_experiment(run_named(declared.id, opened, quiet=json), as_json=json)
    else:
        print_declared(declared, as_json=json)


@experiment.command("run")
def run(id: IdArgument, *, home: HomeOption = None, json: JsonOption = False) -> None:  # noqa: A002
    """Fit both sides, and say whether the hypothesis holds: supported, refuted or inconclusive.

    What an earlier experiment has made already is used again. A run that fails is kept.
    """
    from ml_assets.cli.experiments import print_experiment, run_named
    from ml_assets.storage import Home

    print_experiment(run_named(id, Home.open(home), quiet=json), as_json=json)


@experiment.command("list")
def list_experiments(
    problem: Annotated[str | None, typer.Argument(help="Of one problem; default all.")] = None,
    *,
    owner: Annotated[str | None, typer.Option(help="Of one person.")] = None,
    verdict: Annotated[
        str | None, typer.Option(help="supported, refuted, inconclusive or failed.")
    ] = None,
    search: Annotated[str | None, typer.Option(help="Words of it, or of its error.")] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """List experiments with their verdicts, newest first, those that failed as well."""
    from ml_assets.cli.experiments import listed, print_list
    from ml_assets.storage import Home

    found = listed(problem, Home.open(home), owner=owner, verdict=verdict, search=search)
    print_list(found, as_json=json)


@experiment.command("show")
def show(id: IdArgument, *, home: HomeOption = None, json: JsonOption = False) -> None:  # noqa: A002
    """Show an experiment: what differs, metrics of both sides, the verdict, what follows."""
    from ml_assets.cli.experiments import facts_named, print_experiment
    from ml_assets.storage import Home

    print_experiment(facts_named(id, Home.open(home)), as_json=json)


@experiment.command("mirror")
def mirror(
    problem: ProblemArgument,
    *,
    uri: Annotated[
        str, typer.Option(help="Of MLflow, such as sqlite:///mlflow.db or a server's address.")
    ],
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Copy experiments that were run to MLflow, for its browser (extra `mlflow`).

    Doing it again adds only what is new.
    """
    from ml_assets.cli.experiments import print_mirrored
    from ml_assets.experiments.mirror import mirror as copy
    from ml_assets.problem import problem_named
    from ml_assets.storage import Home

    done = copy(problem_named(problem), Home.open(home), uri=uri)
    print_mirrored(done, as_json=json)
