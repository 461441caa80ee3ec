"""
Choosing settings with judgments
================================

A grid search that holds out queries: each candidate is measured by what queries that it never saw
find in the whole corpus.
"""

# %%
# Rows of X are the queries, so that scikit-learn splits them; the corpus goes along whole.
import matplotlib.pyplot as plt
import sklearn
from sklearn.model_selection import GridSearchCV, KFold

from madapt import MatryoshkaAdaptor, RetrievalScorer
from madapt.datasets import load_cranfield

sklearn.set_config(enable_metadata_routing=True)

data = load_cranfield("train")
dims = (16, 32, 64, 128)
search = GridSearchCV(
    MatryoshkaAdaptor(hidden_dim=None, guard=False, max_iter=30, random_state=0),
    {"center": [None, 0.5], "rotation_dims": [64, 128]},
    scoring=RetrievalScorer(dims=dims),
    refit="ndcg@10",
    cv=KFold(2, shuffle=True, random_state=0),
    error_score="raise",
)
search.fit(data.queries, data.qrels, corpus=data.corpus)
print(search.best_params_, round(search.best_score_, 3))

# %%
# Every candidate at every dim, with the folds' spread:
results = search.cv_results_
fig, ax = plt.subplots()
for place, params in enumerate(results["params"]):
    means = [results[f"mean_test_ndcg@10[{m}]"][place] for m in dims]
    spread = [results[f"std_test_ndcg@10[{m}]"][place] for m in dims]
    name = ", ".join(f"{key}={value}" for key, value in params.items())
    ax.errorbar(dims, means, spread, marker="o", capsize=3, label=name)
ax.set_xscale("log", base=2)
ax.set_xticks(dims, dims)
ax.set_xlabel("dims kept")
ax.set_ylabel("nDCG@10 of held-out queries")
ax.legend()
sklearn.set_config(enable_metadata_routing=False)
