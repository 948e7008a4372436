"""Questions to a strategy: store new ones, and give a new strategy the recorded ones."""

from typing import Any

from seminas.errors import UserError
from seminas.loop.proposals import Asked, Proposals, Result
from seminas.runs.archive import Archive
from seminas.runs.records import ASKED, Question, Record
from seminas.spaces.base import SearchSpace
from seminas.spaces.rungs import Rung, plain
from seminas.strategies.base import Strategy


def store_question(archive: Archive, space: SearchSpace[Any], asked: Asked, asked_s: float) -> Question:
    """Store a question in the archive, and return it.

    Args:
        archive: Archive of the search.
        space: Space of the candidates.
        asked: Proposal of the strategy.
        asked_s: Time since the start of the search, in seconds.

    Raises:
        UserError: The question cannot be written.
    """
    question = Question(
        number=len(archive.questions),
        architecture=space.to_json(plain(asked.architecture)),
        key=space.key(plain(asked.architecture)),
        known=asked.known,
        asked_s=asked_s,
        prediction=None if asked.prediction is None else archive.metric.score(asked.prediction),
        origin=asked.origin,
        epochs=rung.epochs if isinstance(rung := asked.architecture, Rung) else None,
        trained=rung.trained if isinstance(rung, Rung) else None,
    )
    archive.ask(question)
    return question


def replay(
    archive: Archive, space: SearchSpace[Any], strategy: Strategy[Any], proposals: Proposals, refusal: str
) -> list[Any]:
    """Give a new strategy the imported scores, and the recorded questions and scores in their order.

    Args:
        archive: Archive of the search.
        space: Space of the candidates.
        strategy: The strategy. ``start`` has been called.
        proposals: Proposals of the strategy.
        refusal: End of the error message if the questions are of another search.

    Returns:
        The architecture of each question.

    Raises:
        UserError: The strategy would not ask the first recorded question, for example because the seed is another one.
    """
    imported = [element_of(space, record) for record in archive.imported]
    strategy.receive_further(imported, [record.metrics for record in archive.imported])
    strategy.tell(imported, archive.scores(archive.imported))
    if archive.questions:
        asked = strategy.ask(1).architectures
        if not asked or space.key(plain(asked[0])) != archive.questions[0].key:
            raise UserError(f"{archive.folder}: its {ASKED} is not of {refusal}")
    told = [element_of(space, record) for record in archive.records]
    further = [record.metrics for record in archive.records]
    results: list[Result] = list(zip(told, archive.scores(archive.records), further, strict=True))
    architectures = [element_of(space, question) for question in archive.questions]
    known = 0
    for question, architecture in zip(archive.questions, architectures, strict=True):
        proposals.replay(architecture, results[known : question.known])
        known = question.known
    for result in results[known:]:
        proposals.tell(*result)
    return architectures


def element_of(space: SearchSpace[Any], line: Question | Record) -> Any:
    """Return the architecture of a line, or its rung if the line has a number of epochs.

    All epochs of an imported evaluation were trained elsewhere, so the rung costs nothing.
    """
    architecture = space.from_json(line.architecture)
    if line.epochs is None:
        return architecture
    if isinstance(line, Question):
        return Rung(architecture, line.epochs, line.trained or 0)
    return Rung(architecture, line.epochs, line.epochs if line.index < 0 else 0)
