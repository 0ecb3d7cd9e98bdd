"""A person's yes or no to a challenger, given by launching a job in Dagster."""

import dagster as dg

from ml_assets.defs.resources import HomeResource, utc_now
from ml_assets.problem import Declared


class Approval(dg.Config):
    """What a person says of a challenger.

    Attributes:
        who: Says so.
        why: They do; it stays in the log.
        approved: Yes, or no.
        version: Id or number; by default the newest version.
    """

    who: str
    why: str
    approved: bool = True
    version: str | None = None


def approve_job(declared: Declared) -> dg.JobDefinition:
    """The job that records a yes or no to exactly one bundle, and considers its release."""

    @dg.op(
        name=f"{declared.name}__approve",
        out=dg.Out(dg.Nothing),
        description="Records the answer; after a yes the release is considered at once.",
    )
    def approve(context: dg.OpExecutionContext, home: HomeResource, config: Approval) -> None:
        from ml_assets.registry import version_or_newest
        from ml_assets.serving.releasing import decide_by_person

        problem, opened = declared.load(), home.open()
        version = version_or_newest(problem, opened, config.version)
        decision = decide_by_person(
            problem,
            opened,
            version,
            approved=config.approved,
            clock=utc_now,
            who=config.who,
            why=config.why,
            run_id=context.run_id,
        )
        context.log.info(decision.message if decision else f"{version.version} was rejected.")
        if decision is not None and not decision.answers:
            raise dg.Failure(decision.message, allow_retries=False)

    @dg.job(
        name=f"{declared.name}_approve",
        description="A person's yes or no to a challenger: say who you are and why in the "
        "launchpad. It holds for exactly that bundle.",
    )
    def job() -> None:
        approve()

    return job
