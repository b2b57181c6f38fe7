"""The life of a KMS key, told with boto3: a client that no one here wrote.

What it is for: our double has to be a KMS to any AWS client, not just to the SDK that Keyward uses.
The endpoint, the Region and the credentials come from the environment, as boto3 reads them; $KEYWARD_ACCOUNT is the account that they should lead to.
Each step is printed once it has held; the first that does not ends the script with exit status 1.
"""

import datetime
import os
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ONCE = Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=30)


def expect(what, seen, documented):
    if seen != documented:
        sys.exit(f"{what} is {seen!r}; documented: {documented!r}")


def expect_refusal(code, call, **parameters):
    try:
        call(**parameters)
    except ClientError as error:
        expect("the error code", error.response["Error"]["Code"], code)
        expect("the HTTP status", error.response["ResponseMetadata"]["HTTPStatusCode"], 400)
        # The typed exceptions of boto3 come from the model, by this code.
        return
    sys.exit(f"a call was accepted; documented: {code}")


def step(told):
    print(f"held: {told}", flush=True)


def main():
    kms = boto3.client("kms", config=ONCE)
    sts = boto3.client("sts", config=ONCE)

    def state(name):
        return kms.describe_key(KeyId=name)["KeyMetadata"]["KeyState"]

    expect("Account", sts.get_caller_identity()["Account"], os.environ["KEYWARD_ACCOUNT"])
    step("STS says who calls")

    key = kms.create_key(
        Description="told by boto3", Tags=[{"TagKey": "owner", "TagValue": "story"}, {"TagKey": "stage", "TagValue": "test"}]
    )["KeyMetadata"]
    expect("KeyState", key["KeyState"], "Enabled")
    tags = {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=key["KeyId"])["Tags"]}
    expect("the tags", tags, {"owner": "story", "stage": "test"})
    step("a key is created with its tags")

    kms.create_alias(AliasName="alias/boto3/story", TargetKeyId=key["KeyId"])
    expect("the key by alias", kms.describe_key(KeyId="alias/boto3/story")["KeyMetadata"]["Arn"], key["Arn"])
    expect_refusal("AlreadyExistsException", kms.create_alias, AliasName="alias/boto3/story", TargetKeyId=key["KeyId"])
    names = [alias["AliasName"] for page in kms.get_paginator("list_aliases").paginate() for alias in page["Aliases"]]
    expect("the alias in the list", names.count("alias/boto3/story"), 1)
    step("an alias claims it")

    kms.enable_key_rotation(KeyId=key["KeyId"], RotationPeriodInDays=180)
    rotation = kms.get_key_rotation_status(KeyId=key["KeyId"])
    expect("rotation", (rotation["KeyRotationEnabled"], rotation["RotationPeriodInDays"]), (True, 180))
    step("it rotates every 180 days")

    sealed = kms.encrypt(KeyId="alias/boto3/story", Plaintext=b"a letter")["CiphertextBlob"]
    kms.disable_key(KeyId=key["KeyId"])
    expect("KeyState", state(key["KeyId"]), "Disabled")
    expect_refusal("DisabledException", kms.decrypt, CiphertextBlob=sealed, KeyId=key["KeyId"])
    kms.enable_key(KeyId=key["KeyId"])
    expect("KeyState", state(key["KeyId"]), "Enabled")
    step("it is disabled and enabled")

    scheduled = kms.schedule_key_deletion(KeyId=key["Arn"], PendingWindowInDays=7)
    expect("KeyState", scheduled["KeyState"], "PendingDeletion")
    ahead = scheduled["DeletionDate"] - datetime.datetime.now(datetime.timezone.utc)
    if not datetime.timedelta(days=6, hours=23) < ahead < datetime.timedelta(days=8):
        sys.exit(f"DeletionDate is {ahead} from now; documented: 7 days")
    expect("DeletionDate", kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["DeletionDate"], scheduled["DeletionDate"])
    expect_refusal("KMSInvalidStateException", kms.schedule_key_deletion, KeyId=key["Arn"], PendingWindowInDays=30)
    step("its deletion is scheduled, and not a second time")

    kms.cancel_key_deletion(KeyId=key["KeyId"])
    expect("KeyState", state(key["KeyId"]), "Disabled")
    kms.enable_key(KeyId=key["KeyId"])
    rotation = kms.get_key_rotation_status(KeyId=key["KeyId"])
    expect("rotation after all", (rotation["KeyRotationEnabled"], rotation["RotationPeriodInDays"]), (True, 180))
    step("it is rescued, disabled, and enabled again")

    opened = kms.decrypt(CiphertextBlob=sealed)
    expect("the plaintext", opened["Plaintext"], b"a letter")
    expect("the key that opened it", opened["KeyId"], key["Arn"])
    step("what it encrypted can be read")

    grant = {"KeyId": key["KeyId"], "GranteePrincipal": f"arn:aws:iam::{os.environ['KEYWARD_ACCOUNT']}:root", "Operations": ["Decrypt"]}
    made = kms.create_grant(**grant, Name="story")
    expect("the grant of the same request", kms.create_grant(**grant, Name="story")["GrantId"], made["GrantId"])
    expect_refusal("DryRunOperationException", kms.create_grant, **grant, DryRun=True)
    grants = [entry["GrantId"] for page in kms.get_paginator("list_grants").paginate(KeyId=key["KeyId"]) for entry in page["Grants"]]
    expect("the grants", grants, [made["GrantId"]])
    kms.retire_grant(GrantToken=made["GrantToken"])
    expect("the grants", kms.list_grants(KeyId=key["KeyId"])["Grants"], [])
    step("a grant is made once, listed and retired")

    data_key = kms.generate_data_key(KeyId=key["KeyId"], KeySpec="AES_256")
    expect("the data key", kms.decrypt(CiphertextBlob=data_key["CiphertextBlob"])["Plaintext"], data_key["Plaintext"])
    expect("the random bytes", len(kms.generate_random(NumberOfBytes=24)["Plaintext"]), 24)
    step("a data key is made and decrypted")

    hmac_key = kms.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["KeyId"]
    code = kms.generate_mac(KeyId=hmac_key, Message=b"a letter", MacAlgorithm="HMAC_SHA_256")["Mac"]
    verify = {"KeyId": hmac_key, "Mac": code, "MacAlgorithm": "HMAC_SHA_256"}
    expect("MacValid", kms.verify_mac(Message=b"a letter", **verify)["MacValid"], True)
    expect_refusal("KMSInvalidMacException", kms.verify_mac, Message=b"another", **verify)
    step("a code shows its message")

    arns = [entry["KeyArn"] for page in kms.get_paginator("list_keys").paginate() for entry in page["Keys"]]
    expect("the key in the list", arns.count(key["Arn"]), 1)
    try:
        kms.describe_key(KeyId="1234abcd-12ab-34cd-56ef-1234567890ab")
        sys.exit("an unknown key was described")
    except kms.exceptions.NotFoundException:
        step("boto3 knows the errors by their types")


main()
