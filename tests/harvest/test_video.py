"""Every frame that a reader gives is the frame it says, in each encoding; what is damaged is an error.

It is never a movie that is shorter than announced; what cannot be known of a damaged file is a test too.
"""

import os
import random
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import islice, pairwise
from pathlib import Path

import av
import decord
import numpy as np
import pytest
from av.stream import Disposition

from harvest.errors import MovieOutOfReachError, VideoDecodeError
from harvest.forward import ForwardStream
from harvest.segments import Segment, borders_agree, frame_digest, plan_segments
from harvest.video import DecordReader, VideoReader, check_decode_device, open_video, timecode
from tests.harvest import videos
from tests.harvest.videos import ENCODINGS, encode, number_of

FRAMES, CONTEXT = 240, 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("encodings")


@pytest.fixture(scope="module", params=ENCODINGS)
def movie(request: pytest.FixtureRequest, folder: Path) -> Path:
    encoding = ENCODINGS[request.param]
    path = folder / request.param.replace(" ", "_").replace(".", "")
    done = path.with_suffix("." + encoding.suffix)
    return done if done.exists() else encode(path, encoding, FRAMES)


def numbers(reader: VideoReader, start: int, count: int | None = None) -> list[tuple[int, int]]:
    """(frame number the reader says, frame number drawn into the picture)."""
    return [(index, number_of(image)) for index, image in islice(reader.frames(start), count)]


def test_a_forward_pass_gives_every_frame_once_and_in_order(movie: Path) -> None:
    reader = open_video(movie)
    assert reader.facts.frames == FRAMES
    assert numbers(reader, 0) == [(i, i) for i in range(FRAMES)]
    assert numbers(reader, 0, 3) == [(0, 0), (1, 1), (2, 2)], "a second pass starts at the beginning again"


@pytest.mark.parametrize(
    "movie", [name for name in ENCODINGS if not name.startswith(("MPEG-TS", "AVI"))], indirect=True
)
def test_two_decoders_give_the_same_pictures(movie: Path) -> None:
    """What decord decodes, which it does on a GPU only, is what PyAV does: from the start, and from a seek.

    Where groups of pictures are open, its seek leads to another frame, which the borders of segments show.
    """
    reader, middle = open_video(movie), FRAMES // 2
    by_decord = DecordReader(movie, decord.cpu(0), 1)
    pictures = [frame_digest(image) for _, image in reader.frames(0)]
    assert [frame_digest(image) for _, image in by_decord.frames(0)] == pictures
    (at, image), (sought, drawn) = next(reader.frames(middle)), next(by_decord.frames(middle))
    assert at == sought == middle
    assert frame_digest(image) == pictures[middle]
    assert frame_digest(drawn) == pictures[number_of(drawn)], "whichever it is"
    assert number_of(drawn) == middle or "open" in movie.stem or "MPEG-2" in movie.stem


AHEAD = """
import sys, time
from itertools import islice
from pathlib import Path
from harvest.video import open_video

def peak_mb():
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024

before = peak_mb()
for _ in islice(open_video(sys.argv[1]).frames(100), 30):
    time.sleep(0.03)  # as slow as a detector
print(peak_mb() - before)
"""


def test_no_frame_is_decoded_before_it_is_asked_for(tmp_path: Path) -> None:
    """decord read 300 frames of these ahead, 0.8 GB of them."""
    path = tmp_path / "large.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "100"})
        stream.width, stream.height = 1280, 720
        for number in range(400):
            frame = av.VideoFrame.from_ndarray(np.full((720, 1280, 3), number % 200, np.uint8), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    grown_mb = float(subprocess.check_output([sys.executable, "-c", AHEAD, str(path)]))
    assert grown_mb < 100, "some 20 frames, of which FFmpeg keeps a few itself"


def test_a_segment_starts_at_its_frame_and_its_border_agrees(movie: Path) -> None:
    digests = {index: frame_digest(image) for index, image in open_video(movie).frames(0)}
    reader = open_video(movie)
    for border in range(CONTEXT, FRAMES - CONTEXT, 3 if reader.facts.seekable else 24):
        start = border - CONTEXT
        decoded = list(islice(reader.frames(start), 2 * CONTEXT))
        assert [number_of(image) for _, image in decoded] == list(range(start, border + CONTEXT))
        mine = {index: frame_digest(image) for index, image in decoded}
        assert borders_agree([digests, mine], [Segment(0, border), Segment(border, FRAMES)], CONTEXT)


def test_a_wrong_start_is_told_by_its_border(movie: Path) -> None:
    digests = {index: frame_digest(image) for index, image in open_video(movie).frames(0)}
    late = {index: digests[index + 1] for index in range(120 - CONTEXT, 120 + CONTEXT)}
    assert not borders_agree([digests, late], [Segment(0, 120), Segment(120, FRAMES)], CONTEXT)


@pytest.mark.parametrize("wrong", ["raises", "lands late"])
def test_where_a_seek_does_not_lead_to_a_frame_it_is_decoded_from_the_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    path = encode(folder / f"fallback_{wrong[:5]}", ENCODINGS["Matroska with B-frames"], FRAMES)
    decoded = ForwardStream._frames
    keys: list[int | None] = []

    def frames(stream: ForwardStream, start: int, key: int | None) -> Iterator[av.VideoFrame]:
        keys.append(key)
        if key is None:
            yield from decoded(stream, start, None)
        elif wrong == "raises":
            raise av.InvalidDataError(0, "no such place")

    monkeypatch.setattr(ForwardStream, "_frames", frames)
    assert numbers(open_video(path), 200, 3) == [(200, 200), (201, 201), (202, 202)]
    assert (keys[-2] or 0) > 0
    assert keys[-1] is None


def test_a_stride_counts_absolute_frame_numbers_from_any_start(movie: Path) -> None:
    for stride, start in ((2, 0), (3, 0), (7, 0), (3, 50)):
        kept = [drawn for index, drawn in numbers(open_video(movie), start) if index % stride == 0]
        assert kept == list(range(start + -start % stride, FRAMES, stride))


def write_two(path: Path) -> None:
    """Two video streams: 24 small frames, which nobody is shown, and a film of 72, which the file says is to be."""
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("libx264", rate=25, options=videos.X264) for _ in range(2)]
        for stream, scale in zip(streams, (2, 1), strict=True):
            stream.width, stream.height = videos.WIDTH // scale, videos.HEIGHT // scale
            stream.disposition = Disposition.default if scale == 1 else Disposition(0)
        for stream, count in zip(streams, (24, 72), strict=True):
            for number in range(count):
                frame = av.VideoFrame.from_ndarray(videos.picture(number), "rgb24")
                container.mux(stream.encode(frame.reformat(stream.width, stream.height, "yuv420p")))
            container.mux(stream.encode())


def test_of_two_video_streams_the_film_is_read(tmp_path: Path) -> None:
    path = tmp_path / "two.mp4"
    write_two(path)
    reader = open_video(path)
    assert (reader.facts.frames, reader.facts.width) == (72, videos.WIDTH)
    assert numbers(reader, 0) == [(i, i) for i in range(72)]
    assert numbers(reader, 60, 1) == [(60, 60)]


def test_a_film_that_changes_its_size_keeps_the_pixels_of_its_first_frame(tmp_path: Path) -> None:
    halves = [tmp_path / name for name in ("large.ts", "small.ts")]
    for path, scale, first in zip(halves, (1, 2), (0, 40), strict=True):
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25, options={**videos.X264, "bf": "0"})
            stream.width, stream.height = videos.WIDTH // scale, videos.HEIGHT // scale
            for number in range(first, first + 40):
                frame = av.VideoFrame.from_ndarray(videos.picture(number), "rgb24")
                frame = frame.reformat(stream.width, stream.height, "yuv420p")
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(path.read_bytes() for path in halves))
    images = [image for _, image in open_video(joined).frames(0)]
    assert len(images) == 80
    assert {image.shape for image in images} == {(videos.HEIGHT, videos.WIDTH, 3)}


def test_times_are_seconds_from_the_first_frame_with_the_end_of_the_movie_last(movie: Path) -> None:
    facts = open_video(movie).facts
    encoding = next(e for name, e in ENCODINGS.items() if name.replace(" ", "_").replace(".", "") == movie.stem)
    wanted = (np.array(list(videos.ticks(FRAMES, encoding))) - encoding.first_tick) / 1000
    assert facts.times_s.shape == (FRAMES + 1,)
    assert facts.times_s.dtype == np.float64
    np.testing.assert_allclose(facts.times_s[:-1], wanted, atol=1e-3)
    assert 0.01 < facts.times_s[-1] - facts.times_s[-2] < 0.1
    assert facts.fps == pytest.approx(FRAMES / (wanted[-1] + 0.04), rel=0.02)
    assert (facts.width, facts.height) == (videos.WIDTH, videos.HEIGHT)


def test_a_trimmed_mp4_gives_the_frames_that_a_player_shows(folder: Path) -> None:
    whole = encode(folder / "whole", ENCODINGS["H.264 with B-frames"], FRAMES)
    reader = open_video(trim(whole, folder / "trimmed.mp4", first_key=48, first_shown=60))
    assert reader.facts.frames == FRAMES - 60
    assert not reader.facts.seekable
    assert numbers(reader, 0) == [(i, i + 60) for i in range(FRAMES - 60)]
    assert numbers(reader, 100, 2) == [(100, 160), (101, 161)]


def trim(whole: Path, path: Path, first_key: int, first_shown: int) -> Path:
    """Cut without encoding again, as phones do: packets before `first_shown` stay, an edit list hides them."""
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        assert stream.time_base is not None
        frame_ticks = int(1 / videos.RATE / stream.time_base)
        for packet in source.demux(stream):
            if packet.dts is None or packet.pts is None or packet.pts < first_key * frame_ticks:
                continue
            packet.pts -= first_shown * frame_ticks
            packet.dts -= first_shown * frame_ticks
            packet.stream = copy
            target.mux(packet)
    return path


@pytest.mark.parametrize("trimmed", [False, True])
def test_rotation_is_applied_to_pictures_and_size(folder: Path, trimmed: bool) -> None:
    upright = encode(folder / "upright", ENCODINGS["H.264 with B-frames"], 60)
    if trimmed:
        upright = trim(upright, folder / "upright_trimmed.mp4", first_key=0, first_shown=5)
    turned = upright.with_name(f"turned{trimmed}.mp4")
    turned.write_bytes(turn_quarter(upright.read_bytes()))
    reader = open_video(turned)
    assert (reader.facts.width, reader.facts.height) == (videos.HEIGHT, videos.WIDTH)
    drawn = [number_of(np.rot90(image)) for _, image in reader.frames(0)]
    assert drawn == list(range(5 * trimmed, 60))


def turn_quarter(mp4: bytes) -> bytes:
    """Write "turn by 90 degrees clockwise" into the track header, as a phone held upright does."""
    plain, turned = ((0x10000, 0, 0, 0, 0x10000), (0, 0x10000, 0, -0x10000, 0))
    pack = ">5i"
    at = mp4.index(b"tkhd")
    return mp4[:at] + mp4[at:].replace(struct.pack(pack, *plain), struct.pack(pack, *turned), 1)


DAMAGED = (
    "H.264 with B-frames",
    "Matroska with B-frames",
    "HEVC with B-frames and open groups",
    "MPEG-TS with H.264",
    "AVI with H.264 and B-frames",
)


@pytest.fixture(scope="module", params=DAMAGED)
def sound(request: pytest.FixtureRequest, folder: Path) -> Path:
    return encode(folder / ("sound" + request.param[:4].strip(" .")), ENCODINGS[request.param], FRAMES)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.7, 0.85])
def test_a_truncated_file_is_an_error(sound: Path, share: float) -> None:
    whole = sound.read_bytes()
    cut = sound.with_name(f"cut{sound.suffix}")
    cut.write_bytes(whole[: int(len(whole) * share) | 1])
    with pytest.raises(VideoDecodeError, match=str(cut)):
        numbers(open_video(cut), 0)


def test_a_transport_stream_cut_between_packets_cannot_be_told_from_a_whole_one(folder: Path) -> None:
    whole = encode(folder / "stream", ENCODINGS["MPEG-TS with H.264"], FRAMES).read_bytes()
    cut = folder / "between.ts"
    cut.write_bytes(whole[: len(whole) // 2 // 188 * 188])
    outcome = attempt(cut)
    assert outcome is None or [drawn for _, drawn in outcome][:-4] == list(range(len(outcome) - 4))


@pytest.mark.parametrize("seed", range(12))
def test_a_bit_flipped_file_is_an_error_or_lacks_less_than_a_second(sound: Path, seed: int) -> None:
    damaged = sound.with_name(f"flipped{sound.suffix}")
    damaged.write_bytes(flip_bits(sound.read_bytes(), seed))
    outcome = attempt(damaged)
    assert outcome is None or len(outcome) > FRAMES - videos.RATE


def test_more_than_half_of_the_bit_flipped_files_are_errors(sound: Path) -> None:
    damaged = sound.with_name(f"flipped{sound.suffix}")
    errors = 0
    for seed in range(12):
        damaged.write_bytes(flip_bits(sound.read_bytes(), seed))
        errors += attempt(damaged) is None
    assert errors > 6


def flip_bits(whole: bytes, seed: int) -> bytes:
    """20 single bits flipped in the last three quarters of a file."""
    draw, damaged = random.Random(seed), bytearray(whole)
    for _ in range(20):
        damaged[draw.randrange(len(whole) // 4, len(whole))] ^= 1 << draw.randrange(8)
    return bytes(damaged)


def attempt(path: Path) -> list[tuple[int, int]] | None:
    """A whole forward pass, or None where it is a VideoDecodeError."""
    try:
        return numbers(open_video(path), 0)
    except VideoDecodeError as error:
        if str(path) not in str(error) or "\n" in str(error):
            raise AssertionError(f"not one line that names the file: {error}") from error
        return None


def test_a_zeroed_stretch_is_an_error_that_says_how_far_it_came(folder: Path) -> None:
    whole = bytearray(encode(folder / "zeroed", ENCODINGS["H.264 with B-frames"], FRAMES).read_bytes())
    whole[len(whole) // 2 : len(whole) // 2 + 2000] = bytes(2000)
    path = folder / "zeroed.mp4"
    path.write_bytes(whole)
    with pytest.raises(VideoDecodeError, match=r"zeroed.mp4: no frame \d+ of 240 at 00:00:0\d \(.*\)"):
        numbers(open_video(path), 0)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (av.InvalidDataError(0, "a frame is missing or damaged"), VideoDecodeError),
        (av.error.OSError(5, "Input/output error"), MovieOutOfReachError),
        (MemoryError("cannot allocate"), MovieOutOfReachError),
    ],
    ids=["damage", "a disk that fails", "no memory left"],
)
def test_what_the_system_refuses_in_mid_movie_says_nothing_of_the_video(
    clips: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[VideoDecodeError]
) -> None:
    def refuse(*_: object) -> Iterator[av.VideoFrame]:
        raise error
        yield

    reader = open_video(clips / "hamilton.mp4")
    monkeypatch.setattr(ForwardStream, "_frames", refuse)
    with pytest.raises(VideoDecodeError, match="no frame 0 of 275") as raised:
        next(reader.frames(0))
    assert raised.type is kind


def write_paused(path: Path) -> None:
    """50 frames at 25 frames a second, before the 30th of which a recorder has waited 3 s."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 64, 64
        for number in range(50):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 5 * number, np.uint8), "rgb24")
            frame.pts = number + 75 * (number >= 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_a_pause_of_the_recorder_is_taken_for_damage_until_it_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "paused.mkv"
    write_paused(path)
    with pytest.raises(VideoDecodeError, match=r"no frames for 3\.0 s .*--set decode\.longest_pause_s=4"):
        open_video(path)
    assert open_video(path, longest_pause_s=4).facts.frames == 50


def write_text(path: Path) -> None:
    path.write_text("this is not a video\n" * 200)


def write_sound(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44100)
        for number in range(40):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44100, number * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def write_song(path: Path) -> None:
    """Sound with the picture of its cover, which is a video stream of one frame."""
    sound = path.with_name("sound.mp4")
    write_sound(sound)
    with av.open(str(sound)) as source, av.open(str(path), "w", format="mp4") as container:
        cover = container.add_stream("mjpeg", rate=25)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        stream = container.add_stream_from_template(source.streams.audio[0])
        image = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
        container.mux([*cover.encode(image), *cover.encode()])
        for packet in source.demux():
            if packet.size:
                packet.stream = stream
                container.mux(packet)


@pytest.mark.parametrize(
    ("write", "word"),
    [
        pytest.param(lambda path: None, "no such file", id="a file that is not there"),
        pytest.param(lambda path: path.mkdir(), "a folder", id="a folder"),
        pytest.param(lambda path: path.touch(), "0 bytes", id="an empty file"),
        pytest.param(write_text, "not a video", id="a text file"),
        pytest.param(write_sound, "no video in it, only audio", id="a file with sound only"),
        pytest.param(write_song, "no video in it, only audio", id="sound with a picture of its cover"),
    ],
)
def test_what_is_no_video_is_refused_in_one_line(tmp_path: Path, write: Callable[[Path], None], word: str) -> None:
    path = tmp_path / "alien.mp4"
    write(path)
    with pytest.raises(VideoDecodeError, match=f"alien.mp4: .*{word}"):
        open_video(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "locked.mp4"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(VideoDecodeError, match="check its permissions"):
        open_video(path)


def test_cuda_that_decord_was_built_without_is_an_error_at_start(clips: Path) -> None:
    check_decode_device("cpu")
    with pytest.raises(VideoDecodeError, match=r"set decode.device to cpu"):
        check_decode_device("cuda")
    with pytest.raises(VideoDecodeError, match=r"set decode.device to cpu"):
        open_video(clips / "hamilton.mp4", device="cuda")
    with pytest.raises(VideoDecodeError, match="none of cpu, cuda"):
        check_decode_device("mps")


@pytest.mark.parametrize(
    ("frames", "minutes", "count"),
    [(1000, None, 1), (1000, 0.1, 7), (1000, 1e-6, 10), (30, 0.001, 1), (1, 1.0, 1), (14400, 5.0, 2)],
)
def test_segments_cover_the_movie_and_are_long_enough(frames: int, minutes: float | None, count: int) -> None:
    segments = plan_segments(frames, 25.0, minutes, context=24)
    assert len(segments) == count
    assert segments[0].start == 0
    assert segments[-1].stop == frames
    assert all(a.stop == b.start for a, b in pairwise(segments))
    assert len(segments) == 1 or min(s.stop - s.start for s in segments) >= 4 * 24


def digests_of(text: str, first: int = 4) -> dict[int, bytes]:
    return {first + i: letter.encode() for i, letter in enumerate(text)}


@pytest.mark.parametrize(
    ("left", "right", "agree"),
    [
        pytest.param("abcdefgh", "abcdefgh", True, id="the same frames on both sides"),
        pytest.param("abcdefgh", "bcdefghi", False, id="the right neighbour is one frame late"),
        pytest.param("abcdefgh", "abcdefg", False, id="a frame was not decoded"),
        pytest.param("aaaaaaaa", "aaaaaaaa", False, id="a still picture proves nothing"),
        pytest.param("abababab", "abababab", False, id="a flicker looks alike when shifted"),
        pytest.param("aabbccdd", "aabbccdd", True, id="animation on twos"),
        pytest.param("aaaaaaab", "aaaaaaab", True, id="movement in one frame is enough"),
    ],
)
def test_a_border_is_proved_by_equal_frames_that_are_not_alike(left: str, right: str, agree: bool) -> None:
    segments = [Segment(0, 8), Segment(8, 16)]
    assert borders_agree([digests_of(left), digests_of(right)], segments, context=4) is agree


def test_a_digest_changes_with_one_value_and_a_time_code_reads_as_hours() -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    other = image.copy()
    other[3, 5, 2] = 1
    assert len(frame_digest(image)) == 16
    assert frame_digest(image) == frame_digest(image.copy()) != frame_digest(other)
    assert frame_digest(other[:, ::2]) == frame_digest(other[:, ::2].copy()), "a strided view is its values"
    assert timecode(751.9) == "00:12:31"
