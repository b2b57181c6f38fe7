package main

import (
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

var account = os.Getenv("KEYWARD_ACCOUNT")

// The calls that Terraform's provider for AWS makes for its resources aws_kms_key, aws_kms_alias, aws_kms_grant, aws_kms_key_policy and
// aws_kms_replica_key. Those of aws_kms_key have the members and the order of its source, in internal/service/kms/key.go. Those of the other
// resources are the calls that their documented arguments need, and may differ from the source in members and order. The provider itself is
// not built here. It reads most things several times in a row, because AWS shows changes late; here each is read once.
func terraform(here, there *kms.Client) {
	key := terraformKey(here)
	terraformAlias(here, key)
	terraformGrant(here, key)
	terraformPolicy(here, key)
	terraformReplica(here, there)
	terraformDestroys(here, key)
}

// terraformReads is a refresh of a key: four requests. A key that is pending deletion counts as gone.
func terraformReads(c *kms.Client, key string) (*types.KeyMetadata, string, *kms.GetKeyRotationStatusOutput, []types.Tag) {
	metadata := must(c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &key})).KeyMetadata
	policy := must(c.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &key, PolicyName: aws.String("default")})).Policy
	rotation := must(c.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: &key}))
	var tags []types.Tag
	pages := kms.NewListResourceTagsPaginator(c, &kms.ListResourceTagsInput{KeyId: &key})
	for pages.HasMorePages() {
		tags = append(tags, must(pages.NextPage(ctx)).Tags...)
	}
	return metadata, *policy, rotation, tags
}

func terraformKey(c *kms.Client) string {
	made := must(c.CreateKey(ctx, &kms.CreateKeyInput{
		BypassPolicyLockoutSafetyCheck: false,
		Description:                    aws.String("order signing"),
		KeySpec:                        types.KeySpecSymmetricDefault,
		KeyUsage:                       types.KeyUsageTypeEncryptDecrypt,
		Tags:                           []types.Tag{{TagKey: aws.String("team"), TagValue: aws.String("shop")}},
	}))
	key := *made.KeyMetadata.KeyId
	must(c.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &key, RotationPeriodInDays: aws.Int32(180)}))
	metadata, policy, rotation, tags := terraformReads(c, key)
	expect("Description", *metadata.Description, "order signing")
	expect("the state", metadata.KeyState, types.KeyStateEnabled)
	expect("a policy", strings.Contains(policy, "kms:*"), true)
	expect("rotation", rotation.KeyRotationEnabled && *rotation.RotationPeriodInDays == 180, true)
	expect("the tags", len(tags) == 1 && *tags[0].TagKey == "team", true)

	// An update enables a key first, and disables it last.
	must(c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key}))
	must(c.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &key}))
	must(c.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &key, RotationPeriodInDays: aws.Int32(365)}))
	must(c.UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{KeyId: &key, Description: aws.String("orders")}))
	must(c.UntagResource(ctx, &kms.UntagResourceInput{KeyId: &key, TagKeys: []string{"team"}}))
	must(c.TagResource(ctx, &kms.TagResourceInput{KeyId: &key, Tags: []types.Tag{{TagKey: aws.String("stage"), TagValue: aws.String("test")}}}))
	metadata, _, rotation, tags = terraformReads(c, key)
	expect("Description", *metadata.Description, "orders")
	expect("the period", *rotation.RotationPeriodInDays, 365)
	expect("the tag", *tags[0].TagKey, "stage")
	step("Terraform creates, reads and updates aws_kms_key")
	return key
}

func terraformAlias(c *kms.Client, key string) {
	name := "alias/terraform"
	// It looks through the aliases of the whole Region.
	target := func() string {
		pages := kms.NewListAliasesPaginator(c, &kms.ListAliasesInput{})
		for pages.HasMorePages() {
			for _, alias := range must(pages.NextPage(ctx)).Aliases {
				if *alias.AliasName == name {
					return *alias.TargetKeyId
				}
			}
		}
		return ""
	}
	must(c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &name, TargetKeyId: &key}))
	expect("the key of the alias", target(), key)
	other := *must(c.CreateKey(ctx, &kms.CreateKeyInput{KeySpec: types.KeySpecSymmetricDefault, KeyUsage: types.KeyUsageTypeEncryptDecrypt})).KeyMetadata.KeyId
	must(c.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: &name, TargetKeyId: &other}))
	expect("the key of the alias", target(), other)
	must(c.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: &name}))
	expect("the key of the alias", target(), "")
	_, err := c.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: &name})
	refused("NotFoundException", err)
	step("Terraform creates, moves and deletes aws_kms_alias")
}

func terraformGrant(c *kms.Client, key string) {
	reader := "arn:aws:iam::" + account + ":role/reader"
	find := func(id string) *types.GrantListEntry {
		pages := kms.NewListGrantsPaginator(c, &kms.ListGrantsInput{KeyId: &key, Limit: aws.Int32(100)})
		for pages.HasMorePages() {
			for _, grant := range must(pages.NextPage(ctx)).Grants {
				if *grant.GrantId == id {
					return &grant
				}
			}
		}
		return nil
	}
	create := func(name string) string {
		made := must(c.CreateGrant(ctx, &kms.CreateGrantInput{
			GranteePrincipal: &reader,
			KeyId:            &key,
			Operations:       []types.GrantOperation{types.GrantOperationDecrypt, types.GrantOperationEncrypt},
			Name:             &name,
			Constraints:      &types.GrantConstraints{EncryptionContextSubset: map[string]string{"tenant": "shop"}},
		}))
		expect("a token", len(*made.GrantToken) > 0, true)
		return *made.GrantId
	}
	id := create("terraform")
	found := find(id)
	expect("the grantee", *found.GranteePrincipal, reader)
	expect("the constraint", found.Constraints.EncryptionContextSubset["tenant"], "shop")
	must(c.RevokeGrant(ctx, &kms.RevokeGrantInput{GrantId: &id, KeyId: &key}))
	expect("a grant that is gone", find(id) == nil, true)
	// With retire_on_delete it is retired. It names the key by its id, as it has it.
	id = create("retired")
	arn := *must(c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &key})).KeyMetadata.Arn
	must(c.RetireGrant(ctx, &kms.RetireGrantInput{GrantId: &id, KeyId: &arn}))
	expect("a grant that is gone", find(id) == nil, true)
	step("Terraform creates, revokes and retires aws_kms_grant")
}

func terraformPolicy(c *kms.Client, key string) {
	put := func(policy string) {
		must(c.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{
			BypassPolicyLockoutSafetyCheck: false, KeyId: &key, Policy: &policy, PolicyName: aws.String("default"),
		}))
	}
	root := `{"Version":"2012-10-17","Statement":[{"Sid":"%","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:root"},"Action":"kms:*","Resource":"*"}]}`
	named := strings.Replace(root, "%", "Terraform", 1)
	put(named)
	_, policy, _, _ := terraformReads(c, key)
	expect("the policy", strings.Contains(policy, "Terraform"), true)
	// Deleting the resource puts the default policy back.
	put(strings.Replace(root, "%", "Enable IAM User Permissions", 1))
	step("Terraform puts and resets aws_kms_key_policy")
}

func terraformReplica(here, there *kms.Client) {
	primary := must(here.CreateKey(ctx, &kms.CreateKeyInput{
		KeySpec: types.KeySpecSymmetricDefault, KeyUsage: types.KeyUsageTypeEncryptDecrypt, MultiRegion: aws.Bool(true),
	})).KeyMetadata
	arn := strings.Split(*primary.Arn, "/")
	// It is replicated where the primary is, and then read and changed where the replica is.
	made := must(here.ReplicateKey(ctx, &kms.ReplicateKeyInput{
		KeyId: aws.String(arn[len(arn)-1]), ReplicaRegion: aws.String(abroad), Description: aws.String("copy"),
		Tags: []types.Tag{{TagKey: aws.String("team"), TagValue: aws.String("shop")}},
	})).ReplicaKeyMetadata
	key := *made.KeyId
	metadata, _, _, tags := terraformReads(there, key)
	expect("the primary", *metadata.MultiRegionConfiguration.PrimaryKey.Arn, *primary.Arn)
	expect("the state", slices.Contains([]types.KeyState{types.KeyStateEnabled, types.KeyStateCreating}, metadata.KeyState), true)
	expect("the tags", len(tags), 1)
	await(there, &key)
	must(there.UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{KeyId: &key, Description: aws.String("replica")}))
	terraformDestroy(there, key)
	step("Terraform creates, updates and destroys aws_kms_replica_key")
}

// terraformDestroy schedules the deletion, and waits until the key counts as gone.
func terraformDestroy(c *kms.Client, key string) {
	must(c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &key, PendingWindowInDays: aws.Int32(7)}))
	expect("the state", must(c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &key})).KeyMetadata.KeyState, types.KeyStatePendingDeletion)
}

func terraformDestroys(c *kms.Client, key string) {
	terraformDestroy(c, key)
	// It takes this refusal for success.
	_, err := c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &key, PendingWindowInDays: aws.Int32(7)})
	refused("KMSInvalidStateException", err)
	expect("its text", strings.Contains(err.Error(), "is pending deletion"), true)
	step("Terraform destroys aws_kms_key, also twice")
}
