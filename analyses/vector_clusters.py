"""Task vectors in two dimensions, and their clusters (Figure 5 of the paper).

Claim: task vectors of one task lie together, whatever the demonstrations and the dummy query, and
apart from those of other tasks; tasks of one category are neighbours. It would be refuted by
clusters that mix tasks: a silhouette near 0 or below, and a nearest centroid that is right no more
often than chance. t-SNE shows neighbours and hides distances, so those numbers are taken from the
vectors themselves. The vectors are those of `analyses.main_results`, which is measured where it is
missing.

    python -m analyses.vector_clusters
    python -m analyses.vector_clusters --layer 11 --perplexity 50
"""

from tvsight.cli.analysis import run

if __name__ == "__main__":
    run("vector_clusters", __doc__)
