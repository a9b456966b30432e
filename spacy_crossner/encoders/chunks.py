"""Chunks of sequences of similar lengths, so that little of a padded chunk is padding."""

from typing import List, Sequence


def chunk_by_length(lengths: Sequence[int], limit: int) -> List[List[int]]:
    """Group sequences of similar lengths. The longest sequences come first.

    lengths (Sequence[int]): length of each sequence.
    limit (int): maximum size of a chunk with its padding: the number of its sequences times the length of its longest.
        A longer sequence is a chunk by itself.
    RETURNS (List[List[int]]): the indices of the sequences of each chunk, in ascending order.
    """
    chunks: List[List[int]] = []
    for length, index in sorted(zip(lengths, range(len(lengths)), strict=True)):
        if chunks and length * (len(chunks[-1]) + 1) <= limit:
            chunks[-1].append(index)
        else:
            chunks.append([index])
    return [sorted(chunk) for chunk in reversed(chunks)]
