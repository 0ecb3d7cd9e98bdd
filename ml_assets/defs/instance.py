"""Dagster's own home: run history, schedules and logs, inside the home of the deployment.

Written once and never overwritten, so that a deployment may edit its `dagster.yaml`. Imports no
dagster, because whoever starts `dagster dev` need not load it first.
"""

from pathlib import Path

SETTINGS = """\
# Dagster's settings for this home. Written once; edit it as you like.
telemetry: {{enabled: false}}
nux: {{enabled: false}}

# One file for all events, so that several processes may write at once; each keeps it open.
event_log_storage:
  module: ml_assets.defs.history
  class: Events
  config: {{base_dir: "{folder}/history"}}
run_storage:
  module: ml_assets.defs.history
  class: Runs
  config: {{base_dir: "{folder}/history"}}
schedule_storage:
  module: dagster._core.storage.schedules
  class: SqliteScheduleStorage
  config: {{base_dir: "{folder}/schedules"}}
local_artifact_storage:
  module: dagster._core.storage.root
  class: LocalArtifactStorage
  config: {{base_dir: "{folder}/storage"}}
compute_logs:
  module: dagster._core.storage.local_compute_log_manager
  class: LocalComputeLogManager
  config: {{base_dir: "{folder}/logs"}}

# One run of a problem at a time: a second one would only wait for the same tables.
run_queue: {{dequeue_interval_seconds: 1}}
concurrency:
  runs: {{max_concurrent_runs: 2}}
  pools: {{granularity: run, default_limit: 1}}

# A run whose process died is found and started again. A run that failed is not: what a gate
# refused once it refuses again.
run_monitoring:
  enabled: true
  start_timeout_seconds: 180
  max_runtime_seconds: 86400
  poll_interval_seconds: 30
run_retries:
  enabled: true
  max_retries: 2
  retry_on_asset_or_op_failure: false
"""


WORKSPACE = """\
load_from:
  - python_module:
      module_name: ml_assets.definitions
      location_name: ml_assets
"""


def dagster_home(home: Path) -> Path:
    """Return Dagster's folder inside `home`, with its settings written where they are missing."""
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    _write_once(folder / "dagster.yaml", SETTINGS.format(folder=folder.as_posix()))
    _write_once(folder / "workspace.yaml", WORKSPACE)
    return folder


def _write_once(path: Path, text: str) -> None:
    if not path.exists():
        path.write_text(text, encoding="utf-8")
