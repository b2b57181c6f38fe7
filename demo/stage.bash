# The environment of the demo: a control plane, a KMS double, and the operator with the rights of its ServiceAccount.
# demo/run sources it after the file of the KMS. It sets KUBECONFIG, PATH and the variables of the vendors' clients. When the
# demo ends, everything that it started or wrote is removed.
# shellcheck shell=bash

readonly operator_namespace=keyward-system
# How many days the double's clock is behind at the start. It is more than a deletion window, so that the deletion date can pass
# for Keyward's clock too.
readonly days_behind=8

dir=           # holds logs, kubeconfigs and kubectl's cache
hold=          # an open pipe; the control plane and the double end when this shell, its last writer, is gone
declare -A pid # name → process id of everything that was started

is_running() { kill -0 "${pid[$1]}" 2>/dev/null; }

# Stops everything that was started, and removes the folder. Runs on every exit.
end_stage() {
    trap '' TERM INT HUP
    local name tries
    # The operator first, with SIGTERM, so that it releases its lease.
    for name in operator build; do
        [[ -z ${pid[$name]:-} ]] || kill -TERM "${pid[$name]}" 2>/dev/null || true
    done
    for name in operator build double control-plane; do
        [[ $name == operator || -z $hold ]] || { exec {hold}>&-; hold=; }
        [[ -n ${pid[$name]:-} ]] || continue
        for ((tries = 0; tries < 100; tries++)); do
            is_running "$name" || break
            sleep 0.1
        done
        kill -KILL "${pid[$name]}" 2>/dev/null || true
        wait "${pid[$name]}" 2>/dev/null || true
    done
    [[ -z $dir ]] || rm -rf "$dir"
}

# Starts process $1 with the command that follows. Its stdout goes to $dir/$1.out, its log to $dir/$1.log.
start() {
    local name=$1
    shift
    "$@" <"$dir/hold" {hold}>&- >"$dir/$name.out" 2>"$dir/$name.log" &
    pid[$name]=$!
}

# Waits until process $1 prints something. The first output means that it is ready.
await_output() {
    local name=$1 deadline=$((SECONDS + 150))
    until [[ -s $dir/$name.out ]]; do
        is_running "$name" || broken "$name has ended"
        ((SECONDS < deadline)) || broken "$name is not ready after 150 s"
        sleep 0.1
    done
}

# Ends the demo because the environment is broken. $1 says what is wrong.
broken() {
    echo "demo: $1. The ends of the logs:" >&2
    tail -n 15 "$dir"/*.log >&2 || true
    exit 1
}

# The path of the executable of binary $1. Cargo prints it, whatever its configuration is.
executable() {
    python3 -c '
import json, sys
made = [json.loads(line) for line in open(sys.argv[1]) if line.startswith("{")]
print(*{one["executable"] for one in made if one.get("executable") and one["target"]["name"] == sys.argv[2]})
' "$dir/build.json" "$1"
}

# Builds what is missing, the control plane beside the operator. The first time on a machine takes minutes, and both builds show
# their progress.
build() {
    local need
    for need in cargo python3 openssl; do
        command -v "$need" >/dev/null || { echo "demo: $need is not on PATH; install it" >&2; exit 1; }
    done
    echo "Finding or building kube-apiserver, etcd and kubectl, and beside them Keyward and the KMS double (minutes the first time) ..."
    tests/control-plane/build demo >/dev/null &
    pid[build]=$!
    cargo build --locked --bins --message-format=json-render-diagnostics >"$dir/build.json"
    keyward=$(executable keyward)
    double=$(executable kms-double)
    [[ -x $keyward && -x $double ]] || { echo "demo: cargo made no keyward or no kms-double" >&2; exit 1; }
    wait "${pid[build]}" || { echo "demo: there is no control plane; the cause is above" >&2; exit 1; }
    unset 'pid[build]'
}

start_servers() {
    echo "Starting them and the double ..."
    mkfifo "$dir/hold"
    exec {hold}<>"$dir/hold"
    start control-plane env -u KEEP tests/control-plane/run demo
    start double "$double" --exit-on-stdin-eof --clock-behind $((days_behind * 86400))

    await_output double
    # The output has `export` lines: its address, and an access key of a person in its account.
    # shellcheck disable=SC1091 # is written by the double
    source "$dir/double.out"
    unset AWS_SESSION_TOKEN AWS_PROFILE
    let_keyward_in
    echo "The double plays $kms_name. Its clock is $days_behind days behind, so that a week can pass: $(demo/double clock)"

    await_output control-plane
    local facts
    facts=$(python3 -c 'import json, sys; facts = json.load(sys.stdin); print(facts["kubeconfig"], facts["bin"], sep="\n")' <"$dir/control-plane.out")
    export KUBECONFIG=$dir/kubeconfig PATH="${facts#*$'\n'}:$PATH"
    # Do not read or write the user's own kubectl configuration and cache.
    export KUBERC=off KUBECACHEDIR=$dir/cache
    cp "${facts%%$'\n'*}" "$KUBECONFIG"
    kubectl config set-context --current --namespace shop >/dev/null
}

# Runs a command and hides its output. If the command fails, the demo ends and shows the output.
quietly() { "$@" >>"$dir/install.log" 2>&1 || broken "\`$1 ${2:-} ${3:-}\` did not succeed"; }

# Does what an administrator does once: CRDs, rights, a provider with credentials. Then starts the operator as its ServiceAccount.
install_keyward() {
    echo "Installing Keyward with the rights that \`keyward rbac\` prints, and no others ..."
    "$keyward" crds >"$dir/crds.yaml"
    "$keyward" rbac --namespace "$operator_namespace" >"$dir/rbac.yaml"
    quietly kubectl create namespace "$operator_namespace"
    quietly kubectl create namespace shop
    quietly kubectl apply --server-side -f "$dir/crds.yaml"
    quietly kubectl wait --for=condition=Established --timeout=60s -f "$dir/crds.yaml"
    quietly kubectl apply -f "$dir/rbac.yaml"
    quietly kubectl -n "$operator_namespace" create secret generic kms "${credentials[@]}"
    quietly kubectl apply -f - <<YAML
apiVersion: keyward.dev/v1alpha1
kind: KeyProvider
metadata: { name: default }
spec:
$(provider_spec)
  namespaces: { from: Names, names: [shop] }
  resyncSeconds: 30
YAML
    operator_kubeconfig
    start_operator
    quietly kubectl wait --for=condition=Ready --timeout=60s keyprovider/default
}

# A kubeconfig with the ServiceAccount's token instead of the administrator's certificate.
operator_kubeconfig() {
    local server token
    server=$(kubectl config view --minify -o jsonpath='{.clusters[0].cluster.server}')
    token=$(kubectl -n "$operator_namespace" create token keyward --duration=24h)
    kubectl config view --raw --minify -o jsonpath='{.clusters[0].cluster.certificate-authority-data}' |
        base64 -d >"$dir/ca.crt"
    (
        export KUBECONFIG=$dir/operator.kubeconfig
        kubectl config set-cluster demo --server "$server" --certificate-authority "$dir/ca.crt"
        kubectl config set-credentials keyward --token "$token"
        kubectl config set-context demo --cluster demo --user keyward
        kubectl config use-context demo
    ) >/dev/null
}

start_operator() {
    # The kernel ends it if this shell is killed and no trap runs. Only Linux can do this.
    local tied=()
    ! command -v setpriv >/dev/null || tied=(setpriv --pdeathsig TERM)
    # The environment is empty, so that the operator has no AWS credentials except those of the provider.
    # A key counts as gone after three answers in a row over 6 s; the default is 5 min.
    start operator "${tied[@]}" env -i PATH="$PATH" KUBECONFIG="$dir/operator.kubeconfig" AWS_EC2_METADATA_DISABLED=true \
        "$keyward" controller --cluster-id demo --namespace "$operator_namespace" --listen 127.0.0.1:0 \
        --consistency 1s --missing-after 6s --log-format text
}
