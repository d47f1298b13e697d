"""The numbers of the losses, a section each. † marks a choice of ours where the papers give none."""

from pydantic import Field

from harvest.config import Section


class MvCorrConfig(Section):
    """Deep MvCorr."""

    ridge: float = Field(default=1e-3, gt=0)
    """ε: R_W + ε·tr(R_W)/D·I is inverted instead of R_W †."""


class ImpTripletConfig(Section):
    """The improved triplet loss."""

    margin: float = Field(default=1.0, gt=0)
    """m: the negative is farther from anchor and positive than these are from each other by this squared distance."""
    bound: float = Field(default=0.1, ge=0)
    """m₂: within this squared distance the positive is not pulled."""
    pull: float = Field(default=0.02, ge=0)
    """λ: the weight of the pull †."""


class BallLossConfig(Section):
    """Ball cluster learning."""

    pull: float = Field(default=4.0, ge=0)
    """α: the weight of the pull to the own centroid (BCL §4)."""
    margin: float = Field(default=0.1, ge=0)
    """ε: other centroids are pushed to 9b + ε †."""
    start: float = 0.1
    """b̂ at the start, b = softplus(b̂) (the authors' release)."""
    unit: bool = True
    """Whether centroids are put on the unit sphere, as the embeddings are."""


class ContrastiveConfig(Section):
    """The contrastive loss."""

    margin: float = Field(default=1.0, gt=0)
    """m: cannot-link pairs are pushed to this distance †."""
    start: float = 1.0
    """m̂ at the start where the margin is learned, m = softplus(m̂) (the release of BCL's authors)."""


class LdmlConfig(Section):
    """Logistic discriminant metric learning."""

    start: float = 0.5
    """β at the start, the learned squared distance at which a pair is as likely as not one person (the release of BCL's
    authors)."""


class TripletConfig(Section):
    """The triplet loss over all triplets of a batch."""

    margin: float = Field(default=0.5, gt=0)
    """m, of squared distances (the release of BCL's authors)."""


class LossesConfig(Section):
    """The numbers of each loss."""

    mvcorr: MvCorrConfig = MvCorrConfig()
    imptriplet: ImpTripletConfig = ImpTripletConfig()
    ball: BallLossConfig = BallLossConfig()
    contrastive: ContrastiveConfig = ContrastiveConfig()
    ldml: LdmlConfig = LdmlConfig()
    triplet: TripletConfig = TripletConfig()
