#!/usr/bin/env bash
# A castmine command as a Ray job, with the code of this checkout; follows its log and ends with 0 or 1 as it does.
#   infra/ray/submit.sh corpus --config /datasets/corpus.yaml
#   infra/ray/submit.sh harvest '/movies/**/*.mp4' --dataset /datasets/films --models /models/buffalo_l
# RAY_API_SERVER_ADDRESS says where the head's dashboard answers: on the head itself, or at this end of a tunnel, here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export RAY_API_SERVER_ADDRESS="${RAY_API_SERVER_ADDRESS:-http://127.0.0.1:8265}"
exec ray job submit --working-dir . --runtime-env infra/ray/runtime-env.yaml -- python -m workflows "$@"
