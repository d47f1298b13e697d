-- Shots by the number of characters in them, with their mean length: close-ups, two-shots, groups (by run and movie)
-- Unknown tracks (cluster_id -1) are not counted as characters.
WITH cast_runs AS (SELECT DISTINCT run, movie_id FROM clusters),
per_shot AS (
    SELECT r.run, s.movie_id, s.shot_id, s.end_s - s.start_s AS seconds, count(DISTINCT c.cluster_id) AS characters
    FROM cast_runs AS r
    JOIN shots AS s ON s.movie_id = r.movie_id
    LEFT JOIN tracks AS t ON t.movie_id = s.movie_id AND t.shot_id = s.shot_id
    LEFT JOIN clusters AS c ON c.run = r.run AND c.movie_id = t.movie_id AND c.track_id = t.track_id AND c.cluster_id >= 0
    GROUP BY ALL
)
SELECT run, movie_id, characters, count(*) AS shots, round(avg(seconds), 2) AS mean_s
FROM per_shot
GROUP BY run, movie_id, characters
ORDER BY run, movie_id, characters
