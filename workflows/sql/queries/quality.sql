-- How good the tracks of each movie are: share in profile, blurred, dark, and the median size of a face
-- Shares are over the tracks whose flag is known (imported tracks have none).
SELECT
    movie_id,
    count(track_id) AS tracks,
    round(100 * avg(frontal::INTEGER), 1) AS frontal_percent,
    round(100 * avg(profile::INTEGER), 1) AS profile_percent,
    round(100 * avg(blurred::INTEGER), 1) AS blurred_percent,
    round(100 * avg(dark::INTEGER), 1) AS dark_percent,
    round(median(size_px), 1) AS median_size_px,
    round(avg(score), 3) AS mean_score
FROM movies LEFT JOIN (SELECT * EXCLUDE (embedding) FROM tracks) AS t USING (movie_id)
GROUP BY movie_id
ORDER BY movie_id
