"""Other tasks' results in a command: they are read, recorded in the run folder, and given to the strategy's models."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from seminas.config.build import TARGET, read
from seminas.config.evaluators import TableSettings
from seminas.config.schema import BY_TARGET
from seminas.config.strategies import TransferSettings
from seminas.errors import UserError, config_error
from seminas.storage.values import Config

if TYPE_CHECKING:
    from seminas.runs.folder import RunFolder
    from seminas.transfer.record import Source


def sources_of(config: Config, folder: "RunFolder", space: Any) -> "list[Source]":
    """Return the sources of a search. A search that has begun keeps its recorded sources.

    Args:
        config: Checked config.
        folder: Run folder of the search.
        space: Whole space.

    Raises:
        UserError: A source cannot be used, or it has changed since the search began.
    """
    settings = _settings(config)
    if settings is None or not settings.transfer_from:
        return []
    if config.get("proxies") is not None:
        raise config_error("strategy.transfer_from", settings.transfer_from, "null with proxies")
    from seminas.transfer.record import recorded_sources
    from seminas.transfer.sources import read_sources

    own, recorded = _own_columns(config, space), recorded_sources(folder.path)
    if recorded is None:
        return read_sources(settings.transfer_from, space, own)
    for name in settings.transfer_from:
        before = [s.fingerprint for s in recorded if s.name == name or s.name.startswith(f"{name}/")]
        gone = ":" not in name and "/" in name and not Path(name).expanduser().exists()
        if not gone and [s.fingerprint for s in read_sources([name], space, own)] != before:
            raise UserError(
                f"strategy.transfer_from={name}: has changed since {folder} began; choose another hydra.run.dir"
            )
    return recorded


def with_sources(config: Config, sources: "list[Source]", space: Any, candidates: Any) -> Any:
    """Return the candidates with the sources as descriptors, or as they are without sources."""
    settings = _settings(config)
    if settings is None or not sources:
        return candidates
    from seminas.transfer.descriptor import TransferDescriptor

    model = settings.transfer_model is not False
    return candidates.described(TransferDescriptor(sources, space, settings.transfer_first, model))


def _settings(config: Config) -> TransferSettings | None:
    """Return the settings of the strategy, if it can begin from other tasks."""
    section = config["strategy"]
    kind = BY_TARGET.get(str(section.get(TARGET)))
    return (
        read(section, "strategy", kind) if kind is not None and issubclass(kind, TransferSettings) else None
    )


def _own_columns(config: Config, space: Any) -> Any:
    """Return the table of the search and its columns of accuracies of the same task, or None without a table."""
    if BY_TARGET.get(str(config["evaluator"].get(TARGET))) is not TableSettings:
        return None
    from seminas.tables import find_table
    from seminas.tables.table import load_table

    settings: TableSettings = read(config["evaluator"], "evaluator", TableSettings)
    table = load_table(find_table(settings.path), space)
    columns = [table.column("val", settings.val), table.column("test", settings.test)]
    # Accuracies after fewer epochs are of the same task, too.
    return table, [*(column for column in columns if column is not None), *table.fidelities.values()]
