# AWS KMS as the KMS of the demo. demo/run sources this file.
# shellcheck shell=bash disable=SC2034,SC2154 # used by stage.bash and run; AWS_* come from the double

readonly kms_name="AWS KMS"
# Keyward's own access key, so that the ledger can tell Keyward's calls from those of people. Only the double knows it.
readonly operator=KEYWARDDEMO operator_secret=not-a-secret

let_keyward_in() {
    demo/double caller "$operator" "$operator_secret"
    credentials=(--from-literal=AWS_ACCESS_KEY_ID="$operator" --from-literal=AWS_SECRET_ACCESS_KEY="$operator_secret")
}

provider_spec() {
    cat <<YAML
  type: AWS
  aws: { region: $AWS_REGION, endpoint: "$AWS_ENDPOINT_URL", stsEndpoint: "$AWS_ENDPOINT_URL", credentialsSecretRef: { name: kms } }
YAML
}

disable_as_a_person() { run demo/kms aws DisableKey "{\"KeyId\": \"$key\"}"; }
