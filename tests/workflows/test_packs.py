"""Which face models a harvest takes where none are named: a dataset's own, so that nothing is harvested over again."""

from pathlib import Path

import pytest

from harvest.corpus import Movie
from harvest.dataset.read import Dataset
from harvest.errors import ModelsError
from harvest.faces import Pack
from tests.harvest import small_dataset
from tests.workflows.conftest import Harvested, digests
from tests.workflows.test_harvest import run_lightly
from workflows.config import RunConfig, load_config
from workflows.console import err
from workflows.corpus.dry_run import plan_corpus
from workflows.corpus.run import Choice
from workflows.corpus.session import open_session
from workflows.harvest import packs
from workflows.harvest.packs import pack_for
from workflows.harvest.plan import HarvestPlan, MovieState
from workflows.harvest.run import _tell_of_other_packs, tell_of_own_pack
from workflows.journal.writer import JournalWriter


def test_a_dataset_is_not_harvested_over_again_where_no_pack_is_named(harvested: Harvested, tmp_path: Path) -> None:
    root = harvested.copy(tmp_path)
    before = digests(root)
    assert "1 unchanged" in run_lightly("harvest", harvested.corpus, "-d", root)
    assert digests(root) == before
    named, pack = pack_for(None, str(root))
    assert (named, pack.name) == (str(harvested.models), "scrfd25_mbf"), "from where the journal says it lies"


def test_a_corpus_kept_up_to_date_goes_on_with_the_pack_of_its_dataset_where_none_is_named(
    harvested: Harvested, tmp_path: Path
) -> None:
    root = harvested.copy(tmp_path)
    config = load_config(None, [f"corpus.movies={harvested.corpus}", f"corpus.dataset={root}"])
    estimate, _ = plan_corpus(config, Choice())
    assert (estimate.movies, estimate.unchanged) == (0, 1)
    with open_session(config) as session:
        assert (session.models, session.pack.name) == (str(harvested.models), "scrfd25_mbf")
    for journal in (root / "_runs").glob("*.json"):
        journal.unlink()
    with pytest.raises(ModelsError, match=r"not found here; .* corpus --set corpus\.models=PACK"):
        plan_corpus(config, Choice())


def test_a_pack_that_is_not_here_any_more_is_refused_and_not_replaced_by_another(
    harvested: Harvested, tmp_path: Path
) -> None:
    root = harvested.copy(tmp_path)
    for journal in (root / "_runs").glob("*.json"):
        journal.unlink()
    with pytest.raises(ModelsError, match=r"was harvested with scrfd25_mbf, which was not found here; .*--models PACK"):
        pack_for(None, str(root))
    assert pack_for(str(harvested.models), str(root))[1].name == "scrfd25_mbf"


@pytest.mark.parametrize("there", [False, True], ids=["no dataset yet", "one of imported tracks alone"])
def test_where_nothing_was_harvested_yet_it_is_the_one_that_needs_nothing_fetched(
    tmp_path: Path, there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if there:
        small_dataset.make(tmp_path / "dataset")
    bundled = Pack("bundled", "bundled", (), "hash", 0.07)
    monkeypatch.setattr(packs, "find_pack", lambda name, fetch: {"bundled": bundled}[name])
    assert pack_for(None, str(tmp_path / "dataset")) == ("bundled", bundled)
    assert (tmp_path / "dataset").exists() == there, "looking for it makes nothing"


def test_what_another_pack_costs_is_told() -> None:
    plan = HarvestPlan({"m": MovieState(Movie("m", "m.mp4"), other_pack="bundled")})
    with err.capture() as said:
        _tell_of_other_packs(plan, Pack("buffalo_l", "insightface", (), "hash", 0.5))
    told = "1 movie of this dataset harvested with bundled: all over again with buffalo_l, which ends their clusterings"
    assert said.get().startswith(told)


def test_the_pack_is_told_where_none_was_named_and_so_is_that_of_a_run_that_was_cut_short(tmp_path: Path) -> None:
    dataset, plan = Dataset.create(str(tmp_path)), HarvestPlan({"m": MovieState(Movie("m", "m.mp4"))})
    bundled = Pack("bundled", "bundled", (), "hash", 0.07)

    def told(models: str | None = None, plan: HarvestPlan = plan) -> str:
        with err.capture() as said:
            tell_of_own_pack(models, "bundled", plan, bundled, dataset)
        return said.get()

    assert told() == "models: bundled\n"
    assert told("bundled") == told(plan=HarvestPlan({})) == ""
    with (
        pytest.raises(KeyboardInterrupt),
        JournalWriter(dataset.store, "harvest", "films", "packs/scrfd25_mbf", RunConfig(), ""),
    ):
        raise KeyboardInterrupt
    cut_short = "; the run before, which did not end well, had packs/scrfd25_mbf: name that to go on with it\n"
    assert told() == f"models: bundled{cut_short}"
