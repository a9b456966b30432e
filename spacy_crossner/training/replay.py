"""Resume at a position in the data: draw the same batches again, with the same random states."""

import random
from typing import Any, Dict, Iterator, List, Tuple

import numpy as np
import torch
from spacy.training import Example

# The state of each generator by name, as values that msgpack can hold.
States = Dict[str, Any]
Batch = Tuple[int, List[Example]]


class Generators:
    """The random generators of a training run: Python's, numpy's, torch's, and those of readers and batchers.

    CuPy's generator is not included, because its state cannot be read. So on a GPU the dropout of thinc's own layers is
    not reproducible after a resume.

    owners (Any): objects that may have an attribute `random` of type `random.Random`.
    """

    def __init__(self, **owners: Any) -> None:
        attributes = {name: getattr(owner, "random", None) for name, owner in owners.items()}
        # The module `random` has the same methods as an instance.
        self.python: Dict[str, Any] = {"python": random}
        self.python.update({name: value for name, value in attributes.items() if isinstance(value, random.Random)})

    def get(self) -> States:
        """Return the states of all generators."""
        states: States = {name: generator.getstate() for name, generator in self.python.items()}
        # numpy's global generator, which thinc uses.
        legacy: Any = np.random.get_state()  # noqa: NPY002
        kind, keys, *rest = legacy
        states["numpy"] = (kind, keys.tobytes(), *rest)
        states["torch"] = torch.get_rng_state().numpy().tobytes()
        if torch.cuda.is_initialized():
            states["cuda"] = torch.cuda.get_rng_state().numpy().tobytes()
        return states

    def set(self, states: States) -> None:
        """Set the states of the named generators."""
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
    """An iterator over the batches of all passes that a new process can advance to the same position.

    The new process draws all batches again from the start, so that any reader and batcher works without changes. Other
    code may draw random numbers between two batches. So the state is stored before each batch that needs it.

    batches (Iterator[Batch]): epoch and examples, from spaCy's `create_train_batches`.
    generators (Generators): the generators that the batches may use.
    """

    def __init__(self, batches: Iterator[Batch], generators: Generators) -> None:
        self.batches = batches
        self.generators = generators
        self.drawn = 0
        # By batch: the states of the generators that the batch used and that other code had advanced before it.
        self.starts: Dict[int, States] = {}
        # The state of each generator after the last batch that used it.
        self.last_states: States = {}

    def __iter__(self) -> Iterator[Batch]:
        """Return the iterator itself."""
        return self

    def __next__(self) -> Batch:
        """Return the next batch."""
        before = self.generators.get()
        batch = next(self.batches)
        after = self.generators.get()
        used = [name for name, state in before.items() if state != after[name]]
        moved = {name: before[name] for name in used if before[name] != self.last_states.get(name)}
        if moved:
            self.starts[self.drawn] = moved
        self.last_states.update({name: after[name] for name in used})
        self.drawn += 1
        return batch

    def replay(self, drawn: int, starts: Dict[int, States]) -> None:
        """Draw the first batches again. Call this on a new iterator.

        drawn (int): number of batches.
        starts (Dict[int, States]): the `starts` of the original iterator.
        """
        for i in range(drawn):
            self.generators.set(starts.get(i, {}))
            next(self)
