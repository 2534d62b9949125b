#!/usr/bin/env bash
# A web shop in shell asks for a shipping label. No package, no tool, bash alone:
#     ./publish.sh P-1002 Berlin Oslo 1.2
set -euo pipefail

address=${PULPO_URL:-beanstalkd://127.0.0.1:11300}
address=${address#beanstalkd://}
job=$(printf '{"type": "shipping.label", "body": {"parcel": "%s", "from": "%s", "to": "%s", "kilos": %s},
  "headers": {"publisher": "bash"}}' "$1" "$2" "$3" "$4")
bytes=$(printf %s "$job" | LC_ALL=C wc -c)

exec 3<>"/dev/tcp/${address%:*}/${address##*:}"
# put <priority> <delay> <seconds that one run may take> <bytes>
printf 'use shipping\r\nput 65536 0 60 %d\r\n%s\r\nquit\r\n' "$bytes" "$job" >&3
answer=$(tr -d '\r' <&3 | tail -n 1)
echo "$1: $answer"
[[ $answer == INSERTED* ]]
