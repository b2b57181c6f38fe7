"""The life of a KMS key of Huawei Cloud, told with Huawei's own client: every call that our double serves, as the SDK makes it.

What it is for: our double has to be a KMS to a client that no one here wrote, who signs, writes and reads as it likes.
The endpoints, the credentials and the project come from the environment, as the SDK reads them. $KEYWARD_REGION is the
Region of the project, $KEYWARD_OTHER_REGION one where the account has a second project, $KEYWARD_USER, _PASSWORD and
_DOMAIN_NAME a user of the account. Each step is printed once it has held; the first that does not ends the script with
exit status 1.
"""

import json
import os
import sys
import time
import urllib.request

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkkms.v2 import *
from huaweicloudsdkkms.v2.region.kms_region import KmsRegion

REGION = os.environ["KEYWARD_REGION"]
OTHER_REGION = os.environ["KEYWARD_OTHER_REGION"]
DAY = 24 * 60 * 60 * 1000


def expect(what, seen, documented):
    if seen != documented:
        sys.exit(f"{what} is {seen!r}; documented: {documented!r}")


def expect_refusal(status, code, call, request):
    try:
        call(request)
    except ClientRequestException as error:
        expect("status and error code", (error.status_code, error.error_code), (status, code))
        if not error.request_id:
            sys.exit("the refusal has no request id")
        return
    sys.exit(f"a call was accepted; documented: {code}")


def step(told):
    print(f"held: {told}", flush=True)


def client_of(project):
    config = HttpConfig.get_default_config()
    config.retry_times = 0
    # By default it ends in an id that the SDK keeps in the user's home.
    config.user_agent = "keyward-story"
    credentials = BasicCredentials(os.environ["HUAWEICLOUD_SDK_AK"], os.environ["HUAWEICLOUD_SDK_SK"], project)
    builder = KmsClient.new_builder().with_http_config(config).with_credentials(credentials)
    return builder.with_region(KmsRegion.value_of(REGION)).build()


def main():
    # Without a project the SDK asks IAM for it.
    kms = client_of(None)
    body_of = OperateKeyRequestBody

    def details(name):
        return kms.list_key_detail(ListKeyDetailRequest(body=body_of(key_id=name))).key_info

    def create(**members):
        return kms.create_key(CreateKeyRequest(body=CreateKeyRequestBody(**members)))

    versions = [version.id for version in kms.show_versions(ShowVersionsRequest()).versions]
    expect("the versions", "v1.0" in versions, True)
    step("the versions are listed")

    created = create(key_alias="story/orders", key_description="commandes \u00e9t\u00e9 \u5bc6\u94a5").key_info
    key = created.key_id
    info = details(key)
    expect("the project's region", info.realm, REGION)
    expect("key_alias", info.key_alias, "story/orders")
    expect("key_description", info.key_description, "commandes \u00e9t\u00e9 \u5bc6\u94a5")
    expect("key_state", info.key_state, "2")
    expect("domain_id", info.domain_id, created.domain_id)
    expect("the key by alias", details("alias/story/orders").key_id, key)
    if abs(int(info.creation_date) - time.time() * 1000) > DAY / 24:
        sys.exit(f"creation_date is {info.creation_date}; documented: now")
    expect_refusal(400, "KMS.1104", lambda request: kms.create_key(request), CreateKeyRequest(body=CreateKeyRequestBody(key_alias="story/orders")))
    step("a key is created, described, and its name taken")

    expect("disabled", kms.disable_key(DisableKeyRequest(body=body_of(key_id=key))).key_info.key_state, "3")
    expect_refusal(400, "KMS.1301", kms.disable_key, DisableKeyRequest(body=body_of(key_id=key)))
    expect_refusal(400, "KMS.0209", kms.enable_key_rotation, EnableKeyRotationRequest(body=body_of(key_id=key)))
    expect("enabled", kms.enable_key(EnableKeyRequest(body=body_of(key_id=key))).key_info.key_state, "2")
    step("it is disabled and enabled")

    def rotation():
        return kms.show_key_rotation_status(ShowKeyRotationStatusRequest(body=body_of(key_id=key)))

    expect("rotation at first", rotation().key_rotation_enabled, False)
    kms.enable_key_rotation(EnableKeyRotationRequest(body=body_of(key_id=key)))
    expect_refusal(400, "KMS.2901", kms.enable_key_rotation, EnableKeyRotationRequest(body=body_of(key_id=key)))
    interval = UpdateKeyRotationIntervalRequestBody(key_id=key, rotation_interval=90)
    kms.update_key_rotation_interval(UpdateKeyRotationIntervalRequest(body=interval))
    rotated = kms.rotate_on_demand(RotateOnDemandRequest(body=RotateOnDemandRequestBody(key_id=key)))
    expect("the key that was rotated", rotated.key_id, key)
    status = rotation()
    expect("rotation", (status.key_rotation_enabled, status.rotation_interval, status.number_of_rotations), (True, 90, 1))
    expect("key_rotation_enabled", details(key).key_rotation_enabled, "true")
    kms.disable_key_rotation(DisableKeyRotationRequest(body=body_of(key_id=key)))
    expect_refusal(400, "KMS.0313", kms.disable_key_rotation, DisableKeyRotationRequest(body=body_of(key_id=key)))
    step("its rotation is turned on, tuned, used and turned off")

    renamed = kms.update_key_alias(UpdateKeyAliasRequest(body=UpdateKeyAliasRequestBody(key_id=key, key_alias="story:orders_2")))
    expect("the new name", renamed.key_info.key_alias, "story:orders_2")
    described = UpdateKeyDescriptionRequestBody(key_id=key, key_description="d")
    described = kms.update_key_description(UpdateKeyDescriptionRequest(body=described))
    expect("the new description", described.key_info.key_description, "d")
    step("it gets another name and description")

    second = create(key_alias="story/second").key_info.key_id
    alias = kms.create_alias(CreateAliasRequest(body=CreateAliasRequestBody(key_id=key, alias="alias/story/extra")))
    expect("the alias", (alias.key_id, alias.alias), (key, "alias/story/extra"))
    moved = kms.associate_alias(AssociateAliasRequest(body=AssociateAliasRequestBody(alias="alias/story/extra", target_key_id=second)))
    expect("the alias's new key", moved.key_id, second)
    # The SDK's type is a list of such answers, and it makes one of the object that it was sent.
    pages = kms.list_aliases(ListAliasesRequest(key_id=second, limit="50")).body
    expect("the aliases", [(entry.alias, entry.key_id) for page in pages for entry in page.aliases], [("alias/story/extra", second)])
    expect("the second key by alias", details("alias/story/extra").key_id, second)
    kms.delete_alias(DeleteAliasRequest(body=DeleteAliasRequestBody(aliases=["alias/story/extra"], key_id=second)))
    expect_refusal(404, "KMS.0207", lambda _: details("alias/story/extra"), None)
    step("an alias is added, moved, listed and removed")

    kms.create_kms_tag(CreateKmsTagRequest(key_id=key, body=CreateKmsTagRequestBody(tag=TagItem(key="cost centre/\u00e9+1", value="a"))))
    tags = [TagItem(key="owner", value="story"), TagItem(key="env", value="")]
    kms.batch_create_kms_tags(BatchCreateKmsTagsRequest(key_id=key, body=BatchCreateKmsTagsRequestBody(action="create", tags=tags)))
    seen = {tag.key: tag.value for tag in kms.show_kms_tags(ShowKmsTagsRequest(key_id=key)).tags}
    expect("the tags", seen, {"cost centre/\u00e9+1": "a", "owner": "story", "env": ""})
    kms.delete_tag(DeleteTagRequest(key_id=key, key="env"))
    expect_refusal(404, "KMS.0416", kms.delete_tag, DeleteTagRequest(key_id=key, key="env"))
    of_project = {tag.key: tag.values for tag in kms.list_kms_tags(ListKmsTagsRequest()).tags}
    expect("the project's tags", of_project, {"cost centre/\u00e9+1": ["a"], "owner": ["story"]})
    search = ListKmsByTagsRequestBody(
        action="filter", limit="10", offset="0", tags=[Tag(key="owner", values=["story"])],
        matches=[TagItem(key="resource_name", value="orders")],
    )
    found = kms.list_kms_by_tags(ListKmsByTagsRequest(resource_instances="resource_instances", body=search))
    expect("the keys found", [resource.resource_id for resource in found.resources], [key])
    # It is sent as a number; the SDK's type is a string, and so it makes one of it.
    expect("key_state in the details", found.resources[0].resource_detail.key_state, "2")
    step("it is tagged and found by its tags")

    signer = create(key_alias="story/signer", key_spec="EC_P256").key_info.key_id
    listed, marker = [], None
    while True:
        page = kms.list_keys(ListKeysRequest(body=ListKeysRequestBody(key_spec="ALL", limit="2", marker=marker)))
        listed += page.keys
        if page.truncated == "false":
            break
        marker = page.next_marker
    expect("the keys", sorted(listed), sorted([key, second, signer]))
    default = kms.list_keys(ListKeysRequest(body=ListKeysRequestBody()))
    expect("the keys of the default spec", sorted(default.keys), sorted([key, second]))
    expect("instance_num", kms.show_user_instances(ShowUserInstancesRequest()).instance_num, 3)
    quotas = {row.type: row.used for row in kms.show_user_quotas(ShowUserQuotasRequest()).quotas.resources}
    expect("the use of the quota", quotas["CMK"], 3)
    step("the keys are listed page by page, and counted")

    grants = []
    for name in ["story/reader", "story/writer"]:
        members = CreateGrantRequestBody(key_id=second, grantee_principal="0d0466b0" * 4, operations=["decrypt-data", "describe-key"], name=name)
        grants.append(kms.create_grant(CreateGrantRequest(body=members)).grant_id)
    page = kms.list_grants(ListGrantsRequest(body=ListGrantsRequestBody(key_id=second, limit="1")))
    expect("truncated and total", (page.truncated, page.total), ("true", 2))
    rest = kms.list_grants(ListGrantsRequest(body=ListGrantsRequestBody(key_id=second, limit="1", marker=page.next_marker)))
    found = {grant.grant_id: grant for grant in page.grants + rest.grants}
    expect("the grants", sorted(found), sorted(grants))
    reader = found[grants[0]]
    expect("the grant", (reader.name, reader.grantee_principal_type, reader.operations), ("story/reader", "user", ["decrypt-data", "describe-key"]))
    revoke = CancelGrantRequest(body=RevokeGrantRequestBody(key_id=second, grant_id=grants[0]))
    kms.cancel_grant(revoke)
    expect_refusal(400, "KMS.2501", kms.cancel_grant, revoke)
    step("grants are made, listed page by page, and revoked")

    regions = kms.list_support_regions(ListSupportRegionsRequest()).regions
    expect("the regions", sorted(regions), sorted([REGION, OTHER_REGION]))
    replica = ReplicateKeyRequestBody(key_id=key, replica_region=OTHER_REGION, key_alias="story/replica")
    replica = kms.replicate_key(ReplicateKeyRequest(key_id=key, body=replica))
    expect("the replica", (replica.key_id, replica.region), (key, OTHER_REGION))
    primary = UpdatePrimaryRegionRequestBody(key_id=key, primary_region=OTHER_REGION)
    kms.update_primary_region(UpdatePrimaryRegionRequest(key_id=key, body=primary))
    expect_refusal(400, "KMS.0106", kms.enable_key_rotation, EnableKeyRotationRequest(body=body_of(key_id=key)))
    step("it is replicated, and the replica made the primary")

    def schedule(days):
        return DeleteKeyRequest(body=ScheduleKeyDeletionRequestBody(key_id=key, pending_days=days))

    expect_refusal(400, "KMS.1401", kms.delete_key, schedule("6"))
    # The SDK passes a number on as it is.
    expect_refusal(400, "KMS.0202", kms.delete_key, schedule(7))
    expect("key_state", kms.delete_key(schedule("7")).key_state, "4")
    ahead = int(details(key).scheduled_deletion_date) - time.time() * 1000
    if abs(ahead - 7 * DAY) > DAY / 24:
        sys.exit(f"scheduled_deletion_date is {ahead} ms from now; documented: 7 days")
    expect_refusal(400, "KMS.1402", kms.delete_key, schedule("30"))
    cancelled = kms.cancel_key_deletion(CancelKeyDeletionRequest(body=body_of(key_id=key)))
    expect("key_state", cancelled.key_state, "3")
    step("its deletion is scheduled, not a second time, and cancelled")

    stranger = client_of("0" * 32)
    expect_refusal(403, "KMS.0321", stranger.list_keys, ListKeysRequest(body=ListKeysRequestBody()))
    step("another project is refused")

    iam = os.environ["HUAWEICLOUD_SDK_IAM_ENDPOINT"]
    user = {"domain": {"name": os.environ["KEYWARD_DOMAIN_NAME"]}, "name": os.environ["KEYWARD_USER"], "password": os.environ["KEYWARD_PASSWORD"]}
    login = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": {"project": {"name": REGION}}}}
    request = urllib.request.Request(f"{iam}/v3/auth/tokens?nocatalog=true", json.dumps(login).encode(), {"Content-Type": "application/json;charset=utf8"})
    with urllib.request.urlopen(request) as answer:
        token, project = answer.headers["X-Subject-Token"], json.load(answer)["token"]["project"]["id"]
    request = urllib.request.Request(f"{iam}/v1.0/{project}/kms/user-instances", headers={"X-Auth-Token": token})
    with urllib.request.urlopen(request) as answer:
        expect("instance_num by token", json.load(answer), {"instance_num": 3})
    step("a user's token serves as well")


main()
