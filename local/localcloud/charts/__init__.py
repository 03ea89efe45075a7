"""Charts for a closed network, assembled from our templates and generated CRDs.

May import: nothing of ours outside `localcloud`.
"""
