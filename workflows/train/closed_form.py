"""The closed form on a mined corpus: faces centred by their quality, mined again as they then are, solved once."""

from dataclasses import replace

from train.centring import FaceCentring, fit_centring
from train.subspace import fit_subspace, refuse_too_little
from workflows.train.corpus import Corpus, Learned

UNTOLD = "the raw embeddings of all faces are of one length, which tells no quality, so faces are not centred by it"
"""The note on a card of a pack or a release that stores unit vectors."""


def solve(corpus: Corpus) -> Learned:
    """Raises TooLittleDataError on fewer tracks or movies than `config.subspace` asks for."""
    base = corpus.total(corpus.base, corpus.split.train).sums
    refuse_too_little(base, corpus.config.subspace)
    centring = _centring(corpus)
    if centring:
        base = corpus.total(corpus.measure(centring=centring), corpus.split.train).sums
    subspace = replace(fit_subspace(base, corpus.config.subspace), centring=centring)
    untold = corpus.config.centring.degree is not None and centring is None
    return Learned(subspace, corpus.measure(subspace), notes=(UNTOLD,) if untold else ())


def _centring(corpus: Corpus) -> FaceCentring | None:
    if corpus.config.centring.degree is None:
        return None
    faces = corpus.total(corpus.base, corpus.split.train).faces
    assert faces is not None, "the base is measured with the sums of its faces"
    return fit_centring(faces, corpus.config.centring)
