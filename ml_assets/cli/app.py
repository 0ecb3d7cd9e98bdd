"""The commands of `ml-assets`. Each imports what it needs when it runs, so that help is quick."""

import gc
import sys
from pathlib import Path
from typing import Annotated

import typer

from ml_assets.cli.experiment_commands import experiment
from ml_assets.cli.leaving import leave
from ml_assets.cli.options import HomeOption, JsonOption, ProblemArgument
from ml_assets.errors import MLAssetsError

app = typer.Typer(
    name="ml-assets",
    help="A machine-learning platform on Dagster assets: from a raw file to a champion.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

keys = typer.Typer(no_args_is_help=True)
app.add_typer(
    keys, name="keys", help="Make, list and revoke the API keys of the prediction service."
)

release = typer.Typer(no_args_is_help=True)
app.add_typer(
    release, name="release", help="See what a release needs, and say yes or no to a model."
)

app.add_typer(
    experiment, name="experiment", help="Test hypotheses: one thing changed, a verdict."
)

OBJECTS_BETWEEN_COLLECTIONS = 100_000

VersionOption = Annotated[
    str | None, typer.Option(help="Id or number of a model version; by default the champion.")
]
ChallengerArgument = Annotated[
    str | None,
    typer.Argument(help="Id or number of a model version; by default the newest."),
]
WhyOption = Annotated[str, typer.Option(help="Kept with the decision for ever.")]


def main() -> None:
    """Run a command; what the platform refuses becomes a message and exit code 1."""
    try:
        app()
    except MLAssetsError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.exit(1)


def command() -> None:
    """Be the program `ml-assets`: run a command, and end the process."""
    # Most of what a command makes, modules above all, lives as long as it does: looking for
    # garbage as often as usual took a quarter of the time of the imports.
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    try:
        main()
    except SystemExit as done:
        leave(done.code)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="What the problem is called, such as churn.")],
    *,
    csv: Annotated[Path, typer.Option("--csv", help="A CSV file with a header.")],
    target: Annotated[str, typer.Option(help="Column to predict.")],
    time: Annotated[
        str | None,
        typer.Option(help="Column with event times; by default the earliest that is complete."),
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option(help="Value of the target that is a yes; any other one is a no."),
    ] = None,
    dates: Annotated[
        str | None,
        typer.Option(help="How days are written where it cannot be told, such as %d/%m/%Y."),
    ] = None,
    to: Annotated[
        Path,
        typer.Option(help="Folder to write NAME into; found without installing it: problems."),
    ] = Path("problems"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Write a problem's folder from a CSV file: contract, features, values, tests, and why.

    Its first run needs no edit: ml-assets run NAME --source FILE. Nothing is written over.
    """
    from ml_assets.cli.new import new_problem, print_new
    from ml_assets.scaffold import Asked

    asked = Asked(
        name=name, file=csv, target=target, time=time, positive=positive, date_style=dates
    )
    print_new(new_problem(asked, to, dry_run=dry_run), as_json=json)


@app.command()
def run(
    problem: ProblemArgument,
    *,
    source: Annotated[
        Path | None,
        typer.Option(help="File or folder: CSV, JSON lines or Parquet. It is remembered."),
    ] = None,
    first: Annotated[
        str | None, typer.Option("--from", help="First partition, such as 2015-03.")
    ] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last partition, included.")] = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Fit a new model even when nothing has changed.")
    ] = False,
    report: Annotated[
        bool,
        typer.Option(
            "--report", help="Analyse the version that comes of it, and write its report."
        ),
    ] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Take a source through the whole chain: gates, features, training, metrics, promotion.

    Runs through Dagster, so that `ml-assets ui` shows it. A second run does only what changed.
    With --report the new version is analysed as well; otherwise the first `ml-assets report` does.

    Exit code 3: done, but partitions or files were refused; the list says which and why.
    """
    from ml_assets.cli.chain import Asked, run_chain
    from ml_assets.cli.chain_report import print_outcome
    from ml_assets.storage import Home

    asked = Asked(source=source, first=first, last=last, retrain=retrain, report=report)
    outcome = run_chain(problem, Home.open(home), asked, quiet=json)
    print_outcome(outcome, as_json=json, with_report=report)
    raise typer.Exit(outcome.exit_code)


@app.command()
def sources(
    problem: ProblemArgument,
    add: Annotated[
        str | None,
        typer.Argument(metavar="[add]", help="Draft the mapping of another source."),
    ] = None,
    file: Annotated[Path | None, typer.Argument(help="With add: a file of the source.")] = None,
    *,
    name: Annotated[
        str | None, typer.Option(help="With add: lower-case letters, digits and _.")
    ] = None,
    rules: Annotated[
        bool, typer.Option("--rules", help="What each rule of every mapping did, too.")
    ] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Show the sources of a problem: rows in = canonical + merged + quarantined, for each.

    A source is a mapping file in the problem's folder. `ml-assets sources homes add FILE --name NAME`
    drafts one: names, types, date formats and units are guessed, for a person to correct.
    """
    from ml_assets.cli.sources import draft_source, print_drafted, print_sources, sources_facts
    from ml_assets.problem import problem_named
    from ml_assets.storage import Home

    declared = problem_named(problem)
    if add is None:
        facts = sources_facts(declared, Home.open(home))
        print_sources(facts, as_json=json, rules=rules)
        return
    if add != "add" or file is None or name is None:
        raise typer.BadParameter(
            f"to add a source: ml-assets sources {problem} add FILE --name NAME"
        )
    print_drafted(problem, file, draft_source(declared, file, name), as_json=json)


@app.command()
def status(*, home: HomeOption = None, json: JsonOption = False) -> None:
    """Show where every problem stands: tables, stale and refused partitions, champion."""
    from ml_assets.cli.clock import now
    from ml_assets.cli.status import print_status
    from ml_assets.cli.status import status as read_status
    from ml_assets.storage import Home

    print_status(read_status(Home.open(home), now=now()), as_json=json)


@app.command()
def verdict(
    problem: ProblemArgument,
    partition: Annotated[str, typer.Argument(help="Key of a partition, such as 2015-03.")],
    *,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Say why a partition was admitted or refused, and show rows that were quarantined."""
    from ml_assets.cli.verdict import print_verdict, verdict_facts
    from ml_assets.storage import Home

    print_verdict(verdict_facts(problem, partition, Home.open(home)), as_json=json)


@app.command()
def models(
    problem: ProblemArgument, *, home: HomeOption = None, json: JsonOption = False
) -> None:
    """List the model versions of a problem, newest first."""
    from ml_assets.cli.models import print_versions, version_facts
    from ml_assets.storage import Home

    print_versions(problem, version_facts(problem, Home.open(home)), as_json=json)


@app.command()
def releases(
    problem: ProblemArgument, *, home: HomeOption = None, json: JsonOption = False
) -> None:
    """Show which version answered from when, who moved it, and why."""
    from ml_assets.cli.models import print_releases, release_facts
    from ml_assets.storage import Home

    print_releases(problem, release_facts(problem, Home.open(home)), as_json=json)


@app.command()
def promote(
    problem: ProblemArgument,
    version: Annotated[str, typer.Argument(help="Id or number of a model version.")],
    *,
    reason: Annotated[
        str | None, typer.Option(help="Release it whatever the gate says; kept for ever.")
    ] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Consider a version for promotion. Exit code 1 when it does not answer afterwards."""
    from ml_assets.cli.clock import who
    from ml_assets.cli.models import promote as consider
    from ml_assets.cli.printing import print_json, say
    from ml_assets.storage import Home

    decision = consider(problem, Home.open(home), version, reason=reason, who=who())
    print_json(decision) if json else say(decision.message)
    raise typer.Exit(0 if decision.answers else 1)


@release.command("check")
def check_release(
    problem: ProblemArgument,
    version: ChallengerArgument = None,
    *,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """List what a release needs, with the evidence, and change nothing.

    What is needed is promotion.needs in config.yaml. Exit code 1 where something keeps it back.
    """
    from ml_assets.cli.release import print_release, release_facts
    from ml_assets.storage import Home

    found = release_facts(problem, Home.open(home), version)
    print_release(found, as_json=json)
    raise typer.Exit(0 if found.ready else 1)


@release.command("approve")
def approve_release(
    problem: ProblemArgument,
    version: ChallengerArgument = None,
    *,
    why: WhyOption,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Say yes to exactly this bundle, and consider its release at once.

    A changed bundle needs a new yes. Exit code 1 when it does not answer afterwards.
    """
    from ml_assets.cli.release import print_said, say_yes_or_no
    from ml_assets.storage import Home

    said = say_yes_or_no(problem, Home.open(home), version, approved=True, why=why)
    print_said(said, as_json=json)
    raise typer.Exit(0 if said.decision and said.decision.answers else 1)


@release.command("reject")
def refuse_release(
    problem: ProblemArgument,
    version: ChallengerArgument = None,
    *,
    why: WhyOption,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Say no to exactly this bundle: it is not released, whatever the policy."""
    from ml_assets.cli.release import print_said, say_yes_or_no
    from ml_assets.storage import Home

    said = say_yes_or_no(problem, Home.open(home), version, approved=False, why=why)
    print_said(said, as_json=json)


@app.command()
def analyse(
    problem: ProblemArgument,
    *,
    version: VersionOption = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="Slice by a column, or by several together: state*product. Give it often."
        ),
    ] = None,
    section: Annotated[
        list[str] | None,
        typer.Option(
            help="metrics, threshold, slices, fairness, importance or learning; all by default."
        ),
    ] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Say how good a model is, where, for whom, and what it depends on.

    Measured on its test rows, with intervals; the result is kept, and a second look is quick.
    Slices are corrected for how many are looked at; --by looks at others than config.yaml says.
    """
    from ml_assets.cli.analysis import print_analysis, print_scan, read_analysis, read_scan
    from ml_assets.cli.clock import now
    from ml_assets.storage import Home

    opened = Home.open(home)
    if by:
        print_scan(read_scan(problem, opened, version, by), as_json=json)
    else:
        found = read_analysis(problem, opened, version, now=now())
        print_analysis(found, section or [], as_json=json)


@app.command()
def report(
    problem: ProblemArgument,
    *,
    version: VersionOption = None,
    to: Annotated[
        Path | None,
        typer.Option(help="HTML file to write. Default: in the home's folder reports."),
    ] = None,
    open_it: Annotated[
        bool, typer.Option("--open", help="Show it in the browser of this machine.")
    ] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Write what a model is worth as one HTML file: model card, metrics, slices, decisions.

    The file needs no network, follows light and dark, and prints. What `analyse` measured is read;
    a version that was never analysed is analysed first.
    """
    from ml_assets.cli.clock import now
    from ml_assets.cli.report import give_report, read_report
    from ml_assets.storage import Home

    opened = Home.open(home)
    found = read_report(problem, opened, version, now=now())
    give_report(opened, found, to=to, is_opened=open_it, as_json=json)


@app.command()
def whatif(
    problem: ProblemArgument,
    *,
    row: Annotated[
        Path | None, typer.Option(help="File with one row as JSON; - reads standard input.")
    ] = None,
    prediction: Annotated[
        str | None, typer.Option(help="Id of a prediction: its row, and the version it had.")
    ] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="field=value; give it often.")
    ] = None,
    nearest: Annotated[
        bool, typer.Option("--nearest", help="Find the smallest change that turns the answer.")
    ] = False,
    field: Annotated[
        list[str] | None, typer.Option(help="That --nearest may change; by default any.")
    ] = None,
    target: Annotated[
        float | None, typer.Option(help="Answer to be passed; by default the threshold.")
    ] = None,
    version: VersionOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Change fields of a row or of a served prediction, and see what the model says then.

    Exit code 3: --nearest found no change that turns the answer.
    """
    from ml_assets.cli.what_if import Asked, print_answer, read_answer
    from ml_assets.storage import Home

    asked = Asked(
        row=row,
        prediction=prediction,
        changes=tuple(change or ()),
        nearest=nearest,
        fields=tuple(field) if field else None,
        target=target,
        version=version,
    )
    answer = read_answer(problem, Home.open(home), asked)
    print_answer(problem, answer, as_json=json)
    raise typer.Exit(answer.exit_code)


@app.command()
def rollback(
    problem: ProblemArgument,
    *,
    why: Annotated[str, typer.Option(help="What goes into the release log.")],
    to: Annotated[
        str | None, typer.Option(help="A version that answered once; by default the last one.")
    ] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Let the version answer again that answered before, once it has shown that it can."""
    from ml_assets.cli.clock import now, who
    from ml_assets.cli.models import roll_back
    from ml_assets.cli.printing import print_json, say
    from ml_assets.storage import Home

    release = roll_back(problem, Home.open(home), to=to, why=why, who=who(), now=now())
    if json:
        print_json(release)
    else:
        say(f"{release.to_version} answers again (it was {release.from_version}).")


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="Every table of the lake is problem.table.")],
    *,
    csv: Annotated[bool, typer.Option("--csv", help="Print every row as CSV.")] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Ask the lake in SQL (DuckDB), such as: select * from complaints.validated limit 5."""
    from ml_assets.cli.queries import ask, print_answer
    from ml_assets.storage import Home

    print_answer(ask(Home.open(home).lake, query), as_json=json, as_csv=csv)


@app.command()
def compare(
    a: Annotated[
        str,
        typer.Argument(help="complaints/validated@2015-03, complaints/validated, or a model."),
    ],
    b: Annotated[str, typer.Argument(help="What to compare it with.")],
    *,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Show what differs between two partitions, tables or model versions, largest first."""
    from ml_assets.cli.comparing import compare_anything, print_differences
    from ml_assets.storage import Home

    print_differences(a, b, compare_anything(Home.open(home), a, b), as_json=json)


@app.command()
def tune(
    problem: ProblemArgument,
    *,
    trials: Annotated[
        int | None,
        typer.Option(min=1, help="How many the study has in the end. Default: tuning.trials."),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Trials at once. Default: tuning.processes."),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            help="No trial begins after so many minutes. Default: as config.yaml says."
        ),
    ] = None,
    only_list: Annotated[
        bool, typer.Option("--list", help="Run nothing; show what was tried so far.")
    ] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Search for better hyperparameters, in the space that `tuning` in config.yaml declares.

    Trials are measured on train and validation rows only, and kept: run it again after Ctrl-C, a
    crash or with more --trials, and it goes on where it was. The same study gives the same trials
    in any number of processes. `training.hyperparameters: tuned` lets the best trial make the model.
    """
    from ml_assets.cli.tuning import Asked, print_studies, print_tuned, run_tuning, study_facts
    from ml_assets.storage import Home

    opened = Home.open(home)
    if only_list:
        print_studies(problem, study_facts(problem, opened), as_json=json)
        return
    asked = Asked(trials=trials, processes=processes, timeout_minutes=timeout)
    print_tuned(run_tuning(problem, opened, asked, quiet=json), as_json=json)


@app.command()
def serve(
    problems: Annotated[
        list[str] | None, typer.Argument(help="Which problems; by default every one.")
    ] = None,
    *,
    host: Annotated[
        str, typer.Option(help="Address to listen on. Beyond this machine, keys are needed.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes any that is free.")] = 8080,
    grpc_port: Annotated[
        int | None,
        typer.Option(help="Answer the Open Inference Protocol over gRPC too, on this port."),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(min=1, max=64, help="Processes on the port; one that dies is replaced."),
    ] = 1,
    keys: Annotated[
        bool, typer.Option("--keys", help="Ask for API keys on this machine too.")
    ] = False,
    durable: Annotated[
        bool,
        typer.Option(
            "--durable",
            help="Answer once the disk has the prediction log: outlives a power cut.",
        ),
    ] = False,
    home: HomeOption = None,
) -> None:
    """Answer requests by HTTP, each with the champion of its problem.

    Follows the champion: a release answers within two seconds, without a request being dropped.
    Every answer has an id and is in the prediction log before the client has it; feedback goes by
    the id. /docs describes every path, /metrics is for Prometheus.

    Ctrl-C or SIGTERM ends it once the requests under way are answered.
    """
    from ml_assets.cli.clock import now
    from ml_assets.cli.serve import run_service
    from ml_assets.serving.server import Settings

    run_service(
        Settings(
            clock=now,
            home=home,
            problems=tuple(problems or ()),
            host=host,
            port=port,
            grpc_port=grpc_port,
            workers=workers,
            with_keys=keys,
            durable=durable,
        )
    )


@keys.command("add")
def add_key(
    name: Annotated[str, typer.Argument(help="Whose it is, such as web-shop.")],
    *,
    role: Annotated[
        list[str],
        typer.Option(help="predict, feedback, review or admin (everything); give it often."),
    ],
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Make a key. It is shown once: the store keeps a hash of it."""
    from ml_assets.cli.clock import now
    from ml_assets.cli.keys import print_key
    from ml_assets.serving.keys import make_key
    from ml_assets.storage import Home

    print_key(name, role, make_key(Home.open(home), name, role, now=now()), as_json=json)


@keys.command("list")
def list_keys(*, home: HomeOption = None, json: JsonOption = False) -> None:
    """List every key that was made, with its roles and whether it was revoked."""
    from ml_assets.cli.keys import print_keys
    from ml_assets.serving.keys import key_records
    from ml_assets.storage import Home

    print_keys(key_records(Home.open(home)), as_json=json)


@keys.command("revoke")
def revoke_key(
    name: Annotated[str, typer.Argument(help="Every key of this name.")],
    *,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Revoke the keys of a name; a running service refuses them within a second."""
    from ml_assets.cli.clock import now
    from ml_assets.cli.keys import print_revoked
    from ml_assets.serving.keys import revoke_keys
    from ml_assets.storage import Home

    print_revoked(name, revoke_keys(Home.open(home), name, now=now()), as_json=json)


@app.command()
def feedback(
    problem: ProblemArgument,
    file: Annotated[
        Path, typer.Argument(help="CSV with a header, JSON lines, a JSON array, or Parquet.")
    ],
    *,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Record what came of predictions, from a file.

    A line has prediction_id and one of label, correction, rating or event; perhaps at (ISO 8601)
    and event_id. The same file twice changes nothing.

    Exit code 3: some lines were refused, with their reasons, and the others taken; 1: all were.
    """
    from ml_assets.cli.feedback import exit_code, give_feedback, print_receipt
    from ml_assets.storage import Home

    receipt = give_feedback(problem, Home.open(home), file)
    print_receipt(file, receipt, as_json=json)
    raise typer.Exit(exit_code(receipt))


@app.command()
def package(
    problem: ProblemArgument,
    *,
    to: Annotated[Path, typer.Option(help="Folder to write; must not exist yet.")],
    version: VersionOption = None,
    lock: Annotated[
        Path | None,
        typer.Option(
            help="A lock with hashes, such as requirements.lock, for the package's own."
        ),
    ] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Write a model with its code, libraries and server as a folder that runs elsewhere.

    The folder's README.md says how to install, serve and embed it.
    """
    from ml_assets.cli.packaging import package as write
    from ml_assets.cli.packaging import print_package
    from ml_assets.storage import Home

    made = write(problem, Home.open(home), version, to, lock=lock)
    print_package(made, as_json=json)


@app.command()
def export(
    problem: ProblemArgument,
    *,
    onnx: Annotated[Path, typer.Option(help="File to write.")],
    version: VersionOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Write a model as ONNX, if there it answers 1,000 rows of the lake as it does here.

    Otherwise nothing is written, and the step is named that differs or has no equal in ONNX.
    """
    from ml_assets.cli.packaging import export as write
    from ml_assets.cli.packaging import print_proof
    from ml_assets.storage import Home

    print_proof(onnx, write(problem, Home.open(home), version, onnx), as_json=json)


@app.command()
def ui(
    *,
    port: Annotated[int, typer.Option(help="Of Dagster, on 127.0.0.1.")] = 3000,
    service_port: Annotated[
        int, typer.Option(help="Of the prediction service, on 127.0.0.1; 0 takes any.")
    ] = 8080,
    service: Annotated[
        bool,
        typer.Option("--service/--no-service", help="Run the prediction service beside it."),
    ] = True,
    home: HomeOption = None,
) -> None:
    """Open Dagster in the browser: materialize, backfill, read checks, turn sensors on.

    The prediction service runs beside it and answers as soon as there is a champion.
    """
    from ml_assets.cli.ui import open_ui
    from ml_assets.storage import Home

    open_ui(Home.open(home), port, service_port=service_port if service else None)


@app.command()
def demo(*, home: HomeOption = None, json: JsonOption = False) -> None:
    """Run the complaints problem end to end on generated data with planted faults.

    Then serve it, send requests and their feedback, and let the sensor retrain and release.

    Exit code 0 only if every fault was caught and the loop closed.
    """
    from ml_assets.demo import print_demo, run_demo
    from ml_assets.storage import Home

    outcome = run_demo(Home.open(home), quiet=json)
    print_demo(outcome, as_json=json)
    raise typer.Exit(0 if outcome.all_held else 1)
