"""The model folder: what is saved is what is loaded, and nothing half-written is ever seen."""

import os
from dataclasses import replace

import numpy as np
import pytest

from harvest.errors import DatasetError
from train.centring import CentringSums, fit_centring
from train.config import NetworkConfig, TrainConfig
from train.embedding import embedding_of
from train.networks import build_network
from train.normalise import track_means
from train.registry import ModelCard, load_model, save_model
from train.subspace import Subspace
from train.validation import Gain

RNG = np.random.default_rng(0)
SUBSPACE = Subspace(V=RNG.normal(size=(6, 6)), mean=RNG.normal(size=6) / 10)


def card(**changes):
    fields = {
        "method": "mvcorr-linear",
        "pack": "scrfd25_mbf",
        "pack_hash": "ab12",
        "embedding_size": 6,
        "output_size": 6,
        "train_movies": ("alien", "brazil"),
        "validation_movies": ("casino",),
        "train_tracks": 300,
        "validation_tracks": 90,
        "threshold": 0.83,
        "calibration": "equal error of links",
        "held_out": {"rho": Gain(before=0.5, after=0.6)},
        "config": TrainConfig().model_dump(),
        "castmine_version": "0.1.0",
        "created": "2020-01-01T00:00:00Z",
    }
    return ModelCard(**(fields | changes))


def test_what_is_saved_is_loaded_to_the_bit(tmp_path):
    save_model(tmp_path / "model", SUBSPACE, card())
    model = load_model(tmp_path / "model")
    assert isinstance(model.embedding, Subspace)
    assert model.embedding.V.tobytes() == SUBSPACE.V.tobytes()
    assert model.embedding.mean.tobytes() == SUBSPACE.mean.tobytes()
    assert model.card.model_copy(update={"weights_sha256": ""}) == card()
    assert model.name == "model"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["card.json", "model", "model.safetensors"]


def test_a_model_that_centres_faces_is_the_same_after_loading_and_takes_no_means(tmp_path):
    faces = [np.exp(RNG.normal()) * RNG.normal(size=(n, 6)) for n in (3, 4, 9, 5)]
    centring = fit_centring(CentringSums.of(faces, 1))
    assert centring is not None
    save_model(tmp_path / "model", replace(SUBSPACE, centring=centring), card())
    model = load_model(tmp_path / "model")
    assert model.takes_faces
    np.testing.assert_array_equal(model.embed_tracks(faces), SUBSPACE.embed(centring.track_means(faces)))
    np.testing.assert_allclose(model.embed_faces(faces[2]), model.embed_tracks(list(faces[2][:, None])), atol=1e-12)
    with pytest.raises(DatasetError, match="'model' embeds tracks from their raw faces, and was given means"):
        model.embed_tracks(track_means(faces))


def test_tracks_are_embedded_from_their_faces_or_from_their_means(tmp_path):
    save_model(tmp_path / "model", SUBSPACE, card())
    model = load_model(tmp_path / "model")
    faces = [RNG.normal(size=(n, 6)) for n in (1, 4, 9)]
    np.testing.assert_array_equal(model.embed_tracks(faces), SUBSPACE.embed(track_means(faces)))
    np.testing.assert_array_equal(model.embed_tracks(track_means(faces)), model.embed_tracks(faces))
    assert model.embed_tracks([]).shape == (0, 6)
    np.testing.assert_allclose(model.embed_faces(faces[2]), model.embed_tracks(list(faces[2][:, None])), atol=1e-12)
    with pytest.raises(DatasetError, match=r"'model' is for 6-d embeddings .* the dataset has 5-d ones"):
        model.embed_tracks([np.ones((2, 5))])


def test_a_new_model_takes_the_place_of_the_old(tmp_path):
    save_model(tmp_path / "model", SUBSPACE, card())
    save_model(tmp_path / "model", SUBSPACE, card(threshold=0.5))
    assert load_model(tmp_path / "model").card.threshold == 0.5
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_that_is_no_model_is_not_overwritten(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(DatasetError, match="exists and is not a model"):
        save_model(tmp_path, SUBSPACE, card())
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_crash_while_writing_leaves_the_old_model_and_nothing_else(tmp_path, monkeypatch):
    save_model(tmp_path / "model", SUBSPACE, card())

    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(KeyboardInterrupt):
        save_model(tmp_path / "model", SUBSPACE, card(threshold=0.5))
    assert load_model(tmp_path / "model").card.threshold == 0.83
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_what_a_killed_save_left_goes_with_the_next_and_another_that_is_at_work_is_left_alone(tmp_path):
    """Killed between its two renames: the old model lies beside the new one, and none where it belongs."""
    for name, part in (("killed00", "old"), ("at_work0", "new"), ("my_notes", "text")):
        save_model(tmp_path / f".model.{name}" / part, SUBSPACE, card())
    for name in ("killed00", "my_notes"):
        os.utime(tmp_path / f".model.{name}", (0, 0))
    save_model(tmp_path / "model", SUBSPACE, card(threshold=0.5))
    assert sorted(path.name for path in tmp_path.iterdir()) == [".model.at_work0", ".model.my_notes", "model"]


NETWORKS = {
    "C1 of unshared branches": (NetworkConfig(name="C1"), 3),
    "C2 on the unit sphere": (NetworkConfig(name="C2", unit=True), 0),
    "BCL's": (NetworkConfig(name="bcl", unit=True), 0),
    "SSiam's, of which a hidden layer embeds": (NetworkConfig(name="ssiam", unit=True), 0),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("on_top", [False, True], ids=["", "closed form on top"])
def test_a_network_is_loaded_to_the_bit(tmp_path, name, on_top):
    config, branches = NETWORKS[name]
    network = build_network(config, 6, branches, seed=1)
    embedding = embedding_of(network)
    if on_top:
        size = embedding.output_size
        embedding = embedding_of(network, Subspace(V=RNG.normal(size=(size, 4)), mean=RNG.normal(size=size)))
    fields = {"output_size": embedding.output_size, "config": TrainConfig(network=config).model_dump(mode="json")}
    save_model(tmp_path / "model", embedding, card(method="bcl", squared_radius=0.5, **fields))
    model = load_model(tmp_path / "model")
    means = track_means([RNG.normal(size=(4, 6)) for _ in range(5)])
    embedded = model.embed_tracks(means)
    assert embedded.tobytes() == embedding.embed(means).tobytes()
    assert embedded.shape == (5, model.card.output_size)
    np.testing.assert_allclose(np.linalg.norm(embedded, axis=1), 1)
    np.testing.assert_array_equal(model.embedding.embed(means[:4].reshape(2, 2, 6)).reshape(4, -1), embedded[:4])
    assert model.card.squared_radius == 0.5
    with pytest.raises(DatasetError, match=r"'model' is for 6-d embeddings .* the dataset has 5-d ones"):
        model.embed_tracks([np.ones((2, 5))])


def test_weights_that_do_not_fit_the_cards_network_are_refused(tmp_path):
    embedding = embedding_of(build_network(NetworkConfig(name="bcl"), 6))
    save_model(tmp_path / "model", embedding, card(config=TrainConfig().model_dump(mode="json")))
    with pytest.raises(DatasetError, match=r"(?s)model cannot be read as a model .*train the model again"):
        load_model(tmp_path / "model")


def _truncate(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])


def _empty_card(folder):
    (folder / "card.json").write_text("{}")


def _no_weights(folder):
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_truncate, "is not the file that card.json describes"),
        (_empty_card, "cannot be read"),
        (_no_weights, "is not a"),
    ],
    ids=["cut off weights are noticed", "a card without its fields is noticed", "a folder without weights is no model"],
)
def test_a_damaged_model_is_refused_by_name(tmp_path, damage, message):
    save_model(tmp_path / "model", SUBSPACE, card())
    damage(tmp_path / "model")
    with pytest.raises(DatasetError, match=f"model.*{message}"):
        load_model(tmp_path / "model")


def test_a_folder_that_is_not_there_is_no_model(tmp_path):
    with pytest.raises(DatasetError, match="is not a model folder"):
        load_model(tmp_path / "nowhere")
