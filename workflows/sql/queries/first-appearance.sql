-- When each character is first seen, with the shot and the track to look at (by run and movie)
SELECT
    run, movie_id, cluster_id,
    printf('%d:%02d:%02d', floor(start_s / 3600)::INTEGER, floor(start_s / 60)::INTEGER % 60, floor(start_s)::INTEGER % 60) AS timecode,
    shot_id, track_id,
    round(start_s, 2) AS first_s
FROM clusters JOIN tracks USING (movie_id, track_id)
WHERE cluster_id >= 0
QUALIFY row_number() OVER (PARTITION BY run, movie_id, cluster_id ORDER BY start_s, track_id) = 1
ORDER BY run, movie_id, start_s, cluster_id
