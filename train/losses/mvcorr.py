"""Deep MvCorr: views of one track, each through its own network, become maximally correlated."""

import torch
from torch import Tensor, nn

from harvest.errors import TooLittleDataError
from train.collective import all_sum, count_rows, workers
from train.loss_config import MvCorrConfig


class MvCorrLoss(nn.Module):
    """−ρ with ρ = tr(R_W⁻¹ R_B) / (D (M − 1)): the mean generalised eigenvalue over M − 1.

    Multi-Face (Somandepalli et al.), eq. 1–3 as its text has them: R_B = Σ_l Σ_{k≠l} X_l X_kᵀ, R_W = Σ_l X_l X_lᵀ,
    each view centred by its own mean over the global batch, R_W + ε·tr(R_W)/D·I in place of R_W †. Eq. 3 as printed is
    a ratio of traces, which is 1/D for identical views. No invertible linear map of the views changes ρ but for ε.

    >>> views = torch.randn(64, 1, 4).expand(64, 3, 4)  # 64 tracks, M = 3 identical views, D = 4
    >>> round(float(MvCorrLoss()(views)), 2)
    -1.0
    """

    def __init__(self, config: MvCorrConfig | None = None) -> None:
        super().__init__()
        self.config = config or MvCorrConfig()

    def forward(self, embeddings: Tensor) -> Tensor:
        """(n, M, D), M ≥ 2 → scalar. Raises TooLittleDataError where the embeddings do not vary."""
        _, views, size = embeddings.shape
        means = all_sum(embeddings.sum(dim=0)) / count_rows(embeddings)
        centred = embeddings - means
        rows, summed = centred.reshape(-1, size), centred.sum(dim=1)
        # With Y = Σ_l X_l, R_B is Y Yᵀ − R_W.
        R_W, total = all_sum(torch.stack([rows.T @ rows, summed.T @ summed])).unbind()
        ridge = self.config.ridge * R_W.trace() / size
        R_W_ridged = R_W + ridge * torch.eye(size, dtype=R_W.dtype, device=R_W.device)
        factor, failed = torch.linalg.cholesky_ex(R_W_ridged)
        if failed:
            raise TooLittleDataError(
                "R_W of a batch is singular: its embeddings do not vary, or are not finite; there is nothing to learn"
            )
        rho = torch.cholesky_solve(total - R_W, factor).trace() / (size * (views - 1))
        return -rho / workers()
