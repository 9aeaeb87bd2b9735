#!/usr/bin/python3
"""Trains a small character-level language model on the text of the GPL, on one CPU thread, and survives interruption.

The model reads 16 characters and guesses the next one: an embedding, one hidden layer, a softmax; trained by Adam on
random batches. It is deterministic: two runs with the same settings on the same kind of processor end with the same
bits, also when one of them was killed and resumed from its last checkpoint.

What it needs from whoever runs it is only the environment:
  SWARMLET_CHECKPOINT_DIR  where checkpoints go (none are written when it is not set)
  SWARMLET_RESUME=1        go on from the checkpoint there, if there is one
Settings, for shorter or longer runs:
  TRAIN_STEPS (1800), TRAIN_CHECKPOINT_STEPS (60), TRAIN_TEXT (/usr/share/common-licenses/GPL-3),
  TRAIN_OUT (model.npz in the working directory)
"""

import os

# Matrix libraries read these once, when they are loaded. One thread: more would add in another order each time.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"):
    os.environ[_name] = "1"

import io  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
import zipfile  # noqa: E402

import numpy as np  # noqa: E402

CONTEXT, EMBEDDING, HIDDEN, BATCH = 16, 16, 192, 128
LEARNING_RATE, BETA1, BETA2, EPSILON, WEIGHT_DECAY = 3e-3, 0.9, 0.999, 1e-8, 0.1
PROGRESS_STEPS = 20
CHECKPOINT_NAME = "train.ckpt"


class Text:
    """The corpus as numbers; the last tenth is never trained on."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as stream:
            characters = stream.read()
        self.alphabet = sorted(set(characters))
        number = {character: index for index, character in enumerate(self.alphabet)}
        self.codes = np.array([number[character] for character in characters], dtype=np.int64)
        self.train_end = len(self.codes) * 9 // 10

    def windows(self, starts):
        """Contexts [n, CONTEXT] and the character after each [n]."""
        return self.codes[starts[:, None] + np.arange(CONTEXT)], self.codes[starts + CONTEXT]


def initial_weights(random, symbols):
    def normal(rows, columns, scale):
        return (random.standard_normal((rows, columns)) * scale).astype(np.float32)

    inputs = CONTEXT * EMBEDDING
    return {
        "embedding": normal(symbols, EMBEDDING, 0.5),
        "hidden": normal(inputs, HIDDEN, inputs ** -0.5),
        "hidden_bias": np.zeros(HIDDEN, np.float32),
        "output": normal(HIDDEN, symbols, HIDDEN ** -0.5),
        "output_bias": np.zeros(symbols, np.float32),
    }


def forward(weights, contexts):
    inputs = weights["embedding"][contexts].reshape(len(contexts), -1)
    hidden = np.tanh(inputs @ weights["hidden"] + weights["hidden_bias"])
    logits = hidden @ weights["output"] + weights["output_bias"]
    logits -= logits.max(axis=1, keepdims=True)
    return inputs, hidden, logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def loss_and_gradients(weights, contexts, targets):
    """Mean cross entropy in nats a character, and its gradient for each weight."""
    inputs, hidden, log_probabilities = forward(weights, contexts)
    rows = np.arange(len(targets))
    loss = -log_probabilities[rows, targets].mean(dtype=np.float64)

    d_logits = np.exp(log_probabilities)
    d_logits[rows, targets] -= 1
    d_logits /= np.float32(len(targets))
    d_hidden = (d_logits @ weights["output"].T) * (1 - hidden * hidden)
    d_embedding = np.zeros_like(weights["embedding"])
    np.add.at(d_embedding, contexts.reshape(-1), (d_hidden @ weights["hidden"].T).reshape(-1, EMBEDDING))
    return loss, {
        "embedding": d_embedding,
        "hidden": inputs.T @ d_hidden,
        "hidden_bias": d_hidden.sum(axis=0),
        "output": hidden.T @ d_logits,
        "output_bias": d_logits.sum(axis=0),
    }


def held_out_loss(weights, text):
    starts = np.arange(text.train_end, len(text.codes) - CONTEXT)
    contexts, targets = text.windows(starts)
    return -forward(weights, contexts)[2][np.arange(len(targets)), targets].mean(dtype=np.float64)


class Training:
    """Everything that the next step depends on; a checkpoint is exactly this."""

    def __init__(self, symbols):
        self.random = np.random.Generator(np.random.PCG64(1989))
        self.weights = initial_weights(self.random, symbols)
        self.mean = {name: np.zeros_like(value) for name, value in self.weights.items()}
        self.square = {name: np.zeros_like(value) for name, value in self.weights.items()}
        self.step = 0
        self.recent_loss = 0.0

    def advance(self, text, steps):
        starts = self.random.integers(0, text.train_end - CONTEXT, BATCH)
        loss, gradients = loss_and_gradients(self.weights, *text.windows(starts))
        # Half a cosine down to a tenth: large steps early, small ones to settle.
        rate = LEARNING_RATE * (0.55 + 0.45 * np.cos(np.pi * self.step / steps))
        self.step += 1
        correction = np.sqrt(1 - BETA2 ** self.step) / (1 - BETA1 ** self.step)
        for name, gradient in gradients.items():
            self.mean[name] = np.float32(BETA1) * self.mean[name] + np.float32(1 - BETA1) * gradient
            self.square[name] = np.float32(BETA2) * self.square[name] + np.float32(1 - BETA2) * gradient * gradient
            update = self.mean[name] / (np.sqrt(self.square[name]) + np.float32(EPSILON))
            decayed = self.weights[name] * np.float32(1 - rate * WEIGHT_DECAY)
            self.weights[name] = decayed - np.float32(rate * correction) * update
        self.recent_loss += float(loss)

    def save(self, path):
        state = {"step": self.step, "recent_loss": self.recent_loss.hex(), "random": self.random.bit_generator.state}
        arrays = {"state": np.frombuffer(json.dumps(state, sort_keys=True).encode(), np.uint8)}
        for group in ("weights", "mean", "square"):
            arrays.update({f"{group}.{name}": value for name, value in getattr(self, group).items()})
        write_arrays(path, arrays)

    def load(self, path):
        with np.load(path) as arrays:
            state = json.loads(arrays["state"].tobytes())
            for group in ("weights", "mean", "square"):
                setattr(self, group, {name: arrays[f"{group}.{name}"] for name in self.weights})
        self.step, self.recent_loss = state["step"], float.fromhex(state["recent_loss"])
        self.random.bit_generator.state = state["random"]


def write_arrays(path, arrays):
    """Writes an .npz with the same bytes for the same arrays, complete or not at all: aside, to disk, then renamed."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            # numpy.savez would put the time of day here, and no two files would be equal.
            archive.writestr(zipfile.ZipInfo(name + ".npy", (1980, 1, 1, 0, 0, 0)), member.getvalue())
    folder = os.path.dirname(os.path.abspath(path))
    aside = os.path.join(folder, f".{os.path.basename(path)}.partial")
    with open(aside, "wb") as stream:
        stream.write(content.getbuffer())
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(aside, path)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sample(weights, text, length=120):
    """What the model writes after the first words of the text; always the same for the same weights."""
    random = np.random.Generator(np.random.PCG64(1))
    codes = list(text.codes[text.train_end : text.train_end + CONTEXT])
    for _ in range(length):
        log_probabilities = forward(weights, np.array([codes[-CONTEXT:]]))[2][0].astype(np.float64)
        chances = np.exp(log_probabilities * 1.5)
        codes.append(int(np.searchsorted(np.cumsum(chances / chances.sum()), random.random())))
    return "".join(text.alphabet[min(code, len(text.alphabet) - 1)] for code in codes[CONTEXT:])


def say(line):
    print(line, flush=True)


def main():
    steps = int(os.environ.get("TRAIN_STEPS", "1800"))
    checkpoint_steps = int(os.environ.get("TRAIN_CHECKPOINT_STEPS", "60"))
    text = Text(os.environ.get("TRAIN_TEXT", "/usr/share/common-licenses/GPL-3"))
    folder = os.environ.get("SWARMLET_CHECKPOINT_DIR")
    training = Training(len(text.alphabet))

    checkpoint = None
    if folder:
        os.makedirs(folder, exist_ok=True)
        checkpoint = os.path.join(folder, CHECKPOINT_NAME)
    if checkpoint and os.environ.get("SWARMLET_RESUME") == "1" and os.path.exists(checkpoint):
        training.load(checkpoint)
        say(f"resumed at step {training.step}")
    else:
        count = sum(value.size for value in training.weights.values())
        say(f"training {count} parameters on {text.train_end} characters, {steps} steps")

    while training.step < steps:
        training.advance(text, steps)
        if training.step % PROGRESS_STEPS == 0:
            say(f"step {training.step} loss {training.recent_loss / PROGRESS_STEPS:.4f}")
            training.recent_loss = 0.0
        if checkpoint and training.step % checkpoint_steps == 0:
            training.save(checkpoint)

    loss = float(held_out_loss(training.weights, text))
    say(f"final loss {loss!r} {loss.hex()}")
    say(f"sample {sample(training.weights, text)!r}")
    write_arrays(os.environ.get("TRAIN_OUT", "model.npz"), training.weights)


if __name__ == "__main__":
    sys.exit(main())
