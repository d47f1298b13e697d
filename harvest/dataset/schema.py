"""All tables of a dataset: their columns, types and what each column means. Nothing else defines a column."""

import pyarrow as pa

SCHEMA_VERSION = 1
"""Written into every file and record; raised when a column changes its meaning."""

Column = tuple[str, pa.DataType, str]

_BOX: list[Column] = [
    ("x1", pa.float32(), "left edge of the face box, px of the source frame"),
    ("y1", pa.float32(), "top edge, px"),
    ("x2", pa.float32(), "right edge, px"),
    ("y2", pa.float32(), "bottom edge, px"),
]
_MOVIE: Column = ("movie_id", pa.string(), "the movie; a key of `movies`")
_TRACK: Column = ("track_id", pa.int32(), "the track; counts from 0 in each movie by (start_frame, x1, y1, x2, y2)")

_COLUMNS: dict[str, list[Column]] = {
    "shots": [
        _MOVIE,
        ("shot_id", pa.int32(), "counts from 0 in each movie"),
        ("start_frame", pa.int32(), "first frame of the shot"),
        ("end_frame", pa.int32(), "first frame after the shot (exclusive)"),
        ("start_s", pa.float64(), "time of start_frame, seconds from the first frame of the movie"),
        ("end_s", pa.float64(), "time of end_frame, seconds"),
        ("begins", pa.string(), "how the shot begins: start (of the movie), cut or dissolve"),
        ("settled_frame", pa.int32(), "first frame after the dissolve that begins the shot; start_frame where none does"),
    ],
    "tracks": [
        _MOVIE,
        _TRACK,
        ("shot_id", pa.int32(), "the one shot in which the track lies"),
        ("start_frame", pa.int32(), "first frame with a face of the track"),
        ("end_frame", pa.int32(), "first frame after the track (exclusive)"),
        ("start_s", pa.float64(), "time of start_frame, seconds"),
        ("end_s", pa.float64(), "time of end_frame, seconds"),
        ("faces", pa.int32(), "detected faces (interpolated ones are not counted)"),
        ("size_px", pa.float32(), "median shorter side of the detected boxes, px"),
        ("score", pa.float32(), "mean detection score, 0-1"),
        ("sharpness", pa.float32(), "median over the detected faces of `faces.sharpness`"),
        ("brightness", pa.float32(), "median over the detected faces of `faces.brightness`"),
        ("yaw", pa.float32(), "median over the detected faces of the absolute yaw, degrees"),
        ("pitch", pa.float32(), "median over the detected faces of the pitch, degrees"),
        ("frontal", pa.bool_(), "quality flag: absolute yaw below quality.profile_yaw"),
        ("profile", pa.bool_(), "quality flag: the contrary of frontal"),
        ("blurred", pa.bool_(), "quality flag: sharpness below quality.blurred_sharpness"),
        ("dark", pa.bool_(), "quality flag: brightness below quality.dark_brightness"),
        ("cannot_links", pa.int32(), "number of cannot-link partners in `links`"),
        ("embedding", pa.list_(pa.float32()), "mean of the l2-normalised face embeddings, l2-normalised"),
    ],
    "faces": [
        _MOVIE,
        _TRACK,
        ("frame", pa.int32(), "frame number, from 0"),
        ("time_s", pa.float64(), "time of the frame, seconds from the first frame of the movie"),
        *_BOX,
        ("landmarks", pa.list_(pa.float32()), "x, y of left eye, right eye, nose, left and right mouth corner, px; null: interpolated"),
        ("score", pa.float32(), "detection score, 0-1; null: interpolated"),
        ("detected", pa.bool_(), "false: the box is interpolated between two detections"),
        ("sharpness", pa.float32(), "variance of the Laplacian of the 112 px grey face; null: interpolated"),
        ("brightness", pa.float32(), "mean luma of the face, 0-255; null: interpolated"),
        ("yaw", pa.float32(), "degrees from the landmarks, 0: frontal, positive: to the viewer's right; null: interpolated"),
        ("pitch", pa.float32(), "degrees from the landmarks, positive: up; null: interpolated"),
        ("embedding", pa.list_(pa.float16()), "raw network output, never normalised; null: not sampled"),
        ("chip", pa.binary(), "JPEG of the aligned crop that was embedded; null: not sampled"),
    ],
    "links": [
        _MOVIE,
        ("track_a", pa.int32(), "the lower track_id of a cannot-link pair"),
        ("track_b", pa.int32(), "the higher track_id"),
        ("frames_together", pa.int32(), "frames in which both were detected, frames of a dissolve left out"),
        ("first_frame", pa.int32(), "first such frame"),
        ("last_frame", pa.int32(), "last such frame"),
    ],
    "tracklets": [
        _MOVIE,
        _TRACK,
        ("view", pa.int32(), "0: the anchor; 1 …: the hard positives, farthest first"),
        ("embedding", pa.list_(pa.float32()), "mean of the view's l2-normalised faces, l2-normalised"),
        ("hard_negative", pa.int32(), "track_id of the cannot-link track nearest to the anchor"),
    ],
    "clusters": [
        ("run", pa.string(), "name of the clustering run"),
        _MOVIE,
        _TRACK,
        ("cluster_id", pa.int32(), "the character, 1 the longest on screen; -1: unknown"),
        ("method", pa.string(), "clustering method"),
        ("model", pa.string(), "name of the trained model, or 'base'"),
    ],
    "labels": [
        _MOVIE,
        ("label_id", pa.int32(), "counts from 0 in each movie, in the order of import"),
        ("identity", pa.string(), "who it is"),
        ("flags", pa.list_(pa.string()), "quality flags that a person gave, such as glasses or occluded"),
        (
            "anchors",
            pa.list_(pa.struct([(name, pa.float64()) for name in ("time_s", "x1", "y1", "x2", "y2")])),
            "up to 3 places where the face is seen: time and box, the box relative to the frame (0-1)",
        ),
        ("track_id", pa.int32(), "the track of the current harvest that the anchors hit; null: none"),
    ],
}  # fmt: skip

_DOCUMENTED_ONLY: dict[str, list[Column]] = {
    "movies": [
        ("movie_id", pa.string(), "the user's, or made from the path"),
        ("uri", pa.string(), "where the movie was read from"),
        ("title", pa.string(), "the user's; null: none given"),
        ("year", pa.int32(), "the user's; null: none given"),
        ("split", pa.string(), "the user's: train, validation, test; null: none given"),
        ("cast_size", pa.int32(), "the user's number of characters; null: none given"),
        ("fps", pa.float64(), "mean frames per second"),
        ("frames", pa.int64(), "frames decoded"),
        ("duration_s", pa.float64(), "seconds"),
        ("width", pa.int32(), "px"),
        ("height", pa.int32(), "px"),
        ("seekable", pa.bool_(), "false: seeking proved wrong, the movie was decoded as one segment"),
        ("content_hash", pa.string(), "of the file's bytes"),
        ("harvest_id", pa.string(), "of content, config, model files, schema and code version: what the tables depend on"),
        ("config_hash", pa.string(), "of the harvest's config"),
        ("models", pa.string(), "name of the pack of face models"),
        ("models_hash", pa.string(), "of the pack's files"),
        ("embedding_size", pa.int32(), "d of this movie's embeddings"),
        ("shots", pa.int64(), "number of shots"),
        ("tracks", pa.int64(), "number of tracks"),
        ("boxes", pa.int64(), "number of rows in `faces`: detected faces, and boxes interpolated between them"),
        ("links", pa.int64(), "number of cannot-link pairs"),
        ("drops", pa.map_(pa.string(), pa.int64()), "detections and tracks dropped, by reason"),
        ("committed_at", pa.string(), "when the harvest was committed, UTC"),
    ],
    "failures": [
        _MOVIE,
        ("uri", pa.string(), "where the movie is"),
        ("stage", pa.string(), "what was being done: probe, harvest, cluster, …"),
        ("run", pa.string(), "of a clustering, the name of its run; else empty"),
        ("error", pa.string(), "type of the error"),
        ("message", pa.string(), "what happened and what to do"),
        ("attempts", pa.int32(), "how often it was tried"),
        ("at", pa.string(), "when it last failed, UTC"),
    ],
}  # fmt: skip

TABLE_DOCS = {
    "movies": "a harvested movie (from the commit records)",
    "shots": "a shot",
    "tracks": "a face track: one person, one shot (must-link)",
    "faces": "a face of a track in a frame",
    "links": "a cannot-link pair: two tracks seen together",
    "tracklets": "a mined training row: one view of a track",
    "clusters": "an assignment of a track to a character, by run",
    "labels": "what a person said about a face",
    "failures": "a movie that could not be done, or not clustered in one run",
}

HARVEST_TABLES = ("shots", "tracks", "faces", "links")
"""Tables with one shard a movie, named by the movie's commit record."""
COUNTED_AS = {"shots": "shots", "tracks": "tracks", "faces": "boxes", "links": "links"}
"""What the rows of a harvest table are called where users are told their number: a row of `faces` may be an
interpolated box, and a face is a detected one wherever faces are counted."""
DERIVED_TABLES = ("tracklets", "clusters", "labels")
"""Tables made from a harvest, with a record of their own per run and movie."""
DERIVED_FILES = ("adaptations",)
"""Files made from a harvest with records like a derived table's: what was fitted to one movie. No table, no view."""
RECORD_TABLES = ("movies", "failures")
"""Tables that are records, not shards."""

SORT_KEYS = {
    "shots": ["shot_id"],
    "tracks": ["track_id"],
    "faces": ["track_id", "frame"],
    "links": ["track_a", "track_b"],
    "tracklets": ["track_id", "view"],
    "clusters": ["track_id"],
    "labels": ["label_id"],
}


def _schema(columns: list[Column]) -> pa.Schema:
    fields = [pa.field(name, kind, metadata={"doc": doc}) for name, kind, doc in columns]
    return pa.schema(fields, metadata={"schema_version": str(SCHEMA_VERSION)})


SCHEMAS: dict[str, pa.Schema] = {name: _schema(columns) for name, columns in (_COLUMNS | _DOCUMENTED_ONLY).items()}
"""Schema by table name; `field.metadata[b"doc"]` is the meaning of the column."""
