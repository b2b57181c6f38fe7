# Output and checks of the demo: shows a command and its output, shows the state in Kubernetes and at the KMS, and ends the demo
# if a check fails. demo/run sources it.
# shellcheck shell=bash disable=SC2154 # dir and pid are those of stage.bash

readonly patience=60 # seconds that each wait may take; one second is usual, but a machine may be busy with builds

title=      # of the current step
step=0      # its number
told=0      # the number of events that were shown
bold=
plain=
[[ ! -t 1 || -n ${NO_COLOR:-} ]] || { bold=$'\e[1m' plain=$'\e[0m'; }

# Begins a step: prints its title, then one or two sentences.
tell() {
    title=$1
    step=$((step + 1))
    printf '\n%s%d. %s%s\n' "$bold" "$step" "$title" "$plain"
    echo "${*:2}" | fold -s -w 100 | sed 's/^/   /; s/ *$//'
}

# Ends the demo because a check failed. Prints everything that helps to find the cause, and at the end the sentence $1.
fail() {
    {
        printf '\nThe objects:\n'
        kubectl describe managedkeys
        printf '\nThe KMS:\n'
        demo/double keys
        printf '\nThe end of the log of the operator:\n'
        tail -n 30 "$dir/operator.log"
        printf '\ndemo: step %d, "%s", failed: %s\n' "$step" "$title" "$1"
    } >&2 || true
    exit 1
}

# The arguments, quoted as for a shell.
quoted() {
    local word text=
    for word in "$@"; do
        [[ $word =~ ^[A-Za-z0-9_./:=@,+-]+$ ]] || word="'${word//\'/\'\\\'\'}'"
        text+=" $word"
    done
    echo "${text# }"
}

# Shows a command, runs it, and shows its output.
run() {
    local answer
    printf '   $ %s%s%s\n' "$bold" "$(quoted "$@")" "$plain"
    answer=$("$@" 2>&1) || { printf '%s\n' "$answer" >&2; fail "\`$1\` did not succeed"; }
    [[ -z $answer ]] || printf '%s\n' "$answer" | fold -s -w 100 | sed 's/^/   /'
}

beside() { sed "s/^/   $1 | /"; }

show_kms() { demo/double keys | beside 'KMS    '; }

# Shows the objects, and the keys at the KMS.
show() {
    echo
    kubectl get managedkeys 2>&1 | beside kubectl
    show_kms
}

# The events so far, oldest first: time, type, reason and note, between tabs.
events() {
    local item='{.eventTime}{"\t"}{.type}{"\t"}{.reason}{"\t"}{.note}{"\n"}'
    kubectl get events.events.k8s.io -o jsonpath="{range .items[*]}$item{end}" | sort
}

# Shows the new events. Shortens a canonical reference to the first part of the key's id; the table has the full id.
show_events() {
    local reference='(arn:aws:kms:[^:]+:[0-9]+:key/|kms:[^: ]+:[0-9a-f]+:KeyId:)([0-9a-f]{8})[0-9a-f-]+'
    local kind reason note
    while IFS=$'\t' read -r _ kind reason note; do
        told=$((told + 1))
        printf '%s %s: %s\n' "$kind" "$reason" "$note" | sed -E "s#$reference#...\2...#g" | fold -s -w 100 | sed '1!s/^/  /; s/^/   event   | /; s/ *$//'
    done < <(events | tail -n +$((told + 1)))
}

# Waits until the command after $1 succeeds. $1 says what it waits for.
await() {
    local what=$1 deadline=$((SECONDS + patience)) name
    shift
    until "$@"; do
        for name in "${!pid[@]}"; do
            is_running "$name" || fail "$name has ended"
        done
        ((SECONDS < deadline)) || fail "$what did not come within $patience s"
        sleep 0.2
    done
}

# Whether the status is about the current spec and has this keyState, Ready status and reason.
object_is() {
    local ready='{.status.conditions[?(@.type=="Ready")]' generation observed now
    now=$(kubectl get managedkey orders -o "jsonpath={.metadata.generation} {.status.observedGeneration} {.status.keyState} $ready.status} $ready.reason}") || return 1
    read -r generation observed now <<<"$now"
    [[ $generation == "$observed" && $now == "$*" ]]
}
await_object() { await "keyState $1, Ready=$2 with reason $3" object_is "$@"; }

# Whether there is an event with this reason that was not shown yet.
has_event() { events | tail -n +$((told + 1)) | cut -f 3 | grep -x "$1" >/dev/null; }
await_event() { await "the event $1" has_event "$1"; }

# Ends the demo unless the KMS has key $1 in this state, with this rotation period, this waiting period and
# this deletion date, and has no other key.
check_kms() {
    local found
    found=$(demo/double key "$1") || fail "the KMS does not answer"
    [[ $found == "${*:2}" ]] || fail "the KMS shows the key as \"$found\", but expected is \"${*:2}\" (state, rotation, window, date)"
}
