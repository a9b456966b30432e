"""The place in the data: batches that can be drawn over again, with the random numbers that shaped them."""

import random
from typing import Any, Dict, Iterator, List, Tuple

import numpy as np
import torch
from spacy.training import Example

# The state of each generator by name, in what msgpack can hold.
States = Dict[str, Any]
Batch = Tuple[int, List[Example]]


class Generators:
    """The random generators of a training run: Python's, numpy's, torch's, and those of readers and batchers.

    Not CuPy's, which cannot be read: on a GPU the dropout of thinc's own layers is drawn anew.

    owners (Any): objects that may have an attribute `random`, a `random.Random`.
    """

    def __init__(self, **owners: Any) -> None:
        attributes = {name: getattr(owner, "random", None) for name, owner in owners.items()}
        # The module has the methods of an instance.
        self.python: Dict[str, Any] = {"python": random}
        self.python.update({name: value for name, value in attributes.items() if isinstance(value, random.Random)})

    def get(self) -> States:
        """Return the states of all."""
        states: States = {name: generator.getstate() for name, generator in self.python.items()}
        # The global one, from which thinc draws.
        legacy: Any = np.random.get_state()  # noqa: NPY002
        kind, keys, *rest = legacy
        states["numpy"] = (kind, keys.tobytes(), *rest)
        states["torch"] = torch.get_rng_state().numpy().tobytes()
        if torch.cuda.is_initialized():
            states["cuda"] = torch.cuda.get_rng_state().numpy().tobytes()
        return states

    def set(self, states: States) -> None:
        """Set the states of those that are named."""
        for name, generator in self.python.items():
            if name in states:
                version, numbers, gauss = states[name]
                generator.setstate((version, tuple(numbers), gauss))
        if "numpy" in states:
            kind, keys, *rest = states["numpy"]
            np.random.set_state((kind, np.frombuffer(keys, dtype=np.uint32), *rest))  # noqa: NPY002
        for name, set_state in (("torch", torch.set_rng_state), ("cuda", torch.cuda.set_rng_state)):
            if name in states:
                set_state(torch.frombuffer(bytearray(states[name]), dtype=torch.uint8))


class Batches:
    """The batches of all passes, as an iterator that a new process can bring to the same place.

    It draws them over again from the first one, so that any reader and batcher takes part as it is. What else draws
    random numbers between two batches is left out: where a batch took some, it is kept from which state.

    batches (Iterator[Batch]): pass and examples, as spaCy's `create_train_batches` gives them.
    generators (Generators): the generators that may shape them.
    """

    def __init__(self, batches: Iterator[Batch], generators: Generators) -> None:
        self.batches = batches
        self.generators = generators
        self.drawn = 0
        # States before a batch, of those generators that it took from and that something else had moved on.
        self.starts: Dict[int, States] = {}
        # States in which a batch that took from them has left them.
        self.left: States = {}

    def __iter__(self) -> Iterator[Batch]:
        """Return the iterator itself."""
        return self

    def __next__(self) -> Batch:
        """Return the next batch."""
        before = self.generators.get()
        batch = next(self.batches)
        after = self.generators.get()
        taken = [name for name, state in before.items() if state != after[name]]
        moved = {name: before[name] for name in taken if before[name] != self.left.get(name)}
        if moved:
            self.starts[self.drawn] = moved
        self.left.update({name: after[name] for name in taken})
        self.drawn += 1
        return batch

    def replay(self, drawn: int, starts: Dict[int, States]) -> None:
        """Draw the first batches over again, on a new iterator.

        drawn (int): how many.
        starts (Dict[int, States]): what the first iterator kept.
        """
        for i in range(drawn):
            self.generators.set(starts.get(i, {}))
            next(self)
