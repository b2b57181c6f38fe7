# A CipherTrust Manager with AWS keys as the KMS of the demo. demo/run sources this file.
# shellcheck shell=bash disable=SC2034,SC2154 # used by stage.bash and run; CIPHERTRUST_* come from the double

readonly kms_name="a CipherTrust Manager, and for the AWS account behind it"
# Keyward's own user, so that the ledger can tell Keyward's calls from those of people.
readonly operator=keyward-demo operator_secret=not-a-secret

let_keyward_in() {
    demo/double caller "$operator" "$operator_secret"
    credentials=(
        --from-literal=username="$operator" --from-literal=password="$operator_secret" --from-file=ca.crt="$CIPHERTRUST_CA_FILE"
    )
}

# CipherTrust answers from its own database, so Keyward refreshes a copy that is too old before it changes a key.
provider_spec() {
    cat <<YAML
  type: CipherTrust
  cipherTrust:
    { url: "$CIPHERTRUST_ADDRESS", kms: "$CIPHERTRUST_KMS", region: $AWS_REGION, maxStalenessSeconds: 30,
      credentialsSecretRef: { name: kms }, caSecretRef: { name: kms } }
YAML
}

disable_as_a_person() {
    run demo/kms ciphertrust "cckm/aws/keys/$(kubectl get managedkey orders -o jsonpath='{.status.keyId}')/disable"
}
