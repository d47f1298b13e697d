-- Shots of each movie: number, length in seconds, how they begin, how many show no face, one, two or more
WITH shown AS (
    SELECT movie_id, shot_id, end_s - start_s AS seconds, begins, count(track_id) AS tracks
    FROM shots LEFT JOIN (SELECT movie_id, shot_id, track_id FROM tracks) USING (movie_id, shot_id)
    GROUP BY ALL
)
SELECT
    movie_id,
    count(*) AS shots,
    round(avg(seconds), 2) AS mean_s,
    round(median(seconds), 2) AS median_s,
    round(min(seconds), 2) AS shortest_s,
    round(max(seconds), 2) AS longest_s,
    count(*) FILTER (begins = 'cut') AS cuts,
    count(*) FILTER (begins = 'dissolve') AS dissolves,
    count(*) FILTER (tracks = 0) AS without_face,
    count(*) FILTER (tracks = 1) AS one_track,
    count(*) FILTER (tracks = 2) AS two_tracks,
    count(*) FILTER (tracks > 2) AS more_tracks
FROM shown
GROUP BY movie_id
ORDER BY movie_id
