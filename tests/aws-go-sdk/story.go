// The life of a KMS key, told with AWS's SDK for Go: a client that no one here wrote, and the one that ACK, Crossplane and Terraform use.
//
// What it is for: our double has to be a KMS to any AWS client. What applications do with a key is checked here with Go's own cryptography.
// The endpoint, the Region and the credentials come from the environment.
// Each step is printed once it has held; the first that does not ends the program with exit status 1.
package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
)

var (
	ctx  = context.Background()
	home = os.Getenv("AWS_REGION")
)

// The second Region, for a replica.
const abroad = "us-west-2"

func client(region string) *kms.Client {
	secret := credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), "")
	return kms.New(kms.Options{
		Region:       region,
		BaseEndpoint: aws.String(os.Getenv("AWS_ENDPOINT_URL")),
		Credentials:  secret,
		Retryer:      aws.NopRetryer{},
	})
}

func stop(format string, words ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", words...)
	os.Exit(1)
}

// must gives the answer of a call that has to be accepted.
func must[T any](answer T, err error) T {
	if err != nil {
		stop("a call was refused: %v", err)
	}
	return answer
}

func expect[T comparable](what string, seen, documented T) {
	if seen != documented {
		stop("%s is %v; documented: %v", what, seen, documented)
	}
}

func refused(code string, err error) {
	var answer smithy.APIError
	if !errors.As(err, &answer) {
		stop("a call was accepted; documented: %s", code)
	}
	expect("the error code", answer.ErrorCode(), code)
}

func step(told string) {
	fmt.Println("held: " + told)
}

func main() {
	here, there := client(home), client(abroad)
	lifecycle(here)
	grants(here)
	dataKeys(here)
	signatures(here)
	imports(here)
	replicas(here, there)
	terraform(here, there)
}

func create(here *kms.Client, request *kms.CreateKeyInput) *types.KeyMetadata {
	return must(here.CreateKey(ctx, request)).KeyMetadata
}

func describe(here *kms.Client, key *string) *types.KeyMetadata {
	return must(here.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: key})).KeyMetadata
}

func lifecycle(here *kms.Client) {
	key := create(here, &kms.CreateKeyInput{Tags: []types.Tag{{TagKey: aws.String("owner"), TagValue: aws.String("story")}}})
	must(here.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/go"), TargetKeyId: key.KeyId}))
	expect("the key by alias", *describe(here, aws.String("alias/go")).Arn, *key.Arn)
	must(here.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: key.KeyId, RotationPeriodInDays: aws.Int32(90)}))
	must(here.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: key.KeyId}))
	status := must(here.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: key.KeyId}))
	expect("RotationPeriodInDays", *status.RotationPeriodInDays, 90)
	policies := must(here.ListKeyPolicies(ctx, &kms.ListKeyPoliciesInput{KeyId: key.KeyId})).PolicyNames
	expect("the policies", fmt.Sprint(policies), "[default]")
	scheduled := must(here.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: key.Arn, PendingWindowInDays: aws.Int32(7)}))
	if ahead := time.Until(*scheduled.DeletionDate); ahead < 167*time.Hour || ahead > 192*time.Hour {
		stop("DeletionDate is %v from now; documented: 7 days", ahead)
	}
	_, err := here.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: key.Arn})
	var state *types.KMSInvalidStateException
	if !errors.As(err, &state) {
		stop("a second schedule gives %v; documented: KMSInvalidStateException", err)
	}
	must(here.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: key.KeyId}))
	expect("KeyState", describe(here, key.KeyId).KeyState, types.KeyStateDisabled)
	step("a key is created, rotated, scheduled and rescued")

	pages, found := kms.NewListKeysPaginator(here, &kms.ListKeysInput{Limit: aws.Int32(1)}), 0
	create(here, &kms.CreateKeyInput{})
	for pages.HasMorePages() {
		for _, listed := range must(pages.NextPage(ctx)).Keys {
			if *listed.KeyArn == *key.Arn {
				found++
			}
		}
	}
	expect("the key in the list", found, 1)
	step("keys are listed page by page")
}

func grants(here *kms.Client) {
	key := create(here, &kms.CreateKeyInput{})
	root := aws.String("arn:aws:iam::" + os.Getenv("KEYWARD_ACCOUNT") + ":root")
	request := kms.CreateGrantInput{
		KeyId: key.KeyId, GranteePrincipal: root, RetiringPrincipal: root, Name: aws.String("story"),
		Operations:  []types.GrantOperation{types.GrantOperationEncrypt, types.GrantOperationDecrypt},
		Constraints: &types.GrantConstraints{EncryptionContextSubset: map[string]string{"tenant": "a"}},
	}
	tried := request
	tried.DryRun = aws.Bool(true)
	_, err := here.CreateGrant(ctx, &tried)
	refused("DryRunOperationException", err)
	first, again := must(here.CreateGrant(ctx, &request)), must(here.CreateGrant(ctx, &request))
	expect("the grant of the same request", *again.GrantId, *first.GrantId)
	other := request
	other.Name = aws.String("other")
	second := must(here.CreateGrant(ctx, &other))
	listed := must(here.ListGrants(ctx, &kms.ListGrantsInput{KeyId: key.KeyId})).Grants
	expect("the number of grants", len(listed), 2)
	expect("the constraint", listed[0].Constraints.EncryptionContextSubset["tenant"], "a")
	must(here.RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: key.KeyId, GrantId: first.GrantId}))
	must(here.RetireGrant(ctx, &kms.RetireGrantInput{GrantToken: second.GrantToken}))
	left := must(here.ListRetirableGrants(ctx, &kms.ListRetirableGrantsInput{RetiringPrincipal: root})).Grants
	expect("the number of grants", len(left), 0)
	step("grants are made once, listed, revoked and retired")
}

func dataKeys(here *kms.Client) {
	key, other := create(here, &kms.CreateKeyInput{}), create(here, &kms.CreateKeyInput{})
	inTenant := map[string]string{"tenant": "a"}
	made := must(here.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId: key.KeyId, KeySpec: types.DataKeySpecAes256, EncryptionContext: inTenant,
	}))
	_, err := here.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: made.CiphertextBlob})
	refused("InvalidCiphertextException", err)
	again := must(here.ReEncrypt(ctx, &kms.ReEncryptInput{
		CiphertextBlob: made.CiphertextBlob, SourceEncryptionContext: inTenant, DestinationKeyId: other.KeyId,
	}))
	opened := must(here.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: again.CiphertextBlob, KeyId: other.KeyId}))
	expect("the data key", bytes.Equal(opened.Plaintext, made.Plaintext), true)
	random := must(here.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(16)}))
	expect("the number of random bytes", len(random.Plaintext), 16)
	used := must(here.GetKeyLastUsage(ctx, &kms.GetKeyLastUsageInput{KeyId: other.KeyId}))
	expect("the last use", string(used.KeyLastUsage.Operation), "Decrypt")
	step("data keys are made, encrypted again and decrypted")
}

func signatures(here *kms.Client) {
	key := create(here, &kms.CreateKeyInput{KeySpec: types.KeySpecEccNistP256, KeyUsage: types.KeyUsageTypeSignVerify})
	hash := sha256.Sum256([]byte("a message"))
	signed := must(here.Sign(ctx, &kms.SignInput{
		KeyId: key.KeyId, Message: hash[:], MessageType: types.MessageTypeDigest, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256,
	}))
	told := must(here.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: key.KeyId}))
	public, ok := must(x509.ParsePKIXPublicKey(told.PublicKey)).(*ecdsa.PublicKey)
	expect("the public key is one of an elliptic curve", ok, true)
	expect("Go's own verdict on the signature", ecdsa.VerifyASN1(public, hash[:], signed.Signature), true)
	_, err := here.Verify(ctx, &kms.VerifyInput{
		KeyId: key.KeyId, Message: []byte("another"), Signature: signed.Signature, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256,
	})
	refused("KMSInvalidSignatureException", err)
	mac := create(here, &kms.CreateKeyInput{KeySpec: types.KeySpecHmac256, KeyUsage: types.KeyUsageTypeGenerateVerifyMac})
	code := must(here.GenerateMac(ctx, &kms.GenerateMacInput{
		KeyId: mac.KeyId, Message: hash[:], MacAlgorithm: types.MacAlgorithmSpecHmacSha256,
	}))
	verified := must(here.VerifyMac(ctx, &kms.VerifyMacInput{
		KeyId: mac.KeyId, Message: hash[:], Mac: code.Mac, MacAlgorithm: types.MacAlgorithmSpecHmacSha256,
	}))
	expect("MacValid", verified.MacValid, true)
	step("signatures and codes can be verified, also without KMS")
}

func imports(here *kms.Client) {
	key := create(here, &kms.CreateKeyInput{Origin: types.OriginTypeExternal})
	expect("KeyState", key.KeyState, types.KeyStatePendingImport)
	parameters := must(here.GetParametersForImport(ctx, &kms.GetParametersForImportInput{
		KeyId: key.KeyId, WrappingAlgorithm: types.AlgorithmSpecRsaesOaepSha256, WrappingKeySpec: types.WrappingKeySpecRsa2048,
	}))
	public, ok := must(x509.ParsePKIXPublicKey(parameters.PublicKey)).(*rsa.PublicKey)
	expect("the wrapping key is one of RSA", ok, true)
	wrapped := must(rsa.EncryptOAEP(sha256.New(), rand.Reader, public, bytes.Repeat([]byte{7}, 32), nil))
	ends := time.Now().Add(24 * time.Hour)
	must(here.ImportKeyMaterial(ctx, &kms.ImportKeyMaterialInput{
		KeyId: key.KeyId, ImportToken: parameters.ImportToken, EncryptedKeyMaterial: wrapped, ValidTo: &ends,
	}))
	expect("KeyState", describe(here, key.KeyId).KeyState, types.KeyStateEnabled)
	must(here.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: key.KeyId}))
	expect("KeyState", describe(here, key.KeyId).KeyState, types.KeyStatePendingImport)
	step("key material is imported and deleted")
}

func replicas(here, there *kms.Client) {
	key := create(here, &kms.CreateKeyInput{MultiRegion: aws.Bool(true)})
	must(here.ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: key.KeyId, ReplicaRegion: aws.String(abroad)}))
	await(there, key.KeyId)
	_, err := here.ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: key.KeyId, ReplicaRegion: aws.String(abroad)})
	var exists *types.AlreadyExistsException
	if !errors.As(err, &exists) {
		stop("a second replica gives %v; documented: AlreadyExistsException", err)
	}
	must(here.UpdatePrimaryRegion(ctx, &kms.UpdatePrimaryRegionInput{KeyId: key.KeyId, PrimaryRegion: aws.String(abroad)}))
	await(there, key.KeyId)
	await(here, key.KeyId)
	expect("the primary", *describe(here, key.KeyId).MultiRegionConfiguration.PrimaryKey.Region, abroad)
	waiting := must(there.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: key.KeyId, PendingWindowInDays: aws.Int32(7)}))
	expect("KeyState", waiting.KeyState, types.KeyStatePendingReplicaDeletion)
	must(here.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: key.KeyId, PendingWindowInDays: aws.Int32(7)}))
	step("a key lives in two Regions, and its primary moves")
}

// await waits until a key is Enabled.
func await(region *kms.Client, key *string) {
	for deadline := time.Now().Add(time.Minute); describe(region, key).KeyState != types.KeyStateEnabled; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			stop("the key is %v after a minute; documented: a few seconds", describe(region, key).KeyState)
		}
	}
}
