-- Every clustering run: movies, characters, unassigned tracks, cannot-link pairs put into one character (violations)
WITH violated AS (
    SELECT a.run, count(*) AS violations
    FROM links AS l
    JOIN clusters AS a ON a.movie_id = l.movie_id AND a.track_id = l.track_a
    JOIN clusters AS b ON b.movie_id = l.movie_id AND b.track_id = l.track_b AND b.run = a.run
    WHERE a.cluster_id = b.cluster_id AND a.cluster_id >= 0
    GROUP BY a.run
)
SELECT
    run,
    count(DISTINCT movie_id) AS movies,
    count(DISTINCT (movie_id, cluster_id)) FILTER (cluster_id >= 0) AS characters,
    coalesce(any_value(violations), 0) AS violations,
    count(*) AS tracks,
    count(*) FILTER (cluster_id < 0) AS unknown_tracks,
    string_agg(DISTINCT method, ', ' ORDER BY method) AS method,
    string_agg(DISTINCT model, ', ' ORDER BY model) AS model
FROM clusters LEFT JOIN violated USING (run)
GROUP BY run
ORDER BY run
