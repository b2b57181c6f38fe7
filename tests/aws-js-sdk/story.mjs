// The life of a KMS key, told with AWS's SDK for JavaScript: a client that no one here wrote.
//
// What it is for: our double has to be a KMS to any AWS client. Signatures are checked with Node's own cryptography.
// The endpoint, the Region and the credentials come from the environment, as the SDK reads them.
// Each step is printed once it has held; the first that does not ends the program with exit status 1.

import assert from "node:assert/strict";
import crypto from "node:crypto";
import * as sdk from "@aws-sdk/client-kms";

const settings = { maxAttempts: 1, endpoint: process.env.AWS_ENDPOINT_URL };
const here = new sdk.KMSClient({ ...settings, region: process.env.AWS_REGION });
const there = new sdk.KMSClient({ ...settings, region: "us-west-2" });
const account = process.env.KEYWARD_ACCOUNT;

const call = (operation, members, client = here) => client.send(new sdk[`${operation}Command`](members));
const refused = (kind, operation, members) => assert.rejects(() => call(operation, members), kind);
const step = (told) => console.log(`held: ${told}`);
const create = async (members = {}) => (await call("CreateKey", members)).KeyMetadata;
const describe = async (KeyId, client = here) => (await call("DescribeKey", { KeyId }, client)).KeyMetadata;

async function enabled(KeyId, client) {
  for (const deadline = Date.now() + 60_000; (await describe(KeyId, client)).KeyState !== "Enabled"; ) {
    assert.ok(Date.now() < deadline, "the key is not Enabled after a minute; documented: a few seconds");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const key = await create({ Tags: [{ TagKey: "owner", TagValue: "story" }] });
await call("CreateAlias", { AliasName: "alias/js", TargetKeyId: key.KeyId });
assert.equal((await describe("alias/js")).Arn, key.Arn);
const listed = [];
for await (const page of sdk.paginateListKeys({ client: here, pageSize: 1 }, {})) listed.push(...page.Keys);
assert.equal(listed.filter((entry) => entry.KeyArn === key.Arn).length, 1);
step("a key is created, named and listed");

const scheduled = await call("ScheduleKeyDeletion", { KeyId: key.Arn, PendingWindowInDays: 7 });
const days = (scheduled.DeletionDate - Date.now()) / 86_400_000;
assert.ok(days > 6.9 && days < 8, `DeletionDate is ${days} days from now; documented: 7`);
await refused(sdk.KMSInvalidStateException, "ScheduleKeyDeletion", { KeyId: key.Arn });
await call("CancelKeyDeletion", { KeyId: key.KeyId });
assert.equal((await describe(key.KeyId)).KeyState, "Disabled");
await refused(sdk.DisabledException, "Encrypt", { KeyId: key.KeyId, Plaintext: Buffer.from("x") });
await call("EnableKey", { KeyId: key.KeyId });
step("its deletion is scheduled and cancelled");

const GranteePrincipal = `arn:aws:iam::${account}:root`;
const grant = { KeyId: key.KeyId, GranteePrincipal, Operations: ["Decrypt"], Name: "story" };
await refused(sdk.DryRunOperationException, "CreateGrant", { ...grant, DryRun: true });
const first = await call("CreateGrant", grant);
assert.equal((await call("CreateGrant", grant)).GrantId, first.GrantId);
assert.equal((await call("ListGrants", { KeyId: key.KeyId })).Grants.length, 1);
await call("RevokeGrant", { KeyId: key.KeyId, GrantId: first.GrantId });
await refused(sdk.NotFoundException, "RevokeGrant", { KeyId: key.KeyId, GrantId: first.GrantId });
step("a grant is made once and revoked");

const dataKey = await call("GenerateDataKey", { KeyId: key.KeyId, NumberOfBytes: 64, EncryptionContext: { file: "1" } });
const opened = await call("Decrypt", { CiphertextBlob: dataKey.CiphertextBlob, EncryptionContext: { file: "1" } });
assert.deepEqual(opened.Plaintext, dataKey.Plaintext);
await refused(sdk.InvalidCiphertextException, "Decrypt", { CiphertextBlob: dataKey.CiphertextBlob });
step("a data key is made and decrypted");

const signer = await create({ KeySpec: "RSA_2048", KeyUsage: "SIGN_VERIFY" });
const Message = Buffer.from("a message");
const signed = await call("Sign", { KeyId: signer.KeyId, Message, SigningAlgorithm: "RSASSA_PKCS1_V1_5_SHA_256" });
const der = Buffer.from((await call("GetPublicKey", { KeyId: signer.KeyId })).PublicKey);
const publicKey = crypto.createPublicKey({ key: der, format: "der", type: "spki" });
assert.ok(crypto.verify("sha256", Message, publicKey, signed.Signature));
step("Node verifies a signature");

const external = await create({ Origin: "EXTERNAL" });
const parameters = await call("GetParametersForImport", {
  KeyId: external.KeyId,
  WrappingAlgorithm: "RSAES_OAEP_SHA_256",
  WrappingKeySpec: "RSA_2048",
});
const wrapping = crypto.createPublicKey({ key: Buffer.from(parameters.PublicKey), format: "der", type: "spki" });
await call("ImportKeyMaterial", {
  KeyId: external.KeyId,
  ImportToken: parameters.ImportToken,
  EncryptedKeyMaterial: crypto.publicEncrypt({ key: wrapping, oaepHash: "sha256" }, crypto.randomBytes(32)),
  ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE",
});
assert.equal((await describe(external.KeyId)).KeyState, "Enabled");
step("key material is imported");

const primary = await create({ MultiRegion: true });
await call("ReplicateKey", { KeyId: primary.KeyId, ReplicaRegion: "us-west-2" });
await enabled(primary.KeyId, there);
const sealed = await call("Encrypt", { KeyId: primary.KeyId, Plaintext: Message });
const elsewhere = await call("Decrypt", { CiphertextBlob: sealed.CiphertextBlob }, there);
assert.deepEqual(Buffer.from(elsewhere.Plaintext), Message);
const waiting = await call("ScheduleKeyDeletion", { KeyId: primary.KeyId, PendingWindowInDays: 7 });
assert.equal(waiting.KeyState, "PendingReplicaDeletion");
step("a replica decrypts what its primary encrypted");
