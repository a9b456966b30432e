"""The bare encoder: the forward pass of the Hugging Face model alone, on batches that are made before."""

from typing import Callable, Dict, List

import torch
from transformers import AutoModel, AutoTokenizer, BatchEncoding
from turns import timed

from spacy_crossner.encoders.precision import autocast, find_dtype

# Batch sizes to try, in texts and in pieces.
TEXTS_A_BATCH = {"cpu": (8, 16, 32, 64), "cuda": (64, 256)}
PIECES_A_BATCH = {"cpu": (256, 512, 1024, 8192), "cuda": (8192, 32_768)}


class BareEncoder:
    """A Hugging Face encoder, and texts in batches sorted by length, sized in texts or padded pieces.

    folder (str): the encoder.
    texts (List[str]): the texts.
    device (str): "cpu" or "cuda".
    """

    def __init__(self, folder: str, texts: List[str], device: str) -> None:
        self.model = AutoModel.from_pretrained(folder, trust_remote_code=False).to(device).eval()
        self.batches = self._make_batches(folder, texts, device)
        self.best: Dict[str, str] = {}

    def run(self, precision: str) -> Callable[[], None]:
        """Return a function that encodes all texts in the batches that are the fastest in this precision."""
        times = {size: min(timed(self._run(size, precision)) for _ in range(2)) for size in self.batches}
        self.best[precision] = min(times, key=times.__getitem__)
        return self._run(self.best[precision], precision)

    def _run(self, size: str, precision: str) -> Callable[[], None]:
        device = self.model.device

        @torch.inference_mode()
        def run() -> None:
            with autocast(find_dtype(precision, device), device):
                for batch in self.batches[size]:
                    self.model(**batch)

        return run

    def _make_batches(self, folder: str, texts: List[str], device: str) -> Dict[str, List[BatchEncoding]]:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        # RoBERTa's kind has places that no piece takes.
        longest = min(self.model.config.max_position_embeddings - 2, tokenizer.model_max_length)
        lengths = {text: min(longest, len(tokenizer(text)["input_ids"])) for text in texts}
        ordered = sorted(texts, key=lengths.__getitem__)
        limits = {f"{n} texts": (n, longest * n) for n in TEXTS_A_BATCH[device]}
        limits.update({f"{n} pieces": (len(texts), n) for n in PIECES_A_BATCH[device]})
        found: Dict[str, List[BatchEncoding]] = {}
        for name, (n_texts, n_pieces) in limits.items():
            batches: List[List[str]] = [[]]
            for text in ordered:
                # Texts are sorted: the last one is the longest.
                if batches[-1] and (len(batches[-1]) == n_texts or (len(batches[-1]) + 1) * lengths[text] > n_pieces):
                    batches.append([])
                batches[-1].append(text)
            settings = {"padding": True, "truncation": True, "max_length": longest, "return_tensors": "pt"}
            found[name] = [tokenizer(batch, **settings).to(self.model.device) for batch in batches]
        return found
