-- Seconds on screen of each character, most seen first, with the share of the movie in percent (by run and movie)
-- Seconds in which two tracks of one character overlap count once. cluster_id -1 is unknown, where they are summed up.
-- identity is the name most often given by labels, if there are any.
WITH seen AS (
    SELECT
        run, movie_id, cluster_id, track_id, faces, start_s, end_s,
        coalesce(max(end_s) OVER (
            PARTITION BY run, movie_id, cluster_id ORDER BY start_s, track_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), start_s) AS covered_to_s
    FROM clusters JOIN tracks USING (movie_id, track_id)
),
named AS (
    SELECT run, movie_id, cluster_id, mode(identity ORDER BY identity) AS identity
    FROM clusters JOIN labels USING (movie_id, track_id)
    WHERE cluster_id >= 0
    GROUP BY ALL
)
SELECT
    run,
    movie_id,
    cluster_id,
    any_value(identity) AS identity,
    round(sum(greatest(0, end_s - CASE WHEN cluster_id < 0 THEN start_s ELSE greatest(start_s, covered_to_s) END)), 2) AS seconds,
    round(100 * seconds / any_value(duration_s), 1) AS percent,
    count(*) AS tracks,
    sum(seen.faces)::BIGINT AS faces,
    round(min(start_s), 2) AS first_s,
    round(max(end_s), 2) AS last_s
FROM seen JOIN movies USING (movie_id) LEFT JOIN named USING (run, movie_id, cluster_id)
GROUP BY run, movie_id, cluster_id
ORDER BY run, movie_id, cluster_id < 0, seconds DESC, cluster_id
