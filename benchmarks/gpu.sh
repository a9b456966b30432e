#!/usr/bin/env bash
# All measurements and tests that need a GPU, in under ten minutes on an H100:
#
#     bash benchmarks/gpu.sh PYTHON OUTPUT TEST.spacy TRAIN.spacy ENCODER...
#
# PYTHON is the interpreter of an environment with the package and CuPy; nothing is installed. OUTPUT is a folder for a
# text and a JSON file of each part. TEST is an annotated DocBin for speed, TRAIN one for training steps. Each ENCODER is
# a folder or an installed encoder, such as MiniLM and MPNet-base. LIMIT bounds the seconds of all parts (default 590).
#
# Without a GPU, it says so, and measures the host alone: with a stub in place of the encoder.
set -uo pipefail
if [ $# -lt 5 ]; then
  sed -n '2,11p' "$0" >&2
  exit 2
fi
python=$1 output=$2 test=$3 train=$4
shift 4
here=$(cd "$(dirname "$0")" && pwd)
export PYTHONPATH=${PYTHONPATH:-$(dirname "$here")}
limit=${LIMIT:-590}
mkdir -p "$output"
failed=0

# part NAME COMMAND...: run one part; its output goes to the terminal and to NAME.txt.
part() {
  local name=$1 start=$SECONDS left=$((limit - SECONDS))
  shift
  echo "== $name: $*"
  if [ "$left" -gt 0 ] && timeout "$left" "$@" 2>&1 | tee "$output/$name.txt"; then
    echo "== $name: $((SECONDS - start)) s"
  else
    echo "== $name: FAILED or stopped after $((SECONDS - start)) s" | tee -a "$output/$name.txt"
    failed=1
  fi
}

# speed NAME ENCODER OPTIONS...
speed() {
  part "$1" "$python" "$here/speed.py" "$test" --encoder "$2" --output "$output/$1.json" \
    --rounds 3 --words 0 --request-docs 0 --no-overhead "${@:3}"
}

if "$python" -c 'import torch, thinc.util; raise SystemExit(not (torch.cuda.is_available() and thinc.util.has_cupy_gpu))'; then
  "$python" -c 'import torch; print(torch.cuda.get_device_name(), torch.__version__)' | tee "$output/device.txt"
  # Repeated, because one pass over some hundred texts takes a GPU less than a tenth of a second.
  for encoder in "$@"; do
    speed "speed-${encoder//\//-}" "$encoder" --gpu-id 0 --precisions fp32,bf16,fp16 --repeat 10
  done
  for encoder in "$@"; do
    name="step-${encoder//\//-}"
    part "$name" "$python" "$here/train_step.py" "$train" --encoder "$encoder" --size 32 --steps 10 \
      --sides plain,shared,fp32,bf16,fp16 --gpu-id 0 --output "$output/$name.json"
  done
  part tests "$python" -m pytest -q -p no:cacheprovider -k gpu "$here/../tests"
else
  echo "There is no GPU here: the host alone is measured, with a stub in place of the encoder." | tee "$output/device.txt"
  for encoder in "$@"; do
    speed "host-${encoder//\//-}" "$encoder" --stub --precisions fp32
  done
fi
exit "$failed"
