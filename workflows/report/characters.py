"""From the tables of one movie to its cast: who is seen when, for how long and with whom.

Pure: tables in, dataclasses out; the templates of the cast sheet only lay these out.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from cluster.screen_time import seconds_covered
from workflows.report.config import ReportConfig
from workflows.report.contacts import Contact, majority, read_contacts

UNKNOWN = -1
"""Cluster of the tracks that a method left out."""


@dataclass(frozen=True)
class Character:
    """A cluster of tracks."""

    cluster_id: int
    name: str
    hue: float
    """Its colour, degrees."""
    contacts: tuple[Contact, ...]
    """Its tracks, by time."""
    companions: tuple[tuple[str, int], ...] = ()
    """Who is seen with it, and in how many shots; most first, not all where they are many …"""
    more_companions: int = 0
    """… and how many others."""
    violations: int = 0
    """Pairs of its tracks that cannot be one person."""

    @property
    def seconds(self) -> float:
        """Seconds on screen: the union over its tracks."""
        return seconds_covered(contact.span for contact in self.contacts)

    @property
    def shots(self) -> int:
        """Number of shots in which it is seen."""
        return len({contact.shot_id for contact in self.contacts})

    @property
    def wrong(self) -> int:
        """Number of tracks whose label is another identity."""
        return sum(contact.wrong for contact in self.contacts)

    @property
    def portrait(self) -> bytes | None:
        """The best chip of all its tracks; of a right one where there is any."""
        seen = [contact for contact in self.contacts if contact.chip is not None]
        return max(seen, key=lambda contact: (not contact.wrong, contact.quality)).chip if seen else None

    def shown(self, config: ReportConfig) -> tuple[list[Contact], list[Contact]]:
        """Its tracks as (shown at once, folded away), each by time; beyond `chips_kept` without a chip."""
        order = sorted(self.contacts, key=lambda c: (not c.wrong, c.chip is None, -c.seconds, c.track_id))
        place = {contact.track_id: position for position, contact in enumerate(order)}
        last = config.chips_shown + config.chips_kept
        kept = [c if place[c.track_id] < last else replace(c, chip=None) for c in self.contacts]
        now = [contact for contact in kept if place[contact.track_id] < config.chips_shown]
        return now, [contact for contact in kept if place[contact.track_id] >= config.chips_shown]


@dataclass(frozen=True)
class Cast:
    """All tracks of a movie, by character."""

    characters: tuple[Character, ...]
    """Most seen first."""
    unknown: Character
    """The tracks that no character has."""


def gather_cast(
    tracks: pa.Table,
    faces: pa.Table,
    links: pa.Table,
    clusters: pa.Table | None,
    identities: Mapping[int, str],
    config: ReportConfig,
) -> Cast:
    """The cast of one movie from its tables (columns of `SCHEMAS`); without `clusters`, all tracks are unknown.

    `identities`: by track_id, of the tracks that a person named.
    """
    contacts = read_contacts(tracks, faces, identities, config)
    rows = clusters.select(["track_id", "cluster_id"]).to_pylist() if clusters is not None else []
    cluster_of = {row["track_id"]: row["cluster_id"] for row in rows}
    members: dict[int, list[Contact]] = defaultdict(list)
    for contact in contacts:
        members[cluster_of.get(contact.track_id, UNKNOWN)].append(contact)
    unknown = Character(UNKNOWN, "Unknown", 0, tuple(members.pop(UNKNOWN, [])))
    together = _together(links, {contact.track_id: contact.shot_id for contact in contacts}, cluster_of)
    return Cast(_characters(members, together, config), unknown)


def _together(links: pa.Table, shot_of: Mapping[int, int], cluster_of: Mapping[int, int]) -> dict[int, Counter[int]]:
    """Shots that each cluster shares with each other one; with itself, the number of violated pairs."""
    shots: dict[tuple[int, int], set[int]] = defaultdict(set)
    together: dict[int, Counter[int]] = defaultdict(Counter)
    for row in links.select(["track_a", "track_b"]).to_pylist():
        first, second = sorted(cluster_of.get(row[side], UNKNOWN) for side in ("track_a", "track_b"))
        if first == second:
            together[first][first] += 1
        else:
            shots[first, second].add(shot_of.get(row["track_a"], UNKNOWN))
    for (first, second), shared in shots.items():
        together[first][second] = together[second][first] = len(shared)
    return together


def _characters(
    members: Mapping[int, Sequence[Contact]], together: Mapping[int, Counter[int]], config: ReportConfig
) -> tuple[Character, ...]:
    covered = {cluster: seconds_covered(contact.span for contact in members[cluster]) for cluster in members}
    ranked = sorted(members, key=lambda cluster: (-covered[cluster], -len(members[cluster]), cluster))
    identities = {cluster: majority(c.identity for c in members[cluster] if c.identity) for cluster in ranked}
    names = _names(ranked, identities)
    companions = {cluster: _companions(cluster, together.get(cluster, Counter()), names) for cluster in ranked}
    return tuple(
        Character(
            cluster_id=cluster,
            name=names[cluster],
            hue=round((28 + 137.508 * rank) % 360, 1),  # the golden angle: neighbours in rank are far apart in hue
            contacts=tuple(_judged(contact, identities[cluster]) for contact in members[cluster]),
            companions=companions[cluster][: config.companions],
            more_companions=len(companions[cluster][config.companions :]),
            violations=together.get(cluster, Counter())[cluster],
        )
        for rank, cluster in enumerate(ranked)
    )


def _judged(contact: Contact, identity: str | None) -> Contact:
    return replace(contact, wrong=contact.identity is not None and contact.identity != identity)


def _names(ranked: Sequence[int], identities: Mapping[int, str | None]) -> dict[int, str]:
    """Names by cluster: the identity, numbered from the second cluster that has it; else `Character <cluster_id>`."""
    seen: Counter[str] = Counter()
    names = {}
    for cluster in ranked:
        identity = identities[cluster]
        if identity is None:
            names[cluster] = f"Character {cluster}"
            continue
        seen[identity] += 1
        names[cluster] = identity if seen[identity] == 1 else f"{identity} ({seen[identity]})"
    return names


def _companions(cluster: int, together: Counter[int], names: Mapping[int, str]) -> tuple[tuple[str, int], ...]:
    others = [(names[other], shots) for other, shots in together.items() if other != cluster and other in names]
    return tuple(sorted(others, key=lambda pair: (-pair[1], pair[0])))
