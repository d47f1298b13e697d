"""The closed form on a mined corpus: faces centred by their quality, mined again as they then are, solved once.

It is fitted to the training movies and checked on those held out; then, as a rule, fitted anew to all of them.
"""

from collections.abc import Sequence
from dataclasses import replace

from train.centring import FaceCentring, fit_centring
from train.subspace import Subspace, fit_subspace, refuse_too_little
from workflows.train.corpus import Corpus, Learned
from workflows.train.refusal import telling_sides

UNTOLD = "the raw embeddings of all faces are of one length, which tells no quality, so faces are not centred by it"
"""The note on a card of a pack or a release that stores unit vectors."""


def solve(corpus: Corpus) -> Learned:
    """Fit to the training movies, and measure all movies by it.

    Raises TooLittleDataError on fewer tracks or movies than `config.subspace` asks for.
    """
    with telling_sides(corpus.split, len(corpus.records)):
        refuse_too_little(corpus.total(corpus.base, corpus.split.train).sums, corpus.config.subspace)
    subspace = solve_for(corpus, corpus.split.train)
    untold = corpus.config.centring.degree is not None and subspace.centring is None
    return Learned(subspace, corpus.measure(subspace), notes=(UNTOLD,) if untold else ())


def solve_for(corpus: Corpus, movies: Sequence[str]) -> Subspace:
    """The closed form of these movies, by movie_id, in their order, which decides the last bits of the sums."""
    centring = _centring(corpus, movies)
    measured = corpus.measure(centring=centring) if centring else corpus.base
    return replace(fit_subspace(corpus.total(measured, movies).sums, corpus.config.subspace), centring=centring)


def _centring(corpus: Corpus, movies: Sequence[str]) -> FaceCentring | None:
    if corpus.config.centring.degree is None:
        return None
    faces = corpus.total(corpus.base, movies).faces
    assert faces is not None, "the base is measured with the sums of its faces"
    return fit_centring(faces, corpus.config.centring)
