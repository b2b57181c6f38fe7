# Huawei Cloud KMS as the KMS of the demo. demo/run sources this file.
# shellcheck shell=bash disable=SC2034,SC2154 # used by stage.bash and run; HUAWEICLOUD_* come from the double

readonly kms_name="Huawei Cloud KMS"
# Keyward's own access key, so that the ledger can tell Keyward's calls from those of people. Only the double knows it.
readonly operator=KEYWARDDEMO operator_secret=not-a-secret

let_keyward_in() {
    demo/double caller "$operator" "$operator_secret"
    credentials=(--from-literal=accessKey="$operator" --from-literal=secretKey="$operator_secret")
}

provider_spec() {
    cat <<YAML
  type: Huawei
  huawei:
    { region: eu-west-101, projectId: "$HUAWEICLOUD_SDK_PROJECT_ID", endpoint: "$HUAWEICLOUD_SDK_IAM_ENDPOINT",
      iamEndpoint: "$HUAWEICLOUD_SDK_IAM_ENDPOINT", credentialsSecretRef: { name: kms } }
YAML
}

disable_as_a_person() { run demo/kms huawei disable-key "{\"key_id\": \"$key\"}"; }
