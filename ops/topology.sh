#!/usr/bin/env bash
# Starts what compose.yaml describes without containers, on loopback: the emulated backends, Redis, two replicas, nginx and
# Prometheus. It asks through the load balancer while a replica and Redis are killed; every request must be answered.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
declare -A pid
finish() {
  status=$?
  kill "${pid[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  [ $status -eq 0 ] || tail -n 20 "$work"/*.log
  rm -rf "$work"
  exit $status
}
trap finish EXIT

start() { # start NAME COMMAND...
  "${@:2}" >"$work/$1.log" 2>&1 &
  pid[$1]=$!
}
await() { # await URL
  for _ in $(seq 300); do curl -sf -o /dev/null "$1" && return; sleep 0.1; done
  echo "$1 does not answer"
  return 1
}

CGO_ENABLED=0 go build -trimpath -o "$work/learngraph" .
go build -trimpath -o "$work/emulator" ./upstream/emulator/cmd/emulator

# Ports 18080 and up: the load balancer, the replicas and their operators' ports, the backends, Redis, Prometheus.
start emulator "$work/emulator" -listen 127.0.0.1:18090 -latency 20ms -linked
start redis redis-server --port 18091 --bind 127.0.0.1 --save '' --appendonly no --dir "$work"
until [ -s "$work/emulator.log" ]; do sleep 0.1; done
replica() { # replica NUMBER: in the background of start, whose process it becomes
  eval "$(cat "$work/emulator.log")"
  export LISTEN=127.0.0.1:1808$1 METRICS_LISTEN=127.0.0.1:1909$1 AUTH=none REPLICAS=2 REDIS_URL=redis://127.0.0.1:18091/0 \
    SHUTDOWN_DELAY=1s COASSEMBLE_RATE=0 THOUGHTINDUSTRIES_RATE=0 MATTR_RATE=0
  exec "$work/learngraph"
}
start replica1 replica 1
start replica2 replica 2
await http://127.0.0.1:19091/readyz
await http://127.0.0.1:19092/readyz

# The configuration of compose.yaml, with addresses of this machine.
sed -e 's/learngraph-\([12]\):8080/127.0.0.1:1808\1/; s/listen 8080/listen 127.0.0.1:18080/' ops/compose/balancer.conf >"$work/balancer.conf"
cat >"$work/nginx.conf" <<END
daemon off; pid $work/nginx.pid; error_log stderr warn;
events {}
http {
  access_log off;
  client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/fastcgi; uwsgi_temp_path $work/uwsgi; scgi_temp_path $work/scgi;
  include $work/balancer.conf;
}
END
start nginx nginx -c "$work/nginx.conf"
await http://127.0.0.1:18080/readyz
sed -e 's/learngraph-\([12]\):9090/127.0.0.1:1909\1/g' -e "s#/etc/prometheus/alerts.yml#$PWD/ops/alerts.yml#" -e 's/5s/1s/g' ops/compose/prometheus.yml >"$work/prometheus.yml"
start prometheus prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" --web.listen-address=127.0.0.1:18092
await http://127.0.0.1:18092/-/ready

query='{ clients(first: 2) { nodes { name users(first: 2) { nodes { name credentials { nodes { type } } } } } } }'
get() { curl -s -m 20 -G http://127.0.0.1:18080/graphql --data-urlencode "query=$query" -w '%{http_code}'; }
post() {
  curl -s -m 20 http://127.0.0.1:18080/graphql -H 'Content-Type: application/json' -d "{\"query\":\"$query\"}" -w '%{http_code}'
}
# ask asks by get or post until the file "enough" is there, and writes a line for each request.
ask() {
  local answer
  until [ -e "$work/enough" ]; do
    answer=$("$1") || true
    case $answer in
      *'"errors"'*) echo "$answer" >>"$work/failed" ;;
      '{"data":'*200) echo >>"$work/answered" ;;
      *) echo "$1: ${answer:-no answer}" >>"$work/failed" ;;
    esac
  done
}
touch "$work/failed" "$work/answered"
# A load balancer sends a GET again whose replica died meanwhile; a POST might be a mutation that was carried out.
for n in 1 2 3 4; do start "client$n" ask get; done
answered() { # answered MORE: waits for so many more answers
  local want=$(($(wc -l <"$work/answered") + $1))
  for _ in $(seq 600); do
    [ "$(wc -l <"$work/answered")" -ge "$want" ] && return
    sleep 0.1
  done
  echo "only $(wc -l <"$work/answered") of $want answers"
  return 1
}
answered 200
echo "killing a replica"
kill -9 "${pid[replica1]}"
wait "${pid[replica1]}" || true
! curl -sf -o /dev/null http://127.0.0.1:19091/readyz || { echo "it still answers"; exit 1; }
answered 200
echo "killing Redis"
kill -9 "${pid[redis]}"
wait "${pid[redis]}" || true
answered 200
start replica1 replica 1
await http://127.0.0.1:19091/readyz
# A replica that is told to stop drains: no POST is lost either.
for n in 5 6; do start "client$n" ask post; done
answered 100
echo "stopping the other replica"
kill "${pid[replica2]}"
answered 200
touch "$work/enough"
for n in 1 2 3 4 5 6; do wait "${pid[client$n]}"; done

scraped=$(curl -sf 'http://127.0.0.1:18092/api/v1/query?query=count(up%7Bjob=%22learngraph%22%7D)')
case $scraped in *'"2"'*) ;; *) echo "Prometheus knows other targets: $scraped"; exit 1 ;; esac
rules=$(curl -sf http://127.0.0.1:18092/api/v1/rules)
case $rules in *LearngraphDown*) ;; *) echo "Prometheus has no alert rules"; exit 1 ;; esac
if [ -s "$work/failed" ]; then
  echo "$(wc -l <"$work/failed") requests failed, first:"
  head -n 1 "$work/failed"
  exit 1
fi
echo "$(wc -l <"$work/answered") requests answered, 0 failed"
