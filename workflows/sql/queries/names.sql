-- Characters against labels: which identities each character holds, and how many tracks of each (by run and movie)
SELECT run, movie_id, cluster_id, identity, count(DISTINCT track_id) AS tracks
FROM clusters JOIN labels USING (movie_id, track_id)
GROUP BY run, movie_id, cluster_id, identity
ORDER BY run, movie_id, cluster_id, tracks DESC, identity
