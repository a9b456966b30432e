"""Constants that trade speed against memory or overhead. They change no result, up to the rounding of float sums.

They were tuned on a machine with 2 CPU cores. On other hardware, measure with the benchmark named at each, and change
them here. Settings that a user may want per pipeline (`max_pieces`, `max_cells`, `block`) are arguments instead.
"""

# Word pieces, padding included, in one forward pass of an encoder at prediction; `max_pieces` overrides it. On a CPU,
# small chunks of texts of similar lengths have little padding and fit its caches; a GPU needs large ones to be busy.
# Larger: more memory for activations. Measured by benchmarks/speed.py.
ENCODER_CPU_PIECES = 512
ENCODER_GPU_PIECES = 16_384

# Words whose number of word pieces is cached, for cutting docs into windows. Larger: more memory, fewer calls of the
# tokenizer. Measured by benchmarks/speed.py, as a part of the whole pipeline.
CACHED_PIECE_COUNTS = 2**16

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

# Bootstrap samples drawn at once. Larger: more memory for the counts of sentences. Not measured by a benchmark.
BOOTSTRAP_CHUNK = 200

# Different user data cached while a DocBin is read. Larger: more memory; smaller than the number of domains: slow. Not
# measured by a benchmark.
CACHED_USER_DATA = 1000
