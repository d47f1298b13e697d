#!/usr/bin/env bash
# A castmine command as a Ray job, with the code of this checkout; follows its log and ends with 0 or 1 as it does.
#   infra/ray/submit.sh corpus --config /datasets/corpus.yaml
#   infra/ray/submit.sh harvest '/movies/**/*.mp4' --dataset /datasets/films --models /models/buffalo_l
# RAY_API_SERVER_ADDRESS says where the head's dashboard answers; on the head itself, or through a tunnel, nobody must.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

words=()
for word in "$@"; do
  case $word in
    *[[:space:]\"\'\\\`\$]* | '')
      echo "submit.sh: Ray hands the command to a shell, in which ‘$word’ would change; put it into a YAML file" \
        "and name that with --config" >&2
      exit 2
      ;;
  esac
  words+=("$(printf %q "$word")") # a glob is castmine's to expand, not the shell's on the head
done

exec "${RAY:-ray}" job submit --address "${RAY_API_SERVER_ADDRESS:-http://127.0.0.1:8265}" \
  --working-dir . --runtime-env infra/ray/runtime-env.yaml ${SUBMISSION_ID:+--submission-id "$SUBMISSION_ID"} \
  -- python -m workflows "${words[@]}"
