-- Pairs of characters seen together: how many times, how many seconds, first when (by run and movie)
-- Together means two tracks with a cannot-link: both faces detected in one frame. The seconds are those in which both tracks last.
WITH pairs AS (
    SELECT
        a.run, a.movie_id,
        least(a.cluster_id, b.cluster_id) AS character_a,
        greatest(a.cluster_id, b.cluster_id) AS character_b,
        greatest(s.start_s, t.start_s) AS from_s,
        least(s.end_s, t.end_s) AS to_s
    FROM links AS l
    JOIN clusters AS a ON a.movie_id = l.movie_id AND a.track_id = l.track_a
    JOIN clusters AS b ON b.movie_id = l.movie_id AND b.track_id = l.track_b AND b.run = a.run
    JOIN tracks AS s ON s.movie_id = l.movie_id AND s.track_id = l.track_a
    JOIN tracks AS t ON t.movie_id = l.movie_id AND t.track_id = l.track_b
    WHERE a.cluster_id >= 0 AND b.cluster_id >= 0 AND a.cluster_id <> b.cluster_id
)
SELECT
    run, movie_id, character_a, character_b,
    count(*) AS times,
    round(sum(greatest(0, to_s - from_s)), 2) AS seconds,
    round(min(from_s), 2) AS first_s
FROM pairs
GROUP BY run, movie_id, character_a, character_b
ORDER BY run, movie_id, seconds DESC, character_a, character_b
