-- Tracks per movie, how many co-occur, their faces and cannot-link partners (the corpus figures of the Multi-Face paper)
-- sd is the sample standard deviation. A track co-occurs when it has a cannot-link partner.
-- A movie without tracks counts in the tracks per movie, and has no share.
WITH per_movie AS (
    SELECT movie_id, count(track_id) AS tracks, count(*) FILTER (cannot_links > 0) AS cooccurring
    FROM movies LEFT JOIN tracks USING (movie_id)
    GROUP BY movie_id
),
partnered AS (SELECT faces, cannot_links FROM tracks WHERE cannot_links > 0),
measured (position, value) AS (
    SELECT 1, tracks::DOUBLE FROM per_movie
    UNION ALL SELECT 2, 100.0 * cooccurring / nullif(tracks, 0) FROM per_movie
    UNION ALL SELECT 3, cooccurring::DOUBLE FROM per_movie
    UNION ALL SELECT 4, faces::DOUBLE FROM partnered
    UNION ALL SELECT 5, cannot_links::DOUBLE FROM partnered
    UNION ALL SELECT 6, 100.0 * (cannot_links = 1)::INTEGER FROM partnered
),
figures (position, figure, of) AS (
    VALUES
        (1, 'tracks per movie', 'movies'),
        (2, 'co-occurring share of a movie''s tracks, %', 'movies'),
        (3, 'co-occurring tracks per movie', 'movies'),
        (4, 'faces per co-occurring track', 'tracks'),
        (5, 'cannot-link partners per co-occurring track', 'tracks'),
        (6, 'co-occurring tracks with exactly one partner, %', 'tracks')
)
SELECT
    figure,
    round(avg(value), 1) AS mean,
    CASE WHEN position < 6 THEN round(stddev_samp(value), 1) END AS sd,
    CASE WHEN position < 6 THEN round(min(value), 1) END AS lowest,
    CASE WHEN position < 6 THEN round(max(value), 1) END AS highest,
    count(value) AS counted,
    of
FROM figures LEFT JOIN measured USING (position)
GROUP BY position, figure, of
ORDER BY position
