# %% [markdown]
# # Task vectors of a model on NDIF
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/tvsight/tvsight/blob/main/examples/on_ndif.ipynb)
#
# [NDIF](https://ndif.us) holds models that are too large for most machines. Each call below is one job there: token
# ids go up, answers and vectors come down, and no weights travel. The notebook runs on any CPU.
#
# | | |
# | --- | --- |
# | Scope | One prompt, one vector of a task, steering, and the paper's central comparison (Figure 4) on two tasks |
# | Model | `MODEL`; [NDIF lists](https://nnsight.net/status) what is deployed. A gated model needs its licence accepted on the hub, and `hf auth login`, because its configuration and tokenizer are read here |
# | Implemented here | Baseline, ICL, task vector and averaged vector, by the same functions as in [a first look](first_look.ipynb) |
# | Not replicated | The paper's models: NDIF hosts none of them. The outputs of this notebook are not stored, because no reference run was made on the public service |
# | Seeds | `SEED` draws all episodes. Every answer is greedy |
# | Deviations | `EPISODES` instead of 50 episodes per split; the server's precision, bfloat16; only pairs whose answer is one token for the tokenizer |

# %%
MODEL = "meta-llama/Llama-3.1-8B"
DTYPE = "bfloat16"  # the server's precision
REMOTE = True  # "simulated": here, through the serialisation for a server
TASKS = ["country_capital", "antonyms"]
EPISODES = 20
SHOTS = 5
SEED = 0

# %% [markdown]
# Where tvsight is missing, this installs it. The key is from <https://login.ndif.us>.

# %%
import importlib.util
import os
import subprocess
import sys
from getpass import getpass

if importlib.util.find_spec("tvsight") is None:
    package = "tvsight[figures,remote] @ git+https://github.com/tvsight/tvsight"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)
if REMOTE is True and "NDIF_API_KEY" not in os.environ:
    os.environ["NDIF_API_KEY"] = getpass("NDIF key: ")

# %%
import pandas as pd

import tvsight
from tvsight.paper import paper_by_task

model = tvsight.load(MODEL, dtype=DTYPE, remote=REMOTE)
model

# %% [markdown]
# ## One prompt
#
# θ is the residual stream at the last token of the demonstrations with a dummy query. It replaces that of the bare
# query after one block.

# %%
episode = tvsight.episodes(model, TASKS[0], count=EPISODES, shots=SHOTS, seed=SEED)[EPISODES]
theta = tvsight.extract(model, episode)  # [depth, width]
layer = len(theta) // 2
print(episode.query, "should become one of", episode.accepted)
print("baseline:   ", tvsight.answer(model, episode.query))
print("ICL:        ", tvsight.answer(model, episode.query, episode.demonstrations))
print("task vector:", tvsight.answer(model, episode.query, patch=(layer, theta[layer])))

# %% [markdown]
# ## A vector of a task
#
# It is extracted, swept over all blocks on dev and tested in one job.

# %%
vector = tvsight.task_vector(model, TASKS[0], episodes=EPISODES, shots=SHOTS, seed=SEED)
vector

# %%
text = "The name of the"
print("α = 0  ", model.generate(text, tokens=8))
with vector.steering(alpha=0.5):
    print("α = 0.5", model.generate(text, tokens=8))

# %% [markdown]
# ## Measured beside reported
#
# Each task is one job, and the folder `on_ndif` keeps it. Where this is interrupted, run it again: it waits for the
# jobs that are under way instead of sending them anew.

# %%
rows = tvsight.measure(
    model, TASKS, results="on_ndif", episodes_per_split=EPISODES, shots=SHOTS, seed=SEED
)
procedures = ["baseline", "icl", "task_vector"]
measured = (
    rows[rows["split"] == "test"]
    .pivot_table(index="task", columns="procedure", values="correct", aggfunc="mean")
    .astype(float)[procedures]
)
reported = paper_by_task().query("task in @TASKS").groupby("task")[procedures].mean()
table = pd.concat(
    {f"{model.name}, measured": measured, "mean of 7 models, paper": reported}, axis=1
)
table.round(2)
