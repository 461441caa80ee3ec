"""
Watching a fit
==============

The loss of each step, and what the guard saw on rows that were held out.
"""

# %%
from madapt import MatryoshkaAdaptor
from madapt.datasets import load_cranfield
from madapt.evaluation import LossCurveDisplay

data = load_cranfield("train")
adaptor = MatryoshkaAdaptor(random_state=0)
adaptor.fit(data.corpus, queries=data.queries, qrels=data.qrels)
display = LossCurveDisplay.from_estimator(adaptor)

# %%
# The first stage turns the rotation, the second trains the MLP on judged queries, whose schedule
# runs to its end. What was kept is what held-out queries found to be better:
kept = adaptor.validation_scores_
print("dim   start  rotation  judged")
for dim, start, rotation, judged in zip(
    kept["dim"], kept["start"], kept["adaptor"], kept["supervised"], strict=True
):
    print(f"{dim:4}  {start:.3f}  {rotation:.3f}     {judged:.3f}")

# %%
# ``early_stopping`` keeps the best state of held-out rows where there are enough of them; with a
# patience of its own a fit ends as soon as it brings no more.
early = MatryoshkaAdaptor(n_iter_no_change=40, random_state=0).fit(data.corpus)
print(early.n_iter_, "steps")
