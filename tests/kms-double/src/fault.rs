//! Fault rules: the nth call of an operation fails in a given way.
//!
//! Rules see calls whose signature or token was verified. The first rule that applies decides. A rule counts only calls that match it.

use serde::{Deserialize, Serialize};

use crate::world::KeyRef;

/// A rule. Build one with [`Fault::on`] and the methods that follow it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// The operation. None means every operation.
    #[serde(default)]
    pub operation: Option<String>,
    /// Id, ARN or other reference of the key. None means every key, and calls without a key.
    #[serde(default)]
    pub key: Option<String>,
    /// Access key, user name or account of the caller. None means every caller.
    #[serde(default)]
    pub caller: Option<String>,
    /// How many matching calls pass first.
    #[serde(default)]
    pub skip: u64,
    /// How many matching calls it applies to then. None means all until it is cleared.
    #[serde(default)]
    pub times: Option<u64>,
    /// What happens.
    pub action: FaultAction,
}

/// What a fault does to a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum FaultAction {
    /// The answer is an error, and the call has no effect.
    Error {
        /// The error code, such as `ThrottlingException`. For Huawei Cloud, a code that begins with `APIG` is sent in the gateway's format,
        /// and any other code in the service's format.
        code: String,
        /// The HTTP status.
        status: u16,
        /// The message.
        #[serde(default)]
        message: String,
    },
    /// The call waits before it takes effect. If the client hangs up during the wait, the call has no effect.
    Delay {
        /// How long.
        millis: u64,
    },
    /// The call takes effect at once, but the reply comes late.
    LateReply {
        /// How late.
        millis: u64,
    },
    /// The call takes effect, but the connection is cut and there is no reply.
    LoseReply,
    /// The connection is cut and the call has no effect.
    Cut,
    /// The call has no effect and is never answered.
    Hang,
}

impl Fault {
    /// A fault of every call of `operation` (`*`: of any operation) until it is cleared.
    #[must_use]
    pub fn on(operation: &str, action: FaultAction) -> Self {
        let operation = (operation != "*").then(|| operation.to_owned());
        Self { operation, key: None, caller: None, skip: 0, times: None, action }
    }

    /// Applies only to the `n`th matching call, counted from 1.
    #[must_use]
    pub fn nth(mut self, n: u64) -> Self {
        self.skip = n.saturating_sub(1);
        self.times = Some(1);
        self
    }

    /// Applies to the next `n` matching calls.
    #[must_use]
    pub fn times(mut self, n: u64) -> Self {
        self.times = Some(n);
        self
    }

    /// Only for this key: id, ARN, or a reference that ends in the id after a slash or colon.
    #[must_use]
    pub fn for_key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// Only for this caller: access key or account.
    #[must_use]
    pub fn for_caller(mut self, caller: &str) -> Self {
        self.caller = Some(caller.to_owned());
        self
    }

    fn matches(&self, call: &FaultedCall<'_>) -> bool {
        let operation = self.operation.as_deref().is_none_or(|operation| operation == call.operation);
        let key = self.key.as_deref().is_none_or(|key| call.key.is_some_and(|at| at.is_named_by(key)));
        let caller = self.caller.as_deref().is_none_or(|caller| caller == call.access_key || caller == call.account);
        operation && key && caller
    }
}

impl FaultAction {
    /// The name in the ledger.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Error { .. } => "error",
            Self::Delay { .. } => "delay",
            Self::LateReply { .. } => "lateReply",
            Self::LoseReply => "loseReply",
            Self::Cut => "cut",
            Self::Hang => "hang",
        }
    }
}

/// A call, as rules see it.
#[derive(Debug)]
pub(crate) struct FaultedCall<'a> {
    pub(crate) operation: &'a str,
    pub(crate) key: Option<&'a KeyRef>,
    pub(crate) access_key: &'a str,
    pub(crate) account: &'a str,
}

/// The active rules.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Vec<(Fault, u64)>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.rules.push((fault, 0));
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(crate) fn rules(&self) -> Vec<Fault> {
        self.rules.iter().map(|(fault, _)| fault.clone()).collect()
    }

    /// Counts the call at each rule that it matches, up to the first rule that applies, and returns what that rule does.
    pub(crate) fn strike(&mut self, call: &FaultedCall<'_>) -> Option<FaultAction> {
        for (fault, seen) in self.rules.iter_mut().filter(|(fault, _)| fault.matches(call)) {
            *seen += 1;
            let past_skip = *seen > fault.skip;
            if past_skip && fault.times.is_none_or(|times| *seen - fault.skip <= times) {
                return Some(fault.action.clone());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(operation: &str) -> FaultedCall<'_> {
        FaultedCall { operation, key: None, access_key: "AK", account: "111122223333" }
    }

    #[test]
    fn strikes_the_nth_call_of_its_operation_only() {
        let mut faults = Faults::default();
        faults.add(Fault::on("CreateKey", FaultAction::Cut).nth(2));
        assert_eq!(faults.strike(&call("CreateKey")), None);
        assert_eq!(faults.strike(&call("DescribeKey")), None);
        assert_eq!(faults.strike(&call("CreateKey")), Some(FaultAction::Cut));
        assert_eq!(faults.strike(&call("CreateKey")), None);
    }

    #[test]
    fn strikes_until_cleared_when_no_number_is_given() {
        let mut faults = Faults::default();
        faults.add(Fault::on("*", FaultAction::Hang).for_caller("111122223333"));
        assert_eq!(faults.strike(&call("EnableKey")), Some(FaultAction::Hang));
        assert_eq!(faults.strike(&call("DisableKey")), Some(FaultAction::Hang));
        faults.clear();
        assert_eq!(faults.strike(&call("DisableKey")), None);
    }

    #[test]
    fn a_rule_for_one_key_leaves_others_alone() {
        let at = KeyRef { account: "111122223333".into(), region: "eu-west-1".into(), id: "k".into() };
        let mut faults = Faults::default();
        faults.add(Fault::on("*", FaultAction::Cut).for_key(&at.arn()));
        assert_eq!(faults.strike(&call("EnableKey")), None);
        assert_eq!(faults.strike(&FaultedCall { key: Some(&at), ..call("EnableKey") }), Some(FaultAction::Cut));
    }

    #[test]
    fn rules_are_read_from_json() {
        let text = r#"{"operation":"CreateKey","times":1,"action":{"type":"error","code":"KMSInternalException","status":500}}"#;
        let fault: Fault = serde_json::from_str(text).unwrap();
        let action = FaultAction::Error { code: "KMSInternalException".into(), status: 500, message: String::new() };
        assert_eq!(fault, Fault::on("CreateKey", action).times(1));
        assert!(serde_json::from_str::<Fault>(r#"{"operatoin":"CreateKey","action":{"type":"cut"}}"#).is_err());
    }
}
