-- What each harvest dropped, by reason, beside what it kept: detections against detections, tracks against tracks
-- The detections of a dropped track have a row of their own. Interpolated boxes are no detections.
WITH dropped AS (SELECT movie_id, tracks, unnest(map_entries(drops)) AS entry FROM movies),
detected AS (SELECT movie_id, sum(faces)::BIGINT AS faces FROM tracks GROUP BY movie_id)
SELECT
    movie_id,
    entry.key AS reason,
    entry.value AS dropped,
    CASE WHEN entry.key LIKE 'track:%' THEN tracks ELSE coalesce(faces, 0) END AS kept,
    CASE WHEN entry.key LIKE 'track:%' THEN 'tracks' ELSE 'detections' END AS of
FROM dropped LEFT JOIN detected USING (movie_id)
ORDER BY movie_id, of, dropped DESC, reason
