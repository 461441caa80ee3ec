"""
How much do fewer dims keep?
============================

nDCG@10 of 100 test queries against the number of dims that are kept: the adaptor beside the
methods that need no training.
"""

# %%
# Fit on the documents alone. Queries and judgments only measure.
from madapt import MatryoshkaAdaptor
from madapt.baselines import PCAReducer, SVDRotation, Truncation
from madapt.datasets import load_cranfield
from madapt.evaluation import DimensionCurveDisplay

data = load_cranfield("test")
methods = {
    "truncation": Truncation().fit(data.corpus),
    "PCA": PCAReducer().fit(data.corpus),
    "SVD": SVDRotation().fit(data.corpus),
    "adaptor": MatryoshkaAdaptor(random_state=0).fit(data.corpus),
}
display = DimensionCurveDisplay.from_estimator(methods, data.corpus, data.queries, data.qrels)

# %%
# The smallest dim that keeps 95 % of the whole vector's nDCG@10, estimated on held-out rows,
# without any judgment:
print(methods["adaptor"].recommend_dim(0.95))
