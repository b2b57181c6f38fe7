//! What keeps a run in an account that is not ours to the keys that it made.
//!
//! It stands in the clients of the cases, so no case can forget it. Every key that is made gets the tag of the suite. A request that names a key
//! or an alias that was there before is not sent. The tag is left out of what cases see of tags, because it is none of theirs.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_sdk_kms::{
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{
            BeforeSerializationInterceptorContextMut, BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextMut,
            FinalizerInterceptorContextRef,
        },
    },
    error::BoxError,
    operation::{
        create_alias::CreateAliasInput, create_key::CreateKeyInput, list_resource_tags::ListResourceTagsOutput,
        replicate_key::ReplicateKeyInput,
    },
    types::Tag,
};

/// The tag of every key that the suite makes. Whoever finds a key with it may schedule its deletion.
pub(in crate::contract) const TAG: &str = "keyward-contract-suite";

/// What is known of the account, for all clients of a run.
#[derive(Clone, Debug, Default)]
pub(in crate::contract) struct Fence(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// Which run it is; the value of the tag.
    run: String,
    /// Ids of keys, and names of aliases, that were there before.
    theirs: Vec<String>,
    /// The alias that the request under way asks for.
    asked: Option<String>,
    /// Aliases that the present case made, with their Regions.
    aliases: Vec<(&'static str, String)>,
    /// How long to wait before each request.
    pace: Duration,
}

impl Fence {
    pub(super) fn new(run: String, pace: Duration) -> Self {
        Self(Arc::new(Mutex::new(Known { run, pace, ..Known::default() })))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on requests that name one of these are not sent.
    pub(super) fn keep_out(&self, theirs: impl IntoIterator<Item = String>) {
        self.known().theirs.extend(theirs);
    }

    /// The aliases that were made since the last time.
    pub(super) fn take_aliases(&self) -> Vec<(&'static str, String)> {
        std::mem::take(&mut self.known().aliases)
    }

    /// The fence of the clients of a Region.
    pub(in crate::contract) fn at(&self, region: &'static str) -> impl Intercept + 'static {
        Post { fence: self.clone(), region }
    }
}

#[derive(Debug)]
struct Post {
    fence: Fence,
    region: &'static str,
}

fn add(tags: &mut Option<Vec<Tag>>, run: &str) {
    tags.get_or_insert_default().push(Tag::builder().tag_key(TAG).tag_value(run).build().expect("a tag has a key and a value"));
}

impl Intercept for Post {
    fn name(&self) -> &'static str {
        "contract suite"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut known = self.fence.known();
        // The input is gone once it is written, and a case sends one request at a time.
        known.asked = context.input().downcast_ref::<CreateAliasInput>().and_then(|input| input.alias_name().map(str::to_owned));
        if let Some(input) = context.input_mut().downcast_mut::<CreateKeyInput>() {
            add(&mut input.tags, &known.run);
        } else if let Some(input) = context.input_mut().downcast_mut::<ReplicateKeyInput>() {
            add(&mut input.tags, &known.run);
        }
        Ok(())
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let known = self.fence.known();
        let body = context.request().body().bytes().ok_or("a request whose body cannot be read is not sent")?;
        let body = String::from_utf8_lossy(body);
        if let Some(theirs) = known.theirs.iter().find(|theirs| body.contains(theirs.as_str())) {
            return Err(format!("{theirs} was there before this run, so the request is not sent").into());
        }
        // The quota of an account is small, and others use it too.
        let pace = known.pace;
        drop(known);
        std::thread::sleep(pace);
        Ok(())
    }

    fn modify_before_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(Ok(output)) = context.output_or_error_mut()
            && let Some(listed) = output.downcast_mut::<ListResourceTagsOutput>()
            && let Some(tags) = &mut listed.tags
        {
            tags.retain(|tag| tag.tag_key() != TAG);
        }
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Only what was made here may be removed. An alias whose answer was lost is found by its key.
        let mut known = self.fence.known();
        if let (Some(name), Some(Ok(_))) = (known.asked.take(), context.output_or_error()) {
            known.aliases.push((self.region, name));
        }
        Ok(())
    }
}
