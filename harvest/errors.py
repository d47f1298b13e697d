"""The errors castmine raises on purpose. A message says what, where and what to do; the user sees it alone."""


class CastmineError(Exception):
    """Root of all errors that a user may see without a traceback."""


class ConfigError(CastmineError):
    """A configuration file or a `--set` that cannot be used."""


class CorpusError(CastmineError):
    """A corpus that cannot be listed: nothing there, two movies with one id, a column missing."""


class NoMovieError(CorpusError):
    """A corpus in which there is no movie, or that is not there."""


class VideoDecodeError(CastmineError):
    """A video that cannot be decoded to its last announced frame."""


class MovieOutOfReachError(VideoDecodeError):
    """A movie that cannot be read where it lies, or copied from there: it says nothing of the video itself."""


class ModelsError(CastmineError):
    """A pack of face models that is missing or cannot run where it was asked to."""


class ModelsNotFetchedError(ModelsError):
    """A published pack that is not on this machine, asked for by somebody who must not fetch it."""


class DatasetError(CastmineError):
    """A dataset folder that cannot be read or written, or holds what it should not."""


class QueryError(CastmineError):
    """A query that is not one plain SELECT, or that DuckDB cannot answer."""


class OtherTrainingError(ConfigError):
    """A training that was stopped, to be gone on with, is not the one that is asked for."""


class TooLittleDataError(CastmineError):
    """A corpus too small to learn or calibrate from without fitting noise."""
