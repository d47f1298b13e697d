"""What a dataset knows of a pack of face models: above all the threshold at which its embeddings cluster."""

from harvest.dataset.records import Record, file_name
from harvest.dataset.store import Store


class PackCard(Record):
    """A pack whose embeddings are in the dataset."""

    name: str
    models_hash: str
    embedding_size: int
    shipped_threshold: float | None = None
    """Cosine distance at which clustering stops, as the pack's makers or castmine say; null: nobody has said."""
    threshold: float | None = None
    """The same, calibrated from this dataset's own links; null: too few of them so far."""
    calibration: str = ""
    """How the calibrated threshold came about, in words; where there is none, why not."""
    calibrated_on: str = ""
    """Hash of the harvests whose links it was calibrated on."""


def put_card(store: Store, card: PackCard) -> None:
    """Write a card in place of an earlier one."""
    store.put(_path(card.models_hash), card.to_json())


def note_pack(store: Store, card: PackCard) -> None:
    """Put down that a pack's embeddings are in the dataset, and its shipped threshold; what was calibrated stays."""
    earlier = get_card(store, card.models_hash)
    card = (earlier or card).model_copy(update={"shipped_threshold": card.shipped_threshold})
    if card != earlier:
        put_card(store, card)


def get_card(store: Store, models_hash: str) -> PackCard | None:
    """The card of a pack, by the hash of its files."""
    try:
        return PackCard.model_validate_json(store.get(_path(models_hash)))
    except FileNotFoundError:
        return None


def _path(models_hash: str) -> str:
    return f"records/packs/{file_name(models_hash)}.json"
