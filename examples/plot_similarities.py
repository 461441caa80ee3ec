"""
What a prefix thinks of pairs
=============================

The cosine of 32 dims against that of the whole vectors, for pairs of documents: how near to the
diagonal are the pairs, and above all the near ones, which a search is about?
"""

# %%
import matplotlib.pyplot as plt
import numpy as np

from madapt import MatryoshkaAdaptor
from madapt.baselines import SVDRotation, Truncation
from madapt.datasets import load_cranfield
from madapt.neighbors import top_k

X = load_cranfield().corpus
methods = {
    "first 32 as they were": Truncation().fit(X),
    "SVD": SVDRotation().fit(X),
    "adapted": MatryoshkaAdaptor(random_state=0).fit(X),
}
whole = Truncation().fit_transform(X)  # unit length
S = whole @ whole.T
pairs = np.triu_indices(len(X), 1)

fig, axes = plt.subplots(1, 3, figsize=(11, 3.8), sharex=True, sharey=True, layout="constrained")
for ax, (name, method) in zip(axes, methods.items(), strict=True):
    Z = method.transform(X, dim=32)
    C = Z @ Z.T
    ax.hexbin(S[pairs], C[pairs], gridsize=60, bins="log", mincnt=1, cmap="Blues")
    ax.plot([-0.2, 1], [-0.2, 1], color="0.4", linewidth=1)
    order = np.corrcoef(S[pairs], C[pairs])[0, 1]
    exact, _ = top_k(whole, whole, 11)
    found, _ = top_k(Z, Z, 11)
    # Each document finds itself, which does not count.
    kept = ((found[:, :, None] == exact[:, None, :]).any(axis=1).sum(axis=1) - 1).mean() / 10
    ax.set_title(f"{name}\ncorrelation {order:.2f}, ten nearest kept {kept:.0%}")
    ax.set_xlabel("cosine of 384 dims")
axes[0].set_ylabel("cosine of 32 dims")

# %%
# Neither truncation nor the SVD was asked for neighbours. The adaptor was: it keeps more of the ten
# nearest than the SVD does, and less of the correlation over all pairs, most of which are far apart
# and shown by no search.
