"""Constants that trade speed against memory or overhead. They change no result, up to the rounding of float sums.

They were tuned on a machine with 2 CPU cores. For other hardware, run the benchmark named at each constant, and change
the value here. Settings that a user may want to set for each pipeline (`max_pieces`, `max_cells`, `block`) are
arguments instead.
"""

# Word pieces, padding included, in one forward pass of an encoder at prediction; `max_pieces` overrides it. On a CPU,
# small chunks of texts of similar lengths have little padding and fit the caches. A GPU needs large chunks to be busy.
# Larger: more memory for activations. Measured by benchmarks/speed.py.
ENCODER_CPU_PIECES = 512
ENCODER_GPU_PIECES = 16_384

# Words whose number of word pieces is cached, for cutting docs into windows. Larger: more memory, fewer calls of the
# tokenizer. Measured by benchmarks/speed.py as a part of the whole pipeline.
CACHED_PIECE_COUNTS = 2**16

# Words, and word pieces of them, that an encoder's cache of pieces holds; beyond either, it starts anew. Larger: more
# memory (about 100 bytes a word and 8 a piece), fewer calls of the tokenizer. Measured by benchmarks/speed.py.
CACHED_WORDS = 2**18
CACHED_PIECES = 2**21

# Tokens, padding included, in one forward pass of a BiLSTM at prediction. Larger: more memory, fewer passes. Measured
# by benchmarks/bilstm_speed.py.
BILSTM_CHUNK_TOKENS = 4096

# Distinct words whose vectors a BiLSTM caches. Larger: more memory, fewer look-ups in the vocabulary. Measured by
# benchmarks/bilstm_speed.py.
BILSTM_CACHED_WORDS = 50_000

# The CPU's LSTM kernel for padded rows takes two thirds of the time per position of the kernel for packed rows, but
# computes the padding, too. Up to this number of positions per token the padded kernel is used. Measured by
# benchmarks/bilstm_speed.py.
LSTM_PADDED_POSITIONS = 1.5

# Tokens, padding included, that a head decodes at once. Larger: more memory for lattices, less overhead per batch.
# Measured by benchmarks/crf_speed.py.
DECODED_TOKENS = 16_384

# Elements of a tensor from which PyTorch spreads an operation over its threads on a CPU (at::internal::GRAIN_SIZE).
# With several threads, Viterbi works in blocks below this size: waking the threads at each token costs more than it
# saves. Not tuned, but PyTorch's own. Measured by benchmarks/crf_speed.py --threads 2.
CRF_THREADED_ELEMENTS = 32_768

# LANER on a CPU, measured by benchmarks/laner_speed.py:
# - docs that are tagged together. Larger: fewer calls, more padding.
# - tokens of a doc that a round of greedy tagging scores. Larger: fewer rounds, more tokens scored again after a wrong
#   guess. 16 is near the best for batches of 1 to 128 docs; the setting `block` overrides it.
# - rounds of guessing before the rounds of `tag_greedily`. A second round costs more than it saves.
# - prefixes of spans that are scored together. Larger: fewer calls, more memory.
LANER_GROUP_DOCS = 128
LANER_BLOCK_TOKENS = 16
LANER_GUESS_ROUNDS = 1
LANER_SCORED_PREFIXES = 256
# - minimum number of prefixes for which equal sequences of tags are found and computed once in training. For fewer
#   prefixes, this takes more time than it saves.
LANER_SHARED_PREFIXES = 64
# - groups of prefixes of similar length, to bound padding. No prefix of a group is shorter than this fraction of the
#   longest, except in groups below the minimum size, which also take shorter prefixes to bound the number of calls.
LANER_SIMILAR_LENGTH = 0.8
LANER_MIN_GROUP = 16

# LANER on a GPU: rounds of greedy tagging between two looks at whether all tags are final. Larger: fewer waits for the
# GPU, more rounds that change nothing. Not measured by a benchmark.
LANER_ROUNDS_A_CHECK = 2

# Bootstrap samples drawn at once. Larger: more memory for the counts of sentences. Not measured by a benchmark.
BOOTSTRAP_CHUNK = 200

# Number of different user data cached while a DocBin is read. Larger: more memory. Slow if it is below the number of
# domains. Not measured by a benchmark.
CACHED_USER_DATA = 1000

# Elements of the largest intermediate result of decoding by scans, on a device other than the CPU (see core/scan.py).
# Larger: more memory, fewer launches. Not tuned on a GPU; benchmarks/crf_speed.py counts the operations.
CRF_SCAN_ELEMENTS = 2**26
