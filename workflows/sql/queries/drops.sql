-- What each harvest dropped, detections and tracks, by reason, beside what it kept
WITH dropped AS (SELECT movie_id, faces, tracks, unnest(map_entries(drops)) AS entry FROM movies)
SELECT movie_id, entry.key AS reason, entry.value AS dropped, faces AS faces_kept, tracks AS tracks_kept
FROM dropped
ORDER BY movie_id, dropped DESC, reason
