"""
How much do fewer dims keep?
============================

nDCG@10 of 100 test queries against the number of dims that are kept: the adaptor beside what needs
no training.
"""

# %%
# Fit on the documents alone; queries and judgments only measure.
from madapt import MatryoshkaAdaptor
from madapt.baselines import PCAReducer, SVDRotation, Truncation
from madapt.datasets import load_cranfield
from madapt.evaluation import DimensionCurveDisplay

data = load_cranfield("test")
X = data.corpus
adaptor = MatryoshkaAdaptor(random_state=0).fit(X)
methods = {
    "truncation": Truncation().fit(X),
    "PCA": PCAReducer().fit(X),
    "SVD": SVDRotation().fit(X),
    "adaptor": adaptor,
}
display = DimensionCurveDisplay.from_estimator(methods, X, data.queries, data.qrels)

# %%
# The smallest dim that keeps 95 % of the whole vector's nDCG@10, estimated on held-out rows,
# without any judgment:
print(adaptor.recommend_dim(0.95))
