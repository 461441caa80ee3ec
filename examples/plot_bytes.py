"""
Which dims and bits, for so many bytes?
=======================================

64 bytes are 16 floats, 64 coordinates of 8 bits or 512 of one. Which serves best? Each curve goes
through the settings that no smaller one beats.
"""

# %%
# Truncation has no codes of its own: of floats it can only keep fewer.
from madapt import MatryoshkaAdaptor
from madapt.baselines import SVDRotation, Truncation
from madapt.datasets import load_cranfield
from madapt.evaluation import ByteCurveDisplay, best_setting, byte_curve

data = load_cranfield("train")
X = data.corpus
adaptor = MatryoshkaAdaptor(random_state=0).fit(X)

precisions = ("float32", "int8", "int4", "int2", "binary")
settings = [(dim, precision) for dim in (16, 32, 64, 128, 256, 384) for precision in precisions]
curve = byte_curve({"adaptor": adaptor}, X, data.queries, data.qrels, settings)
floats = [(dim, "float32") for dim in (8, 16, 32, 64, 128, 256, 384)]
others = {"truncation, floats": Truncation().fit(X), "SVD, floats": SVDRotation().fit(X)}
plain = byte_curve(others, X, data.queries, data.qrels, floats)

display = ByteCurveDisplay.from_results(curve)
ax = display.ax_
for name, scores in plain.scores.items():
    ax.plot(plain.bytes, scores["ndcg@10"], marker="o", label=name)
ax.legend()

# %%
# The best setting of at most so many bytes, chosen on these queries; report it on others.
for n_bytes in (16, 32, 64, 128):
    print(n_bytes, "bytes:", *best_setting(curve, n_bytes))
