"""The commands that make lost shards again, as far as journals and records tell which those were."""

from collections import defaultdict
from collections.abc import Iterable
from shlex import quote

from harvest.dataset.lost_shards import LostShard
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord
from workflows.corpus.clustering import stage_name
from workflows.corpus.config import ClusteringConfig
from workflows.corpus.notes import read_note
from workflows.journal.records import Journal, read_journals
from workflows.journal.retry import ONLY_FAILED, for_movies
from workflows.tracks_import import FORMATS

NO_COMMAND = {
    "tracklets": "tracklets: castmine train, with the options of then, mines them again",
    "adaptations": "adaptations: nothing to do, the next clustering that needs one fits it again",
}
"""What is said of derived shards whose command nothing has kept."""


def again(dataset: Dataset, lost: Iterable[LostShard]) -> list[str]:
    """A step for each of what was lost, in their order. To be asked before the records are taken back."""
    lost = list(lost)
    movies = {movie.movie_id: movie for movie in dataset.records()}
    journals = list(read_journals(dataset.store))
    steps = [_of_movie(dataset, movies[each.movie_id], journals) for each in lost if not each.run]
    clusters = [each for each in lost if each.table == "clusters" and each.movie_id in movies]
    steps += _of_clusters(dataset, clusters, journals)
    steps += [said for table, said in NO_COMMAND.items() if any(each.table == table for each in lost)]
    return list(dict.fromkeys(steps))


def _of_movie(dataset: Dataset, movie: MovieRecord, journals: list[Journal]) -> str:
    """The import, or the command of the run that harvested the movie last."""
    root, facts = quote(dataset.root), movie.facts
    if facts.corpus is None:
        forms = {models: form for form, (models, _) in FORMATS.items()}
        form = forms.get(movie.models.rpartition("-")[0], "FORMAT")
        return f"castmine import {form} {quote(facts.uri)} --dataset {root}"
    for journal in journals:
        progress = journal.movies.get(movie.movie_id)
        if journal.retry and progress and progress.state == "done":
            return _whole(journal, root)
    known = f"castmine harvest {quote(facts.corpus)} --dataset {root} --models {quote(movie.models)}"
    return f"{known}, with the pack and the settings of then: no journal tells them any more"


def _of_clusters(dataset: Dataset, lost: list[LostShard], journals: list[Journal]) -> list[str]:
    """For each run the corpus's own command, where it keeps that clustering, else what its record notes."""
    root, steps = quote(dataset.root), list[str]()
    scheduled = next((journal for journal in journals if journal.command == "corpus" and journal.retry), None)
    commands: defaultdict[str, list[str]] = defaultdict(list)
    for each in lost:
        record = dataset.derived_record("clusters", each.run, each.movie_id)
        if scheduled and read_note(dataset.store, stage_name(ClusteringConfig(run=each.run))):
            steps.append(_whole(scheduled, root))
        elif record and "retry" in record.notes:
            commands[record.notes["retry"].replace("--dataset DIR", f"--dataset {root}")].append(each.movie_id)
        else:
            steps.append(f"castmine cluster --dataset {root} --run {quote(each.run)}, with the options of then")
    return steps + [for_movies(command, names) for command, names in commands.items()]


def _whole(journal: Journal, root: str) -> str:
    """The command of a run, for all that is not there."""
    return journal.retry.removesuffix(ONLY_FAILED).replace("--dataset DIR", f"--dataset {root}")
