"""The networks by name, their layers, and that dropout and batch norm do not know how a batch is cut."""

import numpy as np
import pytest
import torch
from torch import nn

from harvest.errors import DatasetError
from train.config import NetworkConfig
from train.layers import BatchPlace, GlobalBatchNorm, RowDropout
from train.networks import SharedNetwork, build_network, embed_rows

FC = [nn.Linear, nn.ReLU, GlobalBatchNorm]
LAYERS = {
    "C1": ([*FC, RowDropout, *FC], [512, 256]),
    "C2": ([*FC, RowDropout, *FC], [1024, 512]),
    "C3": ([*FC, RowDropout, *FC, RowDropout, *FC], [1024, 512, 256]),
    "bcl": ([nn.Linear, nn.ReLU] * 3 + [nn.Linear], [256, 128, 64, 64]),
    "ssiam": ([nn.Linear, nn.ReLU, nn.Linear], [512, 2]),
}


@pytest.mark.parametrize("size", [128, 512])
@pytest.mark.parametrize("name", LAYERS)
def test_a_name_stands_for_the_layers_of_its_paper(name, size):
    network = build_network(NetworkConfig(name=name), size)
    assert isinstance(network, SharedNetwork)
    layers = list(network.network.layers)
    kinds, widths = LAYERS[name]
    assert [type(layer) for layer in layers] == kinds
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    assert [layer.out_features for layer in linear] == widths
    assert [layer.in_features for layer in linear] == [size, *widths[:-1]]
    assert {layer.rate for layer in layers if isinstance(layer, RowDropout)} <= {0.2}
    embedded = embed_rows(network, np.random.default_rng(0).normal(size=(5, size)))
    assert embedded.shape == (5, 512 if name == "ssiam" else widths[-1])
    assert np.linalg.norm(embedded, axis=1) == pytest.approx(np.ones(5))


def test_sigmoid_takes_the_place_of_relu():
    network = build_network(NetworkConfig(activation="sigmoid"), 8)
    assert isinstance(network, SharedNetwork)
    assert [type(layer) for layer in network.network.layers][:2] == [nn.Linear, nn.Sigmoid]


@pytest.mark.parametrize("name", ["bcl", "ssiam"])
def test_a_unit_network_ends_on_the_sphere(name):
    network = build_network(NetworkConfig(name=name, unit=True), 8)
    assert torch.allclose(network(torch.randn(4, 8)).norm(dim=1), torch.ones(4))
    assert network.embed(torch.randn(4, 8)).shape[1] == (512 if name == "ssiam" else 64)


@pytest.mark.parametrize(("name", "size", "scaled"), [("C1", 128, False), ("C2", 128, True), ("C3", 64, False)])
def test_a_network_that_starts_at_the_pack_hands_its_embedding_on(name, size, scaled):
    """The cosines of the nodes that hand on are the pack's; before training, each layer's batch norm makes them so."""
    network = build_network(NetworkConfig(name=name, start="pack", scaled=scaled, dropout=0.0), size)
    rows = nn.functional.normalize(torch.randn(2000, size, generator=torch.Generator().manual_seed(0)), dim=1)
    handed = nn.functional.normalize(network(rows)[:, :size].detach(), dim=1)
    torch.testing.assert_close(handed @ handed.T, rows @ rows.T, atol=0.07, rtol=0)


def test_a_last_layer_too_narrow_for_the_pack_hands_on_a_projection():
    network = build_network(NetworkConfig(name="C1", start="pack", dropout=0.0), 512)
    assert network(torch.randn(300, 512)).shape == (300, 256)


def test_branches_that_start_at_the_pack_start_alike():
    network = build_network(NetworkConfig(start="pack", dropout=0.0), 8, branches=3)
    first, second, third = network(torch.randn(40, 1, 8).expand(40, 3, 8)).unbind(1)
    assert torch.equal(first, second)
    assert torch.equal(first, third)


class TestBranches:
    def test_each_view_has_its_own_weights_and_the_anchors_embed(self):
        network = build_network(NetworkConfig(), 8, branches=3).eval()
        rows = torch.randn(5, 1, 8).expand(5, 3, 8)
        first, second, third = network(rows).unbind(1)
        assert not torch.allclose(first, second)
        assert not torch.allclose(second, third)
        assert torch.equal(network.embed(rows[:, 0]), first)

    def test_their_dropouts_are_unlike_each_other(self):
        network = build_network(NetworkConfig(name="C3"), 8, branches=3)
        layers = [module.layer for module in network.modules() if isinstance(module, RowDropout)]
        assert layers == [0, 1, 3, 4, 6, 7]


def test_a_shared_network_maps_every_view_alike():
    network = build_network(NetworkConfig(name="C2"), 8).eval()
    triples = torch.randn(5, 3, 8)
    assert torch.allclose(network(triples)[:, 1], network(triples[:, 1]), atol=1e-6)


def test_the_seed_alone_makes_the_weights_and_torchs_own_state_is_left():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    one, same, other = (build_network(NetworkConfig(), 8, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(next(one.parameters()), next(other.parameters()))


class TestDropout:
    def kept(self, rows=64, width=20, rate=0.2, layer=0, place=None):
        return RowDropout(rate, layer)(torch.ones(rows, width), place or BatchPlace(seed=3, step=7)) > 0

    @pytest.mark.parametrize("width", [1, 8, 20])
    def test_the_mask_of_a_row_does_not_depend_on_how_the_batch_is_cut(self, width):
        whole = self.kept(64, width)
        for first, last in ((0, 22), (22, 43), (43, 43), (43, 64)):
            assert torch.equal(self.kept(last - first, width, place=BatchPlace(3, 7, first)), whole[first:last])

    def test_seed_step_layer_and_row_all_change_it(self):
        ours = self.kept()
        assert not torch.equal(ours[0], ours[1])
        for other in (
            self.kept(place=BatchPlace(4, 7)),
            self.kept(place=BatchPlace(3, 8)),
            self.kept(place=BatchPlace(3, 7, 64)),
            self.kept(layer=1),
        ):
            assert 0.2 < (other == ours).float().mean() < 0.8

    def test_it_keeps_the_mean_and_the_share_asked_for(self):
        dropped = RowDropout(0.2, 0)(torch.ones(2000, 100), BatchPlace(0, 0))
        assert float((dropped == 0).float().mean()) == pytest.approx(0.2, abs=0.005)
        assert float(dropped.max()) == pytest.approx(1.25)

    def test_eval_mode_passes_all_and_training_mode_asks_for_the_place(self):
        layer = RowDropout(0.2, 0)
        with pytest.raises(ValueError, match="place"):
            layer(torch.ones(2, 2), None)
        assert torch.equal(layer.eval()(torch.ones(2, 2), None), torch.ones(2, 2))


class TestEmbed:
    def test_another_embedding_size_is_a_clear_error(self):
        with pytest.raises(DatasetError, match="512-d"):
            embed_rows(build_network(NetworkConfig(), 512), np.ones((3, 128)))

    def test_no_rows_give_no_rows(self):
        assert embed_rows(build_network(NetworkConfig(), 8), np.ones((0, 8))).shape == (0, 256)

    def test_a_row_that_is_not_finite_is_a_clear_error(self):
        with pytest.raises(DatasetError, match="not finite"):
            embed_rows(build_network(NetworkConfig(), 8), np.full((3, 8), np.nan))

    def test_lengths_stay_where_they_count(self):
        network = build_network(NetworkConfig(name="bcl"), 8)
        rows = np.random.default_rng(0).normal(size=(4, 8))
        assert embed_rows(network, rows, unit=False) == pytest.approx(
            network.embed(torch.tensor(rows).float()).detach()
        )
