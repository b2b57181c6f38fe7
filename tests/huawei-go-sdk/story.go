// The life of a KMS key of Huawei Cloud, told with Huawei's own client for Go.
//
// What it is for: our double has to be a KMS to a client that no one here wrote. This one signs less than the client for
// Python does (X-Sdk-Date, X-Project-Id and User-Agent, neither Host nor Content-Type), and its types are stricter.
// Where the double is, and who calls it, comes from the environment, as in tests/huawei-sdk/story.py. Each step is
// printed once it has held; the first that does not ends the program with exit status 1.
package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/basic"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/config"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/sdkerr"
	kms "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/kms/v2"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/kms/v2/model"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/kms/v2/region"
)

var home, other = os.Getenv("KEYWARD_REGION"), os.Getenv("KEYWARD_OTHER_REGION")

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(1)
}

func expect(what string, seen, documented any) {
	if !reflect.DeepEqual(seen, documented) {
		fail("%s is %#v; documented: %#v", what, seen, documented)
	}
}

func expectRefusal[T any](status int, code string, _ T, err error) {
	var refusal *sdkerr.ServiceResponseError
	if !errors.As(err, &refusal) {
		fail("a call ended with %v; documented: %s", err, code)
	}
	expect("the status of "+code, refusal.StatusCode, status)
	expect("the error code", refusal.ErrorCode, code)
	if refusal.RequestId == "" {
		fail("the refusal %s has no request id", code)
	}
}

// must is the answer of a call that has to succeed.
func must[T any](answer T, err error) T {
	if err != nil {
		fail("a call failed: %v", err)
	}
	return answer
}

func step(told string) { fmt.Println("held: " + told) }

func clientOf(project string) *kms.KmsClient {
	credentials := must(basic.NewCredentialsBuilder().WithAk(os.Getenv("HUAWEICLOUD_SDK_AK")).WithSk(os.Getenv("HUAWEICLOUD_SDK_SK")).
		WithProjectId(project).WithIamEndpointOverride(os.Getenv("HUAWEICLOUD_SDK_IAM_ENDPOINT")).SafeBuild())
	builder := kms.KmsClientBuilder().WithRegion(must(region.SafeValueOf(home))).WithCredential(credentials).
		WithHttpConfig(config.DefaultHttpConfig().WithUserAgent("keyward-story"))
	return kms.NewKmsClient(must(builder.SafeBuild()))
}

func body(key string) *model.OperateKeyRequestBody { return &model.OperateKeyRequestBody{KeyId: key} }

func main() {
	// Without a project the SDK asks IAM for it.
	c := clientOf("")
	details := func(key string) *model.KeyDetails {
		return must(c.ListKeyDetail(&model.ListKeyDetailRequest{Body: body(key)})).KeyInfo
	}
	create := func(asked model.CreateKeyRequestBody) string {
		return *must(c.CreateKey(&model.CreateKeyRequest{Body: &asked})).KeyInfo.KeyId
	}

	versions := *must(c.ShowVersions(&model.ShowVersionsRequest{})).Versions
	expect("v1.0 among the versions", slices.ContainsFunc(versions, func(v model.ApiVersionDetail) bool { return *v.Id == "v1.0" }), true)
	step("the versions are listed")

	words := "commandes été 密钥"
	key := create(model.CreateKeyRequestBody{KeyAlias: "story/orders", KeyDescription: &words})
	info := details(key)
	expect("realm, alias, description and state", []string{*info.Realm, *info.KeyAlias, *info.KeyDescription, *info.KeyState},
		[]string{home, "story/orders", words, "2"})
	expect("the key by alias", *details("alias/story/orders").KeyId, key)
	again, err := c.CreateKey(&model.CreateKeyRequest{Body: &model.CreateKeyRequestBody{KeyAlias: "story/orders"}})
	expectRefusal(400, "KMS.1104", again, err)
	step("a key is created, described, and its name taken")

	expect("disabled", *must(c.DisableKey(&model.DisableKeyRequest{Body: body(key)})).KeyInfo.KeyState, "3")
	disabled, err := c.DisableKey(&model.DisableKeyRequest{Body: body(key)})
	expectRefusal(400, "KMS.1301", disabled, err)
	expect("enabled", *must(c.EnableKey(&model.EnableKeyRequest{Body: body(key)})).KeyInfo.KeyState, "2")
	step("it is disabled and enabled")

	rotation := func() *model.ShowKeyRotationStatusResponse {
		return must(c.ShowKeyRotationStatus(&model.ShowKeyRotationStatusRequest{Body: body(key)}))
	}
	expect("rotation at first", *rotation().KeyRotationEnabled, false)
	must(c.EnableKeyRotation(&model.EnableKeyRotationRequest{Body: body(key)}))
	interval := &model.UpdateKeyRotationIntervalRequestBody{KeyId: key, RotationInterval: 90}
	must(c.UpdateKeyRotationInterval(&model.UpdateKeyRotationIntervalRequest{Body: interval}))
	expect("rotation", []any{*rotation().KeyRotationEnabled, *rotation().RotationInterval}, []any{true, int32(90)})
	expect("key_rotation_enabled", *details(key).KeyRotationEnabled, "true")
	must(c.DisableKeyRotation(&model.DisableKeyRotationRequest{Body: body(key)}))
	rotating, err := c.DisableKeyRotation(&model.DisableKeyRotationRequest{Body: body(key)})
	expectRefusal(400, "KMS.0313", rotating, err)
	step("its rotation is turned on, tuned and turned off")

	renamed := &model.UpdateKeyAliasRequestBody{KeyId: key, KeyAlias: "story:orders_2"}
	expect("the new name", *must(c.UpdateKeyAlias(&model.UpdateKeyAliasRequest{Body: renamed})).KeyInfo.KeyAlias, "story:orders_2")
	described := &model.UpdateKeyDescriptionRequestBody{KeyId: key, KeyDescription: "d"}
	expect("the new description", *must(c.UpdateKeyDescription(&model.UpdateKeyDescriptionRequest{Body: described})).KeyInfo.KeyDescription, "d")
	step("it gets another name and description")

	second := create(model.CreateKeyRequestBody{KeyAlias: "story/second"})
	must(c.CreateAlias(&model.CreateAliasRequest{Body: &model.CreateAliasRequestBody{KeyId: key, Alias: "alias/story/extra"}}))
	moved := &model.AssociateAliasRequestBody{Alias: "alias/story/extra", TargetKeyId: second}
	expect("the alias's new key", *must(c.AssociateAlias(&model.AssociateAliasRequest{Body: moved})).KeyId, second)
	var aliases []string
	for _, page := range *must(c.ListAliases(&model.ListAliasesRequest{KeyId: &second})).Body {
		for _, alias := range page.Aliases {
			aliases = append(aliases, alias.Alias)
		}
	}
	expect("the aliases", aliases, []string{"alias/story/extra"})
	gone := &model.DeleteAliasRequestBody{Aliases: []string{"alias/story/extra"}, KeyId: second}
	must(c.DeleteAlias(&model.DeleteAliasRequest{Body: gone}))
	step("an alias is added, moved, listed and removed")

	tag := func(key, value string) model.TagItem { return model.TagItem{Key: key, Value: &value} }
	centre := tag("cost centre/é+1", "a")
	must(c.CreateKmsTag(&model.CreateKmsTagRequest{KeyId: key, Body: &model.CreateKmsTagRequestBody{Tag: &centre}}))
	batch := &model.BatchCreateKmsTagsRequestBody{Action: "create", Tags: []model.TagItem{tag("owner", "story"), tag("env", "")}}
	must(c.BatchCreateKmsTags(&model.BatchCreateKmsTagsRequest{KeyId: key, Body: batch}))
	seen := map[string]string{}
	for _, tag := range *must(c.ShowKmsTags(&model.ShowKmsTagsRequest{KeyId: key})).Tags {
		seen[tag.Key] = *tag.Value
	}
	expect("the tags", seen, map[string]string{"cost centre/é+1": "a", "owner": "story", "env": ""})
	must(c.DeleteTag(&model.DeleteTagRequest{KeyId: key, Key: "env"}))
	untagged, err := c.DeleteTag(&model.DeleteTagRequest{KeyId: key, Key: "env"})
	expectRefusal(404, "KMS.0416", untagged, err)
	expect("the number of the project's tags", len(*must(c.ListKmsTags(&model.ListKmsTagsRequest{})).Tags), 2)
	filter, owner := "filter", "owner"
	search := &model.ListKmsByTagsRequestBody{Action: &filter, Tags: &[]model.Tag{{Key: &owner, Values: &[]string{"story"}}}}
	found := *must(c.ListKmsByTags(&model.ListKmsByTagsRequest{ResourceInstances: "resource_instances", Body: search})).Resources
	expect("the number of keys found", len(found), 1)
	expect("the key found, and its state", []string{*found[0].ResourceId, *found[0].ResourceDetail.KeyState}, []string{key, "2"})
	step("it is tagged and found by its tags")

	spec := model.GetCreateKeyRequestBodyKeySpecEnum().EC_P256
	signer := create(model.CreateKeyRequestBody{KeyAlias: "story/signer", KeySpec: &spec})
	all, limit := model.GetListKeysRequestBodyKeySpecEnum().ALL, "2"
	var listed []string
	for marker := (*string)(nil); ; {
		page := must(c.ListKeys(&model.ListKeysRequest{Body: &model.ListKeysRequestBody{KeySpec: &all, Limit: &limit, Marker: marker}}))
		listed = append(listed, *page.Keys...)
		if *page.Truncated == model.GetListKeysResponseTruncatedEnum().FALSE {
			break
		}
		marker = page.NextMarker
	}
	keys := []string{key, second, signer}
	slices.Sort(keys)
	slices.Sort(listed)
	expect("the keys", listed, keys)
	expect("instance_num", *must(c.ShowUserInstances(&model.ShowUserInstancesRequest{})).InstanceNum, int32(3))
	expect("the first quota", *(*must(c.ShowUserQuotas(&model.ShowUserQuotasRequest{})).Quotas.Resources)[0].Used, int32(3))
	step("the keys are listed page by page, and counted")

	name, account := "story/reader", model.GetCreateGrantRequestBodyGranteePrincipalTypeEnum().DOMAIN
	wanted := &model.CreateGrantRequestBody{
		KeyId: second, GranteePrincipal: "0d0466b00d0466b00d0466b00d0466b0", GranteePrincipalType: &account,
		Operations: []string{"decrypt-data", "describe-key"}, Name: &name,
	}
	grant := *must(c.CreateGrant(&model.CreateGrantRequest{Body: wanted})).GrantId
	granted := must(c.ListGrants(&model.ListGrantsRequest{Body: &model.ListGrantsRequestBody{KeyId: second}}))
	expect("truncated", *granted.Truncated, model.GetListGrantsResponseTruncatedEnum().FALSE)
	grants := *granted.Grants
	expect("the grants", []string{*grants[0].GrantId, *grants[0].Name, grants[0].GranteePrincipalType.Value()}, []string{grant, name, "domain"})
	cancel := &model.CancelGrantRequest{Body: &model.RevokeGrantRequestBody{KeyId: second, GrantId: grant}}
	must(c.CancelGrant(cancel))
	revoked, err := c.CancelGrant(cancel)
	expectRefusal(400, "KMS.2501", revoked, err)
	step("a grant is made, listed and revoked")

	regions := *must(c.ListSupportRegions(&model.ListSupportRegionsRequest{})).Regions
	expect("the other region among those supported", slices.Contains(regions, other), true)
	replica := &model.ReplicateKeyRequestBody{KeyId: key, ReplicaRegion: other, KeyAlias: "story/replica", ReplicaProjectId: os.Getenv("KEYWARD_OTHER_PROJECT")}
	expect("the replica's region", *must(c.ReplicateKey(&model.ReplicateKeyRequest{KeyId: key, Body: replica})).Region, other)
	primary := &model.UpdatePrimaryRegionRequestBody{KeyId: key, PrimaryRegion: other}
	must(c.UpdatePrimaryRegion(&model.UpdatePrimaryRegionRequest{KeyId: key, Body: primary}))
	step("it is replicated, and the replica made the primary")

	schedule := func(days string) (*model.DeleteKeyResponse, error) {
		return c.DeleteKey(&model.DeleteKeyRequest{Body: &model.ScheduleKeyDeletionRequestBody{KeyId: key, PendingDays: days}})
	}
	short, err := schedule("6")
	expectRefusal(400, "KMS.1401", short, err)
	expect("key_state", *must(schedule("7")).KeyState, "4")
	date := must(strconv.ParseInt(*details(key).ScheduledDeletionDate, 10, 64))
	if off := time.Until(time.UnixMilli(date)) - 7*24*time.Hour; off.Abs() > time.Hour {
		fail("scheduled_deletion_date is %v off; documented: in 7 days", off)
	}
	twice, err := schedule("30")
	expectRefusal(400, "KMS.1402", twice, err)
	expect("key_state", *must(c.CancelKeyDeletion(&model.CancelKeyDeletionRequest{Body: body(key)})).KeyState, "3")
	step("its deletion is scheduled, not a second time, and cancelled")

	stranger, err := clientOf("00000000000000000000000000000000").ListKeys(&model.ListKeysRequest{Body: &model.ListKeysRequestBody{}})
	expectRefusal(403, "KMS.0321", stranger, err)
	step("another project is refused")
}
