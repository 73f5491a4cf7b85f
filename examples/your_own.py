# %% [markdown]
# # Your own model, your own pairs
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/tvsight/tvsight/blob/main/examples/your_own.ipynb)
#
# A task vector of pairs that no list has, in a model that you hold: extract it, look inside, apply it, measure it. Two
# minutes on two cores.

# %%
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("tvsight") is None:
    package = "tvsight[embedded,figures] @ git+https://github.com/tvsight/tvsight"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)

# %% [markdown]
# ## A model
#
# `load` takes a model of transformers with its tokenizer, `tvsight.load(model, tokenizer)`, or an nnsight model. Here
# that is the one of the embedded Gemma 3 270M, whose use is under the
# [Gemma Terms of Use](https://ai.google.dev/gemma/terms). Results are stored by a digest of the weights.

# %%
import tvsight

MODEL = "gemma-3-270m"
held = tvsight.load(MODEL).decoder.nn  # an nnsight TransformersModel
model = tvsight.load(held)
model

# %% [markdown]
# ## Pairs
#
# At least 20 whose answers are one token; pairs may also be a dictionary, a data frame or a dataset.

# %%
THINGS = "banana yellow, lemon yellow, sun yellow, butter yellow, grass green, lettuce green, leaf green, emerald green, frog green, blood red, tomato red, ruby red, cherry red, rose red, snow white, milk white, salt white, swan white, coal black, night black, raven black, sky blue, sea blue, sapphire blue, chocolate brown, bear brown"
colour = tvsight.Task.of("colour", [pair.split() for pair in THINGS.split(", ")])
theta = tvsight.task_vector(model, colour, episodes=10)
theta

# %% [markdown]
# ## See inside
#
# The logit lens: the most probable next tokens after each block, without the vector and with it.

# %%
QUERY, ANSWER = "tomato", "red"
prompt = theta.template.query(f" {QUERY}")
plain = tvsight.lens(model, prompt, top=4)
plain.plot()

# %%
patched = tvsight.lens(model, prompt, patch=(theta.layer, theta.values[theta.layer]), top=4)
patched.plot()

# %% [markdown]
# The vector after each block alone, and how much each token attends to each.

# %%
sweep = theta.sweep(QUERY, expected=ANSWER)
sweep.plot()

# %%
tvsight.attention(model, prompt).plot(layer=theta.layer)

# %% [markdown]
# ## Apply and steer
#
# `apply` writes the vector once, at the last token of the prompt; steering adds a multiple of it at every position that is
# generated.

# %%
print("without:", [tvsight.answer(model, f" {word}") for word in (QUERY, "grass", "snow")])
print("with:   ", theta.apply([QUERY, "grass", "snow"]))

# %%
text = "A tomato is"
print("without:", model.generate(text, tokens=10))
with theta.steering(alpha=0.3):
    print("with:   ", model.generate(text, tokens=10))

# %% [markdown]
# ## Measure
#
# The same comparison as for the paper's tasks, beside one of these, stored in a folder.

# %%
rows = tvsight.measure(model, ["next_letter", colour], results="your_own", episodes_per_split=10)
rows[rows["split"] == "test"].groupby(["task", "procedure"])["correct"].mean().unstack().round(2)
